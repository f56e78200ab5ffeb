"""Multigrid for the tangent of the wall: iterations, time and memory as the cells of a ventricle are halved thrice.

`python3 run.py [--sizes 20 10 5 2.5]` solves for one increment of a contracting wall in a step of 1 ms, by FGMRES to
1e-6 of the true residual, with smoothed aggregation that knows the rigid motions. CPU times. Rewrites result.json.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

from heartwright.linalg import INEXACT, Linear

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "tests")]
from result import row, write  # noqa: E402

import contracting  # noqa: E402


def solve(size: float) -> tuple[int, int, float, float]:
    """Unknowns, iterations, and CPU seconds to set multigrid up and to solve."""
    wall = contracting.wall(size)
    linear, x = Linear(wall.K, "amg", "increment", rtol=INEXACT), wall.r.duplicate()
    began = time.process_time()
    linear.renew()
    ready = time.process_time()
    count = linear.solve(wall.r, x)
    found = wall.n_dofs, count, ready - began, time.process_time() - ready
    linear.destroy()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=float, nargs="+", default=[20.0, 10.0, 5.0, 2.5])
    sizes = parser.parse_args().sizes
    found, counts = [], []
    for size in sizes:
        dofs, count, setup, seconds = solve(size)
        counts.append(count)
        how = f"{dofs} unknowns"
        found.append(row(f"iterations, cells of {size:g} mm", count, "1", how))
        found.append(
            row(f"set-up and solve, cells of {size:g} mm", setup + seconds, "s", f"{how}, set-up {setup:.2f} s")
        )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / dofs
    found.append(row("largest over smallest count of iterations", max(counts) / min(counts), "1", "", high=1.5))
    found.append(row("memory per unknown on the finest mesh, all of the process", memory, "kB", ""))
    write(__file__, found)


if __name__ == "__main__":
    main()
