"""XDMF as DOLFIN, DOLFINx, meshio and their users write it: numbers in the XML itself or in HDF5 beside it."""

import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from heartwright.mesh.formats import hdf5
from heartwright.mesh.formats.contents import Contents
from heartwright.mesh.formats.text import numbers, xml

KINDS = {"triangle": "triangle", "triangle_6": "triangle", "tri_6": "triangle"}
KINDS |= {"tetrahedron": "tetra", "tetrahedron_10": "tetra", "tet_10": "tetra"}
# Mixed topologies: XDMF's number of each kind -> (our kind or None, nodes); 1 and 2 are followed by their node count.
MIXED = {1: (None, 2), 2: (None, 3), 4: ("triangle", 3), 5: (None, 4), 6: ("tetra", 4), 7: (None, 5), 8: (None, 6)}
MIXED |= {9: (None, 8), 34: (None, 4), 36: ("triangle", 6), 37: (None, 8), 38: ("tetra", 10)}


def read(path: Path) -> Contents:
    """All grids of an XDMF file, which must be about the same points; of a series in time the first one."""
    root = xml(path.read_bytes())
    geometries = [item for item in root.iter("Geometry") if item.find("DataItem") is not None]
    if not geometries:
        raise ValueError("has no Geometry")
    contents = Contents(_array(geometries[0].find("DataItem"), path))
    for grid in _grids(root):
        own = grid.find("Geometry")
        alone = Contents(contents.points if own is None or own.find("DataItem") is None else _points(own, path))
        _fill(alone, grid, path)
        contents.join(alone)
        contents.others |= alone.others
    return contents


def _grids(root: ElementTree.Element) -> list[ElementTree.Element]:
    """Grids that hold elements, once each name in a temporal collection."""
    later = {
        id(grid)
        for series in root.iter("Grid")
        if series.get("CollectionType") == "Temporal"
        for grid in series.findall("Grid")[1:]
    }
    return [grid for grid in root.iter("Grid") if grid.find("Topology") is not None and id(grid) not in later]


def _points(geometry: ElementTree.Element, path: Path) -> np.ndarray:
    return _array(geometry.find("DataItem"), path)


def _fill(contents: Contents, grid: ElementTree.Element, path: Path) -> None:
    """Read elements and attributes of one grid into `contents`."""
    topology = grid.find("Topology")
    name = (topology.get("TopologyType") or topology.get("Type") or "").lower()
    item = topology.find("DataItem")
    if item is None:
        raise ValueError(f"the grid '{grid.get('Name')}' has no elements of its own")
    rows = _array(item, path)
    parts = _unmixed(rows.ravel()) if name == "mixed" else [(KINDS.get(name), np.arange(len(rows)), rows)]
    attributes = {"Cell": {}, "Node": {}}
    for attribute in grid.findall("Attribute"):
        values = _array(attribute.find("DataItem"), path)
        attributes.setdefault(attribute.get("Center", "Node"), {})[attribute.get("Name", "f")] = _flat(values)
    for kind, which, corners in parts:
        if kind is None:
            contents.others.add(name)
        else:
            contents.add(kind, corners, {key: values[which] for key, values in attributes["Cell"].items()})
    contents.point_data |= attributes["Node"]


def _flat(values: np.ndarray) -> np.ndarray:
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _unmixed(stream: np.ndarray) -> list[tuple[str | None, np.ndarray, np.ndarray]]:
    """Runs of one kind in a mixed topology: (kind, numbers of the elements, corners)."""
    runs, start, number = [], 0, 0
    while start < len(stream):
        if stream[start] not in MIXED:
            raise ValueError(f"unknown element type {stream[start]} in a mixed topology")
        kind, n = MIXED[int(stream[start])]
        rows = stream[start : start + (len(stream) - start) // (n + 1) * (n + 1)].reshape(-1, n + 1)
        count = int(np.argmax(np.append(rows[:, 0] != stream[start], True)))
        if not count:
            raise ValueError("the mixed topology ends early")
        runs.append((kind, np.arange(number, number + count), rows[:count, 1:]))
        start, number = start + count * (n + 1), number + count
    return runs


def _array(item: ElementTree.Element | None, path: Path) -> np.ndarray:
    """The numbers of a DataItem in their declared shape; ValueError where they are not all there."""
    if item is None:
        raise ValueError("an element has no DataItem")
    shape = tuple(int(n) for n in item.get("Dimensions", "").split())
    text = (item.text or "").strip()
    form = item.get("Format", "XML")
    if form == "HDF":
        values = _beside(path, text)
    elif form == "XML":
        kind = (item.get("NumberType") or item.get("DataType") or "Float").lower()
        values = numbers(text, float if kind == "float" else np.int64)
    else:
        raise ValueError(f"numbers in the format '{form}' cannot be read; expected XML or HDF")
    if any(n < 0 for n in shape) or values.size != math.prod(shape):
        raise ValueError(f"{values.size} numbers where {' x '.join(map(str, shape))} are declared")
    return values.reshape(shape)


def _beside(path: Path, reference: str) -> np.ndarray:
    """A dataset `file.h5:/name` of a file in the same folder."""
    match = re.fullmatch(r"([^:/\\]+):(/.+)", reference)
    if match is None or match[1] in (".", ".."):
        raise ValueError(f"'{reference}' is not a dataset of a file in the same folder")
    target = path.parent / match[1]
    if not target.is_file():
        raise ValueError(f"needs {match[1]} beside it, which is not there")
    with hdf5.opened(target) as file:
        try:
            return hdf5.dataset(file, match[2])
        except ValueError as reason:
            raise ValueError(f"{match[1]}: {reason}") from None
