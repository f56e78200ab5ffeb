"""run.json: how a run ended and what it found, for people's scripts."""

import hashlib
import json
import math
import shutil
import subprocess
from pathlib import Path

import heartwright
from heartwright.files import write_atomically
from heartwright.output import metrics, series


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
    """Write `folder/run.json`; metrics are those of the last beat of series.csv (null: not to be
    measured in it), together with the counts `facts`. An exit code of None: the run has not ended.

    Raises StorageError.
    """
    path = folder / "series.csv"
    found = metrics.of_last_beat(series.read(path), period) if path.exists() else {}
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
        "metrics": _finite(found) | {name: {"value": value, "unit": "1"} for name, value in facts.items()},
        "cite": cite,
    }
    write_atomically(folder / "run.json", json.dumps(content, indent=1, allow_nan=False) + "\n")


def _finite(found: dict[str, metrics.Metric]) -> dict[str, metrics.Metric]:
    """Metrics in which what could not be measured is null: JSON has no nan."""
    return {
        name: metric | {"value": metric["value"] if math.isfinite(metric["value"]) else None}
        for name, metric in found.items()
    }


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
