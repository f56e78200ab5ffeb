"""Restart at every step and on other ranks: `python3 benchmarks/reliability/restart.py [--steps 40] [--ranks 1 2 3 4]`.

A small beating ventricle with `reproducible: true`. On as many ranks, a restart from the checkpoint of each step and a
rerun must be the same to the last bit, traces and last state; for each pair of rank counts, half of the steps on the
first and half on the second must agree to 1e-8 with all of them on the first. Rewrites its rows of result.json.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from small import command, differences, mpi, record, row, scenario, series

# One process per rank restarts again and again, since to start it takes longer than to restart.
EVERYWHERE = """
import os, shutil
from pathlib import Path
from mpi4py import MPI
from heartwright import cli
from heartwright.output import checkpoint

checkpoint.KEEP = {steps} + 1  # all of them
whole, part, last = Path({folder!r}) / "whole", Path({folder!r}) / "part", "checkpoints/ck-{steps:09d}/state.h5"
assert cli.main(["run", {path!r}, "-o", str(whole)]) == 0
equal = 0
for step in range({steps}):
    if MPI.COMM_WORLD.rank == 0:
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(whole, part)
        for later in range(step + 1, {steps} + 1):
            shutil.rmtree(part / "checkpoints" / f"ck-{{later:09d}}")
    MPI.COMM_WORLD.barrier()
    assert cli.main(["restart", str(part)]) == 0
    if MPI.COMM_WORLD.rank == 0:
        equal += all((part / name).read_bytes() == (whole / name).read_bytes() for name in ("series.csv", last))
if MPI.COMM_WORLD.rank == 0:
    print("identical", equal)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--reruns", type=int, default=10)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        path = scenario(folder, asked.steps, every=1)
        for ranks in asked.ranks:
            same = identical_restarts(folder, path, ranks, asked.steps)
            record(row(f"identical restarts of {asked.steps}, {ranks} ranks", same, "1", low=asked.steps))
            same = identical_reruns(folder, path, ranks, asked.reruns)
            record(row(f"identical reruns of {asked.reruns}, {ranks} ranks", same, "1", low=asked.reruns))
        apart = [across(folder, path, a, b, asked.steps) for a in asked.ranks for b in asked.ranks]
        numbers = ", ".join(map(str, asked.ranks))
        what = f"{asked.steps // 2} steps after a restart, all pairs of {numbers} ranks: traces, of their range"
        record(row(what, max(apart), "1", high=1e-8))


def identical_restarts(folder: Path, path: Path, ranks: int, steps: int) -> int:
    """How many restarts from the checkpoints of steps 0, 1 … end as the unbroken run."""
    place = folder / f"everywhere-{ranks}"
    place.mkdir()
    done = mpi.run(ranks, EVERYWHERE.format(folder=str(place), path=str(path), steps=steps), timeout=100_000)
    if done.returncode:
        raise RuntimeError(f"restarts on {ranks} ranks ended with {done.returncode}: {done.stderr[-2000:]}")
    return int(done.stdout.rpartition("identical ")[2])


def identical_reruns(folder: Path, path: Path, ranks: int, reruns: int) -> int:
    reference, equal = (whole(folder, path, ranks) / "series.csv").read_bytes(), 0
    for _ in range(reruns):
        command(ranks, "run", str(path), "-o", str(folder / "again"), "--force")
        equal += (folder / "again" / "series.csv").read_bytes() == reference
    return equal


def across(folder: Path, path: Path, first: int, second: int, steps: int) -> float:
    """Largest difference of a trace after half of the steps on `first` ranks and half on `second`."""
    run = folder / f"{first}-{second}"
    half = folder / f"half-{first}"
    if not half.exists():
        command(first, "run", str(path), "-o", str(half), "--set", f"time.end={steps // 2} ms")
    shutil.copytree(half, run)
    command(second, "restart", str(run), "--set", f"time.end={steps} ms")
    return max(differences(series(whole(folder, path, first)), series(run)).values())


def whole(folder: Path, path: Path, ranks: int) -> Path:
    """The unbroken run, made once."""
    run = folder / f"whole-{ranks}"
    if not run.exists():
        command(ranks, "run", str(path), "-o", str(run))
    return run


if __name__ == "__main__":
    main()
