"""The small beating ventricle of these scripts, from the tests, how it is run, and result.json."""

import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import heart
import mpi  # noqa: F401 - for the scripts, which cannot know where the tests lie
from cup import cup, write  # noqa: F401
from heart import differences  # noqa: F401
from heartwright.output import runfile
from heartwright.output import series as traces

RESULT = Path(__file__).with_name("result.json")


def scenario(folder: Path, steps: int, every: int) -> Path:
    """Its scenario: so many steps of 1 ms, a checkpoint after `every` of them."""
    text = heart.ONE_VENTRICLE.replace("end: 20 ms", f"end: {steps} ms")
    text = text.replace("checkpoint: {every: 5 ms}", f"checkpoint: {{every: {every} ms}}")
    return heart.scenario(folder, text + "reproducible: true\n")


def command(ranks: int, *arguments: str, good: tuple[int, ...] = (0,)) -> None:
    """The command line on so many ranks. Raises RuntimeError unless it ends with one of the `good` codes."""
    done = heart.command(ranks, *arguments, timeout=3600)
    if done.returncode not in good:
        raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr[-2000:]}")


def row(what: str, value: float, unit: str, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    """A figure and its bar."""
    good = (low is None or value >= low) and (high is None or value <= high)
    return {"what": what, "value": value, "unit": unit, "low": low, "high": high, "ok": good, "source": "own bar"}


def record(found: dict[str, Any]) -> None:
    """Print a row, and put it into result.json in place of the one about the same thing."""
    print(f"{found['what']}: {found['value']:.3g}{'' if found['ok'] else '  MISSED'}", flush=True)
    known = json.loads(RESULT.read_text())["rows"] if RESULT.exists() else []
    rows = [found if old["what"] == found["what"] else old for old in known]
    rows += [found] if found not in rows else []
    content = {
        "name": "reliability",
        "commit": runfile.commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "date": time.strftime("%Y-%m-%d"),
        "ranks": None,
        "command": "the scripts in this folder, one after the other",
        "rows": sorted(rows, key=lambda r: r["what"]),
    }
    RESULT.write_text(json.dumps(content, indent=1) + "\n")


def series(run: Path) -> dict[str, np.ndarray]:
    return traces.read(run / "series.csv")
