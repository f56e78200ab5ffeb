"""Bidomain: one Crank-Nicolson step of the diffusion of the transmembrane and the extracellular potential."""

import numpy as np
import ufl
from dolfinx import fem, la
from petsc4py import PETSc

from heartwright.electrophysiology.diffusion import mass
from heartwright.linalg import JIT, Assembly, Linear, only_up_to
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.select import nodes_of_cells
from heartwright.parts import State
from heartwright.stopwatch import Stopwatch

ELLIPTIC = 1e-6  # by how much the residual of phi_e alone is reduced, which phi half way has left small


class Bidomain:
    """chi Cm dv/dt = div(sigma_i grad(v + phi)),  0 = div(sigma_i grad v) + div((sigma_i + sigma_e) grad phi).

    Of U = (v, phi), on linear elements, a share of the mass `lumped`:

        (M + dt/2 K) δ = −dt K U,   v += δ_v,   phi += δ_phi / 2
        W·M U = ∫ w v dx,   W·K U = ∫ (∇(w + q)·sigma_i∇(v + phi) + ∇q·sigma_e∇phi) / (χ Cm) dx,   W = (w, q)

    phi has no rate: the step finds its value half way, whatever it starts from, and fixes it up to a constant (Sundnes
    et al. 2005, doi:10.1016/j.mbs.2005.01.001). Conjugate gradients stop when the error of δ, root mean square over
    the volume, is about `tolerance` [mV]. In the bath, cells that are not `muscle`, sigma_i and v are zero.

    intracellular, extracellular: sigma_i, sigma_e (UFL) in mS/mm; capacity: chi Cm in uF/mm^3; muscle: local cells,
    bool. Raises SolveFailed without convergence.
    """

    def __init__(
        self,
        geometry: Geometry,
        intracellular,
        extracellular,
        capacity: float,
        lumped: float,
        tolerance: float,
        watch: Stopwatch,
        muscle: np.ndarray,
    ):
        self.geometry, self.n, self.watch = geometry, geometry.V1.dofmap.index_map.size_local, watch
        self.rates = np.zeros((2, 2, self.n))  # of v and phi, in the last step and in the one before
        self.phi = np.zeros(self.n)
        self.nodes, self.iterations, self.steps = slice(self.n), 0, 0
        V = fem.functionspace(geometry.mesh, ("Lagrange", 1, (2,)))
        U, W, dx = ufl.TrialFunction(V), ufl.TestFunction(V), geometry.dx
        self._dt, chi_Cm = fem.Constant(geometry.mesh, 1.0), fem.Constant(geometry.mesh, capacity)
        where = fem.Function(fem.functionspace(geometry.mesh, ("DG", 0)))
        where.x.array[:] = muscle
        K = _currents(U, W, intracellular, extracellular) / chi_Cm * dx
        A = mass(geometry.mesh, lumped, U[0], where * W[0]) + self._dt / 2 * K
        bath_nodes = np.flatnonzero(~nodes_of_cells(geometry, muscle)).astype(np.int32)
        in_bath = fem.dirichletbc(fem.Constant(geometry.mesh, 0.0), 2 * bath_nodes, V.sub(0))
        self._stiffness = Assembly(_form(K)).update()
        self._assembly = Assembly(_form(A), [in_bath])
        self.dt = 0.0
        self._kernel = only_up_to(np.tile([0.0, 1.0], self.n), self._assembly.matrix)
        bound = tolerance * geometry.comm.allreduce(fem.assemble_scalar(_form(chi_Cm / chi_Cm * dx))) ** 0.5
        self._step = Linear(self._assembly.matrix, "cg_parabolic_elliptic", "bidomain equation", 1e-50, bound)
        self._U, self._right, self._change = (self._stiffness.createVecLeft() for _ in range(3))
        self._balance = Balance(geometry, (intracellular + extracellular) / chi_Cm)

    def step(self, t: float, dt: float, v: fem.Function) -> None:
        """Advance the owned values of v by dt [ms] from t. Raises SolveFailed without convergence."""
        if abs(dt - self.dt) > 1e-9 * dt:
            self._dt.value = self.dt = dt
            self._assembly.update()
        with self.watch("ep_rhs"):
            self._residual(v.x.array[: self.n], self._right)
            self._right.scale(dt)
            self._kernel.remove(self._right)
            self._change.array[:] = dt * (2 * self.rates[0] - self.rates[1]).T.ravel()
        with self.watch("ep_cg"):
            self.iterations += self._step.solve(self._right, self._change)
            self.steps += 1
        change = self._change.array_r.reshape(-1, 2).T
        self.rates[1] = self.rates[0]
        self.rates[0] = change / dt
        v.x.array[: self.n] += change[0]
        self.phi += change[1] / 2

    def phi_e(self, v: fem.Function) -> np.ndarray:
        """The extracellular potential [mV] that goes with v, at owned nodes; its mean over the volume is zero."""
        self._residual(v.x.array[: self.n], self._right)
        return self._balance.restored(self.phi, self._right.array_r[1::2])

    def state(self) -> State:
        return {"rates": self.rates.reshape(4, -1), "phi": self.phi.reshape(1, -1)}

    def _residual(self, v: np.ndarray, r: PETSc.Vec) -> None:
        """r = −K (v, phi)."""
        self._U.array[0::2], self._U.array[1::2] = v, self.phi
        self._stiffness.mult(self._U, r)
        r.scale(-1.0)


class Balance:
    """−div(conductivity grad phi) = source, phi being fixed by its mean over the volume, zero."""

    def __init__(self, geometry: Geometry, conductivity):
        self.comm, n = geometry.comm, geometry.V1.dofmap.index_map.size_local
        phi, q = ufl.TrialFunction(geometry.V1), ufl.TestFunction(geometry.V1)
        A = Assembly(_form(ufl.inner(ufl.grad(q), conductivity * ufl.grad(phi)) * geometry.dx)).update()
        self._constants = only_up_to(np.ones(n), A)
        self._linear = Linear(A, "cg_amg", "balance of currents", ELLIPTIC)
        self._residual, self._change = A.createVecLeft(), A.createVecLeft()
        self._volumes = _owned(fem.assemble_vector(_form(q * geometry.dx)), n)
        self._volumes /= self.comm.allreduce(self._volumes.sum())

    def restored(self, phi: np.ndarray, residual: np.ndarray) -> np.ndarray:
        """phi corrected for the residual that it leaves, owned values of both. Raises SolveFailed."""
        self._residual.array[:] = residual
        self._constants.remove(self._residual)
        self._change.set(0.0)
        self._linear.solve(self._residual, self._change)
        corrected = phi + self._change.array_r
        return corrected - self.comm.allreduce(self._volumes @ corrected)


def _currents(U, W, intracellular, extracellular):
    (v, phi), (w, q) = U, W
    inside = ufl.inner(ufl.grad(w + q), intracellular * ufl.grad(v + phi))
    return inside + ufl.inner(ufl.grad(q), extracellular * ufl.grad(phi))


def _form(form) -> fem.Form:
    return fem.form(form, jit_options=JIT)


def _owned(vector: la.Vector, n: int) -> np.ndarray:
    vector.scatter_reverse(la.InsertMode.add)
    return vector.array[:n]
