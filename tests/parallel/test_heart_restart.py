"""Runs that are stopped or killed go on from their checkpoint as if nothing had happened."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import heart
from heartwright import scenario
from heartwright.output import fields, series

pytestmark = pytest.mark.parallel


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> heart.Run:
    """One small ventricle on two ranks, 20 steps with a checkpoint after every fifth."""
    run = heart.beat(tmp_path_factory.mktemp("unbroken"), heart.ONE_VENTRICLE, 2)
    assert run.process.returncode == 0, run.process.stderr[-3000:]
    return run


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> heart.Run:
    """The same, of which one rank was asked to stop after step 8."""
    folder = tmp_path_factory.mktemp("stopped")
    arguments = ["run", str(heart.scenario(folder, heart.ONE_VENTRICLE)), "-o", str(folder / "run")]
    return heart.Run(folder / "run", heart.signalled(2, signal.SIGUSR1, 1, 8, *arguments))


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> heart.Run:
    """The same, whose first rank was killed after step 13."""
    folder = tmp_path_factory.mktemp("killed")
    arguments = ["run", str(heart.scenario(folder, heart.ONE_VENTRICLE)), "-o", str(folder / "run")]
    return heart.Run(folder / "run", heart.signalled(2, signal.SIGKILL, 0, 13, *arguments))


def test_a_run_asked_to_stop_saves_and_says_how_to_go_on(stopped):
    assert stopped.process.returncode == 85
    assert f"go on with: heartwright restart {stopped.folder}" in stopped.process.stdout
    found = json.loads((stopped.folder / "run.json").read_text())
    assert (found["outcome"], found["exit_code"]) == ("stopped", 85)
    assert found["message"] == "resume from checkpoints/ck-000000008"
    assert (stopped.folder / "checkpoints" / "latest").read_text() == "ck-000000008\n"
    assert stopped.series["time"][-1] == 8


def test_a_run_asked_to_stop_while_it_is_filled_ends_soon_and_begins_anew(unbroken, tmp_path):
    path, folder = heart.scenario(tmp_path, heart.ONE_VENTRICLE), tmp_path / "run"
    done = heart.signalled(2, signal.SIGUSR1, 1, 0, "run", str(path), "-o", str(folder))
    assert done.returncode == 85, done.stderr
    assert done.stderr.count("stopped on request before the first beat") == 1
    assert (folder / "log.txt").read_text().count("passive filling:") == 1  # one step of the filling, no more
    assert json.loads((folder / "run.json").read_text())["outcome"] == "stopped"
    assert not (folder / "checkpoints").exists()
    _restart(folder)
    apart = heart.differences(series.read(folder / "series.csv"), unbroken.series)
    assert max(apart.values()) < 1e-7, apart  # MUMPS adds in the order in which messages arrive


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_restart_on_other_ranks_goes_on_with_the_same_heart(unbroken, stopped, ranks, tmp_path):
    folder = Path(shutil.copytree(stopped.folder, tmp_path / "run"))
    _restart(folder, ranks)
    _same_results(unbroken.folder, folder, tolerance=1e-6)


def test_a_stopped_run_restarts_and_ends_where_the_unbroken_run_ends(unbroken, stopped, tmp_path):
    folder = Path(shutil.copytree(stopped.folder, tmp_path / "run"))
    _restart(folder)
    # The stop renewed a factorisation that the unbroken run went on using: equal to the tolerance of the solver.
    _same_results(unbroken.folder, folder, tolerance=1e-6)


def test_after_a_sudden_death_all_that_was_written_can_be_read(killed):
    assert killed.process.returncode != 0
    np.testing.assert_array_equal(killed.series["time"], np.arange(13))  # the row of step 13 was not written yet
    np.testing.assert_array_equal(fields.times(killed.folder / "fields"), [0, 4, 8, 12])
    last = fields.read(killed.folder / "fields", -1)
    assert all(np.isfinite(last[name]).all() for name in ("points", "v", "u"))
    assert json.loads((killed.folder / "run.json").read_text())["outcome"] == "running"


def test_a_killed_run_restarts_and_is_the_unbroken_run(unbroken, killed, tmp_path):
    folder = Path(shutil.copytree(killed.folder, tmp_path / "run"))
    _restart(folder)
    # The checkpoint of step 10 is one of the unbroken run's own: from there on both compute the same, in another order.
    _same_results(unbroken.folder, folder, tolerance=1e-7)


def test_a_run_can_be_made_longer(unbroken, tmp_path):
    folder = Path(shutil.copytree(unbroken.folder, tmp_path / "run"))
    done = heart.command(2, "restart", str(folder), "--set", "time.end=24 ms")
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(series.read(folder / "series.csv")["time"], np.arange(25))
    np.testing.assert_array_equal(fields.times(folder / "fields"), np.arange(0, 25, 4))
    assert scenario.load(folder / "resolved.yaml").time.end == 24


def _restart(folder: Path, ranks: int = 2) -> None:
    done = heart.command(ranks, "restart", str(folder))
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "run.json").read_text())
    assert (found["outcome"], found["exit_code"]) == ("done", 0)
    assert found["metrics"]["steps"]["value"] == 20


def _same_results(first: Path, second: Path, tolerance: float) -> None:
    """The same rows and frames, none missing, none twice."""
    apart = heart.differences(*(series.read(folder / "series.csv") for folder in (first, second)))
    assert max(apart.values()) < tolerance, apart
    np.testing.assert_array_equal(*(fields.times(folder / "fields") for folder in (first, second)))
    one, other = (fields.read(folder / "fields", -1) for folder in (first, second))
    np.testing.assert_array_equal(one["points"], other["points"])
    np.testing.assert_allclose(one["u"], other["u"], rtol=0, atol=max(tolerance, 1e-6))  # mm, in single precision


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_reproducible_run_stopped_anywhere_is_the_unbroken_run_to_the_last_bit(ranks, tmp_path):
    short = heart.ONE_VENTRICLE.replace("end: 20 ms", "end: 8 ms") + "reproducible: true\n"
    whole, part = tmp_path / "whole", tmp_path / "part"
    path = str(heart.scenario(tmp_path, short))
    assert heart.command(ranks, "run", path, "-o", str(whole)).returncode == 0
    assert heart.signalled(ranks, signal.SIGUSR1, 0, 3, "run", path, "-o", str(part)).returncode == 85
    assert heart.command(ranks, "restart", str(part)).returncode == 0
    assert (part / "series.csv").read_bytes() == (whole / "series.csv").read_bytes()
    state = "checkpoints/ck-000000008/state.h5"
    assert (part / state).read_bytes() == (whole / state).read_bytes()


@pytest.mark.slow
def test_twenty_sudden_deaths_leave_results_that_can_be_read_and_a_run_that_can_go_on(repository):
    program = "import kills; print(kills.survivors(20, 2))"
    folder = repository / "benchmarks" / "reliability"
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "(20, 20)"
