"""Sampling: values and gradients of fields at the same reference points of every cell."""

import numpy as np
import ufl
from dolfinx import fem

from heartwright.linalg import JIT
from heartwright.mesh.geometry import Geometry

Samples = dict[str, np.ndarray]


def sampled(
    geometry: Geometry, fields: dict[str, fem.Function], points: np.ndarray
) -> tuple[np.ndarray, Samples, Samples]:
    """Positions (n, 3), values (n,) and gradients (n, 3) by name at reference points of every local cell."""
    table = sample(geometry, list(fields.values()), points)
    return split(table, list(fields))


def sample(geometry: Geometry, fields: list[fem.Function], points: np.ndarray) -> np.ndarray:
    """Position, values and gradients at reference points of every local cell (cells x points, 3 + 4 k)."""
    gradients = [ufl.grad(phi)[i] for phi in fields for i in range(3)]
    x = ufl.SpatialCoordinate(geometry.mesh)
    everything = fem.Expression(ufl.as_vector([x[0], x[1], x[2], *fields, *gradients]), points, jit_options=JIT)
    cells = np.arange(geometry.mesh.topology.index_map(3).size_local, dtype=np.int32)
    return everything.eval(geometry.mesh, cells).reshape(-1, 3 + 4 * len(fields))


def split(table: np.ndarray, names: list[str]) -> tuple[np.ndarray, Samples, Samples]:
    """Rows of `sample` as positions (n, 3), and values (n,) and gradients (n, 3) by name."""
    k = len(names)
    values, gradients = table[:, 3 : 3 + k].T, table[:, 3 + k :].reshape(-1, k, 3).swapaxes(0, 1)
    return table[:, :3], dict(zip(names, values, strict=True)), dict(zip(names, gradients, strict=True))


def between_corners(geometry: Geometry, nodal: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values at local P1 dofs (n_vertices, k) at reference points of every cell (cells x points, k)."""
    linear = np.column_stack([1.0 - points.sum(axis=1), points])
    corners = nodal[geometry.V1.dofmap.list]
    return np.einsum("pc,ncj->npj", linear, corners).reshape(-1, nodal.shape[1])
