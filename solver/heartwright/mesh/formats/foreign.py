"""Formats that meshio reads, kept from taking more memory than their file can account for."""

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from heartwright.files import storing
from heartwright.mesh.formats.contents import Contents
from heartwright.mesh.raw import RawMesh

KINDS = {"tetra": "tetra", "tetra10": "tetra", "triangle": "triangle", "triangle6": "triangle"}
# By suffix, because meshio's guessing prints and exits where it fails.
FORMATS = {
    **{".msh": "gmsh", ".vtk": "vtk", ".inp": "abaqus", ".stl": "stl", ".ply": "ply", ".off": "off", ".obj": "obj"},
    **{".mesh": "medit", ".meshb": "medit", ".bdf": "nastran", ".nas": "nastran", ".fem": "nastran"},
    **{".avs": "avsucd", ".su2": "su2", ".ugrid": "ugrid", ".vol": "netgen", ".xml": "dolfin"},
}
EXPANSION = 100  # memory for one byte of the file: text takes 10 to 50


def read(path: Path) -> Contents:
    """What meshio finds in a file: points, simplices and their data, named groups as tags."""
    import meshio

    if path.suffix.lower() == ".inp" and b"*include" in path.read_bytes().lower():
        raise ValueError("includes another file; refused: put everything into one")
    with bounded(EXPANSION * path.stat().st_size), np.errstate(over="ignore"):  # as it looks for STL's binary kind
        mesh = getattr(meshio, FORMATS[path.suffix.lower()]).read(str(path))
    contents = Contents(mesh.points)
    contents.point_data = dict(mesh.point_data)
    for name, (tag, dim) in mesh.field_data.items():
        {2: contents.labels, 3: contents.regions}.get(int(dim), {})[int(tag)] = name
    for i, block in enumerate(mesh.cells):
        if block.type not in KINDS:
            contents.others.add(block.type)
            continue
        kind, data = KINDS[block.type], {name: np.asarray(values[i]) for name, values in mesh.cell_data.items()}
        labels = contents.regions if kind == "tetra" else contents.labels
        contents.add(kind, block.data, data | _groups(mesh, i, len(block.data), labels))
    for name, members in mesh.point_sets.items():
        if name.startswith("gmsh:"):
            continue
        contents.sets[name] = np.isin(np.arange(len(mesh.points)), members)
    return contents


def _groups(mesh, block: int, n: int, labels: dict[int, str]) -> dict[str, np.ndarray]:
    """Named sets of cells (Abaqus, Nastran) as tags 1, 2, …; gmsh's repeat its tags."""
    named = {name: sets for name, sets in mesh.cell_sets.items() if not name.startswith("gmsh:")}
    if not named or any(name.startswith("gmsh:") for name in mesh.cell_data):
        return {}
    tags = np.zeros(n, dtype=np.int64)
    for tag, (name, sets) in enumerate(named.items(), 1):
        members = sets[block]
        if members is not None and len(members):
            tags[np.asarray(members, dtype=np.int64)] = tag
            labels[tag] = name
    return {"tags": tags}


def write_vtu(path: Path, raw: RawMesh) -> None:
    """Write tetrahedra and named triangles as .vtu; `tags` are the numbers of regions and of surfaces."""
    import meshio

    triangles, numbers = raw.named_facets()
    tags = [raw.region.astype(np.int32), numbers]
    blank = {name: np.zeros((len(triangles), *values.shape[1:])) for name, values in raw.cell_fields.items()}
    fields = {name: [values, blank[name]] for name, values in raw.cell_fields.items()}
    cells = [("tetra", raw.cells), ("triangle", triangles)]
    mesh = meshio.Mesh(raw.points, cells, point_data=raw.point_fields, cell_data={"tags": tags} | fields)
    with storing(path):
        meshio.vtu.write(str(path), mesh)


@contextlib.contextmanager
def bounded(extra: int) -> Iterator[None]:
    """Let this process grow by `extra` bytes (at least 1 GB) and no more; MemoryError becomes ValueError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else None
    limit = None if pages is None else pages * resource.getpagesize() + max(extra, 10**9)
    if limit is None or (soft != resource.RLIM_INFINITY and soft < limit):
        limit = soft
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    except MemoryError:
        raise ValueError("declares far more numbers than a file of its size can hold; refused") from None
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
