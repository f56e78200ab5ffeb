r"""Strain: how the segments of the wall lengthen, shorten and thicken, and how the left ventricle twists.

With F the mean of I + ∇u in a cell, e a direction of the wall in the shape of the mesh (see `mesh.segments`), and means
over the cells of a region by volume:

    stretch along e        mean |F e|                      e: radial, circumferential, longitudinal
    stretch of thickness   mean 1 / |F^-T e_radial|        distance of two layers of the wall, across them
    twist                  rotation of the apical segments 13-16 less that of the basal ones 1-6 about the long axis,
                           positive anticlockwise seen from the apex; the rotation is the one nearest to u

Stretches refer to the shape of the mesh. Lengths of the same muscle at two instants have the ratio of their stretches,
so the strain that clinicians read, from end-diastole on, is their quotient less one: see `output.metrics`.
"""

import numpy as np
from dolfinx import fem

from heartwright.mesh.rows import EDGES
from heartwright.mesh.segments import DIRECTIONS, Segments

BASAL, APICAL = range(1, 7), range(13, 17)  # segments of the two slices
MEAN = {4: np.full(4, 0.25), 10: np.array([-0.05] * 4 + [0.2] * 6)}  # of the linear and quadratic basis over a cell


class Strain:
    """Stretches of regions and the twist, from a displacement `u` (mm), whenever they are asked for.

    regions: cells of each, by name.
    """

    def __init__(self, geometry, u: fem.Function, segments: Segments, regions: dict[str, np.ndarray]):
        self.comm, self.u, self.segments, self.regions = geometry.comm, u, segments, regions
        self._nodes = u.function_space.dofmap.list
        self._mean = MEAN[self._nodes.shape[1]]
        self._slopes = _mean_slopes(segments.slopes, self._nodes.shape[1])
        self._volume = self._sum(segments.volume)

    def stretches(self) -> dict[str, np.ndarray]:
        """Mean stretch of every region: radial, circumferential and longitudinal, and of the thickness. Collective."""
        F = self._gradient()
        along = np.linalg.norm(np.einsum("cij,ckj->cki", F, self.segments.directions), axis=2)
        normal = np.linalg.solve(F.transpose(0, 2, 1), self.segments.directions[:, 0, :, None])[..., 0]
        found = dict(zip(DIRECTIONS, along.T, strict=True)) | {"thickness": 1.0 / np.linalg.norm(normal, axis=1)}
        return {name: self._sum(self.segments.volume * value) / self._volume for name, value in found.items()}

    def twist(self) -> tuple[float, float]:
        """The twist (degrees) and the present distance of the two slices along the axis (mm). Collective."""
        axes, centre = self.segments.axes, self.segments.centre
        frame = np.stack([axes.septal, axes.anterior, axes.axis])
        before = (centre - axes.base) @ frame.T
        now = before + np.einsum("a,cai->ci", self._mean, self._local()) @ frame.T
        turned, height = zip(*(self._rotation(before, now, slice_) for slice_ in (APICAL, BASAL)), strict=True)
        return float(np.degrees(turned[1] - turned[0])), height[1] - height[0]

    def _rotation(self, before: np.ndarray, now: np.ndarray, slice_: range) -> tuple[float, float]:
        """Right-handed rotation of a slice about the axis, nearest in least squares, and its height. Collective."""
        weight = self.segments.volume * np.isin(self.segments.aha, slice_)
        moments = weight @ np.hstack([np.ones((len(now), 1)), before, now])
        total, *means = self.comm.allreduce(moments)
        a, b = before[:, :2] - np.array(means[:2]) / total, now[:, :2] - np.array(means[3:5]) / total
        cosine, sine = self.comm.allreduce(
            np.array([weight @ (a * b).sum(axis=1), weight @ (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])])
        )
        return float(np.arctan2(sine, cosine)), float(means[5] / total)

    def _gradient(self) -> np.ndarray:
        """Mean of F over every cell (cells, 3, 3)."""
        return np.eye(3) + np.einsum("cai,caj->cij", self._local(), self._slopes)

    def _local(self) -> np.ndarray:
        return self.u.x.array.reshape(-1, 3)[self._nodes]

    def _sum(self, values: np.ndarray) -> np.ndarray:
        """The sum over the cells of every region. Collective."""
        return self.comm.allreduce(np.array([values[cells].sum() for cells in self.regions.values()]))


def _mean_slopes(slopes: np.ndarray, nodes: int) -> np.ndarray:
    """Gradients of the basis of so many nodes, means over the cells (cells, nodes, 3); `slopes`: of the linear one."""
    if nodes == 4:
        return slopes
    return np.concatenate([np.zeros_like(slopes), slopes[:, EDGES].sum(axis=2)], axis=1)
