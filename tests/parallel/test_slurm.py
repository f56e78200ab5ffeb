"""A real Slurm: submit, be asked to stop, requeue, resume, finish; an array with its warm-up; chains of jobs."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import heart
import mpi
from heartwright.output import audit, series
from slurm_lab import Lab

pytestmark = pytest.mark.parallel


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Slurm, and all kernels compiled."""
    try:
        lab = Lab(tmp_path_factory.mktemp("slurm"))
    except RuntimeError as error:
        pytest.skip(str(error))
    short = heart.beat(tmp_path_factory.mktemp("short"), heart.ONE_VENTRICLE.replace("end: 20 ms", "end: 1 ms"), 2)
    assert short.process.returncode == 0, short.process.stderr
    yield lab
    lab.stop()


@pytest.fixture
def submit(lab, tmp_path):
    """`submit(what, *arguments)`: hand a scenario's text or a run's folder to Slurm; the numbers of its jobs."""

    def call(what: str | Path, *arguments: str) -> dict[str, str]:
        path = what if isinstance(what, Path) else heart.scenario(tmp_path, what)
        env = mpi.environment({"HEARTWRIGHT": f"{sys.executable} -m heartwright"}) | {
            name: lab.env[name] for name in ("PATH", "SLURM_CONF")
        }
        command = [sys.executable, "-m", "heartwright", "submit", str(path), *arguments]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return dict(part.split() for part in done.stdout.partition(";")[0].split(", "))

    return call


def outcome(folder: Path) -> str:
    path = folder / "run.json"
    return json.loads(path.read_text())["outcome"] if path.exists() else ""


def test_a_job_that_is_asked_to_stop_is_requeued_and_ends_where_it_would_have(lab, submit, tmp_path):
    folder = tmp_path / "run"
    job = submit(heart.ONE_VENTRICLE.replace("end: 20 ms", "end: 60 ms"), "-o", str(folder), "--ranks", "2")["run"]
    log = folder.parent / f"run-{job}.log"

    def steps() -> int:
        return len(series.read(folder / "series.csv")["time"]) if (folder / "series.csv").exists() else 0

    lab.wait(lambda: steps() > 3, 180, "third step")
    lab.ask("scancel", "--batch", "--signal=USR1", job)
    lab.wait(lambda: lab.state(job) == "PENDING", 180, "requeued job")
    assert outcome(folder) == "stopped" and steps() < 60
    assert "srun ended with code 85" in log.read_text()
    # Slurm holds it back for two minutes; the node refuses it while it cleans up, and within the second of its end.
    lab.wait(lambda: lab.ask("sinfo", "-h", "-o", "%T") == "idle", 60, "idle node")
    time.sleep(3)
    lab.ask("scontrol", "update", f"jobid={job}", "StartTime=now")
    lab.wait(lambda: lab.state(job) == "COMPLETED", 600, "completed job")
    assert outcome(folder) == "done"
    np.testing.assert_array_equal(series.read(folder / "series.csv")["time"], np.arange(61))
    assert list(audit.findings(folder, [])) == []


def test_a_cancelled_job_saves_what_it_has_and_stays_cancelled_until_it_is_submitted_again(lab, submit, tmp_path):
    folder = tmp_path / "run"
    job = submit(heart.ONE_VENTRICLE.replace("end: 20 ms", "end: 10 s"), "-o", str(folder), "--ranks", "1")["run"]
    lab.wait(lambda: (folder / "checkpoints" / "ck-000000005").exists(), 180, "checkpoint")
    lab.ask("scancel", job)
    lab.wait(lambda: outcome(folder) == "stopped" and not lab.ask("squeue", "-h"), 60, "end of the job")
    assert lab.state(job) == "CANCELLED"
    assert f"cancelled; go on with: heartwright submit {folder}" in (tmp_path / f"run-{job}.log").read_text()
    reached = series.read(folder / "series.csv")["time"][-1]
    again = submit(folder, "--set", f"time.end={reached + 2} ms")["run"]
    lab.wait(lambda: lab.state(again) == "COMPLETED", 180, "completed job")
    np.testing.assert_array_equal(series.read(folder / "series.csv")["time"], np.arange(reached + 3))


def test_a_sweep_compiles_once_and_then_runs_its_members(lab, submit, tmp_path):
    folder = tmp_path / "sweep"
    values = ",".join(f"{value} kPa" for value in range(900, 980, 10))
    short = heart.ONE_VENTRICLE.replace("end: 20 ms", "end: 3 ms")
    jobs = submit(short, "--sweep", f"mechanics.bulk_modulus={values}", "-o", str(folder), "--ranks", "1")
    assert set(jobs) == {"warm_up", "array"}
    runs = [folder / f"{index:03d}" for index in range(8)]
    lab.wait(lambda: all(outcome(run) == "done" for run in runs), 180, "members done")
    status = subprocess.run(
        [sys.executable, "-m", "heartwright", "status", str(folder)], env=lab.env, capture_output=True, text=True
    )
    assert status.stdout.splitlines()[-1] == "8 done"
    assert "mechanics.bulk_modulus=970 kPa" in status.stdout.splitlines()[7]


def test_a_job_after_one_that_failed_never_starts(lab, submit, tmp_path):
    failing = lab.ask("sbatch", "--parsable", f"--output={tmp_path}/fails.log", "--wrap", "exit 3")
    job = submit(heart.ONE_VENTRICLE, "-o", str(tmp_path / "run"), "--after", failing)["run"]
    lab.wait(lambda: lab.state(failing) == "FAILED", 180, "failed job")
    lab.wait(lambda: lab.state(job) == "CANCELLED", 180, "the second cancelled")
    assert not (tmp_path / "run").exists()
