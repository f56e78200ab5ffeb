"""Velocity: how fast waves travelled, from when they arrived."""

import numpy as np

from heartwright.mesh.geometry import Geometry

FASTEST = 10.0  # mm/ms, beyond which fronts meet or break through, and their speed means nothing


def conduction_velocity(geometry: Geometry, activation: np.ndarray) -> np.ndarray:
    """1/|∇T| (n_vertices,) [mm/ms = m/s] of activation times T (n_vertices,) [ms], ghosts included. Collective.

    ∇T at a node is the mean over the cells around, weighted by their volume. nan where a cell around has not fired
    wholly, and where it exceeds FASTEST.
    """
    cells = geometry.V1.dofmap.list
    x, T = geometry.points[cells], activation[cells]
    a, b, c = np.swapaxes(x[:, 1:] - x[:, :1], 0, 1)
    normals = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    volumes = np.einsum("ij,ij->i", a, normals[:, 0])  # six times, with a sign that cancels
    gradients = np.einsum("ikj,ik->ij", normals, T[:, 1:] - T[:, :1]) * np.sign(volumes)[:, None]
    mean = [geometry.around_vertices(component) for component in gradients.T]
    slowness = np.linalg.norm(mean, axis=0) / geometry.around_vertices(np.abs(volumes))
    return np.where(slowness > 1 / FASTEST, 1 / np.maximum(slowness, 1 / FASTEST), np.nan)
