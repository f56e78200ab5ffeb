"""TetGen: `.node` and `.ele`, with tagged triangles in `.face` where there is one."""

from pathlib import Path

import numpy as np

from heartwright.mesh.formats.contents import Contents
from heartwright.mesh.formats.text import numbers


def read(path: Path) -> Contents:
    """The mesh of which `path` is one file; corners are counted from 0 or 1 as the first node is."""
    _, nodes = _table(path.with_suffix(".node"), lambda head: 1 + head[1] + sum(head[2:4]))
    first = int(nodes[0, 0]) if len(nodes) else 0
    contents = Contents(nodes[:, 1:4])
    head, rows = _table(path.with_suffix(".ele"), lambda head: 1 + head[1] + sum(head[2:3]))
    tagged = len(head) > 2 and head[2] > 0
    data = {"tags": rows[:, 1 + head[1]].astype(np.int64)} if tagged else {}
    contents.add("tetra", rows[:, 1:5].astype(np.int64) - first, data)
    if path.with_suffix(".face").is_file():
        head, rows = _table(path.with_suffix(".face"), lambda head: 4 + sum(head[1:2]))
        data = {"tags": rows[:, 4].astype(np.int64)} if rows.shape[1] > 4 else {}
        contents.add("triangle", rows[:, 1:4].astype(np.int64) - first, data)
    return contents


def _table(path: Path, width_of) -> tuple[list[int], np.ndarray]:
    """The numbers in the first row of a file and the rows below it, as wide as `width_of` says; comments left out."""
    if not path.is_file():
        raise ValueError(f"needs {path.name} beside it, which is not there")
    text = path.read_text(encoding="ascii", errors="replace")
    lines = [line for line in (line.partition("#")[0].strip() for line in text.splitlines()) if line]
    head = numbers(lines[0], np.int64).tolist() if lines else []
    if len(head) < 1 or (path.suffix != ".face" and len(head) < 2):
        raise ValueError(f"{path.name} does not start with its sizes")
    values, width = numbers(" ".join(lines[1:]), float), width_of(head)
    if len(values) != head[0] * width:
        raise ValueError(f"{path.name} has {len(values)} numbers where {head[0]} x {width} are declared")
    return head, values.reshape(head[0], width)
