"""HDF5 read with care: nothing outside the file, nothing larger than the file can hold, no foreign code."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

MAGIC = b"\x89HDF\r\n\x1a\n"
FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"}
EXPANSION = 1000  # what is declared, over the size of the file: compressed meshes stay below 20
DEPTH = 16


@contextlib.contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, read-only; ValueError where it is not HDF5 or is damaged."""
    with open(path, "rb") as file:
        start = file.read(len(MAGIC))
    if start != MAGIC:
        raise ValueError(f"{path.name} is not an HDF5 file (it starts with {start!r})")
    try:
        file = h5py.File(path, "r", locking=False)
    except OSError as reason:
        raise ValueError(f"{path.name} is truncated or damaged: {reason}") from None
    with file:
        yield file


def dataset(file: h5py.File, name: str, rows: slice | tuple[()] = ()) -> np.ndarray:
    """The numbers of a dataset, or of some of its rows, read once it is known to lie inside the file and to fit into
    it; ValueError if not.
    """
    node = file
    for part in name.strip("/").split("/"):
        _refuse_link(node, part)
        node = node[part]
    return _numbers(file, node, rows)


def datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """All datasets of a file by name, nothing of them read; ValueError where anything refers outside the file."""
    found: dict[str, h5py.Dataset] = {}

    def walk(group: h5py.Group, prefix: str, depth: int) -> None:
        if depth > DEPTH:
            raise ValueError(f"groups are nested deeper than {DEPTH}")
        for key in group:
            _refuse_link(group, key)
            node = group[key]
            if isinstance(node, h5py.Group):
                walk(node, f"{prefix}{key}/", depth + 1)
            elif isinstance(node, h5py.Dataset):
                found[prefix + key] = node

    walk(file, "", 1)
    return found


def _refuse_link(group: h5py.Group, key: str) -> None:
    link = group.get(key, getlink=True) if isinstance(group, h5py.Group) else None
    if link is None:
        raise ValueError(f"has no dataset '{key}'" + (f" in '{group.name}'" if isinstance(group, h5py.Group) else ""))
    if isinstance(link, h5py.ExternalLink):
        raise ValueError(f"'{key}' is a link to another file ({link.filename}); refused")
    if not isinstance(link, h5py.HardLink):
        raise ValueError(f"'{key}' is a symbolic link; refused")


def _numbers(file: h5py.File, node: h5py.Dataset | h5py.Group, rows: slice | tuple[()]) -> np.ndarray:
    if not isinstance(node, h5py.Dataset):
        raise ValueError(f"'{node.name}' is a group, not a dataset")
    if node.external or node.is_virtual:
        raise ValueError(f"'{node.name}' keeps its numbers in another file; refused")
    if node.dtype.kind not in "iuf" or node.shape is None:
        raise ValueError(f"'{node.name}' holds no numbers ({node.dtype})")
    settings = node.id.get_create_plist()
    unknown = {settings.get_filter(i)[0] for i in range(settings.get_nfilters())} - FILTERS.keys()
    if unknown:
        raise ValueError(f"'{node.name}' is packed by an unknown filter ({', '.join(map(str, unknown))}); refused")
    size, held = math.prod(node.shape) * node.dtype.itemsize, file.id.get_filesize()
    if size > EXPANSION * held:
        raise ValueError(f"'{node.name}' declares {size / 1e9:.3g} GB in a file of {held / 1e3:.3g} kB; refused")
    try:
        return node[rows]
    except (OSError, RuntimeError) as reason:
        raise ValueError(f"'{node.name}' cannot be read: {reason}") from None
