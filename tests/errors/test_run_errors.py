"""Runs that cannot be: one clear message, printed once, the right exit code, and nobody waits for ever."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import heart
import mpi
from cup import cup, write
from heartwright.cli import main
from heartwright.mesh.raw import RawMesh
from heartwright.output import series

pytestmark = pytest.mark.parallel

FILE = "mesh: {file: heart.msh, unit: mm, regions: {base: 11, epi: 12, lv_endo: 13}}"
MESH = "mesh: {generate: {type: ellipsoid, size: 16 mm}, refine: 1}"
NOTHING_WRONG: dict[str, str] = {}


def nan_coordinate(raw: RawMesh) -> RawMesh:
    points = raw.points.copy()
    points[7, 1] = np.nan
    return raw.but(points=points)


def inverted(raw: RawMesh) -> RawMesh:
    cells = raw.cells.copy()
    cells[::2] = cells[::2][:, [1, 0, 2, 3]]
    return raw.but(cells=cells)


def without_epi(raw: RawMesh) -> RawMesh:
    return raw.but(facets=raw.facets[raw.facet_tags != 12], facet_tags=raw.facet_tags[raw.facet_tags != 12])


# name -> what is written instead of what in the scenario, the mesh file it names, parts of the message
MISTAKES = {
    "unknown key": (
        {"{end: 20 ms,": "{ende: 20 ms,"},
        None,
        ["small.yaml:2: time.ende: unknown key; did you mean 'end'?"],
    ),
    "wrong unit": ({"dt: 1 ms": "dt: 1 mmHg"}, None, ["small.yaml:2: time.dt:", "mmHg"]),
    "missing mesh file": ({MESH: FILE}, None, ["small.yaml:3: mesh.file: no file", "heart.msh"]),
    "missing tag": ({MESH: FILE}, without_epi, ["heart.msh: tag 12 for 'epi' is not on any surface; it has 11"]),
    "inverted mesh": ({MESH: FILE}, inverted, ["heart.msh:", "tetrahedra are inverted", "fix: [orientation]"]),
    "NaN coordinate": ({MESH: FILE}, nan_coordinate, ["heart.msh: 1 point without finite coordinates", "nan"]),
    "wrong unit of length": ({MESH: FILE.replace("mm", "m")}, cup, ["lv_endo", "with `unit: mm` it would be 32.0 mL"]),
    "a place outside the heart": (
        {"where: lv_endo": "where: {sphere: {centre: [500 mm, 0 mm, 0 mm], radius: 1 mm}}"},
        None,
        ["500", "nearest"],
    ),
}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_once_and_leaves_nothing_behind(mistake, ranks, tmp_path, monkeypatch, capfd):
    changes, damage, expected = MISTAKES[mistake]
    if damage:
        write(damage(cup()) if damage is not cup else cup(), tmp_path / "heart.msh", "2.2")
    monkeypatch.chdir(tmp_path)  # a run on one rank, in this process, leaves the current folder
    arguments = ["run", str(scenario(tmp_path, changes)), "-o", str(tmp_path / "run")]
    code, told = alone(arguments, capfd) if ranks == 1 else together(ranks, arguments)
    assert code == 64, told
    for part in expected:
        assert told.count(part) == 1, told
    assert "Traceback" not in told
    assert not (tmp_path / "run").exists()


def alone(arguments: list[str], capfd) -> tuple[int, str]:
    return main(arguments), capfd.readouterr().err


def together(ranks: int, arguments: list[str]) -> tuple[int, str]:
    done = heart.command(ranks, *arguments)
    return done.returncode, done.stderr


def scenario(folder: Path, changes: dict[str, str]) -> Path:
    text = heart.ONE_VENTRICLE
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return heart.scenario(folder, text)


FAILING = """
import errno, sys
from mpi4py import MPI
from heartwright import cli
from heartwright.coupling.electromechanics import Heart
from heartwright.errors import SolveFailed
from heartwright.output.series import Series

cli.ending.PATIENCE = 1.0
step = Heart.step
rank = MPI.COMM_WORLD.rank

{patch}

sys.exit(cli.main(sys.argv[1:]))
"""

ALONE = """
def fails_alone(self, t, dt):
    if t == 3 and rank == {rank}:
        raise ValueError("made to fail")
    step(self, t, dt)

Heart.step = fails_alone
"""

NEVER_CONVERGES = """
def fails(self, t, dt):
    step(self, t, dt)
    if t >= 3:
        raise SolveFailed("solid", "made to fail")

Heart.step = fails
"""

# In the fourth step, the first so many times that it is taken, the last rank finds nan in a state.
SPOILT = """
taken = []

def spoilt(self, t, dt):
    if t == 3 and rank == MPI.COMM_WORLD.size - 1 and len(taken) < {times}:
        taken.append(t)
        self.{part}.state()["{state}"].flat[0] = float("nan")
    step(self, t, dt)

Heart.step = spoilt
"""

# From the fourth step on the kernel refuses what lies beyond so many bytes of a file.
LIMITED = """
import resource, time

def limited(self, t, dt):
    if t == 3:
        resource.setrlimit(resource.RLIMIT_FSIZE, ({bytes}, resource.RLIM_INFINITY))
        print("limited at", time.time(), flush=True)
    step(self, t, dt)

Heart.step = limited
"""

# From the fourth step on a call of the system fails on rank 0.
REFUSED = """
import os, time

def refuses(*arguments):
    raise OSError(errno.{number}, os.strerror(errno.{number}))

def refused(self, t, dt):
    if t == 3 and rank == 0:
        os.{call} = refuses
        print("limited at", time.time(), flush=True)
    step(self, t, dt)

Heart.step = refused
"""

DISK_FULL = """
open_series = Series._open

def full(self):
    open_series(self)
    self._file = open("/dev/full", "w")
    import csv
    self._rows = csv.writer(self._file)

Series._open = full
"""


def run(folder: Path, ranks: int, patch: str, *changes: str):
    program = folder / "program.py"
    program.write_text(FAILING.format(patch=patch))
    arguments = ["run", str(scenario(folder, NOTHING_WRONG)), "-o", str(folder / "run"), *changes]
    return mpi.run(ranks, [str(program), *arguments], env={"TMPDIR": str(folder)}, timeout=180)  # where crash logs go


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_fails_alone_inside_a_step_ends_the_others(rank, tmp_path):
    done = run(tmp_path, 2, ALONE.format(rank=rank))
    assert done.returncode == 70, done.stderr
    assert done.stderr.count(f"rank {rank} failed alone: internal error: ValueError: made to fail") == 1
    assert "Traceback" not in done.stderr
    if rank == 0:  # the rank that writes run.json
        assert json.loads((tmp_path / "run" / "run.json").read_text())["exit_code"] == 70


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_step_that_cannot_be_solved_ends_with_65_and_a_checkpoint(ranks, tmp_path):
    done = run(tmp_path, ranks, NEVER_CONVERGES)
    assert done.returncode == 65, done.stderr
    assert done.stderr.count("solid: made to fail, at t = 3 ms even with steps of 0.0625 ms") == 1
    assert "Try a smaller time.dt" in done.stderr and "Traceback" not in done.stderr
    assert json.loads((tmp_path / "run" / "run.json").read_text())["exit_code"] == 65
    assert (tmp_path / "run" / "checkpoints" / "ck-000000003" / "state.h5").exists()


STATES = {  # of each part, and what is said of it
    "tissue": ("v", "transmembrane potential: it left the range of +-1000 mV"),
    "contraction": ("y", "active tension: it is not finite"),
    "solid": ("slack", "solid: forces are not finite"),
    "circulation": ("y", "circulation: no finite volumes"),
}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("part", STATES)
def test_a_state_that_is_no_number_is_rolled_back_or_ends_the_run_with_65(part, ranks, tmp_path):
    state, message = STATES[part]
    once, always = (SPOILT.format(part=part, state=state, times=times) for times in (1, 1000))
    done = run(tmp_path, ranks, once)
    assert done.returncode == 0, done.stderr
    assert "trying again in two steps of 0.5 ms" in (tmp_path / "run" / "log.txt").read_text()
    assert all(np.isfinite(column).all() for column in series.read(tmp_path / "run" / "series.csv").values())
    done = run(tmp_path, ranks, always, "--force")
    assert done.returncode == 65, done.stderr
    assert done.stderr.count(message) == 1 and "Traceback" not in done.stderr, done.stderr


NO_FIELDS = ("--set", "output.fields.of=[]")
REFUSALS = {  # what happens, the message, what is written
    "series": (LIMITED.format(bytes=0), "cannot write series.csv: File too large", ()),
    "fields": (LIMITED.format(bytes=20_000), "cannot write fields.h5", ()),
    "checkpoint": (LIMITED.format(bytes=20_000), "cannot write ck-000000005.partial", NO_FIELDS),
    "damaged disk": (REFUSED.format(number="EIO", call="fsync"), "Input/output error", ()),
    "folder that became read-only": (REFUSED.format(number="EROFS", call="replace"), "Read-only file system", ()),
}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("what", REFUSALS)
def test_a_disk_that_refuses_ends_all_ranks_soon_with_74(what, ranks, tmp_path):
    patch, message, changes = REFUSALS[what]
    done = run(tmp_path, ranks, patch, *changes)
    seconds = time.time() - float(done.stdout.rpartition("limited at ")[2].split()[0])
    assert done.returncode == 74, done.stderr
    assert done.stderr.count(message) == 1 and "failed alone" not in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and "internal error" not in done.stderr
    assert seconds < 20  # three where the ranks have cores of their own


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_computed(ranks, tmp_path):
    arguments = ["run", str(scenario(tmp_path, NOTHING_WRONG)), "-o", "/proc/run"]
    done = heart.command(ranks, *arguments)
    assert done.returncode == 74 and done.stderr.count("/proc/run: ") == 1, done.stderr


def test_a_reader_that_leaves_does_not_end_the_run(tmp_path):
    short = scenario(tmp_path, {"end: 20 ms": "end: 2 ms"})
    command = [sys.executable, "-m", "heartwright", "run", str(short), "-o", str(tmp_path / "run")]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "run.json").read_text())["outcome"] == "done"


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_full_disk_is_named_as_the_cause(ranks, tmp_path):
    done = run(tmp_path, ranks, DISK_FULL)
    assert done.returncode == 74, done.stderr
    assert done.stderr.count("cannot write series.csv: No space left on device") == 1
    assert "Traceback" not in done.stderr
