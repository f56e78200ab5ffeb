"""CARP and openCARP: `.pts`, `.elem`, `.lon` (fibres) and any number of `.surf` beside them, in text, usually in um."""

import glob
import re
from pathlib import Path

import numpy as np

from heartwright.files import storing
from heartwright.mesh.formats.contents import Contents
from heartwright.mesh.formats.text import numbers
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import UNIT

KINDS = {"Tt": ("tetra", 4), "Tr": ("triangle", 3)}


def read(path: Path) -> Contents:
    """The mesh of which `path` is one file. Surfaces are tagged 1, 2, … in the order of their names, which label them.

    A `.surf` file with tags in a fourth column keeps those. Fibres are the fields `f0` and `s0` of the tetrahedra.
    """
    stem = path.name.split(".")[0] if path.suffix == ".surf" else path.stem
    points = path.with_name(f"{stem}.pts")
    contents = Contents(_table(points, 3))
    fibres = path.with_name(f"{stem}.lon")
    for kind, which, rows in _elements(path.with_name(f"{stem}.elem")):
        data = {"tags": rows[:, -1]}
        if kind == "tetra" and fibres.is_file():
            lon = _directions(fibres)
            if len(lon) <= which.max(initial=-1):
                raise ValueError(f"{fibres.name} has {len(lon)} rows for {which.max() + 1} elements")
            data |= {name: lon[which, i] for i, name in enumerate(("f0", "s0")[: lon.shape[1]])}
        contents.add(kind, rows, data)
    for number, file in enumerate(sorted(path.parent.glob(f"{glob.escape(stem)}*.surf")), 1):
        rows = next(rows for kind, _, rows in _elements(file) if kind == "triangle")
        if (rows[:, -1] == 0).all():
            rows[:, -1] = number
            contents.labels[number] = file.stem.removeprefix(stem).strip("._-") or stem
        contents.add("triangle", rows, {"tags": rows[:, -1]})
    return contents


def _lines(path: Path) -> tuple[int, str]:
    """The number a file starts with, and the text after it."""
    if not path.is_file():
        raise ValueError(f"needs {path.name} beside it, which is not there")
    head, _, rest = path.read_text(encoding="ascii", errors="replace").lstrip().partition("\n")
    if not head.split() or not head.split()[0].isdigit():
        raise ValueError(f"{path.name} does not start with a number of rows")
    return int(head.split()[0]), rest


def _table(path: Path, width: int) -> np.ndarray:
    n, text = _lines(path)
    values = numbers(text, float)
    if len(values) != n * width:
        raise ValueError(f"{path.name} has {len(values)} numbers where {n} x {width} are declared")
    return values.reshape(n, width)


def _directions(path: Path) -> np.ndarray:
    """Fibre and, where given, sheet direction of every element (m, 1 or 2, 3). The file says how many, not how long."""
    axes, text = _lines(path)
    values = numbers(text, float)
    if axes not in (1, 2) or len(values) % (3 * axes):
        raise ValueError(f"{path.name} has {len(values)} numbers, no multiple of {3 * axes}")
    return values.reshape(-1, axes, 3)


def _elements(path: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Kind, numbers of the elements, corners with the tag (0 where there is none) in the last column."""
    n, text = _lines(path)
    kinds = np.array(re.findall(r"^\s*([A-Z][a-z])\b", text, re.MULTILINE))
    if len(kinds) != n:
        raise ValueError(f"{path.name} has {len(kinds)} elements where {n} are declared")
    found = []
    for code, (kind, corners) in KINDS.items():
        which = np.flatnonzero(kinds == code)
        values = numbers(" ".join(re.findall(rf"^\s*{code}\b(.*)$", text, re.MULTILINE)), np.int64)
        if len(which) and len(values) not in (len(which) * corners, len(which) * (corners + 1)):
            raise ValueError(f"{path.name}: rows of {code} with {corners} corners and a tag are expected")
        rows = values.reshape(len(which), -1) if len(which) else np.zeros((0, corners), np.int64)
        found.append((kind, which, rows if rows.shape[1] > corners else np.column_stack([rows, 0 * which])))
    return found


def write(path: Path, raw: RawMesh) -> None:
    """Write `.pts` (um), `.elem`, one `.surf` per surface and, where the mesh has `f0`, `.lon`, all named as `path`."""
    with storing(path):
        _save(path.with_suffix(".pts"), len(raw.points), raw.points / UNIT["um"], "%.10g")
        tags = raw.region if raw.regions else np.ones(len(raw.cells), dtype=int)
        _save(path.with_suffix(".elem"), len(raw.cells), np.column_stack([raw.cells, tags]), "Tt %d %d %d %d %d")
        for name in raw.names:
            triangles = raw.surface(name)
            _save(path.with_suffix(f".{name}.surf"), len(triangles), triangles, "Tr %d %d %d")
        axes = [raw.cell_fields[name] for name in ("f0", "s0") if name in raw.cell_fields]
        if axes:
            _save(path.with_suffix(".lon"), len(axes), np.hstack(axes), "%.9g")


def _save(path: Path, head: int, rows: np.ndarray, form: str) -> None:
    np.savetxt(path, rows, fmt=form, header=str(head), comments="")
