"""Laplace's equation between surfaces of the wall: the harmonic fields that fibres and coordinates are made of."""

from collections.abc import Sequence

import numpy as np
import ufl
from dolfinx import fem, la
from dolfinx.fem import petsc
from mpi4py import MPI
from petsc4py import PETSc

from heartwright.linalg import JIT, Assembly, Linear
from heartwright.mesh.geometry import Geometry

RTOL = 1e-12  # so that fields, and the directions of their gradients, do not depend on the number of ranks


class Laplace:
    """∇·(σ ∇φ) = 0 in the wall, φ given on sets of dofs, ∂φ/∂n = 0 on the rest of the surface; σ = 1 unless given.

    `held` are the sets of local dofs (ghosts included) of `space` whose values are given; where sets overlap, the
    later one decides. The matrix is assembled once, `solve` takes one value per set.
    """

    def __init__(self, space: fem.FunctionSpace, held: Sequence[np.ndarray], weight: fem.Function | None = None):
        self.space, self.held = space, held
        self._weight = fem.Constant(space.mesh, 1.0) if weight is None else weight
        u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
        self._a = fem.form(self._weight * ufl.inner(ufl.grad(u), ufl.grad(v)) * ufl.dx, jit_options=JIT)
        self._boundary = fem.Function(space)
        self._bcs = [fem.dirichletbc(self._boundary, np.unique(np.concatenate(held)).astype(np.int32))]
        self._A = Assembly(self._a, self._bcs).update()
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
        """∫ σ ∂φ/∂n w_i dS for every dof i, w_i its basis function: zero where φ is not held. Local, with ghosts."""
        integrand = self._weight * ufl.inner(ufl.grad(phi), ufl.grad(ufl.TestFunction(self.space)))
        flux = fem.assemble_vector(fem.form(integrand * ufl.dx, jit_options=JIT))
        flux.scatter_reverse(la.InsertMode.add)
        flux.scatter_forward()
        return flux.array

    def destroy(self) -> None:
        """Free the matrix and the solver."""
        self._solver.destroy()
        self._A.destroy()


def harmonic(V: fem.FunctionSpace, held: Sequence[np.ndarray]) -> fem.Function:
    """The harmonic field that is 1 on the first and 0 on the second set of dofs. Collective."""
    problem = Laplace(V, held)
    field = problem.solve([1.0, 0.0])
    problem.destroy()
    return field


class Depth:
    """φ_lv, φ_rv, φ_epi: 1 on one face of the wall, 0 on the other two, falling evenly with depth; they sum to one.

    A harmonic field falls steeply near the face that is smaller: in a thick ventricle it puts the middle of the wall
    at 0.55. Its flux |∇φ| A is the same all along a tube of cross-section A from face to face, so with σ = |∇φ| in a
    second solve the flux |∇φ| |∇φ'| A is, and |∇φ'| no longer changes along the tube. One σ serves all faces:
    σ² = Σ |∇φ|², bounded below so that the equation stays elliptic where all gradients vanish.

    lv, rv: Functions; rv is None without a surface `rv_endo`. problem: the second solve, for fluxes. Collective.
    """

    def __init__(self, geometry: Geometry, V: fem.FunctionSpace):
        endocardia = [name for name in ("rv_endo", "lv_endo") if name in geometry.names]
        held = [surface_dofs(geometry, V, name) for name in ("epi", *endocardia)]
        cases = np.eye(len(held))[1:]
        harmonic = Laplace(V, held)
        weight = _gradient_size(geometry, [harmonic.solve(case) for case in cases])
        harmonic.destroy()
        self.problem = Laplace(V, held, weight)
        even = [self.problem.solve(case) for case in cases]
        self.lv, self.rv = even[-1], even[0] if len(even) == 2 else None


def _gradient_size(geometry: Geometry, fields: list[fem.Function]) -> fem.Function:
    """σ of Depth, constant in every cell and at least a thousandth of its largest value."""
    outer = -sum(ufl.grad(phi) for phi in fields)
    square = sum(ufl.inner(g, g) for g in (outer, *(ufl.grad(phi) for phi in fields)))
    size = fem.Function(fem.functionspace(geometry.mesh, ("DG", 0)))
    size.interpolate(fem.Expression(ufl.sqrt(square), np.full((1, 3), 0.25), jit_options=JIT))
    largest = geometry.comm.allreduce(float(size.x.array.max(initial=0.0)), op=MPI.MAX)
    size.x.array[:] = np.maximum(size.x.array, 1e-3 * largest)
    return size


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
