"""Hearts so small that a coupled run takes seconds, and what tests do to their runs."""

import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

import mpi
from heartwright.output import series

# Two ventricles of 788 tetrahedra whose whole muscle is excited within 25 ms and squeezes before 40 ms: the mitral
# valve closes and the left pressure triples. Conduction is many times too fast, the step of the cells twice too long.
TWO_VENTRICLES = """\
title: two small ventricles
time: {end: 40 ms, av_delay: 1 ms, dt: 1 ms, dt_ep: 0.1 ms}
mesh: {generate: {type: biventricle, size: 16 mm}, refine: 1}
electrophysiology:
  conduction: {type: conductivity, fibre: 3 mS/mm, sheet: 2 mS/mm, normal: 2 mS/mm}
  stimuli:
    - {name: lv, where: {chamber: lv, layer: endo, apicobasal: 0.45, rotation: 0 deg, radius: 8 mm}}
    - {name: rv, where: {chamber: rv, layer: endo, apicobasal: 0.4, rotation: 0 deg, radius: 8 mm}, start: 3 ms}
mechanics: {}
circulation: {}
output: {report: false, fields: {every: 5 ms, of: [v, u, activation, active_tension]}, checkpoint: {every: 10 ms}}
"""

# One ventricle of 345 tetrahedra, all excited at once, so stiff in shear that it is filled in a second.
ONE_VENTRICLE = """\
title: one small ventricle
time: {end: 20 ms, av_delay: 1 ms, dt: 1 ms, dt_ep: 0.1 ms}
mesh: {generate: {type: ellipsoid, size: 16 mm}, refine: 1}
electrophysiology:
  conduction: {type: conductivity, fibre: 3 mS/mm, sheet: 2 mS/mm, normal: 2 mS/mm}
  stimuli: [{name: lv, where: lv_endo}]
mechanics: {passive: {type: holzapfel_ogden, a: 10 kPa, b: 1}}
circulation: {cavities: {lv: lv_endo}}
output: {report: false, fields: {every: 4 ms, of: [v, u, activation]}, checkpoint: {every: 5 ms}}
"""

# The command line, on ranks of which one gets a signal after a step.
SIGNALLED = """
import os, sys
from mpi4py import MPI
from heartwright import cli
from heartwright.coupling.clock import Clock

advance = Clock.advance

def advance_and_signal(self):
    advance(self)
    if self.n == {step} and MPI.COMM_WORLD.rank == {rank}:
        os.kill(os.getpid(), {signal})

Clock.advance = advance_and_signal
sys.exit(cli.main(sys.argv[1:]))
"""


# The same, signalled before the heart is filled.
SIGNALLED_EARLY = """
import os, sys
from mpi4py import MPI
from heartwright import cli
from heartwright.coupling.electromechanics import Heart

fill = Heart.fill

def signal_and_fill(self, say):
    if MPI.COMM_WORLD.rank == {rank}:
        os.kill(os.getpid(), {signal})
    return fill(self, say)

Heart.fill = signal_and_fill
sys.exit(cli.main(sys.argv[1:]))
"""


class Run(NamedTuple):
    """A run that has ended: its folder, and what it returned and printed."""

    folder: Path
    process: subprocess.CompletedProcess[str]

    @property
    def series(self) -> dict[str, np.ndarray]:
        return series.read(self.folder / "series.csv")


def scenario(folder: Path, text: str) -> Path:
    """A scenario file of this text."""
    path = folder / "small.yaml"
    path.write_text(text)
    return path


def beat(folder: Path, text: str, ranks: int) -> Run:
    """One run from its start to its end."""
    arguments = ["run", str(scenario(folder, text)), "-o", str(folder / "run")]
    return Run(folder / "run", command(ranks, *arguments))


def command(ranks: int, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """The command line on several ranks."""
    return mpi.run(ranks, ["-m", "heartwright", *arguments], timeout=timeout)


def signalled(ranks: int, signal: int, rank: int, step: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, one of whose ranks gets a signal as soon as the clock has reached a step; 0: before that."""
    text = SIGNALLED if step else SIGNALLED_EARLY
    with tempfile.NamedTemporaryFile("w", suffix=".py") as program:
        program.write(text.format(signal=int(signal), rank=rank, step=step))
        program.flush()
        return mpi.run(ranks, [program.name, *arguments], timeout=300)


def differences(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> dict[str, float]:
    """Largest difference of each trace relative to its range.

    Where a trace hardly varies, relative to a thousandth of its value, or to 0.01 mmHg, mL, mL/s: a closed valve leaks
    less than that. Left out: `newton` and `cavity_error`, which describe the solver and not the heart.
    """
    assert list(first) == list(second)
    np.testing.assert_array_equal(first["time"], second["time"])
    found = {}
    for name in (name for name in first if name not in ("newton", "cavity_error")):
        scale = max(np.ptp(first[name]), 1e-3 * np.abs(first[name]).max(), 0.01)
        found[name] = float(np.abs(first[name] - second[name]).max() / scale)
    return found
