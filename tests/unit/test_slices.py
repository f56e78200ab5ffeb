"""Slices of a sparse matrix: what they hold is the matrix."""

import numpy as np
import pytest
from scipy import sparse

from heartwright.electrophysiology.slices import Slices, W


@pytest.mark.parametrize("n", [0, 1, 8, 13])
def test_slices_hold_the_rows_of_the_matrix_and_zeros(n):
    matrix = sparse.random_array((20, 30), density=0.3, rng=np.random.default_rng(1), format="csr")
    slices = Slices(matrix.indptr, matrix.indices, n)
    entries, dense = slices.of(matrix.data), np.zeros((20, 30), dtype=np.float32)
    for b, (begin, end) in enumerate(zip(slices.begin, slices.begin[1:], strict=False)):
        for lane in range(W):
            np.add.at(dense[b * W + lane], slices.columns[begin + lane : end : W], entries[begin + lane : end : W])
    np.testing.assert_allclose(dense[:n], matrix.toarray()[:n], rtol=1e-7)
    assert not dense[n:].any()
