"""Balance: a discrete balance of forces, r(u) = 0, as Newton's method wants it."""

import numpy as np
import ufl
from dolfinx import fem, la
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI
from petsc4py import PETSc

from heartwright import mumps
from heartwright.linalg import INEXACT, JIT, Linear, rigid_motions
from heartwright.mechanics.incompressible import Incompressible
from heartwright.mechanics.muscle import Muscle
from heartwright.mechanics.spec import MechanicsSpec
from heartwright.mechanics.storage import SaddlePointMatrix, SymmetricMatrix
from heartwright.mumps import Factors

FACTORED = 500_000  # unknowns: factors of 300 000 fit a workstation, and multigrid is slow where hearts are filled


class Balance:
    """Assembly of r and K of a vector field u, into storage that is made once.

    muscle: the volume term; loads: all other terms as UFL forms, linear in a test function; fixed: local nodes (ghosts
    included) at which u stays 0; incompressible: the equation of an unknown q beside u, if there is one. K is
    symmetric: of loads whose derivative is not, it has the symmetric part.
    """

    spec: MechanicsSpec

    def __init__(
        self,
        geometry,
        u: fem.Function,
        muscle: Muscle,
        loads: list[ufl.Form],
        fixed: np.ndarray,
        incompressible: Incompressible | None = None,
    ):
        self.geometry, self.comm, self.u, self.V = geometry, geometry.comm, u, u.function_space
        self.muscle, self.incompressible = muscle, incompressible
        w, du = ufl.TestFunction(self.V), ufl.TrialFunction(self.V)
        self._loads = [fem.form(load, jit_options=JIT) for load in loads]
        moving = [ufl.derivative(load, u, du) for load in loads if u in load.coefficients()]
        self._stiffnesses = [fem.form(0.5 * (k + ufl.adjoint(k)), jit_options=JIT) for k in moving]
        everywhere = fem.form(ufl.inner(du, w) * ufl.dx, jit_options=JIT)
        if incompressible:
            self.matrix = SaddlePointMatrix(self.V, everywhere, fixed, incompressible)
        else:
            self.matrix = SymmetricMatrix(self.V, everywhere, fixed)
        self.place = self.matrix.places(muscle.nodes)
        self.forces, self.K = la.create_petsc_vector(self.V.dofmap.index_map, 3), self.matrix.petsc
        if not incompressible:
            rigid_motions(self.K, self.V.tabulate_dof_coordinates()[: self.V.dofmap.index_map.size_local])
        self.r = self.K.createVecLeft()
        self.moving = slice(self.forces.getLocalSize())  # of the local unknowns, those of u; what follows is of q
        own = fixed[fixed < self.V.dofmap.index_map.size_local]
        self._fixed_rows = (3 * own[:, None] + np.arange(3)).ravel()

    @property
    def n_dofs(self) -> int:
        return self.r.getSize()

    def residual(self, r: PETSc.Vec) -> None:
        """r, zero in the rows of fixed nodes. Collective."""
        self.assemble_forces(self.forces)
        self.constrain(self.forces)
        r.array[self.moving] = self.forces.array_r
        if self.incompressible:
            r.array[self.moving.stop :] = self.incompressible.residual()

    def assemble_forces(self, forces: PETSc.Vec) -> None:
        """r of muscle and loads. Collective."""
        with forces.localForm() as local:
            local.set(0.0)
            self.muscle.residual(local.array_w)
        for load in self._loads:
            fem_petsc.assemble_vector(forces, load)
        forces.ghostUpdate(PETSc.InsertMode.ADD, PETSc.ScatterMode.REVERSE)

    def constrain(self, forces: PETSc.Vec) -> None:
        """Zero the rows of fixed nodes, which never move from u = 0."""
        if len(self._fixed_rows):
            forces.array[self._fixed_rows] = 0.0

    def solver(self, equation: str, at_rest: bool = False) -> Linear | Factors:
        """A solver for increments of u, by K; every term but the pressure on the rims has a potential. Collective.

        at_rest: nothing but soft muscle resists, and factors that are not exact may miss half an increment.
        """
        if self.spec.newton.reproducible:
            return Linear(self.K, "ldl_alone", equation)
        if self.n_dofs > FACTORED and not self.incompressible:
            return Linear(self.K, "amg", equation, rtol=INEXACT)
        if at_rest or self.incompressible or not mumps.available(self.comm):
            return Linear(self.K, "ldl", equation)
        return Factors(self.matrix, self.r, equation)

    def tangent(self) -> None:
        """Bring K to dr/du at the present u."""
        self.matrix.clear()
        self.muscle.tangent(self.place, self.matrix.values)
        for stiffness in self._stiffnesses:
            fem.assemble_matrix(self.matrix.csr, stiffness)
        self.matrix.finish()

    def move(self, du: PETSc.Vec, length: float) -> None:
        """(u, q) += length (du, dq). Collective."""
        own = length * du.array_r
        self.u.x.array[self.moving] += own[self.moving]
        self.u.x.scatter_forward()
        if self.incompressible:
            self.incompressible.move(own[self.moving.stop :])

    def size(self, du: PETSc.Vec) -> float:
        """|du|_inf (mm). Collective."""
        return self.comm.allreduce(float(np.abs(du.array_r[self.moving]).max(initial=0.0)), MPI.MAX)

    def steepest(self, w: np.ndarray) -> float:
        """|∇w|_inf of a local array like that of u, infinite where w is not finite. Collective."""
        steepest = self.muscle.steepest(w)
        return self.comm.allreduce(np.inf if np.isnan(steepest) else steepest, MPI.MAX)

    def admissible(self, least: float = 0.0) -> bool:
        """Whether u is finite and det F above `least` at every quadrature point of every rank. Collective."""
        lowest, _ = self.muscle.least_determinant()
        return bool(self.comm.allreduce(-1.0 if np.isnan(lowest) else lowest, MPI.MIN) > least)

    def diagnosis(self) -> str:
        """Where u strains the wall most, for the message of a failure. Collective."""
        lowest, cell = self.muscle.least_determinant()
        found = (np.inf, -1, np.zeros(3))
        if cell >= 0 and np.isfinite(lowest):
            corners = self.geometry.points[self.geometry.V1.dofmap.list[cell]]
            found = lowest, int(self.geometry.mesh.topology.original_cell_index[cell]), corners.mean(axis=0)
        lowest, element, centre = min(self.comm.allgather(found), key=lambda one: one[:2])
        if not np.isfinite(lowest):
            return "the displacement is not finite"
        place = ", ".join(f"{x:.1f}" for x in centre)
        much = f"to {lowest:.2g} of its volume" if lowest > 0 else "turned inside out"
        return f"most compressed is element {element} at ({place}) mm, {much}"
