"""Diffusion: one Crank-Nicolson step of chi Cm dv/dt = div(sigma grad v)."""

from collections.abc import Sequence

import numpy as np
import ufl
from dolfinx import fem

from heartwright.linalg import JIT, Assembly, Linear
from heartwright.mesh.geometry import Geometry
from heartwright.parts import State
from heartwright.stopwatch import Stopwatch


def conductivity_tensor(conductivity: fem.Function, directions: Sequence) -> ufl.core.expr.Expr:
    """sigma = sigma_f f0⊗f0 + sigma_s s0⊗s0 + sigma_n n0⊗n0."""
    return sum(conductivity[i] * ufl.outer(a, a) for i, a in enumerate(directions))


class Diffusion:
    """(M + dt/2 K) δ = −dt K v, then v += δ, on linear elements with consistent mass.

    M = ∫ w v dx and K = ∫ ∇w·σ∇v / (χ Cm) dx are assembled once. The first guess of δ is extrapolated from the two
    steps before, which leaves conjugate gradients a handful of iterations. They stop when the error of δ, root mean
    square over the volume, is about `tolerance` [mV]: the same on any number of ranks.

    sigma: the conductivity tensor (UFL) in mS/mm; capacity: chi Cm in uF/mm^3.
    """

    def __init__(self, geometry: Geometry, sigma, capacity: float, tolerance: float, watch: Stopwatch):
        u, w = ufl.TrialFunction(geometry.V1), ufl.TestFunction(geometry.V1)
        chi_Cm = fem.Constant(geometry.mesh, capacity)
        self.M = Assembly(fem.form(u * w * geometry.dx, jit_options=JIT)).update()
        flux = ufl.inner(ufl.grad(w), sigma * ufl.grad(u)) / chi_Cm * geometry.dx
        self.K = Assembly(fem.form(flux, jit_options=JIT)).update()
        self.A = self.M.copy()
        self.dt = 0.0
        volume = geometry.comm.allreduce(fem.assemble_scalar(fem.form(chi_Cm / chi_Cm * geometry.dx, jit_options=JIT)))
        self.solver = Linear(self.A, "cg", "diffusion of the potential", rtol=1e-14, atol=tolerance * volume**0.5)
        self.right, self.change = self.A.createVecs()
        self.rates = np.zeros((2, self.right.local_size))  # dv/dt of the last step and the one before
        self._scratch = np.zeros(self.right.local_size)
        self.iterations, self.steps, self.watch = 0, 0, watch

    def step(self, dt: float, v: fem.Function) -> None:
        """Advance the owned values of v by dt [ms]. Raises SolveFailed when conjugate gradients do not converge."""
        if abs(dt - self.dt) > 1e-9 * dt:
            self._set_step(dt)
        with self.watch("ep_rhs"):
            self.K.mult(v.x.petsc_vec, self.right)
            self.right.scale(-dt)
            self._guess(dt)
        with self.watch("ep_cg"):
            self.iterations += self.solver.solve(self.right, self.change)
            self.steps += 1
        with self.watch("ep_rhs"):
            self.rates[1] = self.rates[0]
            np.divide(self.change.array_r, dt, out=self.rates[0])
            v.x.petsc_vec.axpy(1.0, self.change)

    def _guess(self, dt: float) -> None:
        """change = dt (2 rate − rate before). PETSc learns of the new values when the array is let go of, on return."""
        change = self.change.array_w
        np.multiply(self.rates[0], 2 * dt, out=change)
        self._scratch[:] = self.rates[1]
        self._scratch *= dt
        change -= self._scratch

    def _set_step(self, dt: float) -> None:
        """A = M + dt/2 K."""
        self.M.copy(self.A)
        self.A.axpy(dt / 2, self.K)
        self.solver.ksp.setOperators(self.A)
        self.dt = dt

    def state(self) -> State:
        return {"rates": self.rates}
