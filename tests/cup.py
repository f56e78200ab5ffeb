"""A cup of tetrahedra that stands for a ventricle, and the mesh files it may come in."""

from pathlib import Path

import meshio
import numpy as np

from heartwright.mesh import surface
from heartwright.mesh.generate import session
from heartwright.mesh.raw import RawMesh

CUP_REGIONS = {"base": 11, "epi": 12, "lv_endo": 13}


def cup(n: int = 4) -> RawMesh:
    """A thick-walled open box standing for a ventricle: cells of 10 mm, its cavity (2 n - 4) x (2 n - 4) x (n - 2)."""
    shape = np.array([2 * n, 2 * n, n])
    index = np.arange(np.prod(shape + 1)).reshape(shape + 1)
    points = 10.0 * np.argwhere(index >= 0)
    centre = np.argwhere(np.ones(shape, dtype=bool))
    hollow = ((centre[:, :2] >= 2) & (centre[:, :2] < 2 * n - 2)).all(axis=1) & (centre[:, 2] >= 2)
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    cubes = index[tuple((centre[~hollow][:, None] + corners).transpose(2, 0, 1))]
    paths = [(0, 4, 6, 7), (0, 6, 2, 7), (0, 2, 3, 7), (0, 3, 1, 7), (0, 1, 5, 7), (0, 5, 4, 7)]
    cells = cubes[:, paths].reshape(-1, 4)
    used, cells = np.unique(cells, return_inverse=True)
    points, cells = points[used], cells.reshape(-1, 4)
    facets = surface.boundary_faces(cells, len(points))
    x, y, z = points[facets].mean(axis=1).T
    inside = (x > 10) & (x < 20 * n - 10) & (y > 10) & (y < 20 * n - 10) & (z > 10)
    tags = np.where(inside, 13, np.where(z == 10.0 * n, 11, 12))
    return RawMesh(points, cells, facets, tags, {name: (tag,) for name, tag in CUP_REGIONS.items()}, "cup")


def write(raw: RawMesh, path: Path, form: str) -> None:
    """Write a mesh as gmsh does (2.2, 4.1) or as meshio does (vtk, vtu)."""
    if form.startswith("v"):
        tags = [raw.facet_tags, np.ones(len(raw.cells), dtype=raw.facet_tags.dtype)]
        cells = [("triangle", raw.facets), ("tetra", raw.cells)]
        return meshio.Mesh(raw.points, cells, cell_data={"tags": tags}).write(path)
    with session() as gmsh:
        gmsh.option.setNumber("Mesh.MshFileVersion", float(form))
        gmsh.model.addDiscreteEntity(3, 1)
        gmsh.model.mesh.addNodes(3, 1, np.arange(len(raw.points)) + 1, raw.points.ravel())
        gmsh.model.mesh.addElementsByType(1, 4, [], (raw.cells + 1).ravel())
        gmsh.model.addPhysicalGroup(3, [1], 1)
        for tag in np.unique(raw.facet_tags).tolist():
            gmsh.model.addDiscreteEntity(2, tag)
            gmsh.model.mesh.addElementsByType(tag, 2, [], (raw.facets[raw.facet_tags == tag] + 1).ravel())
            gmsh.model.addPhysicalGroup(2, [tag], tag)
        gmsh.write(str(path))
