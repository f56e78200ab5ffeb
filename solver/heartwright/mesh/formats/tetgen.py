"""TetGen: `.node` and `.ele`, with tagged triangles in `.face` or `.sur` where there is one, and surfaces as `.smesh`.

`.sur` is no file of TetGen's own; programs beside it write surfaces so, in rows like those of `.face`.
"""

from pathlib import Path

import numpy as np

from heartwright.mesh.formats.contents import Contents
from heartwright.mesh.formats.text import numbers

TRIANGLES = (".face", ".sur")


def read(path: Path) -> Contents:
    """The mesh of which `path` is one file; corners are counted from 0 or 1 as the first node is.

    Of triangles alone, given by their own file, there need not be tetrahedra.
    """
    if path.suffix.lower() == ".smesh":
        return _surface(path)
    nodes = _nodes(path)
    first = int(nodes[0, 0]) if len(nodes) else 0
    contents = Contents(nodes[:, 1:4])
    if path.with_suffix(".ele").is_file() or path.suffix.lower() not in TRIANGLES:
        head, rows = _table(path.with_suffix(".ele"), lambda head: 1 + head[1] + sum(head[2:3]))
        tagged = len(head) > 2 and head[2] > 0
        data = {"tags": rows[:, 1 + head[1]].astype(np.int64)} if tagged else {}
        contents.add("tetra", rows[:, 1:5].astype(np.int64) - first, data)
    for triangles in map(path.with_suffix, TRIANGLES):
        if triangles.is_file():
            _, rows = _table(triangles, lambda head: 4 + sum(head[1:2]))
            data = {"tags": rows[:, 4].astype(np.int64)} if rows.shape[1] > 4 else {}
            contents.add("triangle", rows[:, 1:4].astype(np.int64) - first, data)
    return contents


def _surface(path: Path) -> Contents:
    """Points, which may lie in a `.node` beside it, and triangles with their markers; holes and regions are left."""
    lines = _lines(path)
    own = lines[: 1 + _declared(lines, path)]
    nodes = _rows(own, _node_width, path)[1] if len(own) > 1 else _nodes(path)
    facets = lines[len(own) :]
    facets = facets[: 1 + _declared(facets, path)]
    rows = _rows(facets, lambda head: 4 + sum(head[1:2]), path)[1]
    if (rows[:, 0] != 3).any():
        raise ValueError(f"{path.name} has facets that are not triangles: triangulate it first")
    contents = Contents(nodes[:, 1:4])
    first = int(nodes[0, 0]) if len(nodes) else 0
    data = {"tags": rows[:, 4].astype(np.int64)} if rows.shape[1] > 4 else {}
    contents.add("triangle", rows[:, 1:4].astype(np.int64) - first, data)
    return contents


def _nodes(path: Path) -> np.ndarray:
    return _table(path.with_suffix(".node"), _node_width)[1]


def _node_width(head: list[int]) -> int:
    return 1 + head[1] + sum(head[2:4])


def _declared(lines: list[str], path: Path) -> int:
    """How many rows the first line says that follow it."""
    if not lines:
        raise ValueError(f"{path.name} ends early")
    return max(int(numbers(lines[0], np.int64)[0]), 0)


def _table(path: Path, width_of) -> tuple[list[int], np.ndarray]:
    """The numbers in the first row of a file and the rows below it, as wide as `width_of` says."""
    if not path.is_file():
        raise ValueError(f"needs {path.name} beside it, which is not there")
    return _rows(_lines(path), width_of, path)


def _lines(path: Path) -> list[str]:
    """The lines of a file, comments and empty ones left out."""
    text = path.read_text(encoding="ascii", errors="replace")
    return [line for line in (line.partition("#")[0].strip() for line in text.splitlines()) if line]


def _rows(lines: list[str], width_of, path: Path) -> tuple[list[int], np.ndarray]:
    head = numbers(lines[0], np.int64).tolist() if lines else []
    if len(head) < 1 or (path.suffix in (".node", ".ele") and len(head) < 2):
        raise ValueError(f"{path.name} does not start with its sizes")
    values, width = numbers(" ".join(lines[1:]), float), width_of(head)
    if len(values) != head[0] * width:
        raise ValueError(f"{path.name} has {len(values)} numbers where {head[0]} x {width} are declared")
    return head, values.reshape(head[0], width)
