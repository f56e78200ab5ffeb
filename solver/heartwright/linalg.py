"""Linear and Newton solvers by name: the only file that knows PETSc options."""

import itertools
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from dolfinx import fem, la
from petsc4py import PETSc
from scipy import sparse

from heartwright import forms
from heartwright.errors import SolveFailed

# The coarsening halves the time of BoomerAMG's defaults on 100 k quadratic dofs.
AMG: dict[str, object] = {
    "pc_type": "hypre",
    "pc_hypre_boomeramg_coarsen_type": "HMIS",
    "pc_hypre_boomeramg_interp_type": "ext+i",
    "pc_hypre_boomeramg_P_max": 4,
    "pc_hypre_boomeramg_strong_threshold": 0.5,
}
CG: dict[str, object] = {"ksp_type": "cg", "ksp_initial_guess_nonzero": True}
PRESETS: dict[str, dict[str, object]] = {
    # Elliptic problems on any mesh (Laplace coordinates, harmonic extension).
    "cg_amg": CG | AMG,
    # Two potentials per node, the first parabolic, the second elliptic; the residual is measured in the norm of the
    # preconditioner's inverse, as an error of the potentials.
    "cg_parabolic_elliptic": CG
    | {"ksp_norm_type": "natural", "pc_type": "fieldsplit", "pc_fieldsplit_type": "additive"}
    | {"pc_fieldsplit_block_size": 2, "pc_fieldsplit_0_fields": 0, "pc_fieldsplit_1_fields": 1}
    | {"fieldsplit_0_ksp_type": "preonly", "fieldsplit_0_pc_type": "jacobi", "fieldsplit_1_ksp_type": "preonly"}
    | {f"fieldsplit_1_{key}": value for key, value in AMG.items()}
    | {"fieldsplit_1_pc_hypre_boomeramg_agg_nl": 1},
    # Tangents of the solid, symmetric (or nearly, inside a modified Newton): MUMPS, factored once and reused while it
    # converges well. It may take 60 % more memory than it estimates: with its own 20 % large hearts fail now and then.
    # ScaLAPACK at the root of the elimination tree would cost four ranks a fifth of every factorisation.
    "ldl": {
        "ksp_type": "preonly",
        "pc_type": "cholesky",
        "pc_factor_mat_solver_type": "mumps",
        "mat_mumps_icntl_14": 60,
        "mat_mumps_icntl_13": 1,
    },
    # The same tangents where factors would not fit: smoothed aggregation that knows the rigid motions (Vanek, Mandel
    # and Brezina 1996, doi:10.1007/BF02238511). FGMRES stops by the true residual.
    "amg": {"ksp_type": "fgmres", "ksp_gmres_restart": 60, "pc_type": "gamg"},
    # Tangents that are not symmetric.
    "lu": {"ksp_type": "preonly", "pc_type": "lu", "pc_factor_mat_solver_type": "mumps", "mat_mumps_icntl_14": 60},
}
# The same with block low-rank factors (Amestoy et al. 2019, doi:10.1145/3242094), exact to 1e-3: a fifth less time, and
# what they lack the iteration makes up for. Not of saddle points, whose first increments then lead astray.
PRESETS["ldl_low_rank"] = PRESETS["ldl"] | {"mat_mumps_icntl_35": 2, "mat_mumps_cntl_7": 1e-3}
# The same by one rank alone: on four and more, MUMPS adds in the order in which messages arrive, so that the last bits
# differ from run to run.
PRESETS |= {
    f"{name}_alone": {"ksp_type": "preonly", "pc_type": "telescope"}
    | {f"telescope_{key}": value for key, value in PRESETS[name].items()}
    for name in ("ldl", "ldl_low_rank")
}

INEXACT = 1e-6  # of the true residual: what an iterative solver may leave of a step of Newton's method

JIT = forms.options()

_count = itertools.count()


class Linear:
    """A linear solver A x = b, created once; `solve` may be called for many right-hand sides.

    Raises SolveFailed naming `equation` when the Krylov iteration does not converge.
    """

    def __init__(
        self, A: PETSc.Mat, preset: str, equation: str, rtol: float = 1e-10, atol: float = 1e-50, max_it: int = 1000
    ):
        self.equation, self.preset = equation, preset
        self.ksp = PETSc.KSP().create(A.comm)
        self.ksp.setOperators(A)
        prefix = f"heartwright_{next(_count)}_"
        self.ksp.setOptionsPrefix(prefix)
        self._options = dict(PRESETS[preset])
        if self._options["pc_type"] == "telescope":
            self._options["pc_telescope_reduction_factor"] = A.comm.size
        for key, value in self._options.items():
            PETSc.Options(prefix)[key] = value
        self.ksp.setTolerances(rtol=rtol, atol=atol, max_it=max_it)
        self.ksp.setFromOptions()

    def renew(self) -> PETSc.PC:
        """Factor the matrix at its present values, or coarsen it; solves reuse that until it is renewed again."""
        A, pc = self.ksp.getOperators()[0], self.ksp.getPC()
        P = _unsymmetric(A) if self.preset == "amg" else A
        pc.setReusePreconditioner(False)
        self.ksp.setOperators(A, P)
        self.ksp.setUp()
        pc.setReusePreconditioner(True)
        return pc

    def solve(self, b: PETSc.Vec, x: PETSc.Vec) -> int:
        """Solve into `x` (its content is the first guess of iterative presets); returns the iteration count."""
        try:
            self.ksp.solve(b, x)
        except PETSc.Error as error:
            raise SolveFailed(self.equation, f"linear solver: {error}".splitlines()[-1]) from error
        if self.ksp.reason <= 0:
            raise SolveFailed(self.equation, f"linear solver stopped with reason {self.ksp.reason}")
        return self.ksp.its

    def destroy(self) -> None:
        options = PETSc.Options(self.ksp.getOptionsPrefix())
        for key in self._options:
            del options[key]
        self.ksp.destroy()


def _unsymmetric(A: PETSc.Mat) -> PETSc.Mat:
    """A copy of A, of which only one triangle is stored, with both: the aggregation wants whole rows."""
    P = A.convert(PETSc.Mat.Type.AIJ, PETSc.Mat())  # without a second matrix A itself is converted
    P.setBlockSize(A.getBlockSize())
    P.setNearNullSpace(A.getNearNullSpace())
    return P


def rigid_motions(A: PETSc.Mat, points: np.ndarray) -> None:
    """Tell A, whose unknowns are displacements of this rank's `points` (n, 3), what multigrid must not lose."""
    x = PETSc.Vec().createMPI((points.size, None), bsize=3, comm=A.comm)
    x.array[:] = points.ravel()
    A.setNearNullSpace(PETSc.NullSpace().createRigidBody(x))


def only_up_to(kernel: np.ndarray, A: PETSc.Mat) -> PETSc.NullSpace:
    """Tell A that A x = b fixes x only up to multiples of `kernel` (owned rows), which its solvers then leave out."""
    z = A.createVecLeft()
    z.array[:] = kernel
    z.normalize()
    space = PETSc.NullSpace().create(vectors=[z], comm=A.comm)
    A.setNullSpace(space)
    return space


class Rows:
    """PETSc's matrix with the finished rows of DOLFINx's own, whose blocks may have any shape. Collective."""

    def __init__(self, A: la.MatrixCSR):
        self._A, sizes = A, A.block_size
        maps = A.index_map(0), A.index_map(1)
        shape = [(one.size_local * size, one.size_global * size) for one, size in zip(maps, sizes, strict=True)]
        self._local = [(one.size_local + one.num_ghosts) * size for one, size in zip(maps, sizes, strict=True)]
        self._own = shape[0][0]
        own = self._own_rows()
        local = np.arange(maps[1].size_local + maps[1].num_ghosts, dtype=np.int32)
        whole = (maps[1].local_to_global(local)[:, None] * sizes[1] + np.arange(sizes[1])).ravel()
        self._indptr, self._indices = own.indptr.astype(PETSc.IntType), whole[own.indices].astype(PETSc.IntType)
        self.matrix = PETSc.Mat().createAIJ(shape, csr=(self._indptr, self._indices, own.data), comm=maps[0].comm)

    def update(self) -> PETSc.Mat:
        """The matrix with the present values."""
        self.matrix.setValuesCSR(self._indptr, self._indices, self._own_rows().data)
        self.matrix.assemble()
        return self.matrix

    def _own_rows(self) -> sparse.csr_matrix:
        blocks = self._A.data.reshape(-1, *self._A.block_size), self._A.indices, self._A.indptr
        return sparse.bsr_matrix(blocks, shape=self._local).tocsr()[: self._own]


class Assembly:
    """The matrix of a bilinear form, the same to the last bit whenever it is assembled on the same ranks.

    PETSc adds what other ranks contribute to a row in the order in which it arrives, which differs from run to run on
    three or more. DOLFINx's own matrix adds in the order of the ranks, and PETSc is given its finished rows.

    matrix: PETSc's. `bcs` put ones on the diagonal of their rows. Collective.
    """

    def __init__(self, form: fem.Form, bcs: Sequence[fem.DirichletBC] = ()):
        self._form, self._bcs = form, list(bcs)
        self._A = fem.create_matrix(form)
        self._rows = Rows(self._A)
        self.matrix = self._rows.matrix

    def update(self) -> PETSc.Mat:
        """The matrix, assembled anew."""
        self._A.set_value(0.0)
        fem.assemble_matrix(self._A, self._form, bcs=self._bcs)
        self._A.scatter_reverse()
        return self._rows.update()


class Nonlinear(Protocol):
    """r(u, p) = 0 with n large unknowns u, and c(u, p) = 0 for the m (few or no) unknowns p conjugate to c.

    Conjugate as a pressure is to a volume: dr/dp = -(dc/du)^T.
    """

    def residual(self, r: PETSc.Vec) -> None:
        """r at the present (u, p)."""

    def tangent(self) -> None:
        """Bring K, the matrix Newton's method was made with, to dr/du at the present (u, p), or close to it."""

    def border(self) -> tuple[np.ndarray, Sequence[PETSc.Vec], np.ndarray]:
        """c (m,), C = dc/du (m vectors) and D = dc/dp (m, m)."""

    def move(self, du: PETSc.Vec, dp: np.ndarray, length: float) -> None:
        """u += length du, p += length dp."""

    def size(self, du: PETSc.Vec) -> float:
        """How far an increment goes: |du|_inf of those of the u that are lengths."""

    def admissible(self) -> bool:
        """Whether the equations make sense at the present (u, p); the same answer on every rank."""

    def diagnosis(self) -> str:
        """Where (u, p) is at its worst, for the message of a failure; the same on every rank."""


class LaggedNewton:
    """Newton's method with a border of few unknowns, one factorisation serving many iterations.

        [K  -C^T] [du]     [r]       z = K^-1 r,  Z = K^-1 C^T,  S = D + C Z
        [C   D  ] [dp] = - [c]       dp = S^-1 (C z - c),  du = Z dp - z

    K and Z are kept from an earlier iterate for as long as the increments shrink by at least `SLOW`; r, c, C and D
    are always those of the present one. Anderson mixing makes up for most of what an old K has lost.
    """

    SLOW = 0.6  # a slower rate pays for a new factorisation
    STILL = 1e-2  # of the bound on increments: then the residual is what round-off leaves of it in very stiff elements
    SEEN = 0.1  # of the bounds, within which no further increment is needed
    SHORTEST = 1 / 64  # of an increment, when only a part of it is admissible

    def __init__(self, K: PETSc.Mat, r: PETSc.Vec, borders: int, preset: str, equation: str, memory: int = 5):
        self.K, self.r, self.equation = K, r, equation
        self.linear = Linear(K, preset, equation, rtol=INEXACT)
        self.du = r.duplicate()
        self.Z = [r.duplicate() for _ in range(borders)]
        self.mixing = Mixing(K.comm.tompi4py(), r.getLocalSize() + borders, borders, memory)
        self.rate = 1.0  # how fast increments shrank when last seen
        self.stale = True  # set it to ask for a new factorisation at the next iteration
        self.iterations = self.factorisations = 0

    def solve(self, problem: Nonlinear, increment: float, residual: float, constraint: float, max_it: int) -> int:
        """Iterate until |c|_inf and the expected |error of u|_inf and |r|_2 are below the three bounds.

        r counts as seen at the end where the rate alone does not promise it: seeing it costs less than an increment.
        Returns the number of iterations; SolveFailed when it diverges, leaves the admissible set, or takes too many.
        """
        border, previous, before, held = problem.border(), None, np.inf, False
        self.mixing.begin()
        for k in range(1, max_it + 1):
            problem.residual(self.r)
            norm = self.r.norm()
            if not np.isfinite(norm):
                raise self._failed(problem, "forces are not finite")
            left = _left(previous, self._slowest(norm / before)) if held else np.inf
            if norm <= self.SEEN * residual and left <= self.SEEN * increment:
                return k - 1
            fresh = self.stale
            if self.stale:
                self._factor(problem, border[1])
            dp, size = self._increment(problem, border)
            if previous and size > self.SLOW * previous and not fresh:
                self._factor(problem, border[1])
                dp, size = self._increment(problem, border)
            elif previous:
                self.rate = size / previous
            if not np.isfinite(size) or self.rate > 10:
                raise self._failed(problem, f"diverges in iteration {k} (increment {size:.2g} mm)")
            full = self._advance(problem, dp)
            self.iterations += 1
            border = problem.border()
            held = full and np.abs(border[0]).max(initial=0.0) <= constraint
            rate = self._slowest(0.0 if previous else self.SLOW)  # what is not measured is taken to be bad
            small = norm * rate <= residual or size <= self.STILL * increment
            if held and small and _left(size, rate) <= increment:
                return k
            previous, before = size, norm
        raise self._failed(problem, f"no convergence in {max_it} iterations (increment {size:.2g} mm)")

    def _slowest(self, rate: float) -> float:
        """The rate to reckon with: this one or that last seen, whichever is slower, and none faster than 0.1."""
        return max(rate, self.rate, 0.1)

    def once(self, problem: Nonlinear) -> float:
        """A single full step of Newton's method, with a new factorisation; returns |du|_inf."""
        border = problem.border()
        problem.residual(self.r)
        self._factor(problem, border[1])
        dp, size = self._increment(problem, border)
        problem.move(self.du, dp, 1.0)
        self.iterations += 1
        return size

    def _failed(self, problem: Nonlinear, reason: str) -> SolveFailed:
        self.stale = True
        return SolveFailed(self.equation, f"{reason}; {problem.diagnosis()}")

    def _factor(self, problem: Nonlinear, C: Sequence[PETSc.Vec]) -> None:
        """A new K, its factors, and Z."""
        problem.tangent()
        pc = self.linear.renew()
        if pc.getFailedReason():
            raise self._failed(problem, f"factorisation failed{_mumps_report(pc)}")
        for row, z in zip(C, self.Z, strict=True):
            self.linear.solve(row, z)
        self.mixing.forget()
        self.stale = False
        self.rate = 1.0
        self.factorisations += 1

    def _increment(self, problem: Nonlinear, border) -> tuple[np.ndarray, float]:
        """The plain increment: du into self.du; returns dp and the size of du."""
        c, C, D = border
        self.linear.solve(self.r, self.du)
        self.du.scale(-1.0)
        dp = np.zeros(len(c))
        if len(c):
            S = D + np.array([[row.dot(z) for z in self.Z] for row in C])
            dp = np.linalg.solve(S, -c - np.array([row.dot(self.du) for row in C]))
            self.du.maxpy(dp, self.Z)
        return dp, problem.size(self.du)

    def _advance(self, problem: Nonlinear, dp: np.ndarray) -> bool:
        """Take the mixed increment, or as much of the plain one as is admissible; returns whether it was all of it."""
        plain = self.du.array.copy()
        move = self.mixing(np.append(plain, dp))
        n = len(plain)
        self.du.array[:] = move[:n]
        problem.move(self.du, move[n:], 1.0)
        if problem.admissible():
            return True
        problem.move(self.du, move[n:], -1.0)
        self.mixing.forget()
        self.du.array[:] = plain
        length = 0.5
        while length >= self.SHORTEST:
            problem.move(self.du, dp, length)
            if problem.admissible():
                return False
            problem.move(self.du, dp, -length)
            length /= 2
        raise self._failed(problem, "no part of the increment keeps the determinant of F positive")

    def destroy(self) -> None:
        self.linear.destroy()


def _left(size: float, rate: float) -> float:
    """What an increment of this size leaves of the error where increments shrink at `rate`."""
    return size * rate / max(1 - rate, 0.1)


def _mumps_report(pc: PETSc.PC) -> str:
    """What MUMPS says of a failed factorisation; nothing where it ran inside another preconditioner."""
    factored = pc.getType() == "cholesky"
    return f" (MUMPS reports {pc.getFactorMatrix().getMumpsInfog(1)})" if factored else ""


class Mixing:
    """Anderson mixing: the best combination of the present increment and those before (Walker and Ni 2011).

    With moves s_j = x_{j+1} - x_j and changes of the increment y_j = d_{j+1} - d_j of the last `memory` iterations:
        move = d - sum_j gamma_j (s_j + y_j),  gamma = argmin |d - sum_j gamma_j y_j|
    doi:10.1137/10078356X. The pairs describe the error of the kept factorisation, so they serve later solves too,
    until `forget`. Vectors are the local rows of x; the last `shared` rows are the same on every rank.
    """

    def __init__(self, comm, n: int, shared: int, memory: int):
        self.comm, self.memory = comm, memory
        self.weight = np.ones(n)
        self.weight[n - shared :] = 1.0 / comm.size
        self.s, self.y = np.zeros((memory, n)), np.zeros((memory, n))
        self.d, self.move = np.zeros(n), np.zeros(n)
        self.forget()

    def forget(self) -> None:
        self.count, self.pending = 0, False

    def begin(self) -> None:
        """A new solve starts: its first increment does not continue the last one."""
        self.pending = False

    def __call__(self, d: np.ndarray) -> np.ndarray:
        """The mixed move for the increment `d`."""
        if self.memory == 0:
            return d
        if self.pending:
            row = self.count % self.memory
            self.s[row], self.y[row] = self.move, d - self.d
            self.count += 1
        self.d[:] = d
        self.move[:] = d
        used = min(self.count, self.memory)
        if used:
            y = self.y[:used]
            gram = self.comm.allreduce((y * self.weight) @ np.vstack([y, d]).T)
            gamma = np.linalg.lstsq(gram[:, :used], gram[:, used], rcond=1e-10)[0]
            self.move -= gamma @ (self.s[:used] + y)
        self.pending = True
        return self.move
