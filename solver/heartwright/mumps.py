"""MUMPS: factors of a symmetric matrix in single precision, kept for many solves.

Increments of Newton's method with a kept tangent need a few digits only. Their factors are single precision and block
low-rank (Amestoy et al. 2019, doi:10.1145/3242094), exact to 1e-3: half the memory to be read by every solve.
"""

import contextlib
import ctypes
from pathlib import Path
from typing import Protocol

import numpy as np
from mpi4py import MPI
from petsc4py import PETSc
from scipy.linalg import cython_blas

from heartwright.errors import HeartwrightError, SolveFailed, of_mumps
from heartwright.native import library_on

SOURCE = Path(__file__).with_name("mumps.c")
ANALYSE, FACTOR, SOLVE = 1, 2, 3
# Options, by their numbers in the users' guide. ScaLAPACK at the root of the elimination tree would cost four ranks a
# fifth of every factorisation.
ROOT_ALONE, SPARE, DISTRIBUTED, LOW_RANK = (13, 1), 14, (18, 3), (35, 2)
EXACT = 1e-3  # what low-rank blocks keep
ROOM = 60, 960  # % more memory than MUMPS estimates, at first and at most: 20 % are too little for large hearts
FULL = (-8, -9)  # it asks for more


class Symmetric(Protocol):
    """A symmetric matrix whose rows are spread over the ranks as those of its vectors."""

    comm: MPI.Comm

    def triangle(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns, in the numbering of all ranks, of this rank's entries on and above the diagonal."""

    def entries(self) -> np.ndarray:
        """Their present values."""


class Factors:
    """L D Lᵀ = A, a solver like `linalg.Linear`.

    A: asked for its `triangle` once, and for its `entries` at every `renew`; b: any vector of its unknowns. On
    several ranks the last bits differ from run to run: MUMPS adds in the order in which messages arrive.

    Raises HeartwrightError where MUMPS's library of single precision is not installed.
    """

    def __init__(self, A: Symmetric, b: PETSc.Vec, equation: str):
        self.A, self.equation, self.comm = A, equation, A.comm
        self._library = library = _library(self.comm)
        self._counts = np.array(self.comm.allgather(b.getLocalSize()))
        self._b = np.empty(b.getSize() if self.comm.rank == 0 else 0)
        self._rhs = np.empty(len(self._b), np.float32)
        rows, columns = (1 + numbers.astype(np.int32) for numbers in A.triangle())
        self._values = np.empty(len(rows), np.float32)
        self._kept = rows, columns  # MUMPS has their addresses
        self._mumps, self._analysed, self._room = library.heartwright_mumps(self.comm.py2f()), False, ROOM[0]
        for option in (ROOT_ALONE, DISTRIBUTED, LOW_RANK):
            library.heartwright_mumps_set(self._mumps, *option)
        library.heartwright_mumps_tolerance(self._mumps, EXACT)
        arrays = (array.ctypes.data for array in (rows, columns, self._values, self._rhs))
        library.heartwright_mumps_matrix(self._mumps, b.getSize(), len(rows), *arrays)

    def renew(self) -> None:
        """Factor A as it is now. Raises SolveFailed when that cannot be done. Collective."""
        with np.errstate(over="ignore"):  # what is infinite here makes an increment that Newton's method refuses
            self._values[:] = self.A.entries()
        if not self._analysed:
            self._job(ANALYSE)
            self._analysed = True
        while (verdict := self._factor()) in FULL and self._room < ROOM[1]:
            self._room *= 2
        if verdict:
            raise SolveFailed(self.equation, f"factorisation failed{of_mumps(verdict)}")

    def solve(self, b: PETSc.Vec, x: PETSc.Vec) -> int:
        """x = A⁻¹ b, to a few digits; returns 1, for one back-substitution. Collective."""
        self.comm.Gatherv(b.array_r, [self._b, self._counts], root=0)
        largest = np.abs(self._b).max(initial=0.0) or 1.0  # small loads would vanish in single precision
        self._rhs[:] = self._b / largest
        self._job(SOLVE)
        self._b[:] = largest * self._rhs.astype(float)
        self.comm.Scatterv([self._b, self._counts], x.array, root=0)
        return 1

    def destroy(self) -> None:
        self._library.heartwright_mumps_destroy(self._mumps)

    def _factor(self) -> int:
        self._library.heartwright_mumps_set(self._mumps, SPARE, self._room)
        return self._job(FACTOR)

    def _job(self, job: int) -> int:
        return self._library.heartwright_mumps_job(self._mumps, job)


def available(comm: MPI.Comm) -> bool:
    """Whether MUMPS's library and headers of single precision are there. Collective."""
    with contextlib.suppress(HeartwrightError):
        return bool(_library(comm))
    return False


def _library(comm: MPI.Comm) -> ctypes.CDLL:
    library = library_on(comm, SOURCE.read_text(), "mumps", ("-lsmumps",))
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    library.heartwright_blas.argtypes = [pointer] * 4
    library.heartwright_blas(*map(_blas, ("sgemm", "sgemv", "strsm", "strsv")))
    library.heartwright_mumps.argtypes, library.heartwright_mumps.restype = [integer], pointer
    library.heartwright_mumps_set.argtypes = [pointer, integer, integer]
    library.heartwright_mumps_tolerance.argtypes = [pointer, ctypes.c_double]
    library.heartwright_mumps_matrix.argtypes = [pointer, integer, ctypes.c_longlong, *[pointer] * 4]
    library.heartwright_mumps_job.argtypes = [pointer, integer]
    library.heartwright_mumps_destroy.argtypes = [pointer]
    return library


def _blas(name: str) -> int:
    """The address of a routine of the BLAS that SciPy was built with."""
    capsule, python = cython_blas.__pyx_capi__[name], ctypes.pythonapi
    python.PyCapsule_GetName.restype, python.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    python.PyCapsule_GetPointer.restype = ctypes.c_void_p
    python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    return python.PyCapsule_GetPointer(capsule, python.PyCapsule_GetName(capsule))
