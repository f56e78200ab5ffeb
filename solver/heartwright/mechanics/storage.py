"""Storage: a symmetric matrix of 3 x 3 blocks, assembled in place, as PETSc's factorisations take it."""

import numpy as np
from dolfinx import fem, la
from petsc4py import PETSc
from scipy import sparse


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
        self.comm = V.mesh.comm
        self.petsc = self._create(rows)

    def places(self, nodes: np.ndarray) -> np.ndarray:
        """Where the pairs of nodes a <= c of every cell (cells, pairs) go: a block, or -1 - block, transposed.

        Pairs are ordered by c, then a.
        """
        c, a = np.tril_indices(nodes.shape[1])
        number = self.csr.index_map(0).local_to_global(np.arange(nodes.max(initial=-1) + 1, dtype=np.int32))
        first, second = nodes[:, a], nodes[:, c]
        swap = number[first] > number[second]
        place = places(self.csr, np.where(swap, second, first), np.where(swap, first, second))
        return np.ascontiguousarray(np.where(swap, -1 - place, place), dtype=np.int32)

    def clear(self) -> None:
        self.values[:] = 0.0

    def finish(self) -> PETSc.Mat:
        """Collect what ranks added to each other's rows, fix nodes, hand over to PETSc. Collective."""
        self.collect()
        blocks = len(self._columns)
        self.petsc.setValuesBlockedCSR(self._indptr, self._columns, self.values[:blocks].reshape(-1))
        self.petsc.assemble()
        return self.petsc

    def triangle(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns, in the numbering of all ranks, of this rank's entries on and above the diagonal."""
        first = self.csr.index_map(0).local_range[0]
        blocks = np.stack([self._row[: len(self._columns)] + first, self._columns])
        rows, columns = (3 * blocks[..., None, None] + np.indices((3, 3))[:, None]).reshape(2, -1)
        self._upper = np.flatnonzero(rows <= columns)
        return rows[self._upper], columns[self._upper]

    def entries(self) -> np.ndarray:
        """The values of those that `triangle` has told."""
        return self.values.reshape(-1)[self._upper]

    def collect(self) -> None:
        """Bring the rows this rank owns to their sums over the ranks, and those of fixed nodes to the identity's."""
        self.csr.scatter_reverse()
        self.values[self._clear] = 0.0
        self.values[self._diagonal] = np.eye(3)

    def _fix(self, rows, columns, fixed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Owned blocks in rows and columns of fixed nodes, and those among them on the diagonal."""
        blocks = len(self._columns)
        row, column = self._row[:blocks], self._column[:blocks]
        marks = la.vector(columns)
        marks.array[fixed[fixed < self._owned]] = 1.0
        marks.scatter_forward()
        clear = np.flatnonzero((marks.array[row] > 0) | (marks.array[column] > 0))
        return clear, clear[row[clear] == column[clear]]

    def _create(self, rows) -> PETSc.Mat:
        own, everywhere = 3 * rows.size_local, 3 * rows.size_global
        row, first = self._row[: len(self._columns)], rows.local_range[0]
        upper = self._columns >= row + first
        here = self._columns < first + self._owned
        counts = [np.bincount(row[upper & which], minlength=self._owned) for which in (here, ~here)]
        return _symmetric(self.comm, (own, everywhere), 3, counts)


class SaddlePointMatrix(SymmetricMatrix):
    """The same with scalar unknowns q beside u: [K B; Bᵀ D], on every rank the rows of its u before those of its q.

    border: B, Bt and D, and how to `assemble` them.
    """

    def __init__(self, V: fem.FunctionSpace, form: fem.Form, fixed: np.ndarray, border):
        self._border = border
        super().__init__(V, form, fixed)

    def finish(self) -> PETSc.Mat:
        self.collect()
        self._border.assemble()
        indptr, columns, data = self._own_rows()
        self.petsc.setValuesCSR(indptr, columns, data)
        self.petsc.assemble()
        return self.petsc

    def _own_rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The rows this rank owns, those of u and then of q, in compressed form with columns of the whole."""
        B, Bt, D = self._border.B, self._border.Bt, self._border.D
        halves = ((self.csr, B), 3 * self._owned), ((Bt, D), D.index_map(0).size_local)
        rows = [sparse.hstack([part.to_scipy().tocsr()[:n] for part in half], format="csr") for half, n in halves]
        columns = [np.take(number, half.indices) for number, half in zip(self._numbers, rows, strict=True)]
        indptr = np.concatenate([rows[0].indptr, rows[0].nnz + rows[1].indptr[1:]])
        data = np.concatenate([half.data for half in rows])
        return indptr.astype(PETSc.IntType), np.concatenate(columns), data

    def _create(self, rows) -> PETSc.Mat:
        B, Bt, D = self._border.B, self._border.Bt, self._border.D
        sizes = np.array(self.comm.allgather((3 * rows.size_local, D.index_map(0).size_local)))
        ends = np.cumsum(sizes.sum(axis=1))
        of_u = ends - sizes.sum(axis=1)
        of_q = of_u + sizes[:, 0]
        self._numbers = [
            np.concatenate([_numbers(u.index_map(1), 3, of_u), _numbers(q.index_map(1), 1, of_q)])
            for u, q in ((self.csr, B), (Bt, D))
        ]
        rank, (indptr, columns, _) = self.comm.rank, self._own_rows()
        own = len(indptr) - 1
        row = np.repeat(np.arange(own), np.diff(indptr))
        upper, here = columns >= row + of_u[rank], columns < ends[rank]
        counts = [np.bincount(row[upper & which], minlength=own) for which in (here, ~here)]
        return _symmetric(self.comm, (own, int(ends[-1])), 1, counts)


def places(csr, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The entries (or blocks) of a `dolfinx.la.MatrixCSR` in local rows and columns, which must exist."""
    width = csr.index_map(1).size_local + csr.index_map(1).num_ghosts
    row = np.repeat(np.arange(len(csr.indptr) - 1), np.diff(csr.indptr))
    return np.searchsorted(row * width + csr.indices, rows.astype(np.int64) * width + columns)


def _symmetric(comm, sizes: tuple[int, int], block: int, counts: list[np.ndarray]) -> PETSc.Mat:
    """An SBAIJ matrix that ignores what is below its diagonal; counts of blocks per row on this rank and on others."""
    matrix = PETSc.Mat().create(comm)
    matrix.setSizes((sizes, sizes), block)
    matrix.setType(PETSc.Mat.Type.SBAIJ)
    matrix.setPreallocationNNZ(tuple(count.astype(PETSc.IntType) for count in counts))
    matrix.setOption(PETSc.Mat.Option.IGNORE_LOWER_TRIANGULAR, True)
    return matrix


def _numbers(nodes, size: int, first: np.ndarray) -> np.ndarray:
    """The row in the whole matrix of every local entry, `size` per node, ghosts included; `first` of each rank's."""
    owners = np.full(nodes.size_local + nodes.num_ghosts, nodes.comm.rank)
    owners[nodes.size_local :] = nodes.owners
    place = nodes.local_to_global(np.arange(len(owners), dtype=np.int32))
    place -= np.array(nodes.comm.allgather(nodes.local_range[0]))[owners]
    return ((first[owners] + size * place)[:, None] + np.arange(size)).ravel().astype(PETSc.IntType)
