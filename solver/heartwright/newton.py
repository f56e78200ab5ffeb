"""Newton's method for large systems with a border of few equations, one factorisation serving many iterations."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from petsc4py import PETSc

from heartwright.errors import SolveFailed


class Solver(Protocol):
    """A linear solver K x = b that keeps what it makes of K, such as `linalg.Linear` and `mumps.Factors`."""

    equation: str

    def renew(self) -> None:
        """Take K as it is now; SolveFailed when that cannot be done."""

    def solve(self, b: PETSc.Vec, x: PETSc.Vec) -> int:
        """Solve into x; returns how many iterations that took."""

    def destroy(self) -> None: ...


class Nonlinear(Protocol):
    """r(u, p) = 0 with n large unknowns u, and c(u, p) = 0 for the m (few or no) unknowns p conjugate to c.

    Conjugate as a pressure is to a volume: dr/dp = -(dc/du)^T.
    """

    def residual(self, r: PETSc.Vec) -> None:
        """r at the present (u, p)."""

    def tangent(self) -> None:
        """Bring K, the matrix of the linear solver, to dr/du at the present (u, p), or close to it."""

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
    SAME = 0.1  # a smaller change of an increment does not
    STILL = 1e-2  # of the bound on increments: then the residual is what round-off leaves of it in very stiff elements
    SEEN = 0.1  # of the bounds, within which no further increment is needed
    SHORTEST = 1 / 64  # of an increment, when only a part of it is admissible

    def __init__(self, linear: Solver, r: PETSc.Vec, borders: int, memory: int = 5):
        self.linear, self.r, self.du = linear, r, r.duplicate()
        self.Z = [r.duplicate() for _ in range(borders)]
        self.mixing = Mixing(r.comm.tompi4py(), r.getLocalSize() + borders, borders, memory)
        self.rate = 1.0  # how fast increments shrank when last seen
        self.stale = True  # set it to ask for a new factorisation at the next iteration
        self.patience = 0  # iterations before new factors are tried again
        self.iterations = self.factorisations = 0

    def solve(self, problem: Nonlinear, increment: float, residual: float, constraint: float, max_it: int) -> int:
        """Iterate until |c|_inf and the expected |error of u|_inf and |r|_2 are below the three bounds.

        r counts as seen at the end where the rate alone does not promise it: seeing it costs less than an increment.
        Returns the number of iterations; SolveFailed when it diverges, leaves the admissible set, or takes too many.
        """
        border, previous, before, held = problem.border(), None, np.inf, False
        self.mixing.begin()
        self.patience = 0
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
                self.mixing.forget()
            dp, size = self._increment(problem, border)
            self.patience = max(0, self.patience - 1)
            if previous and size > self.SLOW * previous and not (fresh or self.patience):
                dp, size = self._renewed(problem, border, size)
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
        self.mixing.forget()
        dp, size = self._increment(problem, border)
        problem.move(self.du, dp, 1.0)
        self.iterations += 1
        return size

    def _failed(self, problem: Nonlinear, reason: str) -> SolveFailed:
        self.stale = True
        return SolveFailed(self.linear.equation, f"{reason}; {problem.diagnosis()}")

    def _factor(self, problem: Nonlinear, C: Sequence[PETSc.Vec]) -> None:
        """A new K, its factors, and Z."""
        problem.tangent()
        try:
            self.linear.renew()
        except SolveFailed as failure:
            raise self._failed(problem, failure.reason) from failure
        for row, z in zip(C, self.Z, strict=True):
            self.linear.solve(row, z)
        self.stale = False
        self.rate = 1.0
        self.factorisations += 1

    def _renewed(self, problem: Nonlinear, border, size: float) -> tuple[np.ndarray, float]:
        """The increment by new factors; if that is the old one, of this `size`, they are not what is slow.

        Then K lacks something, which mixing learns if it is given some iterations.
        """
        self._factor(problem, border[1])
        dp, renewed = self._increment(problem, border)
        if abs(renewed - size) < self.SAME * size:
            self.patience = self.mixing.memory
        else:
            self.mixing.forget()
        return dp, renewed

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
