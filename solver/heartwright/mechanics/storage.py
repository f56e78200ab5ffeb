"""Storage: a symmetric matrix of 3 x 3 blocks, assembled in place, as PETSc's factorisations take it."""

import numpy as np
from dolfinx import fem, la
from petsc4py import PETSc


class SymmetricMatrix:
    """Blocks of a vector-valued space in a `dolfinx.la.MatrixCSR`, and the PETSc matrix (SBAIJ) of the upper ones.

    values: blocks (n, 3, 3) of this rank, ghost rows included, to be added to; only those on or above the diagonal
    of the global numbering need to be right. Everything is allocated once.
    fixed: local nodes whose rows and columns are those of the identity.
    """

    def __init__(self, V: fem.FunctionSpace, form: fem.Form, fixed: np.ndarray):
        pattern = fem.create_sparsity_pattern(form)
        pattern.finalize()
        self.csr = la.matrix_csr(pattern)
        self.values = self.csr.data.reshape(-1, 3, 3)
        rows, columns = self.csr.index_map(0), self.csr.index_map(1)
        self._owned, blocks = rows.size_local, int(self.csr.indptr[rows.size_local])
        self._indptr = np.array(self.csr.indptr[: self._owned + 1], dtype=PETSc.IntType)
        self._row = np.repeat(np.arange(len(self.csr.indptr) - 1), np.diff(self.csr.indptr))
        self._column = np.array(self.csr.indices)
        self._columns = columns.local_to_global(self._column[:blocks].astype(np.int32)).astype(PETSc.IntType)
        self._clear, self._diagonal = self._fix(rows, columns, fixed)
        self.petsc = self._create(V.mesh.comm, rows)

    def places(self, nodes: np.ndarray) -> np.ndarray:
        """Where the pairs of nodes a <= c of every cell (cells, pairs) go: a block, or -1 - block, transposed.

        Pairs are ordered by c, then a.
        """
        c, a = np.tril_indices(nodes.shape[1])
        number = self.csr.index_map(0).local_to_global(np.arange(nodes.max(initial=-1) + 1, dtype=np.int32))
        first, second = nodes[:, a], nodes[:, c]
        swap = number[first] > number[second]
        width = max(len(number), self._column.max(initial=0) + 1)
        wanted = np.where(swap, second, first) * width + np.where(swap, first, second)
        place = np.searchsorted(self._row * width + self._column, wanted)
        return np.ascontiguousarray(np.where(swap, -1 - place, place), dtype=np.int32)

    def clear(self) -> None:
        self.values[:] = 0.0

    def finish(self) -> PETSc.Mat:
        """Collect what ranks added to each other's rows, fix nodes, hand over to PETSc. Collective."""
        self.csr.scatter_reverse()
        self.values[self._clear] = 0.0
        self.values[self._diagonal] = np.eye(3)
        blocks = len(self._columns)
        self.petsc.setValuesBlockedCSR(self._indptr, self._columns, self.values[:blocks].reshape(-1))
        self.petsc.assemble()
        return self.petsc

    def _fix(self, rows, columns, fixed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Owned blocks in rows and columns of fixed nodes, and those among them on the diagonal."""
        blocks = len(self._columns)
        row, column = self._row[:blocks], self._column[:blocks]
        marks = la.vector(columns)
        marks.array[fixed[fixed < self._owned]] = 1.0
        marks.scatter_forward()
        clear = np.flatnonzero((marks.array[row] > 0) | (marks.array[column] > 0))
        return clear, clear[row[clear] == column[clear]]

    def _create(self, comm, rows) -> PETSc.Mat:
        own, everywhere = 3 * rows.size_local, 3 * rows.size_global
        row, first = self._row[: len(self._columns)], rows.local_range[0]
        upper = self._columns >= row + first
        here = self._columns < first + self._owned
        counts = (np.bincount(row[upper & which], minlength=self._owned) for which in (here, ~here))
        matrix = PETSc.Mat().create(comm)
        matrix.setSizes(((own, everywhere), (own, everywhere)), 3)
        matrix.setType(PETSc.Mat.Type.SBAIJ)
        matrix.setPreallocationNNZ(tuple(count.astype(PETSc.IntType) for count in counts))
        matrix.setOption(PETSc.Mat.Option.IGNORE_LOWER_TRIANGULAR, True)
        return matrix
