"""Soak: `python3 benchmarks/reliability/soak.py [--minutes 30] [--ranks 2]`.

A small beating ventricle beats on; resident memory and open files of every rank are looked at every ten seconds. Prints
the slope of the memory after the first quarter, in percent per hour, and how the number of open files changed. Rewrites
its rows of result.json.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from small import mpi, record, row, scenario


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--ranks", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        path = scenario(Path(place), 10_000_000, every=200)
        changes = ["--set", "reproducible=false", "--set", "output.fields.of=[]"]
        run = ["run", str(path), "-o", f"{place}/run", "--maxh", str(asked.minutes / 60), *changes]
        arguments = ["mpirun", "-n", str(asked.ranks), sys.executable, "-m", "heartwright", *run]
        seen: dict[int, list[tuple[float, int, int]]] = {}
        with subprocess.Popen(arguments, env=mpi.environment(asked.ranks, {}), stdout=subprocess.DEVNULL) as process:
            while process.poll() is None:
                for pid in ranks_of(process.pid):
                    seen.setdefault(pid, []).append((time.time(), *memory_and_files(pid)))
                time.sleep(10)
        rows = []
        for rank, samples in enumerate(seen.values()):
            t, memory, files = np.array(samples[len(samples) // 4 : -1]).T
            slope = np.polyfit(t / 3600, memory / memory[0] * 100, 1)[0]
            run = f"{asked.minutes:g} min on {asked.ranks} ranks, rank {rank} of {memory[0] / 1e6:.0f} MB"
            rows.append(row(f"soak, {run}: memory grows", slope, "%/h", high=0.1))
            rows.append(row(f"soak, {run}: open files change by", files.max() - files.min(), "1", high=0))
        record(*rows)


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


def memory_and_files(pid: int) -> tuple[int, int]:
    """Resident bytes and open files of a process; zeros once it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0, 0


if __name__ == "__main__":
    main()
