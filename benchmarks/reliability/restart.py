"""Restart at every step and on other ranks: `python3 benchmarks/reliability/restart.py [--steps 40] [--ranks 1 2 4]`.

A small beating ventricle with `reproducible: true` is run whole, and again stopped after each step and restarted: on as
many ranks the traces must be the same to the last bit; from half way on, each pair of ranks must agree to 1e-8.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from small import command, differences, scenario, series


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--reruns", type=int, default=10)
    parser.add_argument("--each", type=int, default=1, help="stop after every so many steps only")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        path = scenario(folder, asked.steps, every=1)
        for ranks in asked.ranks:
            stops = range(asked.each, asked.steps, asked.each)
            restarts = identical_restarts(folder, path, ranks, asked.steps, stops)
            print(f"{ranks} ranks: {restarts} of {len(stops)} restarts identical", flush=True)
            reruns = identical_reruns(folder, path, ranks, asked.reruns)
            print(f"{ranks} ranks: {reruns} of {asked.reruns} reruns identical", flush=True)
        for first in asked.ranks:
            for second in asked.ranks:
                apart = across(folder, path, first, second, asked.steps)
                print(f"from {first} to {second} ranks: traces differ by {apart:.1e} of their range", flush=True)


def whole(folder: Path, path: Path, ranks: int) -> Path:
    """The unbroken run, made once."""
    run = folder / f"whole-{ranks}"
    if not run.exists():
        command(ranks, "run", str(path), "-o", str(run))
    return run


def identical_restarts(folder: Path, path: Path, ranks: int, steps: int, stops: range) -> int:
    """How many runs that were ended after these steps, and restarted, are the unbroken one."""
    reference, equal = (whole(folder, path, ranks) / "series.csv").read_bytes(), 0
    for step in stops:
        run = folder / "part"
        command(ranks, "run", str(path), "-o", str(run), "--force", "--set", f"time.end={step} ms")
        command(ranks, "restart", str(run), "--set", f"time.end={steps} ms")
        equal += (run / "series.csv").read_bytes() == reference
    return equal


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


if __name__ == "__main__":
    main()
