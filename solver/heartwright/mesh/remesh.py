"""Remeshing: the surface of a mesh at another edge length, its regions kept apart, and filled again."""

import numpy as np
from scipy.spatial import KDTree

from heartwright.errors import InputError
from heartwright.mesh import surface
from heartwright.mesh.generate import collect, session
from heartwright.mesh.quality import dihedral_angles
from heartwright.mesh.raw import RawMesh

SPECK = 3.0  # patches smaller than this many squared edge lengths would force cells smaller than wanted
GOOD = 8.0  # degrees: the smallest dihedral angle to reach
VIA = (0.7, 0.8)  # the finer meshes to try in between where it is not, as fractions of the wanted size


def remesh(raw: RawMesh, size: float) -> RawMesh:
    """The same tissue and surfaces with edges of about `size` mm; InputError where gmsh cannot mesh it."""
    boundary = surface.boundary_faces(raw.cells, len(raw.points))
    new = from_surface(raw, boundary, tags_on(raw, boundary), size)
    return with_regions(new, raw.regions, raw.points[raw.cells].mean(axis=1), raw.region)


def with_regions(raw: RawMesh, names: tuple[str, ...], places: np.ndarray, region: np.ndarray) -> RawMesh:
    """The mesh with the region of the nearest place (s, 3) in every cell: borders follow cells, half of one away."""
    if not names:
        return raw
    return raw.but(regions=names, region=region[KDTree(places).query(raw.points[raw.cells].mean(axis=1))[1]])


def from_surface(raw: RawMesh, boundary: np.ndarray, tags: np.ndarray, size: float) -> RawMesh:
    """Tetrahedra of about `size` mm inside the closed surface `boundary` (k, 3) of points of `raw`.

    The lines between `tags` (k,) stay. Slivers in the surface spoil its parametrisation and leave slivers behind;
    where that happens the surface is first meshed finer, which rounds it little, and then at `size`.
    """
    best = _meshed(raw, raw.points, boundary, tags, size)
    worst, how = dihedral_angles(best.points, best.cells).min(), ""
    for finer in VIA:
        if worst >= GOOD:
            break
        between = _meshed(raw, raw.points, boundary, tags, finer * size)
        skin = surface.boundary_faces(between.cells, len(between.points))
        new = _meshed(raw, between.points, skin, tags_on(between, skin), size)
        angle = dihedral_angles(new.points, new.cells).min()
        if angle > worst:
            best, worst, how = new, angle, f", by way of {finer * size:g} mm because of slivers"
    return best.but(*raw.notes, f"remeshed {raw.source} from its surface at {size:g} mm{how}")


def tags_on(raw: RawMesh, boundary: np.ndarray) -> np.ndarray:
    """The tag of every triangle of `boundary` (k,), 0 without one."""
    row, found = surface.find(boundary, raw.facets, len(raw.points))
    return np.where(found, raw.facet_tags[row] if len(raw.facets) else 0, 0)


def _meshed(raw: RawMesh, points: np.ndarray, boundary: np.ndarray, tags: np.ndarray, size: float) -> RawMesh:
    """One pass of gmsh. Every patch of the surface is parametrised by itself, so lines between regions stay such lines.

    Specks, as ragged tags leave them along a rim, first join the neighbour they share most with.
    """
    different, number = np.unique(tags, return_inverse=True)
    patch = without_specks(points, boundary, number + 1, SPECK * size**2)
    with session() as gmsh:
        try:
            _draw(gmsh.model, points, boundary, patch)
            gmsh.option.setNumber("Mesh.Algorithm", 5)  # Delaunay: the surest on curved parametrisations
            for option in ("Mesh.MeshSizeMin", "Mesh.MeshSizeMax"):
                gmsh.option.setNumber(option, size)
            gmsh.model.mesh.generate(3)
            new = collect(gmsh.model, raw.names, raw.source)
            return new.but(facet_tags=different[new.facet_tags - 1], labels=raw.labels)
        except Exception as reason:
            raise InputError(
                f"mesh.size: gmsh cannot remesh {raw.source} at {size:g} mm ({reason}); choose another or leave it out"
            ) from None


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
    a, b, _ = surface.neighbours(triangles, n_points)
    same = patch[a] == patch[b]
    return surface.components(len(triangles), a[same], b[same])


def _curves(triangles: np.ndarray, piece: np.ndarray, n_points: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Polylines of vertices between pieces, cut where more than two pieces meet, and two triangles either side.

    A closed one starts and ends at its vertex with the lowest number.
    """
    a, b, edge = surface.neighbours(triangles, n_points)
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


def without_specks(points: np.ndarray, triangles: np.ndarray, patch: np.ndarray, area: float) -> np.ndarray:
    """Patches with their connected pieces smaller than `area` given to the neighbour with the longest common border."""
    patch = patch.copy()
    a, b, edge = surface.neighbours(triangles, len(points))
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
