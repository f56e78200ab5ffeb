"""Sudden deaths: `python3 benchmarks/reliability/kills.py [--kills 100] [--ranks 2]`.

A small beating ventricle with everything in it is run again and again, each time killed (SIGKILL, all ranks) at a
random moment, in whatever it does then; its results are read; it is restarted to its end. Counts the runs whose results
could be read, no row lost, and whose restart ended with the traces of the unbroken run to the last bit. Rewrites its
rows of result.json.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from small import command, mpi, record, row, scenario, series

from heartwright.output import fields


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--at-once", type=int, default=1, help="so many runs at the same time")
    asked = parser.parse_args()
    readable, identical = survivors(asked.kills, asked.ranks, asked.at_once)
    kills = f"{asked.kills} kills on {asked.ranks} ranks"
    record(
        row(f"{kills}: results readable", readable, "1", low=asked.kills),
        row(f"{kills}: restarted identical", identical, "1", low=asked.kills),
    )


def survivors(kills: int, ranks: int, at_once: int = 1) -> tuple[int, int]:
    """Of so many killed runs, how many left results that can be read, and how many ended as the unbroken run."""
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(at_once) as pool:
        folder = Path(place)
        path = scenario(folder, 20, every=2)
        began = time.monotonic()
        command(ranks, "run", str(path), "-o", str(folder / "whole"))
        length = at_once * (time.monotonic() - began)
        draw = random.Random(1)  # noqa: S311 - the same moments in every run of this script
        moments = [draw.uniform(0.2, 1.0) * length for _ in range(kills)]
        outcomes = pool.map(lambda n: outlive(ranks, path, folder / f"killed-{n}", moments[n]), range(kills))
        readable = identical = 0
        for n, (read, same) in enumerate(outcomes, 1):
            readable, identical = readable + read, identical + same
            print(f"{n} killed, {readable} readable, {identical} identical", flush=True)
    return readable, identical


def outlive(ranks: int, path: Path, run: Path, after: float) -> tuple[bool, bool]:
    """Whether the results of a run that is killed can be read, and whether its restart is the unbroken run."""
    rows = kill(ranks, path, run, after)
    readable = can_be_read(run, rows)
    if (run / "resolved.yaml").exists():
        command(ranks, "restart", str(run))
    else:  # dead before it had begun
        command(ranks, "run", str(path), "-o", str(run))
    whole = run.with_name("whole") / "series.csv"
    return readable, (run / "series.csv").read_bytes() == whole.read_bytes()


def kill(ranks: int, path: Path, run: Path, after: float) -> int:
    """Kill a run after so many seconds; returns how many steps its log had at that moment."""
    arguments = ["mpirun", "-n", str(ranks), sys.executable, "-m", "heartwright", "run", str(path), "-o", str(run)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    own = {"TMPDIR": tempfile.mkdtemp(dir=path.parent)}  # a killed mpirun leaves a folder in the way of later ones
    with subprocess.Popen(arguments, env=mpi.environment(own), start_new_session=True, **quiet) as process:
        time.sleep(after)
        mpi.end_session(process.pid)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
    log = run / "log.txt"
    return sum(line.startswith("t ") for line in log.read_text().splitlines()) if log.exists() else 0


def can_be_read(run: Path, steps: int) -> bool:
    """Whether every row and frame there is can be read, and all steps but one are there."""
    if not (run / "series.csv").exists():
        return steps == 0
    rows = len(series(run)["time"])
    frames = fields.times(run / "fields") if (run / "fields.xdmf").exists() else []
    for frame in range(len(frames)):
        fields.read(run / "fields", frame)
    return rows >= steps


if __name__ == "__main__":
    main()
