"""Memory: what a run needs, compared with what its machines have; what it uses; what it has freed, given back."""

import ctypes
import os
import resource
from collections.abc import Sequence
from typing import TYPE_CHECKING

from heartwright.errors import InputError

if TYPE_CHECKING:
    from mpi4py import MPI

PER_RANK = 0.3e9  # bytes: Python, DOLFINx, PETSc, compiled kernels
FACTOR = 260.0  # bytes per n^(4/3): factors of n unknowns in three dimensions (George 1973, doi:10.1137/0710032);
# the constant is that of a biventricle of 308 025 unknowns on four ranks, 6.8 GB in all


def peak() -> int:
    """The most bytes that this process has held."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def line(peaks: Sequence[int]) -> str:
    """Peaks of all ranks in words."""
    most = f"{max(peaks) / 1e9:.2g} GB"
    return f"memory: {most}" if len(peaks) == 1 else f"memory: at most {most} on each of {len(peaks)} ranks"


def require(unknowns: int, comm: "MPI.Comm") -> None:
    """Raises InputError where a solid of so many unknowns cannot fit into its nodes. Collective."""
    from mpi4py import MPI

    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    share = node.size / comm.size
    node.Free()
    needed, there = share * needs(unknowns, comm.size), installed()
    least = comm.allreduce(there - needed, op=MPI.MIN)
    if least < 0:
        raise InputError(
            f"mesh: {unknowns:,} unknowns of the solid need about {needed / 1e9:.2g} GB on each node, which has "
            f"{there / 1e9:.2g} GB: use a coarser mesh or more nodes"
        )


def needs(unknowns: int, ranks: int) -> float:
    """Bytes, on all ranks together."""
    return ranks * PER_RANK + FACTOR * unknowns ** (4 / 3)


def installed() -> int:
    """Bytes of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def give_back() -> None:
    """Let the system have what was freed: glibc keeps it, in more and more fragments, as resident memory."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
