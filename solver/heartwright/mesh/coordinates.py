"""Heart coordinates: where in the wall a point is, in words a cardiologist would use.

    transmural  τ   0 on the endocardium, 1 on the epicardium of the point's own chamber, even in depth between. The
                    septum belongs to the left ventricle: there τ runs from 0 on its left to 1 on its right face.
    apicobasal  ζ   height along the long axis of the left ventricle: 0 at its epicardial apex, 1 at its base; cut off
                    at 0 and 1. One scale for both ventricles.
    rotation    θ   angle about that axis in (-π, π]: 0 towards the right ventricle (middle of the septum), positive
                    towards anterior, i.e. right-handed about the axis from apex to base.
    chamber         0 left ventricle with septum, 1 free wall of the right ventricle, -1 in atria, rings and vessels,
                    where the other coordinates are NaN.
    septum          whether a point lies between the two ventricles: its way out of the left one ends in the right.
    aha             segment 1-17 of the left ventricle (Cerqueira et al. 2002, doi:10.1161/hc0402.102975), 0 elsewhere.

The long axis runs from the apex of the left endocardium to the centroid of its largest rim (the mitral annulus).
Handedness: in the standard short-axis view, from the apex, the right ventricle is on the viewer's left and anterior
is up; going from the septum over anterior is clockwise for that viewer, who looks along the axis. Without a right
ventricle θ is counted from the direction of +x (+y if the axis lies along x). Similar in spirit to Cobiveco (Schuler et
al. 2021, doi:10.1016/j.media.2021.102247), without its costly curves of equal arc length.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from heartwright.errors import InputError
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.laplace import Depth, Laplace, harmonic, surface_dofs

LV, RV, ELSEWHERE = 0, 1, -1
OTHER_TISSUES = ("la", "ra", "rings", "valves", "aorta", "pulmonary_artery", "veins", "pericardium")  # no ventricles

# Values that decide about sides are moved by this much, so that points exactly on a border, as in symmetric meshes,
# fall on the same side whatever the last digits of the solver say.
NUDGE = 1e-7

BASAL, MID = (3, 2, 1, 6, 5, 4), (9, 8, 7, 12, 11, 10)  # every 60 deg, from -60 deg on
APICAL = (14, 13, 16, 15)  # every 90 deg, from -45 deg on
APEX_SEGMENT = 17


@dataclass(frozen=True)
class Axes:
    """The left ventricle's own axes: `axis` (apex to base), `septal` (towards the right ventricle), `anterior`.

    endo_apex, epi_apex, base: points (3,) in mm; the three directions are orthonormal.
    """

    endo_apex: np.ndarray
    epi_apex: np.ndarray
    base: np.ndarray
    axis: np.ndarray
    septal: np.ndarray

    @property
    def anterior(self) -> np.ndarray:
        return np.cross(self.axis, self.septal)

    @property
    def length(self) -> float:
        """Height of the base above the epicardial apex in mm."""
        return float((self.base - self.epi_apex) @ self.axis)

    def fraction(self, points: np.ndarray, apex: np.ndarray) -> np.ndarray:
        """Height of points (n, 3) along the axis: 0 at `apex`, 1 at the base."""
        return (points - apex) @ self.axis / ((self.base - apex) @ self.axis)

    def radius(self, points: np.ndarray) -> np.ndarray:
        """Distance of points (n, 3) from the axis in mm."""
        arm = points - self.base
        return np.linalg.norm(arm - np.outer(arm @ self.axis, self.axis), axis=1)

    def rotation(self, points: np.ndarray) -> np.ndarray:
        """Angle of points (n, 3) about the axis in (-π, π]; 0 on the axis itself, as at the endocardial apex."""
        arm = points - self.base
        forward, across = arm @ self.anterior, arm @ self.septal
        angle = np.where(np.hypot(forward, across) < NUDGE * self.length, 0.0, np.arctan2(forward, across))
        return np.where(angle < NUDGE - np.pi, np.pi, angle)


@dataclass(frozen=True)
class Coordinates:
    """Heart coordinates at the local P1 dofs of a geometry, ghosts included (see the module)."""

    axes: Axes
    transmural: np.ndarray
    apicobasal: np.ndarray
    rotation: np.ndarray
    chamber: np.ndarray
    aha: np.ndarray
    septum: np.ndarray


def compute(geometry: Geometry) -> Coordinates:
    """All coordinates of a heart. Collective; InputError where `lv_endo`, `epi` or the rim of `lv_endo` is missing."""
    own = _ventricles(geometry)
    if own is not geometry:
        return _of_part(geometry, own)
    axes = left_axes(geometry)
    chamber, transmural, septum = _chamber_and_depth(geometry)
    points = geometry.points
    rotation = axes.rotation(points)
    aha = np.where(chamber == LV, segments(axes.fraction(points, axes.endo_apex), rotation), 0)
    height = np.clip(axes.fraction(points, axes.epi_apex), 0.0, 1.0)
    return Coordinates(axes, transmural, height, rotation, chamber, aha, septum)


def _ventricles(geometry: Geometry) -> Geometry:
    """The ventricles of a heart that has other tissues too, else the heart itself. Collective."""
    ventricles = [name for name in geometry.regions if name not in OTHER_TISSUES]
    return geometry.part(ventricles) if 0 < len(ventricles) < len(geometry.regions) else geometry


def _of_part(geometry: Geometry, part: Geometry) -> Coordinates:
    """The coordinates of the ventricles at the dofs of the whole heart; elsewhere there is no chamber, and NaN."""
    own = compute(part)

    def spread(values: np.ndarray, elsewhere: float) -> np.ndarray:
        return geometry.from_part(part, values, elsewhere)

    return Coordinates(
        own.axes,
        spread(own.transmural, np.nan),
        spread(own.apicobasal, np.nan),
        spread(own.rotation, np.nan),
        np.round(spread(own.chamber, ELSEWHERE)).astype(np.int8),
        np.round(spread(own.aha, 0)).astype(int),
        spread(own.septum, 0.0) > 0.5,
    )


def restored(geometry: Geometry) -> Coordinates:
    """Coordinates as the mesh file has them; only the axes are found again. Collective."""
    chamber, aha = geometry.stored["chamber"].astype(np.int8), geometry.stored["aha"].astype(int)
    depth, height, rotation = (geometry.stored[name] for name in ("transmural", "apicobasal", "rotation"))
    axes, septum = left_axes(_ventricles(geometry)), geometry.stored["septum"] > 0.5
    return Coordinates(axes, depth, height, rotation, chamber, aha, septum)


def left_axes(geometry: Geometry) -> Axes:
    """Apex, base and directions of the left ventricle. Collective."""
    base = _centroid_of_largest_loop(geometry, "lv_endo")
    points = geometry.points
    endo = surface_dofs(geometry, geometry.V1, "lv_endo")
    endo_apex = lowest(geometry, endo, -np.linalg.norm(points - base, axis=1))
    axis = _unit(base - endo_apex)
    septal = _septal_direction(geometry, base, axis)
    axes = Axes(endo_apex, endo_apex, base, axis, septal)
    # Where the axis leaves the wall: lowest, but not the apex of a right ventricle that hangs lower beside it.
    epi = surface_dofs(geometry, geometry.V1, "epi")
    epi_apex = lowest(geometry, epi, axes.fraction(points, endo_apex) * axes.length + axes.radius(points))
    return Axes(endo_apex, epi_apex, base, axis, septal)


def lowest(geometry: Geometry, candidates: np.ndarray, score: np.ndarray) -> np.ndarray:
    """The candidate vertex (3,) with the lowest score, the same on any number of ranks. Collective.

    candidates: local P1 dofs; score: (n_vertices,). Scores are compared to 1e-6, then coordinates decide.
    """
    owned = candidates[candidates < geometry.V1.dofmap.index_map.size_local]
    points, key = geometry.points[owned], np.round(score[owned], 6)
    first = np.lexsort((*points.T[::-1], key))[:1]
    found = [(float(key[i]), *map(float, points[i])) for i in first]
    return np.array(min(itertools.chain(*geometry.comm.allgather(found)))[1:])


def segments(height: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """AHA segment 1-17 from the height above the endocardial apex (1 at the base) and the rotation, both (n,)."""
    sixth = np.floor((rotation + NUDGE + np.pi / 3) / (np.pi / 3)).astype(int) % 6
    quarter = np.floor((rotation + NUDGE + np.pi / 4) / (np.pi / 2)).astype(int) % 4
    levels = [height < 0.0 - NUDGE, height < 1 / 3 - NUDGE, height < 2 / 3 - NUDGE]
    choices = [np.full(len(height), APEX_SEGMENT), np.array(APICAL)[quarter], np.array(MID)[sixth]]
    return np.select(levels, choices, np.array(BASAL)[sixth])


def _chamber_and_depth(geometry: Geometry) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chamber, transmural coordinate τ = 1 - φ of the own cavity, and septum."""
    depth = Depth(geometry, geometry.V1)
    chamber, own = np.full(geometry.n_vertices, LV, dtype=np.int8), depth.lv.x.array
    septum = np.zeros(geometry.n_vertices, dtype=bool)
    if depth.rv is not None:
        chamber, septum = _right_free_wall_and_septum(geometry, depth)
        own = np.where(chamber == RV, depth.rv.x.array, own)
    depth.problem.destroy()
    return chamber, np.clip(1.0 - own, 0.0, 1.0), septum


def _right_free_wall_and_septum(geometry: Geometry, depth: Depth) -> tuple[np.ndarray, np.ndarray]:
    """Chamber RV in the free wall of the right ventricle: where a field that is 1 on its cavity and 0 on the left
    exceeds 1/2. In the rest the septum is where one does that is 1 on the septal right endocardium and 0 outside.

    The right endocardium is septal, and counts as left, where more of the flux into it comes from the left cavity
    than from the epicardium. This needs no marked septum and no distance.
    """
    from_left, from_right = depth.problem.flux(depth.lv), depth.problem.flux(depth.rv)
    septal = np.abs(from_left) > np.abs(from_left + from_right)  # φ_epi = 1 - φ_lv - φ_rv
    lv, rv = (surface_dofs(geometry, geometry.V1, name) for name in ("lv_endo", "rv_endo"))
    sides = Laplace(geometry.V1, [rv[~septal[rv]], rv[septal[rv]], lv])
    side = sides.solve([1.0, 0.0, 0.0]).x.array
    sides.destroy()
    epi = surface_dofs(geometry, geometry.V1, "epi")
    towards_right = harmonic(geometry.V1, [rv[septal[rv]], epi]).x.array
    free = side > 0.5 + NUDGE
    return np.where(free, RV, LV).astype(np.int8), ~free & (towards_right > 0.5 + NUDGE)


def _centroid_of_largest_loop(geometry: Geometry, name: str) -> np.ndarray:
    """Centroid (3,) of the longest rim of a surface. Collective."""
    loops = geometry.rim_points(name) if name in geometry.rims else []
    if not loops:
        raise InputError(f"mesh: the heart's long axis needs a surface '{name}' with an open rim at the base")
    edges = [np.roll(loop, -1, axis=0) - loop for loop in loops]
    lengths = [np.linalg.norm(edge, axis=1) for edge in edges]
    largest = int(np.argmax([length.sum() for length in lengths]))
    return np.average(loops[largest] + edges[largest] / 2, axis=0, weights=lengths[largest])


def _septal_direction(geometry: Geometry, base: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Unit vector from the axis to the centroid of the right endocardium, or along x where there is none."""
    if "rv_endo" in geometry.names:
        direction = centroid(geometry, "rv_endo") - base
    else:
        direction = np.eye(3)[0 if abs(axis[0]) < 0.9 else 1]
    return _unit(direction - (direction @ axis) * axis)


def centroid(geometry: Geometry, name: str) -> np.ndarray:
    """Centroid (3,) of a surface by area. Collective."""
    corners = geometry.points[geometry.local_triangles(name)]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    moments = np.append(area @ corners.mean(axis=1), area.sum())
    total = geometry.comm.allreduce(moments)
    return total[:3] / total[3]


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
