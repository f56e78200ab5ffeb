"""Soak: `python3 benchmarks/reliability/soak.py [--minutes 40] [--ranks 2]`.

A small beating ventricle beats on; resident memory and open files of every rank are looked at every ten seconds. After
a quarter, in which caches fill, memory must not grow. Time is that which a rank has computed, so that other work on the
machine does not hide a leak. Memory grows in jumps; each adds its square to the variance of their sum, whose root is
the error that is told. Rewrites its rows of result.json.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from small import mpi, record, row, scenario


class Sample(NamedTuple):
    """Of one rank: hours computed, bytes resident, files open."""

    hours: float
    memory: int
    files: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--ranks", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        path = scenario(Path(place), 10_000_000, every=200)
        changes = ["--set", "reproducible=false", "--set", "output.fields.of=[]"]
        run = ["run", str(path), "-o", f"{place}/run", "--maxh", str(asked.minutes / 60), *changes]
        seen = watched(["mpirun", "-n", str(asked.ranks), sys.executable, "-m", "heartwright", *run])
        steps = len((Path(place) / "run" / "series.csv").read_text().splitlines()) - 2
    rows = [row(f"soak on {asked.ranks} ranks: steps of 1 ms", steps, "1")]
    for rank, samples in enumerate(seen):
        rows += figures(f"soak on {asked.ranks} ranks, rank {rank}", samples)
    record(*rows)


def watched(command: list[str]) -> list[list[Sample]]:
    """Run a command of mpirun; returns the samples of each of its ranks."""
    seen: dict[int, list[Sample]] = {}
    with subprocess.Popen(command, env=mpi.environment({}), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            for pid in ranks_of(process.pid):
                if found := sample(pid):
                    seen.setdefault(pid, []).append(found)
            time.sleep(10)
    return [seen[pid] for pid in sorted(seen)]


def figures(what: str, samples: list[Sample]) -> list[dict[str, object]]:
    """Growth of the memory after the first quarter in percent per hour, its error, and how open files changed."""
    hours, memory, files = np.array(samples).T
    warm = hours > hours[-1] / 4
    jumps, percent = np.diff(memory[warm]), 100 / memory[-1] / np.ptp(hours[warm])
    return [
        row(f"{what}: computed", hours[-1], "h"),
        row(f"{what}: memory", memory[-1] / 1e6, "MB"),
        row(f"{what}: memory grows", jumps.sum() * percent, "%/h", high=0.1),
        row(f"{what}: standard error of that", np.sqrt((jumps**2).sum()) * percent, "%/h"),
        row(f"{what}: open files change by", np.ptp(files[warm]), "1", high=0),
    ]


def ranks_of(launcher: int) -> list[int]:
    """The processes that an mpirun has started and that have begun to compute."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == launcher:
                found.append(int(entry.name))
        except (OSError, ValueError):
            continue
    return sorted(found)


def sample(pid: int) -> Sample | None:
    """How a process is; None once it has ended."""
    process = Path(f"/proc/{pid}")
    try:
        ticks = sum(map(int, (process / "stat").read_text().rpartition(")")[2].split()[11:13]))
        pages = int((process / "statm").read_text().split()[1])
        files = len(os.listdir(process / "fd"))
    except OSError:
        return None
    return Sample(ticks / os.sysconf("SC_CLK_TCK") / 3600, pages * os.sysconf("SC_PAGE_SIZE"), files)


if __name__ == "__main__":
    main()
