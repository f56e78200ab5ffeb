"""Remeshing: the surface of a mesh at another edge length, its regions kept apart, and filled again."""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from heartwright.errors import InputError
from heartwright.mesh import surface
from heartwright.mesh.generate import collect, session
from heartwright.mesh.raw import RawMesh

SPECK = 3.0  # patches smaller than this many squared edge lengths would force cells smaller than wanted


def remesh(raw: RawMesh, size: float) -> RawMesh:
    """The same tissue and surfaces with edges of about `size` mm; InputError where gmsh cannot mesh it.

    Every patch of the surface is parametrised by itself and meshed anew, so the lines between regions stay lines
    between regions. Specks, as ragged tags leave them along a rim, first join the neighbour they share most with.
    """
    boundary = surface.boundary_faces(raw.cells, len(raw.points))
    triangles, position = raw.named_facets()
    row, found = surface.find(boundary, triangles, len(raw.points))
    patch = _without_specks(raw.points, boundary, np.where(found, position[row], 0), SPECK * size**2)
    with session() as gmsh:
        try:
            _draw(gmsh.model, raw.points, boundary, patch)
            gmsh.option.setNumber("Mesh.Algorithm", 5)  # Delaunay: the surest on curved parametrisations
            for option in ("Mesh.MeshSizeMin", "Mesh.MeshSizeMax"):
                gmsh.option.setNumber(option, size)
            gmsh.model.mesh.generate(3)
            names = {name: (i,) for i, name in enumerate(raw.names, 1)}
            new = collect(gmsh.model, names, raw.source)
        except Exception as reason:
            raise InputError(
                f"mesh.size: gmsh cannot remesh {raw.source} at {size:g} mm ({reason}); choose another or leave it out"
            ) from None
    return new.but(*raw.notes, f"remeshed {raw.source} from its surface at {size:g} mm")


def _draw(model, points: np.ndarray, triangles: np.ndarray, patch: np.ndarray) -> None:
    """Hand the surface to gmsh as corners, curves and connected pieces of the patches, around one volume.

    gmsh could find corners and curves itself (createTopology), but where it starts a closed curve changes from run to
    run, and with it the mesh.
    """
    piece = _pieces(triangles, patch, len(points)) + 1
    curves = _curves(triangles, piece, len(points))
    sides = {i: piece[surface_of] for i, (_, surface_of) in enumerate(curves, 1)}
    on_curves = np.unique(np.concatenate([line for line, _ in curves])) if curves else np.zeros(0, dtype=np.int64)

    def add(dim, tag, border, nodes, kind, corners):
        model.addDiscreteEntity(dim, tag, border)
        model.mesh.addNodes(dim, tag, nodes + 1, points[nodes].ravel())
        model.mesh.addElementsByType(tag, kind, [], (corners + 1).ravel())

    ends = np.unique([line[i] for line, _ in curves for i in (0, -1)])
    for vertex in ends:
        add(0, int(vertex) + 1, [], np.array([vertex]), 15, np.array([vertex]))
    for i, (line, _) in enumerate(curves, 1):
        add(1, i, [int(line[0]) + 1, int(line[-1]) + 1], line[1:-1], 1, np.column_stack([line[:-1], line[1:]]))
    for p in range(1, piece.max() + 1):
        own = triangles[piece == p]
        border = [i for i, pair in sides.items() if p in pair]
        add(2, p, border, np.setdiff1d(own, on_curves), 2, own)
    model.mesh.createGeometry()
    model.geo.addVolume([model.geo.addSurfaceLoop(list(range(1, piece.max() + 1)))])
    model.geo.synchronize()
    for p in np.unique(patch[patch > 0]):
        model.addPhysicalGroup(2, np.unique(piece[patch == p]).tolist(), int(p))


def _pieces(triangles: np.ndarray, patch: np.ndarray, n_points: int) -> np.ndarray:
    """Number of the connected piece of its patch that each triangle belongs to."""
    a, b, _ = _neighbours(triangles, n_points)
    same = patch[a] == patch[b]
    n = len(triangles)
    return connected_components(coo_matrix((np.ones(same.sum()), (a[same], b[same])), shape=(n, n)), directed=False)[1]


def _curves(triangles: np.ndarray, piece: np.ndarray, n_points: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Polylines of vertices between pieces, cut where more than two pieces meet, and two triangles either side.

    A closed one starts and ends at its vertex with the lowest number.
    """
    a, b, edge = _neighbours(triangles, n_points)
    border = piece[a] != piece[b]
    edge, beside = edge[border], np.column_stack([a[border], b[border]])
    at: dict[int, list[int]] = {}
    for i, (v, w) in enumerate(edge.tolist()):
        at.setdefault(v, []).append(i)
        at.setdefault(w, []).append(i)
    forks = {v for v, edges in at.items() if len(edges) != 2}
    done: set[int] = set()
    curves = []
    for start in sorted(forks) + sorted(at):
        for first in at[start]:
            if first not in done and (start in forks or not done.intersection(at[start])):
                curves.append((_walk(start, first, edge, at, done), beside[first]))
    return curves


def _walk(start: int, first: int, edge: np.ndarray, at: dict[int, list[int]], done: set[int]) -> np.ndarray:
    """Vertices from `start` along the border edge `first` to the next fork, or round to the start."""
    line, i = [start], first
    while i is not None:
        done.add(i)
        v, w = edge[i].tolist()
        line.append(w if line[-1] == v else v)
        i = next((j for j in at[line[-1]] if j not in done), None) if len(at[line[-1]]) == 2 else None
    return np.array(line)


def _without_specks(points: np.ndarray, triangles: np.ndarray, patch: np.ndarray, area: float) -> np.ndarray:
    """Patches with their connected pieces smaller than `area` given to the neighbour with the longest common border."""
    patch = patch.copy()
    a, b, edge = _neighbours(triangles, len(points))
    length = np.linalg.norm(points[edge[:, 0]] - points[edge[:, 1]], axis=1)
    corners = points[triangles]
    areas = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    same = patch[a] == patch[b]
    piece = _pieces(triangles, patch, len(points))
    for speck in np.flatnonzero(np.bincount(piece, weights=areas) < area):
        other = np.concatenate([b[(piece[a] == speck) & ~same], a[(piece[b] == speck) & ~same]])
        border = np.concatenate([length[(piece[a] == speck) & ~same], length[(piece[b] == speck) & ~same]])
        if len(other):
            patch[piece == speck] = np.argmax(np.bincount(patch[other], weights=border))
    return patch


def _neighbours(triangles: np.ndarray, n_points: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of triangles with a common edge, and that edge (e, 2)."""
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    keys = edges[:, 0] * n_points + edges[:, 1]
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    return order[same] // 3, order[same + 1] // 3, edges[order[same]]
