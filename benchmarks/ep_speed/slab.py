"""Heartwright on the slab of Niederer et al. 2011: one run, its timings as JSON on the last line.

`python3 slab.py PRECISION DX DT [END]`: until all points are active, or until END [ms]. Works under mpirun.
"""

import json
import sys
import time
from pathlib import Path

from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "niederer2011"))
import run as niederer

TOLERANCE = 1e-3  # mV, what the peer's relative tolerance of 1e-5 leaves of 85 mV


def main() -> None:
    precision, h, dt = sys.argv[1], *map(float, sys.argv[2:4])
    end = int(sys.argv[4]) if len(sys.argv) > 4 else 80
    tissue, comm = niederer.tissue(h, dt, tolerance=TOLERANCE, precision=precision), MPI.COMM_WORLD
    comm.Barrier()
    start, busy = time.perf_counter(), time.process_time()
    for t in range(end):
        tissue.step(float(t), 1.0)
        summary = tissue.summary()
        if summary["activated"] == 1.0:
            break
    wall, busy = time.perf_counter() - start, comm.allreduce(time.process_time() - busy)
    found = {"wall": wall, "cpu": busy, "steps": tissue.diffusion.steps, "nodes": comm.allreduce(tissue.n)}
    found |= {"P8": niederer.at_points(tissue)[7], "iterations": summary["cg_iterations"]}
    if comm.rank == 0:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
