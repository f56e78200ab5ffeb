"""Blood: the inside of a cavity as a mesh of its own, whose wall is made of the endocardium's own triangles."""

import itertools

import numpy as np
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import spsolve

from heartwright.errors import InputError
from heartwright.mesh import fill, surface
from heartwright.mesh.generate import elements, session
from heartwright.mesh.quality import dihedral_angles
from heartwright.mesh.raw import RawMesh
from heartwright.units import ML


def blood(raw: RawMesh, cavity: str) -> RawMesh:
    """Tetrahedra inside the surface `cavity` (lv_endo) of a checked mesh, between it and one lid over each of its rims.

    Surfaces: `wall`, which conforms to the tissue, and `lid_1`, `lid_2`, … by decreasing number of edges of the rim. A
    lid spans its rim like a soap film. InputError where there is no such surface, or where it cannot be closed or
    filled.
    """
    if cavity not in raw.names:
        raise InputError(f"mesh: there is no surface '{cavity}'; it has: {', '.join(raw.names)}")
    wall = raw.surface(cavity)
    points, triangles, tags = [raw.points], [wall], [np.full(len(wall), 1)]
    loops = surface.loops(surface.rim_edges(wall))
    for number, loop in enumerate(loops, 2):
        inside, lid = _lid(raw.points[loop])
        rows = np.concatenate([loop, sum(map(len, points)) + np.arange(len(inside))])
        points.append(inside)
        triangles.append(rows[lid])
        tags.append(np.full(len(lid), number))
    points, corners, tags = np.vstack(points), np.vstack(triangles), np.concatenate(tags)
    # a triangle of the wall with two edges on the rim may have become one of the lid too: no blood is between the two
    _, which, times = np.unique(surface.face_keys(corners, len(points)), return_inverse=True, return_counts=True)
    once = times[which] == 1
    names = {"wall": (1,)} | {f"lid_{i}": (i + 1,) for i in range(1, len(loops) + 1)}
    none, source = np.zeros((0, 4), dtype=np.int64), f"blood in {cavity} of {raw.source}"
    whole = RawMesh(points, none, corners[once], tags[once], names, source)
    used = np.isin(np.arange(len(points)), whole.facets)
    filled = fill.fill(whole.keep_points(used), None)
    volume = abs(surface.tet_volumes(filled.points, filled.cells).sum()) / ML
    angle = dihedral_angles(filled.points, filled.cells).min()
    return filled.but(f"{source}: {volume:.1f} mL; smallest dihedral angle {angle:.1f} deg")


def _lid(rim: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points inside a rim (n, 3), as far apart as those of the rim, and triangles, numbered from the rim on."""
    centre, normal = rim.mean(axis=0), surface.vector_area(rim)
    normal /= np.linalg.norm(normal)
    across = np.linalg.svd(normal[None])[2][1:]  # two directions in the plane of the rim
    grid, triangles = _meshed((rim - centre) @ across.T)
    height = _film(triangles, (rim - centre) @ normal, len(rim) + len(grid))[len(rim) :]
    return centre + grid @ across + height[:, None] * normal, triangles


def _meshed(polygon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points inside a polygon (n, 2), and triangles numbered from the polygon's corners on, which stay as they are."""
    n, size = len(polygon), float(np.linalg.norm(polygon - np.roll(polygon, -1, axis=0), axis=1).mean())
    with session() as gmsh:
        geo, mesh = gmsh.model.geo, gmsh.model.mesh
        for option in ("Mesh.MeshSizeMin", "Mesh.MeshSizeMax"):
            gmsh.option.setNumber(option, size)
        corners = [geo.addPoint(x, y, 0.0) for x, y in polygon.tolist()]
        lines = [geo.addLine(a, b) for a, b in itertools.pairwise([*corners, corners[0]])]
        geo.addPlaneSurface([geo.addCurveLoop(lines)])
        for line in lines:
            geo.mesh.setTransfiniteCurve(line, 2)
        geo.synchronize()
        try:
            mesh.generate(2)
        except Exception as reason:
            raise InputError(f"mesh: a rim of {n} edges cannot be closed by a lid: gmsh: {reason}") from None
        inside, coordinates, _ = mesh.getNodes(2)
        number = np.zeros(int(mesh.getMaxNodeTag()) + 1, dtype=np.int64)
        number[[mesh.getNodes(0, corner)[0][0] for corner in corners]] = np.arange(n)
        number[inside] = n + np.arange(len(inside))
        return coordinates.reshape(-1, 3)[:, :2], number[elements(gmsh.model, 2, -1)]


def _film(triangles: np.ndarray, rim: np.ndarray, n: int) -> np.ndarray:
    """Heights (n,): those of the rim, and inside the mean of the neighbours'."""
    edges = surface.edges_of(triangles)
    graph = coo_matrix((np.ones(2 * len(edges)), np.hstack([edges.T, edges.T[::-1]])), shape=(n, n)).tocsr()
    graph.data[:] = 1.0
    laplacian = (diags(np.asarray(graph.sum(axis=1)).ravel()) - graph).tocsr()
    height = np.concatenate([rim, np.zeros(n - len(rim))])
    free = np.arange(len(rim), n)
    if len(free):
        height[free] = spsolve(laplacian[free][:, free].tocsc(), -laplacian[free][:, : len(rim)] @ rim)
    return height
