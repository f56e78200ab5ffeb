"""Factors in single precision: what they solve, how well, and what they say of matrices that cannot be factored."""

import numpy as np
import pytest
from mpi4py import MPI
from petsc4py import PETSc
from scipy import sparse

from heartwright.errors import SolveFailed
from heartwright.mumps import Factors

N = 60


class Matrix:
    """A symmetric matrix on one rank."""

    comm = MPI.COMM_SELF

    def __init__(self, whole: np.ndarray):
        self.whole, self._upper = whole, sparse.triu(whole).tocoo()

    def triangle(self):
        return self._upper.row, self._upper.col

    def entries(self):
        return self.whole[self.triangle()]


@pytest.fixture
def solve():
    made = []

    def solution(matrix: Matrix, b: np.ndarray) -> np.ndarray:
        right, x = (PETSc.Vec().createSeq(len(b)) for _ in range(2))
        right.array[:] = b
        made.append(factors := Factors(matrix, right, "test"))
        factors.renew()
        assert factors.solve(right, x) == 1
        return x.array.copy()

    yield solution
    for factors in made:
        factors.destroy()


@pytest.fixture
def indefinite() -> Matrix:
    """With eigenvalues of both signs between 1 and 100."""
    random = np.random.default_rng(1)
    axes, _ = np.linalg.qr(random.standard_normal((N, N)))
    return Matrix((axes * np.where(np.arange(N) % 3, 1, -1) * np.geomspace(1, 100, N)) @ axes.T)


@pytest.mark.parametrize("scale", [1.0, 1e-60, 1e30])  # beyond what single precision could hold
def test_it_solves_to_single_precision_whatever_the_size_of_the_load(indefinite, solve, scale):
    b = scale * np.sin(np.arange(N))
    assert indefinite.whole @ solve(indefinite, b) == pytest.approx(b, abs=1e-4 * scale)


def test_no_load_no_movement(indefinite, solve):
    assert not solve(indefinite, np.zeros(N)).any()


def test_factors_are_those_of_the_last_renewal(indefinite):
    b, x = (PETSc.Vec().createSeq(N) for _ in range(2))
    b.array[:] = 1.0
    factors = Factors(indefinite, b, "test")
    factors.renew()
    factors.solve(b, x)
    before = x.array.copy()
    indefinite.whole *= 2
    factors.solve(b, x)
    assert np.array_equal(x.array, before)
    factors.renew()
    factors.solve(b, x)
    assert indefinite.whole @ x.array == pytest.approx(b.array, abs=1e-4)
    factors.destroy()


def test_a_singular_matrix_is_a_failed_solve(solve):
    whole = np.diag(np.append(np.ones(N - 1), 0.0))
    whole[0, 1] = whole[1, 0] = 0.5
    with pytest.raises(SolveFailed, match=r"test: factorisation failed \(the matrix is singular, MUMPS -10\)"):
        solve(Matrix(whole), np.ones(N))
