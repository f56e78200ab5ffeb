"""run.json: how a run ended and what it found, for people's scripts."""

import hashlib
import json
import math
import shutil
import subprocess
from pathlib import Path

import heartwright
from heartwright.files import write_atomically
from heartwright.output import metrics, regional, series


def write(
    folder: Path,
    *,
    outcome: str,
    exit_code: int | None,
    message: str,
    ranks: int,
    inputs: list[Path],
    dofs: dict[str, int],
    wall_s: float,
    phases: dict[str, float],
    period: float,
    facts: dict[str, int],
    cite: list[str],
) -> None:
    """Write `folder/run.json`: metrics of the last beat of series.csv (null: not to be measured in it) with the counts
    `facts`, and those of segments.csv by region. An exit code of None: the run has not ended.

    Raises StorageError.
    """
    trace, segments = (_table(folder / name) for name in ("series.csv", "segments.csv"))
    found = metrics.of_last_beat(trace, period) if trace else {}
    found |= {name: {"value": value, "unit": "1"} for name, value in facts.items()}
    by_region = regional.of_last_beat(segments, trace, period) if trace and segments else {}
    content = {
        "outcome": outcome,
        "exit_code": exit_code,
        "message": message,
        "version": heartwright.__version__,
        "commit": commit(),
        "ranks": ranks,
        "inputs": [{"name": file.name, "sha256": _sha256(file)} for file in inputs],
        "dofs": dofs,
        "wall_s": round(wall_s, 2),
        "phases": {name: round(seconds, 2) for name, seconds in phases.items()},
        "metrics": {name: _finite(metric) for name, metric in found.items()},
        "segments": by_region,
        "cite": cite,
    }
    write_atomically(folder / "run.json", json.dumps(content, indent=1, allow_nan=False) + "\n")


def _table(path: Path) -> metrics.Series | None:
    return series.read(path) if path.exists() else None


def _finite(metric: metrics.Metric) -> metrics.Metric:
    """A metric whose value is null where it could not be measured: JSON has no nan."""
    return metric | {"value": metric["value"] if math.isfinite(metric["value"]) else None}


def commit() -> str:
    """The commit of the code that runs, `unknown` outside a checkout."""
    here = Path(heartwright.__file__).parent
    try:
        command = [shutil.which("git") or "git", "-C", str(here), "rev-parse", "--short", "HEAD"]
        found = subprocess.run(command, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return found.stdout.strip() or "unknown"


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
