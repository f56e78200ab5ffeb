"""Exchange: a distributed array gathered into one block per rank in the order of its numbers, and handed back."""

import numpy as np
from mpi4py import MPI

from heartwright.parts import Rows


class Exchange:
    """The blocks of all ranks, one after the other, hold every row once, sorted by its number: the same array on any
    number of ranks.

    first, count: of the rows in this rank's block; total: of all rows. Collective, like its methods.
    """

    def __init__(self, rows: Rows, comm: MPI.Comm):
        self.rows, self.comm = rows, comm
        keys = np.ascontiguousarray(rows.keys, dtype=np.int64)
        top = comm.allreduce(int(keys.max(initial=0)), op=MPI.MAX) + 1
        block = np.minimum((keys / top * comm.size).astype(np.int64), comm.size - 1)
        self._order = np.argsort(keys, kind="stable")
        self._sent = np.bincount(block, minlength=comm.size)
        self._got = np.array(comm.alltoall(self._sent.tolist()))
        arrived = self._move(keys[self._order, None], self._sent, self._got)
        distinct, place = np.unique(arrived, return_inverse=True)
        self._place = place.ravel()
        self.count, self.first = len(distinct), comm.exscan(len(distinct)) or 0
        self.total = comm.allreduce(self.count)

    def width(self, array: np.ndarray) -> int:
        """Values per row of a local array. Collective: a rank may hold no row."""
        n = len(self.rows.keys)
        return self.comm.allreduce(array.size // n if n else 0, op=MPI.MAX)

    def gather(self, array: np.ndarray, width: int) -> np.ndarray:
        """This rank's block (count, width) of a local array."""
        local = np.moveaxis(array, self.rows.axis, 0).reshape(len(self.rows.keys), width)
        block = np.zeros((self.count, width), dtype=array.dtype)
        block[self._place] = self._move(local[self._order], self._sent, self._got)
        return block

    def scatter(self, block: np.ndarray, array: np.ndarray) -> None:
        """Write a block (count, width) into the local array it belongs to."""
        local = np.empty((len(self.rows.keys), block.shape[1]), dtype=block.dtype)
        local[self._order] = self._move(block[self._place], self._got, self._sent)
        along = np.moveaxis(array, self.rows.axis, 0)
        along[...] = local.reshape(along.shape)

    def _move(self, values: np.ndarray, sent: np.ndarray, got: np.ndarray) -> np.ndarray:
        """Rows (n, width) sorted by the rank they go to; returns those that arrive, sorted by where they come from."""
        arrived = np.empty((int(got.sum()), values.shape[1]), dtype=values.dtype)
        row = MPI.BYTE.Create_contiguous(values.itemsize * values.shape[1]).Commit()
        try:
            self.comm.Alltoallv([np.ascontiguousarray(values), sent, row], [arrived, got, row])
        finally:
            row.Free()
        return arrived
