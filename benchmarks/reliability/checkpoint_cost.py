"""What a checkpoint costs: `mpirun -n RANKS python3 benchmarks/reliability/checkpoint_cost.py [FOLDER]`.

A field of a million numbers, spread over the ranks as a mesh is; prints the median of five saves and of five loads,
and the bytes on disk per byte of the field. Rewrites its rows of result.json.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from mpi4py import MPI
from small import record, row

from heartwright.output.checkpoint import Checkpoints
from heartwright.parts import Rows

N = 1_000_000


class Field:
    """A part with one number at each of this rank's vertices, a hundredth of which other ranks have too."""

    name = "field"

    def __init__(self, comm: MPI.Comm):
        own = np.arange(comm.rank * N // comm.size, (comm.rank + 1) * N // comm.size)
        self.keys = np.random.default_rng(comm.rank).permutation(np.concatenate([own, (own[::100] + len(own)) % N]))
        self.v = self.keys / 3.0

    def step(self, t: float, dt: float) -> None:
        self.v += dt

    def state(self) -> dict[str, np.ndarray]:
        return {"v": self.v}

    def rows(self) -> dict[str, Rows]:
        return {"v": Rows(self.keys)}


def main() -> None:
    comm = MPI.COMM_WORLD
    folder = Path(comm.bcast(tempfile.mkdtemp(dir=sys.argv[1] if len(sys.argv) > 1 else None)))
    try:
        checkpoints = Checkpoints(folder, [Field(comm)], {}, {}, comm)
        saves = [seconds(comm, lambda step=step: checkpoints.save(step)) for step in range(6)][1:]
        loads = [seconds(comm, checkpoints.load) for _ in range(5)]
        written = sum(file.stat().st_size for file in (folder / "ck-000000005").iterdir()) / (8 * N)
        if comm.rank == 0:
            what = f"checkpoint of a million numbers on {comm.size} ranks"
            record(
                row(f"{what}: save", float(np.median(saves)), "s", high=0.2),
                row(f"{what}: load", float(np.median(loads)), "s"),
                row(f"{what}: bytes over payload", written, "1", high=1.3),
            )
    finally:
        comm.barrier()
        if comm.rank == 0:
            shutil.rmtree(folder)


def seconds(comm: MPI.Comm, action) -> float:
    """The time of the slowest rank."""
    comm.barrier()
    began = time.perf_counter()
    action()
    return comm.allreduce(time.perf_counter() - began, op=MPI.MAX)


if __name__ == "__main__":
    main()
