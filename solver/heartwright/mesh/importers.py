"""Mesh files: tagged tetrahedra and triangles from gmsh .msh (2.2 and 4.1), VTK and VTU, brought to mm."""

from pathlib import Path

import numpy as np

from heartwright.errors import InputError
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import MeshSpec

OUR_NAMES = ("lv_endo", "rv_endo", "la_endo", "ra_endo", "epi", "base")
MYOCARDIUM = "myocardium"  # the only region made of cells
UNIT = {"mm": 1.0, "cm": 10.0, "m": 1000.0}  # mm
# Cell data that hold tags, best first; gmsh writes both, and the geometrical one also where nothing was tagged.
TAG_FIELDS = ("gmsh:physical", "gmsh:geometrical", "tag", "tags", "region", "regions", "elemTag", "cell_tags")
CORNERS = {"tetra": 4, "tetra10": 4, "triangle": 3, "triangle6": 3}


def read(spec: MeshSpec) -> RawMesh:
    """The mesh of `spec.file` in mm with the surfaces of `spec.regions`; InputError where it cannot be read."""
    path = Path(spec.file)
    contents = _contents(path)
    labels = {int(tag): name for name, (tag, dim) in contents.field_data.items() if dim == 2}
    cells, parts = _simplices(contents, "tetra")
    facets, tags = _simplices(contents, "triangle")
    if not len(cells):
        kinds = ", ".join(sorted({block.type for block in contents.cells})) or "no cells"
        raise InputError(f"mesh.file: {path.name} has no tetrahedra (it has: {kinds}); a volume mesh is expected")
    cells = cells[_tissue(spec, parts, path.name)]
    points = np.asarray(contents.points, dtype=float) * UNIT[spec.unit]
    raw = RawMesh(points, cells, facets, tags, {}, path.name, labels)
    return raw.but(names=_names(spec, raw))


def _contents(path: Path):
    """What meshio reads; the format goes by the suffix, because meshio's guessing prints and exits when it fails."""
    import meshio

    readers = {".msh": meshio.gmsh.read, ".vtk": meshio.vtk.read, ".vtu": meshio.vtu.read}
    if path.suffix.lower() not in readers:
        raise InputError(f"mesh.file: {path.name}: cannot read '{path.suffix}' files; expected {', '.join(readers)}")
    if not path.is_file():
        raise InputError(f"mesh.file: there is no file {path}")
    try:
        return readers[path.suffix.lower()](str(path))
    except Exception as reason:
        text = str(reason) or type(reason).__name__
        raise InputError(f"mesh.file: {path.name} is damaged or not a {path.suffix} mesh: {text}") from None


def _simplices(contents, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """All cells of a kind, reduced to their corners (n, 3 or 4), and their tags (n,), 0 where the file has none."""
    field = next((name for name in TAG_FIELDS if name in contents.cell_data), None)
    cells, tags = [np.zeros((0, CORNERS[kind]), dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for i, block in enumerate(contents.cells):
        if block.type in CORNERS and CORNERS[block.type] == CORNERS[kind]:
            cells.append(np.asarray(block.data, dtype=np.int64)[:, : CORNERS[kind]])
            tags.append(_tags(contents.cell_data[field][i]) if field else np.zeros(len(block.data), dtype=np.int64))
    return np.vstack(cells), np.concatenate(tags)


def _tags(values: np.ndarray) -> np.ndarray:
    """Tags as signed integers: an unsigned 'no tag' of 2⁶⁴−1 becomes −1, a NaN 0."""
    values = np.asarray(values).ravel()
    return (np.nan_to_num(values) if values.dtype.kind == "f" else values).astype(np.int64)


def _tissue(spec: MeshSpec, parts: np.ndarray, source: str) -> np.ndarray:
    """Which cells are myocardium: those with its tags where `regions` gives any, else all."""
    if MYOCARDIUM not in spec.regions:
        return np.ones(len(parts), dtype=bool)
    tags = np.atleast_1d(spec.regions[MYOCARDIUM])
    chosen = np.isin(parts, tags)
    if not chosen.any():
        has = ", ".join(f"{tag}: {n}" for tag, n in zip(*np.unique(parts, return_counts=True), strict=True))
        wanted = ", ".join(map(str, tags))
        raise InputError(f"mesh.regions: {source} has no tetrahedra with tag {wanted} for '{MYOCARDIUM}'; it has {has}")
    return chosen


def _names(spec: MeshSpec, raw: RawMesh) -> dict[str, tuple[int, ...]]:
    """Our surface names and the tags each stands for, from `regions` or from the file's own names."""
    if spec.regions:
        surfaces = {name: tags for name, tags in spec.regions.items() if name != MYOCARDIUM}
        return {name: (tags,) if isinstance(tags, int) else tuple(tags) for name, tags in surfaces.items()}
    own = {name: (tag,) for tag, name in raw.labels.items() if name in OUR_NAMES}
    if not any(name.endswith("endo") for name in own):
        raise InputError(
            f"mesh.regions: missing, and {raw.source} names no cavity as we do ({', '.join(OUR_NAMES)}); "
            f"it has {raw.inventory()}; give e.g. regions: {{lv_endo: 13, epi: 12, base: 11}}"
        )
    return own
