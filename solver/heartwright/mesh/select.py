"""Select: the nodes and cells of a geometry that a `where:` of the scenario means."""

import math

import numpy as np
from dolfinx import la
from mpi4py import MPI
from scipy.spatial import KDTree

from heartwright.errors import InputError
from heartwright.mesh.coordinates import ELSEWHERE, LV, RV, Coordinates, lowest
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.laplace import surface_dofs
from heartwright.mesh.where import (
    LAYER_SITE,
    LAYERS,
    Where,
    WhereAHA,
    WhereBox,
    WhereCoordinates,
    WhereLine,
    WhereNear,
    WhereRegion,
    WhereSphere,
)

SITE_RADIUS = 3.0  # mm around a site, unless given
SLACK = 1e-6  # borders belong to the place, whatever the last digits of a coordinate are


def select(geometry: Geometry, where: Where) -> np.ndarray:
    """Which local P1 dofs (n_vertices,), ghosts included, lie in `where`; at least one on some rank. Collective.

    InputError on all ranks where there is no such surface, or where the place holds no node: it then names the
    nearest node and its distance, or the segments there are.
    """
    if isinstance(where, str):
        return _surface(geometry, where)
    if isinstance(where, WhereRegion):
        return nodes_of_cells(geometry, region_cells(geometry, where))
    if isinstance(where, WhereNear):
        return _around(geometry, where)
    if isinstance(where, WhereLine | WhereSphere | WhereBox):
        return _nearby(geometry, where)
    if isinstance(where, WhereAHA):
        return _segments(geometry, where)
    return _site(geometry, where) if where.is_site else _region(geometry, where)


def select_cells(geometry: Geometry, where: Where) -> np.ndarray:
    """Which local cells (n_cells,) are of a region, or have at least half of their four nodes in another `where`.

    Collective, errors as select.

    Half, not more: along a border through the wall as many cells are gained on one side as are lost on the other.
    """
    if isinstance(where, WhereRegion):
        return region_cells(geometry, where)
    cells = select(geometry, where)[geometry.V1.dofmap.list].sum(axis=1) >= 2
    if not geometry.comm.allreduce(int(cells.sum())):
        raise InputError(f"where: {_told(where)} holds single nodes but no cell: make it larger, or the mesh finer")
    return cells


def region_cells(geometry: Geometry, where: WhereRegion) -> np.ndarray:
    """Which local cells (n_cells,) are of the regions; InputError naming those there are."""
    missing = [name for name in where.region if name not in geometry.regions]
    if missing:
        raise InputError(
            f"where: the mesh has no region '{missing[0]}'; it has: {', '.join(geometry.regions) or 'none'}"
        )
    return np.isin(geometry.region, [geometry.regions[name] for name in where.region])


def nodes_of_cells(geometry: Geometry, cells: np.ndarray) -> np.ndarray:
    """Which local P1 dofs (n_vertices,) belong to one of the `cells` (bool, local) of any rank. Collective."""
    mark = la.vector(geometry.V1.dofmap.index_map)
    mark.array[geometry.V1.dofmap.list[cells]] = 1.0
    mark.scatter_reverse(la.InsertMode.add)  # a node may belong to the region only through a cell of another rank
    mark.scatter_forward()
    return mark.array > 0.5


def _surface(geometry: Geometry, name: str) -> np.ndarray:
    inside = np.zeros(geometry.n_vertices, dtype=bool)
    if name == "all":
        return ~inside
    if name not in geometry.names:
        hint = f" (the region is {{region: {name}}})" if name in geometry.regions else ""
        raise InputError(f"where: there is no surface '{name}'{hint}; there are: all, {', '.join(geometry.names)}")
    inside[surface_dofs(geometry, geometry.V1, name)] = True
    return inside


def _around(geometry: Geometry, where: WhereNear) -> np.ndarray:
    """Nodes close to those of a surface, which are gathered on every rank: they are few."""
    of_surface = geometry.points[_surface(geometry, where.near)]
    distance, _ = KDTree(np.concatenate(geometry.comm.allgather(of_surface))).query(geometry.points)
    return distance <= where.within + SLACK


def _nearby(geometry: Geometry, where: WhereLine | WhereSphere | WhereBox) -> np.ndarray:
    """Nodes at distance zero from a ball, a box or the surroundings of a line."""
    points = geometry.points
    if isinstance(where, WhereLine):
        distance = _from_line(points, np.array(where.line)) - where.radius
    elif isinstance(where, WhereSphere):
        distance = np.linalg.norm(points - np.array(where.sphere.centre), axis=1) - where.sphere.radius
    else:
        beyond = np.maximum(np.array(where.box.lower) - points, points - np.array(where.box.upper))
        distance = np.linalg.norm(np.maximum(beyond, 0.0), axis=1)
    inside = distance <= SLACK
    if not _any(geometry, inside):
        nearest, gap = _nearest(geometry, distance)
        raise InputError(f"where: no node in {_told(where)}; the nearest, at {nearest}, is {gap:.3g} mm outside")
    return inside


def _from_line(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Distance (n,) of points to the nearest of the segments between successive points of a line (k, 3)."""
    a, d = line[:-1], np.diff(line, axis=0)
    away = points[:, None] - a
    share = np.clip(np.sum(away * d, axis=2) / np.maximum(np.sum(d * d, axis=1), 1e-300), 0.0, 1.0)
    return np.linalg.norm(away - share[..., None] * d, axis=2).min(axis=1)


def _segments(geometry: Geometry, where: WhereAHA) -> np.ndarray:
    c = geometry.coordinates
    inside = np.isin(c.aha, where.aha) & _within(c.transmural, LAYERS[where.layer] if where.layer else None)
    if not _any(geometry, inside):
        there = sorted(set().union(*geometry.comm.allgather(set(c.aha[c.aha > 0].tolist()))))
        raise InputError(f"where: no node in {_told(where)}; this mesh has nodes in the segments {there}")
    return inside


def _region(geometry: Geometry, where: WhereCoordinates) -> np.ndarray:
    c = geometry.coordinates
    depth = LAYERS[where.layer] if where.layer else where.transmural
    inside = _in_chamber(geometry, where) & _within(c.transmural, depth) & _within(c.apicobasal, where.apicobasal)
    if where.rotation is not None:
        start, end = where.rotation
        inside &= np.mod(c.rotation - start + SLACK, 2 * np.pi) <= end - start + 2 * SLACK
    if not _any(geometry, inside):
        middle = _middle(where, depth)
        nearest, gap = _nearest(geometry, np.where(_in_chamber(geometry, where), _distance(geometry, *middle), np.inf))
        raise InputError(
            f"where: no node in {_told(where)}; the nearest to its middle, at {nearest}, is about {gap:.3g} mm from it"
        )
    return inside


def _site(geometry: Geometry, where: WhereCoordinates) -> np.ndarray:
    """Nodes within the radius of the node nearest to the site, which is always one of them."""
    depth = LAYER_SITE[where.layer] if where.layer else where.transmural
    away = np.where(_in_chamber(geometry, where), _distance(geometry, depth, where.apicobasal, where.rotation), np.inf)
    centre = lowest(geometry, np.arange(geometry.n_vertices), away)
    radius = SITE_RADIUS if where.radius is None else where.radius
    return np.linalg.norm(geometry.points - centre, axis=1) <= radius + SLACK


def _distance(geometry: Geometry, depth: float | None, height: float | None, angle: float | None) -> np.ndarray:
    """About how far (mm) the nodes are from a place in heart coordinates; coordinates that are None do not count.

    Depth counts as much per unit as the length of the heart, far more than its share of the wall, so that a site on
    the endocardium is a node of the endocardium.
    """
    c: Coordinates = geometry.coordinates
    square = np.zeros(geometry.n_vertices)
    if depth is not None:
        square += ((c.transmural - depth) * c.axes.length) ** 2
    if height is not None:
        square += ((c.apicobasal - height) * c.axes.length) ** 2
    if angle is not None:
        turn = np.mod(c.rotation - angle + np.pi, 2 * np.pi) - np.pi
        square += (turn * c.axes.radius(geometry.points)) ** 2
    return np.sqrt(square)


def _middle(where: WhereCoordinates, depth) -> list[float | None]:
    ranges = (depth, where.apicobasal, where.rotation)
    return [None if bounds is None else sum(bounds) / 2 for bounds in ranges]


def _in_chamber(geometry: Geometry, where: WhereCoordinates) -> np.ndarray:
    """Nodes of the wanted chamber. InputError where the mesh has none."""
    c = geometry.coordinates
    if where.chamber == "any":
        return c.chamber != ELSEWHERE
    inside = {"lv": c.chamber == LV, "rv": c.chamber == RV, "septum": c.septum}[where.chamber]
    if not _any(geometry, inside):
        raise InputError(
            f"where: this mesh has no chamber '{where.chamber}'; its surfaces: {', '.join(geometry.names)}"
        )
    return inside


def _within(values: np.ndarray, bounds: tuple[float, float] | None) -> np.ndarray:
    if bounds is None:
        return np.ones(len(values), dtype=bool)
    return (values >= bounds[0] - SLACK) & (values <= bounds[1] + SLACK)


def _any(geometry: Geometry, inside: np.ndarray) -> bool:
    return bool(geometry.comm.allreduce(int(inside.sum())))


def _nearest(geometry: Geometry, distance: np.ndarray) -> tuple[str, float]:
    """The node of smallest distance, as text, and that distance, on all ranks. Collective."""
    point = lowest(geometry, np.arange(geometry.n_vertices), distance)
    gap = geometry.comm.allreduce(float(distance.min(initial=math.inf)), op=MPI.MIN)
    return f"({', '.join(f'{x:.4g}' for x in point)}) mm", gap


def _told(where: Where) -> str:
    """A place in the words of the scenario."""
    if isinstance(where, str):
        return f"'{where}'"
    return str(where.model_dump(mode="json", exclude_defaults=True)).replace("'", "")
