"""Fill: tetrahedra inside a closed surface of triangles, whose labels become the surfaces of the tissue."""

import numpy as np

from heartwright.errors import InputError
from heartwright.mesh import remesh, surface
from heartwright.mesh.generate import elements, session
from heartwright.mesh.raw import RawMesh

ALGORITHMS = (10, 1)  # of gmsh: HXT leaves fewer slivers, Delaunay fails less on coarse surfaces


def fill(raw: RawMesh, size: float | None) -> RawMesh:
    """The volume inside the triangles of `raw`: as they are, or meshed anew with edges of about `size` mm.

    Several closed shells are walls and holes of one tissue; its regions grow from the seeds of `raw`. InputError where
    the surface is open or not one surface.
    """
    triangles, tags = _closed(raw)
    shells = surface.shells(triangles, len(raw.points))
    raw = raw.but(facets=surface.outwards(raw.points, triangles, shells), facet_tags=tags)
    filled = remesh.from_surface(raw, raw.facets, raw.facet_tags, size) if size else _kept(raw, shells)
    return remesh.with_regions(filled, raw.regions, *raw.seeds) if raw.seeds else filled


def _closed(raw: RawMesh) -> tuple[np.ndarray, np.ndarray]:
    """The triangles, each once, and their tags; InputError unless two meet at every edge."""
    problem = f"mesh.file: {raw.source} has no tetrahedra, and its surface cannot be filled"
    corners = raw.facets
    if corners.min(initial=0) < 0 or corners.max(initial=-1) >= len(raw.points):
        raise InputError(f"{problem}: triangles have corners outside its {len(raw.points)} points")
    if not np.isfinite(raw.points[corners]).all():
        raise InputError(f"{problem}: points have no finite coordinates")
    _, once = np.unique(surface.face_keys(corners, len(raw.points)), return_index=True)
    once = np.sort(once)
    corners, tags = corners[once], raw.facet_tags[once]
    edges = np.sort(surface.edges_of(corners), axis=1)
    _, first, count = np.unique(edges[:, 0] * len(raw.points) + edges[:, 1], return_index=True, return_counts=True)
    if (count != 2).any():
        x, y, z = raw.points[edges[first[count != 2][0]]].mean(axis=0)
        raise InputError(
            f"{problem}: {(count == 1).sum()} of its edges belong to one triangle and {(count > 2).sum()} to three or "
            f"more, near ({x:.1f}, {y:.1f}, {z:.1f}) mm; it must be closed and not touch itself"
        )
    return corners, tags


def _kept(raw: RawMesh, shells: np.ndarray) -> RawMesh:
    """Tetrahedra behind the triangles as they are, as large inside as the triangles are on the surface."""
    for algorithm in ALGORITHMS:
        try:
            points, cells = _tetrahedra(raw, shells, algorithm)
        except Exception as reason:  # of gmsh, which raises nothing narrower
            failure = reason
            continue
        made = np.setdiff1d(cells, raw.facets)
        note = f"filled the surface of {raw.source} with {len(cells)} tetrahedra and {len(made)} points"
        return raw.but(note, points=points, cells=cells, point_fields={}, region=None, seeds=None)
    raise InputError(
        f"mesh.file: gmsh cannot fill the surface of {raw.source} ({failure}); give a `size` to mesh it anew"
    )


def _tetrahedra(raw: RawMesh, shells: np.ndarray, algorithm: int) -> tuple[np.ndarray, np.ndarray]:
    """Points, those of the surface first, and cells by one of gmsh's algorithms."""
    with session() as gmsh:
        model = gmsh.model
        for shell in range(shells.max() + 1):
            corners = raw.facets[shells == shell]
            nodes = np.unique(corners)
            model.addDiscreteEntity(2, shell + 1)
            model.mesh.addNodes(2, shell + 1, nodes + 1, raw.points[nodes].ravel())
            model.mesh.addElementsByType(shell + 1, 2, [], (corners + 1).ravel())
        model.geo.addVolume([model.geo.addSurfaceLoop([i]) for i in _outermost_first(raw, shells)])
        model.geo.synchronize()
        gmsh.option.setNumber("Mesh.MeshSizeExtendFromBoundary", 1)
        gmsh.option.setNumber("Mesh.Algorithm3D", algorithm)
        model.mesh.generate(3)
        node_tags, coordinates, _ = model.mesh.getNodes()
        cells = elements(model, 3, -1) - 1
    points = np.zeros((max(int(node_tags.max()), len(raw.points)), 3))
    points[: len(raw.points)] = raw.points
    points[node_tags.astype(np.int64) - 1] = coordinates.reshape(-1, 3)
    return points, cells


def _outermost_first(raw: RawMesh, shells: np.ndarray) -> list[int]:
    """Shells as gmsh's surfaces, the one that encloses most first: the others are holes."""
    volume = np.bincount(shells, weights=np.linalg.det(raw.points[raw.facets] - raw.points.mean(axis=0)))
    return (np.argsort(-volume) + 1).tolist()
