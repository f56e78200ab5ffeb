"""What a benchmark leaves behind: its numbers beside their bars, in result.json and on the screen."""

import datetime
import json
import os
import platform
import subprocess
from pathlib import Path

from mpi4py import MPI

from heartwright import native


def row(
    what: str, value: float, unit: str, source: str, low: float | None = None, high: float | None = None
) -> dict[str, object]:
    """A number and its bar, low <= value <= high (open where None); `source` says where the bar comes from."""
    value, low, high = (None if number is None else float(f"{number:.6g}") for number in (value, low, high))
    ok = (low is None or value >= low) and (high is None or value <= high)
    return {"what": what, "value": value, "unit": unit, "low": low, "high": high, "ok": ok, "source": source}


def write(script: str, rows: list[dict[str, object]], options: str = "") -> None:
    """Rewrite result.json beside `script`, which ran with these options, and print the rows. Only rank 0 does it."""
    if MPI.COMM_WORLD.rank:
        return
    folder = Path(script).resolve().parent
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=folder, capture_output=True, text=True)  # noqa: S607
    result = {
        "name": folder.name,
        "commit": commit.stdout.strip(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, AVX-512: {native.processor()[1]}",
        "date": datetime.date.today().isoformat(),
        "ranks": MPI.COMM_WORLD.size,
        "command": f"python3 benchmarks/{folder.name}/{Path(script).name} {options}".rstrip(),
        "rows": rows,
    }
    (folder / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    for r in rows:
        bar = " ".join(f"{sign} {r[end]:g}" for sign, end in ((">=", "low"), ("<=", "high")) if r[end] is not None)
        print(f"{'ok  ' if r['ok'] else 'FAIL'} {r['what']:70s} {r['value']:10.5g} {r['unit']:4s} {bar}")
