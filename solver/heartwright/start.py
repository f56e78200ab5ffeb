"""Start: MPI for commands that compute, with nothing run or read that the user did not ask for."""

import os
import sys
from typing import Any

from heartwright.errors import InputError


def world() -> Any:
    """The communicator of all ranks, with what would run foreign code or hang shut out before anything starts."""
    import petsc4py

    petsc4py.init([sys.argv[0], "-skip_petscrc"])  # a .petscrc in the current folder can load libraries
    from mpi4py import MPI

    from heartwright.parallel import abort_on_uncaught

    abort_on_uncaught(MPI.COMM_WORLD)
    asked = int(os.environ.get("SLURM_STEP_NUM_TASKS") or os.environ.get("SLURM_NTASKS") or 1)
    if asked > 1 and MPI.COMM_WORLD.size == 1:
        raise InputError(f"Slurm started {asked} tasks, but MPI sees one: use `srun --mpi=pmix` (or mpirun)")
    return MPI.COMM_WORLD


def leave_the_users_folder() -> None:
    """Compute from `/`: DOLFINx and PETSc read option files from the current folder, and those can run code."""
    os.chdir("/")
