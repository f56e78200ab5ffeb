"""Runs that are stopped or killed go on from their checkpoint as if nothing had happened."""

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

import heart
from heartwright.output import fields, series

pytestmark = pytest.mark.parallel


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> heart.Run:
    """The small heart on two ranks, of which one was asked to stop after 17 of 40 steps."""
    folder = tmp_path_factory.mktemp("stopped")
    arguments = ["run", str(heart.scenario(folder)), "-o", str(folder / "run")]
    return heart.Run(folder / "run", heart.signalled(2, signal.SIGUSR1, 1, 17, *arguments))


@pytest.fixture(scope="module")
def killed(stopped) -> heart.Run:
    """The stopped run restarted, and its first rank killed after step 33."""
    folder = Path(shutil.copytree(stopped.folder, stopped.folder.with_name("killed")))
    return heart.Run(folder, heart.signalled(2, signal.SIGKILL, 0, 33, "restart", str(folder)))


def test_a_run_asked_to_stop_saves_and_says_how_to_go_on(stopped):
    assert stopped.process.returncode == 85
    assert f"go on with: heartwright restart {stopped.folder}" in stopped.process.stdout
    found = json.loads((stopped.folder / "run.json").read_text())
    assert (found["outcome"], found["exit_code"]) == ("stopped", 85)
    assert found["message"] == "resume from checkpoints/ck-000000017"
    assert (stopped.folder / "checkpoints" / "latest").read_text() == "ck-000000017\n"
    assert stopped.series["time"][-1] == 17


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_restart_on_other_ranks_is_refused_and_harms_nothing(stopped, ranks):
    before = _contents(stopped.folder)
    done = heart.command(ranks, "restart", str(stopped.folder))
    assert done.returncode == 64
    message = f"ck-000000017 was written by 2 ranks and this run has {ranks}: restart with -n 2"
    assert done.stderr.count(message) == 1 and "Traceback" not in done.stderr
    assert _contents(stopped.folder) == before


def _contents(folder: Path) -> dict[Path, bytes]:
    """Everything in a folder but its log and lock."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in ("log.txt", ".lock"))
    return {path: path.read_bytes() for path in files}


def test_after_a_sudden_death_all_that_was_written_can_be_read(killed):
    assert killed.process.returncode != 0
    trace = killed.series
    np.testing.assert_array_equal(trace["time"], np.arange(33))  # the row of step 33 was not written yet
    times = fields.times(killed.folder / "fields")
    np.testing.assert_array_equal(times, np.arange(0, 31, 5))
    last = fields.read(killed.folder / "fields", -1)
    assert all(np.isfinite(last[name]).all() for name in ("points", "v", "u", "active_tension"))
    assert json.loads((killed.folder / "run.json").read_text())["outcome"] == "running"


def test_stop_kill_and_restart_end_where_the_unbroken_run_ends(beats, killed):
    done = heart.command(2, "restart", str(killed.folder))
    assert done.returncode == 0, done.stderr
    # The stop at step 17 renewed a factorisation that the unbroken run went on using: equal to the solver's tolerance.
    apart = heart.differences(beats(2).series, series.read(killed.folder / "series.csv"))
    assert max(apart.values()) < 2e-6, apart
    np.testing.assert_array_equal(fields.times(killed.folder / "fields"), np.arange(0, 41, 5))
    one, other = (fields.read(run.folder / "fields", -1) for run in (beats(2), killed))
    np.testing.assert_allclose(one["u"], other["u"], rtol=0, atol=1e-5)
    found = json.loads((killed.folder / "run.json").read_text())
    assert found["outcome"] == "done" and found["metrics"]["steps"]["value"] == 40
