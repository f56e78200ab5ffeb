"""The small beating ventricle of these scripts, from the tests, how it is run, and result.json."""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import result

import heart
import mpi  # noqa: F401 - for the scripts, which cannot know where the tests lie
from cup import cup, write  # noqa: F401
from heart import differences  # noqa: F401
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


def row(what: str, value: float, unit: str, low: float | None = None, high: float | None = None) -> dict[str, object]:
    """A figure and the bar we set."""
    return result.row(what, value, unit, "own bar", low, high)


def record(*rows: dict[str, object]) -> None:
    """Put figures into result.json, in place of those about the same things; the rest stays."""
    known = json.loads(RESULT.read_text())["rows"] if RESULT.exists() else []
    new = {found["what"] for found in rows}
    kept = [old for old in known if old["what"] not in new]
    result.write(sys.argv[0], sorted([*kept, *rows], key=lambda found: found["what"]))


def series(run: Path) -> dict[str, np.ndarray]:
    return traces.read(run / "series.csv")
