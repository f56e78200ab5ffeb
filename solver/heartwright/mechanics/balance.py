"""Balance: a discrete balance of forces, r(u) = 0, as Newton's method wants it."""

import basix
import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI
from petsc4py import PETSc

from heartwright.linalg import JIT, Assembly
from heartwright.mechanics.spec import MechanicsSpec


class Balance:
    """Assembly of r and K = dr/du of a quadratic vector field u, into storage that is made once.

    r: the weak form, linear in a test function; `deformation`: the tensor whose determinant must stay positive;
    fixed: local nodes (ghosts included) at which u stays 0. A kind of balance says which `solver` its K wants, and has
    the `spec` of the mechanics.
    """

    solver: str
    spec: MechanicsSpec

    def __init__(self, geometry, u: fem.Function, r, deformation, fixed: np.ndarray, degree: int):
        self.geometry, self.comm, self.u, self.V = geometry, geometry.comm, u, u.function_space
        self._r = fem.form(r, jit_options=JIT)
        self.r = fem_petsc.create_vector(self._r)
        self.quadrature_points, _ = basix.make_quadrature(basix.CellType.tetrahedron, degree)
        self._J = fem.Expression(ufl.det(deformation), self.quadrature_points, jit_options=JIT)
        self._cells = np.arange(geometry.mesh.topology.index_map(3).size_local, dtype=np.int32)
        self._J_values = np.ones((len(self._cells), len(self.quadrature_points)))
        any_fixed = self.comm.allreduce(len(fixed)) > 0
        bcs = [fem.dirichletbc(np.zeros(3), fixed, self.V)] if any_fixed else []
        K = fem.form(ufl.derivative(r, u, ufl.TrialFunction(self.V)), jit_options=JIT)
        self._assembly = Assembly(K, bcs)
        self.K = self._assembly.matrix
        own = fixed[fixed < self.V.dofmap.index_map.size_local]
        self._fixed_rows = (3 * own[:, None] + np.arange(3)).ravel()

    @property
    def preset(self) -> str:
        """How to solve with K."""
        return f"{self.solver}_alone" if self.spec.newton.reproducible else self.solver

    @property
    def n_dofs(self) -> int:
        return 3 * self.V.dofmap.index_map.size_global

    def residual(self, r: PETSc.Vec) -> None:
        """r of the weak form, zero in the rows of fixed nodes."""
        with r.localForm() as local:
            local.set(0.0)
        fem_petsc.assemble_vector(r, self._r)
        r.ghostUpdate(PETSc.InsertMode.ADD, PETSc.ScatterMode.REVERSE)
        self.constrain(r)

    def constrain(self, vector: PETSc.Vec) -> None:
        """Zero the rows of fixed nodes, which never move from u = 0."""
        if len(self._fixed_rows):
            vector.array[self._fixed_rows] = 0.0

    def tangent(self) -> None:
        """Bring K to dr/du at the present u."""
        self._assembly.update()

    def move(self, du: PETSc.Vec, length: float) -> None:
        """u += length du."""
        self.u.x.array[: du.getLocalSize()] += length * du.array_r
        self.u.x.scatter_forward()

    def admissible(self, least: float = 0.0) -> bool:
        """Whether u is finite and the determinant above `least` at every quadrature point of every rank. Collective."""
        self._J.eval(self.geometry.mesh, self._cells, self._J_values)
        lowest = self._J_values.min(initial=1.0)
        return bool(self.comm.allreduce(lowest if np.isfinite(lowest) else -1.0, MPI.MIN) > least)
