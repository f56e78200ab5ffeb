"""The beat on some ranks, and where its wall time goes; run.py starts it under mpirun and reads what it prints (JSON).

Phases are those of the slowest rank; what a rank waits for the others is part of the phase in which it waits.
"""

import json
import resource
import sys
import time
from pathlib import Path

from mpi4py import MPI

from heartwright.stopwatch import Stopwatch

sys.path.insert(0, str(Path(__file__).parents[1] / "arostica2025"))
import monoventricle as case


def watched(ventricle) -> Stopwatch:
    """From now on, the seconds of the ventricle's steps by phase."""
    watch, wall, linear = Stopwatch(), ventricle.wall, ventricle.newton.linear
    phases = {
        "residuals": (wall, "residual"),
        "tangents": (wall, "tangent"),
        "factorisations": (linear, "renew"),
        "back-substitutions": (linear, "solve"),
        "det F": (wall, "admissible"),
        "mixing": (ventricle.newton, "mixing"),
    }
    for phase, (owner, name) in phases.items():
        setattr(owner, name, Timed(watch, phase, getattr(owner, name)))
    return watch


class Timed:
    """A callable whose time is counted; it has the attributes of what it calls."""

    def __init__(self, watch: Stopwatch, phase: str, function):
        self._watch, self._phase, self._function = watch, phase, function

    def __call__(self, *arguments):
        with self._watch(self._phase):
            return self._function(*arguments)

    def __getattr__(self, name: str):
        return getattr(self._function, name)


def main() -> None:
    comm, size, steps = MPI.COMM_WORLD, float(sys.argv[1]), int(sys.argv[2])
    ventricle = case.solid(case.generated_mesh(size) if comm.rank == 0 else None, "1")
    watch = watched(ventricle)
    comm.barrier()
    start = time.perf_counter()
    for t in range(steps):
        case.step(ventricle, float(t))
    comm.barrier()
    whole = time.perf_counter() - start
    phases = {phase: comm.allreduce(seconds, MPI.MAX) for phase, seconds in watch.seconds.items()}
    cells = ventricle.geometry.mesh.topology.index_map(3)
    found = {
        "wall": whole,
        "phases": phases | {"rest": whole - sum(phases.values())},
        "iterations": ventricle.newton.iterations,
        "factorisations": ventricle.newton.factorisations,
        "imbalance": comm.allreduce(cells.size_local, MPI.MAX) * comm.size / cells.size_global,
        "memory": comm.allreduce(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / ventricle.wall.n_dofs,
    }
    if comm.rank == 0:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
