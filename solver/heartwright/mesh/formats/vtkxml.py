"""VTK's XML files: grids (.vtu) and surfaces of triangles (.vtp), as text, base64 or raw, packed or not."""

import base64
import lzma
import re
import xml.etree.ElementTree as ElementTree
import zlib
from pathlib import Path

import numpy as np

from heartwright.mesh.formats.contents import Contents
from heartwright.mesh.formats.text import numbers, xml

KINDS = {5: "triangle", 22: "triangle", 10: "tetra", 24: "tetra"}  # VTK's cell types; others are left out
TYPES = {f"{sign}Int{8 * n}": f"{code}{n}" for sign, code in (("", "i"), ("U", "u")) for n in (1, 2, 4, 8)}
TYPES |= {"Float32": "f4", "Float64": "f8"}
UNPACK = {"vtkZLibDataCompressor": zlib.decompressobj, "vtkLZMADataCompressor": lzma.LZMADecompressor}


class Numbers:
    """The DataArrays of one file, decoded as its header says; ValueError where they are damaged."""

    def __init__(self, text: bytes):
        start = re.search(rb"<AppendedData[^>]*>\s*_", text)
        end = text.rfind(b"</AppendedData>")
        self.appended = text[start.end() : end if end > 0 else None] if start else b""
        self.raw = bool(start) and b'"raw"' in start[0]
        self.root = xml(text[: start.end() - 1] + b"</AppendedData></VTKFile>" if start else text)
        if start and end < 0:
            raise ValueError("ends early: its appended data are not closed")
        self.order = ">" if self.root.get("byte_order") == "BigEndian" else "<"
        self.header = np.dtype(self.order + TYPES[self.root.get("header_type", "UInt32")])
        self.compressor = self.root.get("compressor")
        if self.compressor and self.compressor not in UNPACK:
            raise ValueError(f"is packed by {self.compressor}; expected {' or '.join(UNPACK)}")

    def read(self, item: ElementTree.Element, rows: int | None = None) -> np.ndarray:
        """The values of a DataArray, (rows,) or (rows, components)."""
        name, kind = item.get("Name", "?"), TYPES.get(item.get("type", ""))
        if kind is None:
            raise ValueError(f"'{name}' holds no numbers ({item.get('type')})")
        dtype, form = np.dtype(self.order + kind), item.get("format", "ascii")
        if form == "ascii":
            values = numbers(item.text or "", dtype.newbyteorder("="))
        elif form == "appended":
            values = self._decoded(self.appended, int(item.get("offset", "0")), self.raw, dtype, name)
        else:
            values = self._decoded("".join((item.text or "").split()).encode(), 0, False, dtype, name)
        width = int(item.get("NumberOfComponents") or 1)
        if rows is not None and len(values) != rows * width:
            raise ValueError(f"'{name}' has {len(values)} numbers where {rows} x {width} are declared")
        return values.reshape(-1, width) if width > 1 else values

    def _decoded(self, data: bytes, start: int, raw: bool, dtype: np.dtype, name: str) -> np.ndarray:
        """Numbers behind a header, both base64 unless raw: one size, or the sizes of blocks that are packed."""
        if not 0 <= start <= len(data):
            raise ValueError(f"'{name}' starts beyond the end of the file")

        def piece(at: int, n: int) -> tuple[bytes, int]:
            """n bytes from position `at` of `data`, and the position after them."""
            length = n if raw else -(-n // 3) * 4
            if at + length > len(data):
                raise ValueError(f"'{name}' ends early: {n} bytes are declared, {len(data) - at} are left")
            found = data[at : at + length]
            return (found if raw else base64.b64decode(found, validate=True))[:n], at + length

        def sizes(n: int) -> list[int]:
            return np.frombuffer(piece(start, n * self.header.itemsize)[0], self.header).tolist()

        if not self.compressor:
            head, size = self.header.itemsize, sizes(1)[0]
            if raw:
                return np.frombuffer(piece(start + head, size)[0], dtype)
            return np.frombuffer(piece(start, head + size)[0][head:], dtype)  # header and data in one run of base64
        blocks = sizes(1)[0]
        if not blocks:
            return np.zeros(0, dtype)
        _, full, last, *packed = sizes(3 + blocks)
        data_at = piece(start, (3 + blocks) * self.header.itemsize)[1]
        everything = memoryview(piece(data_at, sum(packed))[0])
        unpacked, at = [], 0
        for i, size in enumerate(packed):
            wanted = last if last and i == blocks - 1 else full
            unpacked.append(_unpacked(self.compressor, everything[at : at + size], wanted, name))
            at += size
        return np.frombuffer(b"".join(unpacked), dtype)


def _unpacked(compressor: str, packed: memoryview, size: int, name: str) -> bytes:
    """One block, never more than the size it declares, which the method itself cannot exceed by far."""
    if size > 1100 * len(packed) + 1024 and compressor == "vtkZLibDataCompressor":
        raise ValueError(f"'{name}' declares {size} bytes packed into {len(packed)}; refused")
    try:
        block = UNPACK[compressor]().decompress(bytes(packed), size)
    except (zlib.error, lzma.LZMAError) as reason:
        raise ValueError(f"'{name}' is damaged: {reason}") from None
    if len(block) != size:
        raise ValueError(f"'{name}' is damaged: a block of {size} bytes has {len(block)}")
    return block


def read(path: Path) -> Contents:
    """The one piece of a .vtu or .vtp file."""
    file = Numbers(path.read_bytes())
    pieces = list(file.root.iter("Piece"))
    if len(pieces) != 1:
        raise ValueError(f"has {len(pieces)} pieces; expected one")
    n = int(pieces[0].get("NumberOfPoints", "0"))
    item = pieces[0].find("Points/DataArray")
    if item is None:
        raise ValueError("has no points")
    contents = Contents(file.read(item, n))
    contents.point_data = _fields(file, pieces[0].find("PointData"), n)
    fill = {"UnstructuredGrid": _grid, "PolyData": _surface}.get(file.root.get("type"))
    if fill is None:
        raise ValueError(f"is a {file.root.get('type')}; expected an UnstructuredGrid or PolyData")
    fill(file, pieces[0], contents)
    return contents


def _fields(file: Numbers, block: ElementTree.Element | None, rows: int) -> dict[str, np.ndarray]:
    items = () if block is None else block.findall("DataArray")
    return {item.get("Name", "?"): file.read(item, rows) for item in items if item.get("type") in TYPES}


def _lists(file: Numbers, block: ElementTree.Element, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners of all cells in a row, where each cell's begin, and how many it has."""
    items = {item.get("Name"): item for item in block.findall("DataArray")}
    ends = file.read(items["offsets"], n).astype(np.int64)
    corners = file.read(items["connectivity"])
    counts = np.diff(ends, prepend=0)
    if (counts < 0).any() or (n and ends[-1] != len(corners)):
        raise ValueError(f"the corners of its cells end at {len(corners)}, not as declared")
    return corners, ends - counts, counts


def _grid(file: Numbers, piece: ElementTree.Element, contents: Contents) -> None:
    n, cells = int(piece.get("NumberOfCells", "0")), piece.find("Cells")
    if cells is None:
        raise ValueError("has no cells")
    corners, first, counts = _lists(file, cells, n)
    types = next((file.read(item, n) for item in cells.findall("DataArray") if item.get("Name") == "types"), None)
    if types is None:
        raise ValueError("does not say the types of its cells")
    data = _fields(file, piece.find("CellData"), n)
    for code in np.unique(types).tolist():
        which = np.flatnonzero(types == code)
        if code in KINDS and (counts[which] == counts[which[0]]).all():
            rows = corners[first[which][:, None] + np.arange(counts[which[0]])]
            contents.add(KINDS[code], rows, {name: values[which] for name, values in data.items()})
        else:
            contents.others.add(f"VTK type {code}")


def _surface(file: Numbers, piece: ElementTree.Element, contents: Contents) -> None:
    size = {name: int(piece.get(f"NumberOf{name}", "0")) for name in ("Verts", "Lines", "Polys", "Strips")}
    n, before = size["Polys"], size["Verts"] + size["Lines"]
    data = _fields(file, piece.find("CellData"), sum(size.values()))
    corners, _, counts = _lists(file, piece.find("Polys"), n)
    if (counts != 3).any() or size["Strips"]:
        raise ValueError("has polygons that are not triangles: triangulate it first")
    contents.add(
        "triangle", corners.reshape(-1, 3), {name: values[before : before + n] for name, values in data.items()}
    )
