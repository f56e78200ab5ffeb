"""Soak: `python3 benchmarks/reliability/soak.py [--minutes 40] [--ranks 2]`.

A small beating ventricle beats on, with fields and checkpoints as often as a run writes them unless told otherwise,
until every rank has computed for so long: time that it has waited for other work on the machine does not count. Every
second it is looked at what memory each rank holds that is its own (files that are mapped come and go as the system
likes) and how many files it has open. After a quarter, in which caches fill, it is the median of each minute that
counts: it passes over the moments when a checkpoint is open, and when it has just given back what the next step takes
again. A line is fitted to those of the memory; the error of its slope allows for values that resemble their
neighbours. Rewrites its rows of result.json.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from small import mpi, record, row, scenario

STEPS = 1_000_000  # more than are taken
CADENCE = {"output.fields.every": "1 s", "output.checkpoint.every": "500 ms", "reproducible": "false"}


class Sample(NamedTuple):
    """Of one rank: hours computed, bytes resident, those of them that are its own and not of files, files open."""

    hours: float
    resident: int
    own: int
    files: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--ranks", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        path = scenario(Path(place), STEPS, every=500)
        changes = [word for key, value in CADENCE.items() for word in ("--set", f"{key}={value}")]
        run = [sys.executable, "-m", "heartwright", "run", str(path), "-o", f"{place}/run", *changes]
        seen = watched(["mpirun", "-n", str(asked.ranks), *run], asked.minutes / 60)
        steps = len((Path(place) / "run" / "series.csv").read_text().splitlines()) - 2
    rows = [row(f"soak on {asked.ranks} ranks: steps of 1 ms", steps, "1")]
    for rank, samples in enumerate(seen):
        rows += figures(f"soak on {asked.ranks} ranks, rank {rank}", np.array(samples))
    record(*rows)


def watched(command: list[str], hours: float) -> list[list[Sample]]:
    """Run a command of mpirun until each of its ranks has computed so long; returns their samples."""
    seen: dict[int, list[Sample]] = {}
    with subprocess.Popen(command, env=mpi.environment({}), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and least(seen) < hours:
            time.sleep(1)
            for pid in ranks_of(process.pid):
                if found := sample(pid):
                    seen.setdefault(pid, []).append(found)
        if process.poll() is None:
            os.kill(min(seen), signal.SIGUSR1)
    return [seen[pid] for pid in sorted(seen)]


def least(seen: dict[int, list[Sample]]) -> float:
    """Hours that every rank has computed."""
    return min((samples[-1].hours for samples in seen.values()), default=0.0)


def figures(what: str, samples: np.ndarray) -> list[dict[str, object]]:
    """Growth of the memory after the first quarter, in percent of what is resident, and how open files changed."""
    hours, resident, own, files = samples[samples[:, 0] > samples[-1, 0] / 4].T
    _, opened = minutes(hours, files)
    slope, error = trend(*minutes(hours, own))
    percent = 100 / np.median(resident)
    return [
        row(f"{what}: computed", hours[-1], "h", low=0.5),
        row(f"{what}: resident memory", np.median(resident) / 1e6, "MB"),
        row(f"{what}: of its own", np.median(own) / 1e6, "MB"),
        row(f"{what}: memory grows", slope * percent, "%/h", high=0.1),
        row(f"{what}: standard error of that", error * percent, "%/h"),
        row(f"{what}: open files change by", np.ptp(opened), "1", high=0),
        row(f"{what}: open files, most at once", np.max(files), "1"),
    ]


def minutes(hours: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The median of some values in each minute, and when that was [h]."""
    minute = (hours * 60).astype(int)
    found = [minute == each for each in np.unique(minute)]
    return np.array([hours[those].mean() for those in found]), np.array([np.median(values[those]) for those in found])


def trend(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope of the line of least squares and its standard error, widened for residuals r_i that follow one another:
    by sqrt((1 + c) / (1 - c)), c = sum r_i r_(i+1) / sum r_i^2."""
    slope, offset = np.polyfit(x, y, 1)
    left = y - slope * x - offset
    squares = left @ left
    alike = max(0.0, left[1:] @ left[:-1] / squares) if squares else 0.0
    variance = squares / (len(x) - 2) / ((x - x.mean()) @ (x - x.mean()))
    return slope, float(np.sqrt(variance * (1 + alike) / (1 - alike)))


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
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        anonymous, shared, mapped = (1024 * int(status[f"Rss{kind}"].split()[0]) for kind in ("Anon", "Shmem", "File"))
        files = len(os.listdir(process / "fd"))
    except (OSError, KeyError):
        return None
    own = anonymous + shared
    return Sample(ticks / os.sysconf("SC_CLK_TCK") / 3600, own + mapped, own, files)


if __name__ == "__main__":
    main()
