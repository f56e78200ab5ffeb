"""Newton's method with kept factors: ends within its bounds, and without a back-substitution it does not need."""

import numpy as np
import pytest
from petsc4py import PETSc

from heartwright.errors import SolveFailed
from heartwright.linalg import Linear
from heartwright.newton import LaggedNewton

K = np.array([1.0, 10.0, 100.0])
INCREMENT, RESIDUAL = 1e-5, 1e-4


class Springs:
    """k u + u³ = f for each of three springs."""

    def __init__(self, f: float):
        self.f, self.u, self.seen = f, np.zeros(3), 0
        self.K = PETSc.Mat().createAIJ((3, 3), nnz=1, comm=PETSc.COMM_SELF)
        self.r = self.K.createVecLeft()
        self.tangent()

    def residual(self, r) -> None:
        self.seen += 1
        r.array[:] = K * self.u + self.u**3 - self.f

    def tangent(self) -> None:
        for i, slope in enumerate(K + 3 * self.u**2):
            self.K.setValue(i, i, slope)
        self.K.assemble()

    def border(self):
        return np.zeros(0), [], np.zeros((0, 0))

    def move(self, du, dp, length: float) -> None:
        self.u += length * du.array

    def size(self, du) -> float:
        return float(np.abs(du.array).max())

    def admissible(self) -> bool:
        return True

    def diagnosis(self) -> str:
        return ""


def exact(f: float) -> np.ndarray:
    """The real root of u³ + k u - f, by Cardano."""
    root = np.sqrt(f**2 / 4 + K**3 / 27)
    return np.cbrt(f / 2 + root) + np.cbrt(f / 2 - root)


@pytest.fixture
def springs():
    problem = Springs(0.1)
    return problem, LaggedNewton(Linear(problem.K, "ldl", "springs"), problem.r, 0)


def test_every_solve_ends_within_its_bounds(springs):
    problem, newton = springs
    for f in np.linspace(0.1, 3.0, 30):
        problem.f = f
        newton.solve(problem, INCREMENT, RESIDUAL, np.inf, 30)
        assert np.abs(problem.u - exact(f)).max() <= INCREMENT
        problem.residual(problem.r)
        assert problem.r.norm() <= RESIDUAL


def test_a_residual_that_is_seen_to_be_small_saves_a_back_substitution(springs):
    problem, newton = springs
    newton.solve(problem, INCREMENT, RESIDUAL, np.inf, 30)
    problem.f, problem.seen = 0.100008, 0
    assert newton.solve(problem, INCREMENT, RESIDUAL, np.inf, 30) == 1
    assert problem.seen == 2
    assert np.abs(problem.u - exact(0.100008)).max() <= INCREMENT


def test_a_solve_that_takes_too_many_iterations_fails(springs):
    problem, newton = springs
    problem.f = 1e3
    with pytest.raises(SolveFailed, match="springs: no convergence in 2 iterations"):
        newton.solve(problem, INCREMENT, RESIDUAL, np.inf, 2)


class Turning(Springs):
    """The same with forces across the movement, of which the tangent knows nothing."""

    def residual(self, r) -> None:
        super().residual(r)
        r.array[:] += np.cross([8.0, -4.0, 3.0], self.u)


def test_what_the_tangent_lacks_is_learned_and_not_paid_for_with_factorisations():
    problem = Turning(0.1)
    newton = LaggedNewton(Linear(problem.K, "ldl", "springs"), problem.r, 0)
    newton.solve(problem, INCREMENT, RESIDUAL, np.inf, 30)
    problem.residual(problem.r)
    assert problem.r.norm() <= RESIDUAL
    assert newton.factorisations <= 3
