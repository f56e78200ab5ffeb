r"""Stress: the Cauchy stress along and across the fibres, and the power of the muscle, by region.

    σ = F_e S F_eᵀ / det F_e,   F_e = F G: all that the muscle bears, with prestress, active and viscous stress
    fibre stress        σ_f = f.σ f          f the fibre where it lies now
    cross-fibre stress  σ_c = c.σ c          c in the layer of the wall, at right angles to the fibre: n × f / |n × f|,
                                             n = F^-T e_radial the normal of the layer
    power               -∫ P : Ḟ dX          given off by the muscle

A cell counts with its means over quadrature points, and with its volume.
"""

import numpy as np

from heartwright.mechanics.wall import Wall
from heartwright.mesh.segments import Segments
from heartwright.units import ML

PERCENTILES = (50, 95, 99)


class Stress:
    """Stresses and power in regions of a wall, after its last accepted step.

    regions: cells of each, by name.
    """

    def __init__(self, wall: Wall, segments: Segments, regions: dict[str, np.ndarray]):
        self.wall, self.comm = wall, wall.comm
        self.radial, self.volume, self.regions = segments.directions[:, 0], segments.volume, regions
        self._points = wall.frame.function_space.dofmap.list[: len(segments.aha)]

    def percentiles(self, stress: np.ndarray) -> np.ndarray:
        """Those of PERCENTILES (a row each) of a stress in the cells, for every region by volume. Collective."""
        return np.array([_percentiles(*self._everywhere(stress, cells)) for cells in self.regions.values()]).T

    def per_volume(self, power: np.ndarray) -> np.ndarray:
        """Power (mW) of the cells of every region per volume of their muscle, in mW/mL. Collective."""
        sums = [[values[cells].sum() for values in (power, self.volume)] for cells in self.regions.values()]
        total, volume = self.comm.allreduce(np.array(sums)).T
        return total / (volume / ML)

    def in_cells(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Fibre and cross-fibre stress (kPa) and power (mW) of this rank's cells.

        The step before is u - v dt: that makes up the whole of the history which the stress depends on.
        """
        wall, weights = self.wall, self.wall.muscle.weights
        dt = 1.0 / wall.rate.value if wall.rate.value else 0.0
        F, S, work = wall.muscle.stress(wall.u.x.array - dt * wall.v.x.array)
        M = wall.frame.x.array.reshape(-1, 3, 3)[self._points]
        normal = np.linalg.solve(F.swapaxes(-1, -2), np.einsum("cqij,ci->cqj", M, self.radial)[..., None])[..., 0]
        fibre = F[..., 0] / np.linalg.norm(F[..., 0], axis=-1, keepdims=True)
        across = np.cross(normal, fibre)
        across /= np.linalg.norm(across, axis=-1, keepdims=True)
        J = np.linalg.det(F)
        along = [self._normal_stress(F, S, J, direction) for direction in (fibre, across)]
        power = -6 * self.volume * ((work / np.abs(np.linalg.det(M))) @ weights) * wall.rate.value
        return along[0], along[1], power

    def _normal_stress(self, F: np.ndarray, S: np.ndarray, J: np.ndarray, d: np.ndarray) -> np.ndarray:
        """d.σ d = Fᵀd . S Fᵀd / J of unit vectors d (cells, points, 3): means over the cells."""
        pulled = np.einsum("cqik,cqi->cqk", F, d)
        return 6 * (np.einsum("cqk,cqkl,cql->cq", pulled, S, pulled) / J) @ self.wall.muscle.weights

    def _everywhere(self, stress: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Stress and volume of the cells of a region, of all ranks. Collective."""
        mine = np.stack([stress[cells], self.volume[cells]])
        stress, volume = np.concatenate(self.comm.allgather(mine), axis=1)
        return stress, volume


def _percentiles(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted percentiles, linear between the middles of the weights of sorted values."""
    order = np.argsort(values, kind="stable")
    middle = np.cumsum(weights[order]) - weights[order] / 2
    return np.interp(np.array(PERCENTILES) / 100 * weights.sum(), middle, values[order])
