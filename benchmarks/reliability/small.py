"""The small beating ventricle of these scripts, from the tests, and how it is run."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import heart
import mpi  # noqa: F401 - for the scripts, which cannot know where the tests lie
from cup import cup, write  # noqa: F401
from heart import differences  # noqa: F401
from heartwright.output import series as traces


def scenario(folder: Path, steps: int, every: int) -> Path:
    """Its scenario: so many steps of 1 ms, a checkpoint after `every` of them."""
    text = heart.ONE_VENTRICLE.replace("end: 20 ms", f"end: {steps} ms")
    text = text.replace("checkpoint: {every: 5 ms}", f"checkpoint: {{every: {every} ms}}")
    return heart.scenario(folder, text + "reproducible: true\n")


def command(ranks: int, *arguments: str, good: tuple[int, ...] = (0,)) -> None:
    """The command line on so many ranks. Raises RuntimeError unless it ends with one of the `good` codes."""
    done = heart.command(ranks, *arguments)
    if done.returncode not in good:
        raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr[-2000:]}")


def series(run: Path) -> dict[str, np.ndarray]:
    return traces.read(run / "series.csv")
