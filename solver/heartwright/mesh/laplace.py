"""Laplace's equation between surfaces of the wall: the harmonic fields that fibres and coordinates are made of."""

from collections.abc import Sequence

import numpy as np
import ufl
from dolfinx import fem, la
from dolfinx.fem import petsc
from petsc4py import PETSc

from heartwright.linalg import JIT, Linear
from heartwright.mesh.geometry import Geometry

RTOL = 1e-12  # so that fields, and the directions of their gradients, do not depend on the number of ranks


class Laplace:
    """∇²φ = 0 in the wall, φ given on sets of dofs, ∂φ/∂n = 0 on the rest of the surface.

    `held` are the sets of local dofs (ghosts included) of `space` whose values are given; where sets overlap, the
    later one decides. The matrix is assembled once, `solve` takes one value per set.
    """

    def __init__(self, space: fem.FunctionSpace, held: Sequence[np.ndarray]):
        self.space, self.held = space, held
        u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
        self._a = fem.form(ufl.inner(ufl.grad(u), ufl.grad(v)) * ufl.dx, jit_options=JIT)
        self._boundary = fem.Function(space)
        self._bcs = [fem.dirichletbc(self._boundary, np.unique(np.concatenate(held)).astype(np.int32))]
        self._A = petsc.assemble_matrix(self._a, bcs=self._bcs)
        self._A.assemble()
        self._solver = Linear(self._A, "cg_amg", "Laplace equation of the wall", rtol=RTOL)

    def solve(self, values: Sequence[float]) -> fem.Function:
        """The harmonic field with one value on each held set. Collective; SolveFailed if CG does not converge."""
        self._boundary.x.array[:] = 0.0
        for dofs, value in zip(self.held, values, strict=True):
            self._boundary.x.array[dofs] = value
        phi = fem.Function(self.space)
        phi.x.array[:] = self._boundary.x.array
        b = la.create_petsc_vector(self.space.dofmap.index_map, 1)
        petsc.apply_lifting(b, [self._a], bcs=[self._bcs])
        b.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
        petsc.set_bc(b, self._bcs)
        self._solver.solve(b, phi.x.petsc_vec)
        phi.x.scatter_forward()
        b.destroy()
        return phi

    def flux(self, phi: fem.Function) -> np.ndarray:
        """∫ ∂φ/∂n w_i dS for every dof i, w_i its basis function: zero where φ is not held. Local, with ghosts."""
        form = fem.form(ufl.inner(ufl.grad(phi), ufl.grad(ufl.TestFunction(self.space))) * ufl.dx, jit_options=JIT)
        flux = fem.assemble_vector(form)
        flux.scatter_reverse(la.InsertMode.add)
        flux.scatter_forward()
        return flux.array

    def destroy(self) -> None:
        """Free the matrix and the solver."""
        self._solver.destroy()
        self._A.destroy()


def space(geometry: Geometry, degree: int) -> fem.FunctionSpace:
    """Scalar Lagrange elements of a degree on the mesh; those of degree 1 are the geometry's own."""
    return geometry.V1 if degree == 1 else fem.functionspace(geometry.mesh, ("Lagrange", degree))


def surface_dofs(geometry: Geometry, V: fem.FunctionSpace, name: str) -> np.ndarray:
    """Local dofs (ghosts included) of `V` on a named surface, wherever its triangles lie. Collective.

    InputError where there is no such surface.
    """
    mesh = geometry.mesh
    mesh.topology.create_connectivity(2, 3)
    mark = la.vector(V.dofmap.index_map)
    mark.array[fem.locate_dofs_topological(V, 2, geometry.facets.find(geometry.tag(name)), remote=False)] = 1.0
    mark.scatter_reverse(la.InsertMode.add)  # a dof may touch the surface only through a triangle of another rank
    mark.scatter_forward()
    return np.flatnonzero(mark.array > 0.5)


def point_dofs(V: fem.FunctionSpace, point: np.ndarray) -> np.ndarray:
    """Local dofs (ghosts included) of `V` at the position of a mesh vertex."""
    distance = np.linalg.norm(V.tabulate_dof_coordinates() - point, axis=1)
    return np.flatnonzero(distance < 1e-9 * (1.0 + np.linalg.norm(point)))
