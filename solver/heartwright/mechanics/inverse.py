r"""Inverse: the stress-free shape of a heart that was imaged under pressure, by the balance of its image.

What the image shows at x lies at X = x + U(x) without load, so that G = (I + ∇U)⁻¹. The image is in balance:

    r(w) = ∫ σ : ∇w dx + springs - Σ_i p_i dV_i/du . w = 0,   σ = M S Mᵀ/det M,   S = 2 ∂Ψ/∂C,   C = MᵀM
    r_q(δq) = ∫ (1 - (1 + q/κ) det(I + ∇U)) δq dx - s(q, δq) = 0          where the pressure in the muscle is an unknown

with the frame M = G [f0 s0 n0], fibres carried back from the image: equations of U and q, of inverse elasticity
(Govindjee and Mihalic 1996, doi:10.1016/0045-7825(96)01045-6; of hearts: Barnafi, Regazzoni and Riccobelli 2024,
arXiv:2312.11477). Their residual is that of the wall at u = 0; their derivative is not symmetric. Newton's method
creeps to their solution as a wall does to its balance, see `filling`, with viscosity against changes of the shape.
"""

from collections.abc import Callable

import numpy as np
import ufl
from dolfinx import fem
from petsc4py import PETSc

from heartwright.linalg import JIT, Assembly, Linear, Rows
from heartwright.mechanics import boundary
from heartwright.mechanics.filling import FOLLOW, LONG, Creep, Loaded
from heartwright.mechanics.prestress import carried_back
from heartwright.mechanics.spec import Robin
from heartwright.mechanics.wall import Wall


class Image(Loaded):
    """The equations of a wall that bears its pressures in the imaged shape; -U and q are unknown."""

    def __init__(self, wall: Wall):
        super().__init__(wall)
        self.U = wall.prestrain.U
        fixed = boundary.fixed_nodes(wall.geometry, wall.spec.boundaries, wall.V)
        bc = fem.dirichletbc(np.zeros(3), fixed, wall.V)
        self._stiffness = Assembly(fem.form(self._derivative(), jit_options=JIT), [bc])
        blocks, self._coupled = [[self._stiffness.matrix]], wall.incompressible
        if self._coupled:
            self._B, self._Bt, self._D = (Rows(A) for A in (self._coupled.B, self._coupled.Bt, self._coupled.D))
            blocks = [[self._stiffness.matrix, self._B.matrix], [self._Bt.matrix, self._D.matrix]]
        self._nest = PETSc.Mat().createNest(blocks, comm=wall.comm)
        self.K = self._nest.convert("aij", PETSc.Mat())

    def solver(self, equation: str) -> Linear:
        return Linear(self.K, "lu", equation)

    def _derivative(self) -> ufl.Form:
        """-dr/dU, and what viscosity and dashpots add to it."""
        wall, U = self.wall, self.U
        w, dU = ufl.TestFunction(wall.V), ufl.TrialFunction(wall.V)
        inverse = ufl.Identity(3) + ufl.grad(U)
        M = ufl.inv(inverse) * carried_back(inverse, wall.prestrain.imaged)
        C = ufl.variable(M.T * M)
        half = ufl.diff(wall.potential(C, C, 0, 0, wall.stiffening, wall.q, *wall.varying.values()), C)
        forces = ufl.inner(M * (half + half.T) * M.T, ufl.grad(w)) / ufl.det(M) * wall.dx
        K = wall.viscosity * wall.rate * ufl.inner(ufl.sym(ufl.grad(dU)), ufl.grad(w)) * wall.dx
        for spec in wall.spec.boundaries:
            if isinstance(spec, Robin):
                K += boundary.robin(wall.geometry, spec, (1 - FOLLOW) * dU, wall.rate * dU, w)
        return K - ufl.derivative(forces, U, dU)

    def tangent(self) -> None:
        """dr/dq is B of the image, and -dr_q/dU, but for q/κ, its transpose of the unloaded shape."""
        self._stiffness.update()
        if self._coupled:
            self.wall.u.x.array[:] = self.U.x.array
            self._coupled.assemble()
            self._Bt.update()
            self.wall.u.x.array[:] = 0.0
            self._coupled.assemble()
            self._B.update()
            self._D.update()
        self._nest.convert("aij", self.K)

    def move(self, du: PETSc.Vec, dp: np.ndarray, length: float) -> None:
        own = length * du.array_r
        U = self.U.x.array.copy()
        U[self.wall.moving] -= own[self.wall.moving]
        self._put(U)
        if self._coupled:
            self._coupled.move(own[self.wall.moving.stop :])

    def admissible(self, least: float = 0.2) -> bool:
        return self.wall.prestrain.possible(least)

    def diagnosis(self) -> str:
        u = self.wall.u.x.array
        u[:] = self.U.x.array
        said = self.wall.diagnosis()
        u[:] = 0.0
        return f"without load, {said}"

    def keep(self) -> None:
        self._kept = self.U.x.array.copy(), self.wall.q.x.array.copy()

    def deformed(self) -> float:
        return self.wall.steepest(self.U.x.array - self._kept[0])

    def undo(self) -> None:
        U, self.wall.q.x.array[:] = self._kept
        self._put(U)

    def _put(self, U: np.ndarray) -> None:
        """Give muscle and springs another U. Collective."""
        self.wall.prestrain.take(U)
        self.wall.slack.x.array[:] = (1.0 - FOLLOW) * self.U.x.array


def unload(wall: Wall, pressures: np.ndarray, say: Callable[[str], None]) -> None:
    """Find the shape from which the pressures (kPa) lead to the imaged one, u = 0; SolveFailed where there is none."""
    with Creep(wall, "unloading", say, Image(wall)) as creep:
        creep.towards(np.zeros_like(pressures), pressures, last=LONG)
        creep.settle()
