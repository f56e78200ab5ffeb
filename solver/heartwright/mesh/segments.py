"""Segments: the cells of the wall by AHA segment and chamber, and the directions in which clinicians measure them.

In every cell the wall's own directions are

    radial           across the wall, from its endocardium outwards: -∇φ / |∇φ|, φ the depth of the cell's own chamber
    circumferential  about the long axis of the left ventricle, anticlockwise about it from the apex: axis × radial
    longitudinal     along the wall towards the base: radial × circumferential
"""

from dataclasses import dataclass

import numpy as np

from heartwright.mesh import coordinates
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.laplace import Depth

NAMES = tuple(str(number) for number in range(1, 18))  # of the AHA segments
DIRECTIONS = ("radial", "circumferential", "longitudinal")


@dataclass(frozen=True)
class Segments:
    """What the cells of this rank belong to, and their directions.

    aha: segment (cells,), 0 in the free wall of the right ventricle; directions: unit vectors (cells, 3, 3), a row each
    in the order of DIRECTIONS; volume (cells,) in mm³; centre (cells, 3) in mm; slopes: the gradients (cells, 4, 3) of
    the linear basis; axes of the left ventricle.
    """

    aha: np.ndarray
    directions: np.ndarray
    volume: np.ndarray
    centre: np.ndarray
    slopes: np.ndarray
    axes: coordinates.Axes

    def regions(self, comm) -> dict[str, np.ndarray]:
        """Cells (a mask) of every segment, of the left ventricle with septum (`lv`) and of the right free wall (`rv`).

        Only those that have cells on any rank. Collective.
        """
        masks = {name: self.aha == int(name) for name in NAMES} | {"lv": self.aha > 0, "rv": self.aha == 0}
        counts = comm.allreduce(np.array([mask.sum() for mask in masks.values()]))
        return {name: mask for (name, mask), count in zip(masks.items(), counts, strict=True) if count}


def compute(geometry: Geometry) -> Segments:
    """Segments and directions of a heart. Collective; InputError where it has no axes, see `coordinates`."""
    known, cells = geometry.coordinates, geometry.V1.dofmap.list
    corners = geometry.points[cells]
    edges = corners[:, 1:] - corners[:, :1]
    inner = np.linalg.inv(edges).transpose(0, 2, 1)
    slopes = np.concatenate([-inner.sum(axis=1, keepdims=True), inner], axis=1)
    centre, axes = corners.mean(axis=1), known.axes
    right = known.chamber[cells].mean(axis=1) > 0.5
    aha = coordinates.segments(axes.fraction(centre, axes.endo_apex), axes.rotation(centre))
    return Segments(
        np.where(right, 0, aha),
        _directions(_depth_gradients(geometry, slopes, right), centre, axes),
        np.abs(np.linalg.det(edges)) / 6,
        centre,
        slopes,
        axes,
    )


def _depth_gradients(geometry: Geometry, slopes: np.ndarray, right: np.ndarray) -> np.ndarray:
    """∇φ (cells, 3) of the depth below the endocardium of a cell's own chamber. Collective."""
    depth = Depth(geometry, geometry.V1)
    phi = depth.lv.x.array[geometry.V1.dofmap.list]
    if depth.rv is not None:
        phi = np.where(right[:, None], depth.rv.x.array[geometry.V1.dofmap.list], phi)
    depth.problem.destroy()
    return np.einsum("ca,cai->ci", phi, slopes)


def _directions(gradient: np.ndarray, centre: np.ndarray, axes: coordinates.Axes) -> np.ndarray:
    """Radial, circumferential and longitudinal unit vectors (cells, 3, 3).

    A cell may be as deep at all its vertices; then away from the axis is outwards.
    """
    arm = centre - axes.base
    away = _unit(arm - np.outer(arm @ axes.axis, axes.axis))
    radial = _unit(coordinates.NUDGE * away - gradient)
    across = np.cross(axes.axis, radial)
    on_axis = np.linalg.norm(across, axis=1, keepdims=True) < coordinates.NUDGE
    round_ = _unit(np.where(on_axis, axes.anterior, across))
    return np.stack([radial, round_, np.cross(radial, round_)], axis=1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
