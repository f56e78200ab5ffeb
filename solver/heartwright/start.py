"""Start: MPI for commands that compute, with nothing run or read that the user did not ask for."""

import os
import sys
from typing import Any

from heartwright.errors import InputError

OPTION_FILES = (".petscrc", "petscrc", "dolfinx_jit_options.json")


def world() -> Any:
    """The communicator of all ranks, with what would run foreign code or hang shut out before anything starts."""
    import petsc4py

    # A .petscrc in the current folder can load libraries; options of solvers that were never needed are no mistake.
    petsc4py.init([sys.argv[0], "-skip_petscrc", "-options_left", "false"])
    from mpi4py import MPI

    from heartwright.parallel import abort_on_uncaught

    abort_on_uncaught(MPI.COMM_WORLD)
    from petsc4py import PETSc

    if issubclass(PETSc.ScalarType, complex):
        raise InputError("this PETSc is built for complex numbers: Heartwright needs the real build")
    asked = int(os.environ.get("SLURM_STEP_NUM_TASKS") or os.environ.get("SLURM_NTASKS") or 1)
    if asked > 1 and MPI.COMM_WORLD.size == 1:
        raise InputError(f"Slurm started {asked} tasks, but MPI sees one: use `srun --mpi=pmix` (or mpirun)")
    return MPI.COMM_WORLD


def leave_the_users_folder() -> list[str]:
    """Compute from `/`: DOLFINx and PETSc read option files from the current folder, and those can run code.

    Returns the names of those that are there and will not be read.
    """
    ignored = [name for name in OPTION_FILES if os.path.lexists(name)]
    os.chdir("/")
    return ignored
