"""Diffusion: one Crank-Nicolson step of chi Cm dv/dt = div(sigma grad v)."""

import ctypes
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import ufl
from dolfinx import fem, la
from dolfinx import mesh as dmesh
from mpi4py import MPI

from heartwright.electrophysiology.slices import Slices
from heartwright.errors import SolveFailed
from heartwright.linalg import JIT
from heartwright.native import library_on
from heartwright.parts import State
from heartwright.stopwatch import Stopwatch

SOURCE = Path(__file__).with_suffix(".c")
MAX_ITERATIONS = 1000


def conductivity_tensor(conductivity: fem.Function, directions: Sequence) -> ufl.core.expr.Expr:
    """sigma = sigma_f f0⊗f0 + sigma_s s0⊗s0 + sigma_n n0⊗n0."""
    return sum(conductivity[i] * ufl.outer(a, a) for i, a in enumerate(directions))


def mass(mesh: dmesh.Mesh, lumped: float, u, w) -> ufl.Form:
    """(1 − lumped) ∫ u w dx + lumped Σ_T |T|/4 Σ_{i in T} u_i w_i, the latter for linear elements."""
    share, dx = fem.Constant(mesh, lumped), ufl.dx(domain=mesh)
    at_nodes = dx(metadata={"quadrature_rule": "vertex", "quadrature_degree": 1})
    return (1 - share) * u * w * dx + share * u * w * at_nodes


class Diffusion:
    """(M + dt/2 K) δ = −dt K v, then v += δ, for v in a space V of finite elements.

    It is solved for δ/s, with s (M + dt/2 K) s, whose diagonal s makes one. M = ∫ w v dx, see `mass`, and K = ∫
    ∇w·σ∇v / (χ Cm) dx are assembled once. The first guess of δ is extrapolated from the two steps before, which
    leaves conjugate gradients a handful of iterations. They stop when the error of δ, root mean square over the
    volume, is about `tolerance` [mV]: the same on any number of ranks.

    nodes: local nodes that the rows of its state are about. sigma: the conductivity tensor (UFL) in mS/mm; capacity:
    chi Cm in uF/mm^3; lumped: the share of M that is; precision: of increments, which are 2^-24 of themselves off in
    `single` (v itself is double).
    """

    def __init__(
        self,
        V: fem.FunctionSpace,
        sigma,
        capacity: float,
        lumped: float,
        tolerance: float,
        watch: Stopwatch,
        precision: str = "double",
    ):
        u, w, dx = ufl.TrialFunction(V), ufl.TestFunction(V), ufl.dx(domain=V.mesh)
        chi_Cm = fem.Constant(V.mesh, capacity)
        self.comm, self.n = V.mesh.comm, V.dofmap.index_map.size_local
        self.nodes = slice(self.n)
        M = _assemble(mass(V.mesh, lumped, u, w))
        K = _assemble(ufl.inner(ufl.grad(w), sigma * ufl.grad(u)) / chi_Cm * dx)  # entries in the same order
        slices = Slices(M.indptr, M.indices, self.n)
        self._begin, self._columns = slices.begin, slices.columns
        self._M, self._K = slices.of(M.data), slices.of(K.data)
        self._A = np.zeros_like(self._M)
        self.dt = 0.0
        volume = self.comm.allreduce(fem.assemble_scalar(fem.form(chi_Cm / chi_Cm * dx, jit_options=JIT)))
        self.bound = tolerance * volume**0.5
        # columns reach farther than the nodes of this rank's cells: to those of the cells beyond its shared nodes
        self._scale = la.vector(M.index_map(1))
        real = {"double": np.float64, "single": np.float32}[precision]
        self._v, self._change, self._direction = (la.vector(M.index_map(1), dtype=real) for _ in range(3))
        self._residual, self._image = (np.empty(self.n, dtype=real) for _ in range(2))
        self._share = np.zeros(1)
        self.rates = np.zeros((2, self.n))  # dv/dt of the last step and the one before
        self.iterations, self.steps, self.watch = 0, 0, watch
        self._library = _library(self.comm, precision)

    def step(self, t: float, dt: float, v: fem.Function) -> None:
        """Advance the owned values of v by dt [ms] from t. Raises SolveFailed without convergence."""
        if abs(dt - self.dt) > 1e-9 * dt:
            self._set_step(dt)
        scale, x = self._scale.array, self._change.array
        with self.watch("ep_rhs"):
            self._v.array[: self.n] = v.x.array[: self.n]
            self._v.scatter_forward()
            self._library.guess(self.n, dt, *_at(scale, *self.rates, x))
        with self.watch("ep_cg"):
            self.iterations += self._solve()
            self.steps += 1
        with self.watch("ep_rhs"):
            self._library.accept(self.n, dt, *_at(scale, x, *self.rates, v.x.array))

    def _solve(self) -> int:
        """The change over s by conjugate gradients from the guess in `change`; returns the number of iterations."""
        x, p, r, q = self._change, self._direction, self._residual, self._image
        x.scatter_forward()
        vectors = _at(self._scale.array, self._v.array, x.array, r, p.array)
        rho = self._sum(self._library.residual(*self._matrix(self._A, self._K), self.dt, *vectors))
        for iteration in range(MAX_ITERATIONS):
            if not rho > self.bound**2:  # not a number ends here, too, and is found by whoever checks v
                return iteration
            p.scatter_forward()
            alpha = rho / self._sum(self._library.curvature(*self._matrix(self._A), *_at(p.array, q)))
            before = rho
            rho = self._sum(self._library.advance(self.n, alpha, *_at(p.array, q, x.array, r)))
            self._library.turn(self.n, rho / before, *_at(r, p.array))
        raise SolveFailed("diffusion of the potential", f"no convergence in {MAX_ITERATIONS} iterations")

    def _sum(self, share: float) -> float:
        self._share[0] = share
        self.comm.Allreduce(MPI.IN_PLACE, self._share)
        return float(self._share[0])

    def _matrix(self, *entries: np.ndarray) -> tuple[int, ...]:
        return self.n, *_at(self._begin, self._columns, *entries)

    def _set_step(self, dt: float) -> None:
        """s of the diagonal of M + dt/2 K, and A = s (M + dt/2 K) s."""
        matrix = *self._matrix(self._M, self._K), dt / 2
        self._library.scaling(*matrix, *_at(self._scale.array))
        self._scale.scatter_forward()
        self._library.system_matrix(*matrix, *_at(self._scale.array, self._A))
        self.dt = dt

    def state(self) -> State:
        return {"rates": self.rates}


def _assemble(form):
    """The matrix of a form as compressed rows; those of owned nodes are complete. Collective."""
    matrix = fem.assemble_matrix(fem.form(form, jit_options=JIT))
    matrix.scatter_reverse()
    return matrix


def _at(*arrays: np.ndarray) -> tuple[int, ...]:
    return tuple(array.ctypes.data for array in arrays)


def _library(comm, precision: str) -> ctypes.CDLL:
    real = {"double": "double", "single": "float"}[precision]
    library = library_on(comm, f"typedef {real} real;\n{SOURCE.read_text()}", f"diffusion_{precision}")
    pointer, size, real = ctypes.c_void_p, ctypes.c_int, ctypes.c_double
    matrix = [size, *[pointer] * 3]
    pair = [*matrix, pointer, real]
    library.scaling.argtypes, library.scaling.restype = [*pair, pointer], None
    library.system_matrix.argtypes, library.system_matrix.restype = [*pair, pointer, pointer], None
    library.guess.argtypes, library.guess.restype = [size, real, *[pointer] * 4], None
    library.residual.argtypes, library.residual.restype = [*pair, *[pointer] * 5], real
    library.curvature.argtypes, library.curvature.restype = [*matrix, pointer, pointer], real
    library.advance.argtypes, library.advance.restype = [size, real, *[pointer] * 4], real
    library.turn.argtypes, library.turn.restype = [size, real, pointer, pointer], None
    library.accept.argtypes, library.accept.restype = [size, real, *[pointer] * 5], None
    return library
