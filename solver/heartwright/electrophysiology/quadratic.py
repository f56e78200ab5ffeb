"""Quadratic elements: diffusion of a potential whose nodes, cells and output are those of one more refinement."""

import numpy as np
import ufl
from dolfinx import fem
from scipy.spatial import cKDTree

from heartwright.electrophysiology.diffusion import Diffusion
from heartwright.linalg import JIT
from heartwright.mesh.geometry import Geometry
from heartwright.parts import State


class Quadratic:
    """Diffusion on the quadratic elements of which the cells of `geometry` are eighths.

    The nodes of an element, its corners and the middles of its edges, are the vertices of its eight parts: all else of
    a tissue sees the vertices of `geometry`, and only the matrices are those of the elements. Their conductivity is the
    mean of their parts'. Arguments as those of Diffusion.
    """

    def __init__(self, geometry: Geometry, sigma, *solver):
        mesh, element_of_cell = geometry.coarser
        self._v = fem.Function(fem.functionspace(mesh, ("Lagrange", 2)))
        V = self._v.function_space
        self._node = cKDTree(geometry.points).query(V.tabulate_dof_coordinates())[1]
        self._diffusion = Diffusion(V, _mean(geometry, sigma, element_of_cell), *solver)
        self.nodes = self._node[: self._diffusion.n]

    @property
    def iterations(self) -> int:
        return self._diffusion.iterations

    @property
    def steps(self) -> int:
        return self._diffusion.steps

    def step(self, t: float, dt: float, v: fem.Function) -> None:
        """Advance the owned values of v by dt [ms] from t. Raises SolveFailed without convergence."""
        v.x.scatter_forward()  # elements and parts may belong to different ranks
        self._v.x.array[:] = v.x.array[self._node]
        self._diffusion.step(t, dt, self._v)
        self._v.x.scatter_forward()
        v.x.array[self._node] = self._v.x.array

    def state(self) -> State:
        return self._diffusion.state()


def _mean(geometry: Geometry, sigma, element_of_cell: np.ndarray) -> fem.Function:
    """The mean of a tensor (UFL) over the eight parts of every element."""
    of_parts = fem.Function(fem.functionspace(geometry.mesh, ("DG", 0, (3, 3))))
    points = of_parts.function_space.element.interpolation_points()
    of_parts.interpolate(fem.Expression(ufl.as_tensor(sigma), points, jit_options=JIT))
    mean = fem.Function(fem.functionspace(geometry.coarser[0], ("DG", 0, (3, 3))))
    parts = of_parts.x.array.reshape(-1, 9)[np.argsort(element_of_cell, kind="stable")]
    mean.x.array[:] = parts.reshape(-1, 8, 9).mean(axis=1).ravel()
    return mean
