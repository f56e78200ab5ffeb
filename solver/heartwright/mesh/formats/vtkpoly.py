"""VTK's legacy files of surfaces (.vtk with DATASET POLYDATA), as text or binary; meshio reads the other kinds."""

from pathlib import Path

import numpy as np

from heartwright.mesh.formats.contents import Contents
from heartwright.mesh.formats.text import numbers

TYPES = {"char": "i1", "unsigned_char": "u1", "short": "i2", "unsigned_short": "u2", "int": "i4", "unsigned_int": "u4"}
TYPES |= {"long": "i8", "unsigned_long": "u8", "vtkidtype": "i8", "vtktypeint64": "i8", "float": "f4", "double": "f8"}
WIDTH = {"VECTORS": 3, "NORMALS": 3, "TENSORS": 9}
CELLS = ("VERTICES", "LINES", "POLYGONS", "TRIANGLE_STRIPS")


def is_surface(path: Path) -> bool:
    """Whether the head of a legacy file says that it holds a surface."""
    with open(path, "rb") as file:
        return b"DATASET POLYDATA" in file.read(2000).upper()


class _Text:
    """The bytes of a file, read from the front."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0
        head = [self.line() for _ in range(3)]
        self.binary = head[2][:1] == ["BINARY"]

    def line(self) -> list[str]:
        """The words of the next line that has any; none at the end."""
        while self.at < len(self.data):
            words = self.raw_line().split()
            if words:
                return words
        return []

    def raw_line(self) -> str:
        end = self.data.find(b"\n", self.at)
        end = len(self.data) if end < 0 else end
        text, self.at = self.data[self.at : end].decode("ascii", "replace"), end + 1
        return text

    def numbers(self, n: int, kind: str) -> np.ndarray:
        """The next n numbers of a VTK type; ValueError where the file ends before."""
        if kind.lower() not in TYPES:
            raise ValueError(f"values of type '{kind}' cannot be read")
        dtype = np.dtype(">" + TYPES[kind.lower()])
        length = n * dtype.itemsize if self.binary else 2 * n - 1  # a text has a digit and a space for each
        if n < 0 or self.at + length > len(self.data):
            raise ValueError(f"ends early: {n} numbers are declared, {max(len(self.data) - self.at, 0)} bytes are left")
        if self.binary:
            values = np.frombuffer(self.data, dtype, n, self.at)
            self.at += length
            return values.astype(dtype.newbyteorder("="))
        words = self.data[self.at :].split(None, n)
        rest = words.pop() if len(words) > n else b""
        self.at = len(self.data) - len(rest)
        if len(words) != n:
            raise ValueError(f"ends early: {n} numbers are declared, {len(words)} are there")
        return numbers(b" ".join(words).decode("ascii", "replace"), dtype.newbyteorder("="))


def read(path: Path) -> Contents:
    """The triangles of a surface with their data and those of the points."""
    text = _Text(path.read_bytes())
    points, cells = None, {kind: np.zeros((0, 3), dtype=np.int64) for kind in CELLS}
    data: dict[str, dict[str, np.ndarray]] = {"POINT_DATA": {}, "CELL_DATA": {}}
    where, n = {}, 0
    while words := text.line():
        key = words[0].upper()
        if key == "POINTS":
            points = text.numbers(3 * int(words[1]), words[2]).reshape(-1, 3)
        elif key in CELLS:
            cells[key] = _cells(text, int(words[1]), int(words[2]), key)
        elif key in data:
            where, n = data[key], int(words[1])
        elif key == "METADATA":
            while text.at < len(text.data) and text.raw_line().strip():
                pass
        elif key != "DATASET":
            where |= _fields(text, key, words, n)
    if points is None:
        raise ValueError("has no points")
    if len(cells["TRIANGLE_STRIPS"]):
        raise ValueError("has strips of triangles: triangulate it first")
    contents = Contents(points, point_data=data["POINT_DATA"])
    before = len(cells["VERTICES"]) + len(cells["LINES"])
    contents.add("triangle", cells["POLYGONS"], {name: values[before:] for name, values in data["CELL_DATA"].items()})
    return contents


def _cells(text: _Text, n: int, size: int, kind: str) -> np.ndarray:
    """Corners (n, 3) of polygons, which must be triangles; of other kinds only how many there are."""
    place = text.at
    words = text.line()
    if words[:1] == ["OFFSETS"]:  # since VTK 5.1
        ends = text.numbers(n, words[1])
        corners, counts = text.numbers(size, text.line()[1]), np.diff(ends)
    else:
        text.at = place
        rows = text.numbers(size, "int")
        if kind != "POLYGONS":
            return np.zeros((n, 3), dtype=np.int64)
        corners = rows.reshape(n, -1)[:, 1:].ravel() if n and size == 4 * n else rows
        counts = rows[::4] if size == 4 * n else np.array([0])
    if kind != "POLYGONS":
        return np.zeros((max(n - 1, 0), 3), dtype=np.int64)
    if (counts != 3).any():
        raise ValueError("has polygons that are not triangles: triangulate it first")
    return corners.reshape(-1, 3).astype(np.int64)


def _fields(text: _Text, key: str, words: list[str], n: int) -> dict[str, np.ndarray]:
    """The arrays of one section about n points or cells."""
    if key == "SCALARS":
        width = int(words[3]) if len(words) > 3 else 1
        text.line()  # LOOKUP_TABLE
        return {words[1]: _rows(text.numbers(n * width, words[2]), width)}
    if key in WIDTH:
        return {words[1]: _rows(text.numbers(n * WIDTH[key], words[2]), WIDTH[key])}
    if key == "FIELD":
        found = {}
        for _ in range(int(words[2])):
            name, width, rows, kind = text.line()[:4]
            found[name] = _rows(text.numbers(int(width) * int(rows), kind), int(width))
        return found
    if key == "LOOKUP_TABLE":
        text.numbers(4 * int(words[2]), "unsigned_char" if text.binary else "float")
        return {}
    raise ValueError(f"a section '{words[0][:40]}' cannot be read")


def _rows(values: np.ndarray, width: int) -> np.ndarray:
    return values.reshape(-1, width) if width > 1 else values
