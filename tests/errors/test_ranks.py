"""Several ranks: one message, the right code, and nobody waits for ever."""

from pathlib import Path

import pytest

import heart
import mpi
from heartwright import cli, memory

pytestmark = pytest.mark.parallel

CONFIGS = Path(__file__).resolve().parents[2] / "configs"

ONE_RANK_FAILS = """
import sys, types
from mpi4py import MPI
from heartwright import cli
from heartwright.errors import InputError

def run(scenario, folder, comm, hours):
    if comm.rank == 1:
        raise {error}
    comm.barrier()

cli.ending.PATIENCE = 0.5
sys.modules["heartwright.simulation"] = types.SimpleNamespace(run=run)
import heartwright
heartwright.simulation = sys.modules["heartwright.simulation"]
sys.exit(cli.main(["run", {scenario!r}, "-o", {folder!r}]))
"""


def test_bad_input_is_told_once_and_ends_all_ranks(tmp_path):
    (tmp_path / "s.yaml").write_text(f"extends: {CONFIGS / 'quickstart.yaml'}\ntme: 1\n")
    done = mpi.run(2, ["-m", "heartwright", "run", "s.yaml"], cwd=tmp_path, timeout=60)
    assert done.returncode == 64
    assert done.stderr.count("s.yaml:2: tme: unknown key; did you mean 'time'?") == 1
    assert not (tmp_path / "runs").exists()


def test_light_commands_speak_once_too(tmp_path):
    done = mpi.run(2, ["-m", "heartwright", "check", "nothing.yaml"], cwd=tmp_path, timeout=60)
    assert done.returncode == 64
    assert done.stderr.count("nothing.yaml: no such file") == 1


@pytest.mark.parametrize("error", ["ZeroDivisionError('oops')", "InputError('mesh: bad')"])
def test_a_rank_that_fails_alone_ends_the_others(tmp_path, error):
    program = ONE_RANK_FAILS.format(
        error=error, scenario=str(CONFIGS / "quickstart.yaml"), folder=str(tmp_path / "out")
    )
    done = mpi.run(2, program, cwd=tmp_path, timeout=60, env={"TMPDIR": str(tmp_path)})  # where crash logs go
    assert done.returncode == 70
    assert done.stderr.count("rank 1 failed alone") == 1


@pytest.mark.parametrize("name", ["SLURM_NTASKS", "SLURM_STEP_NUM_TASKS"])
def test_tasks_that_do_not_find_each_other_are_refused(tmp_path, name):
    """Slurm without PMIx starts every rank as if it were alone: N runs would write over each other."""
    arguments = ["-m", "heartwright", "run", str(CONFIGS / "quickstart.yaml"), "-o", str(tmp_path / "out")]
    done = mpi.run(1, arguments, cwd=tmp_path, timeout=60, env={name: "8"})
    assert done.returncode == 64
    assert done.stderr.count("Slurm started 8 tasks, but MPI sees one: use `srun --mpi=pmix`") == 1
    assert not (tmp_path / "out").exists()


def test_more_ranks_than_tetrahedra_are_refused():
    program = """
import numpy as np
from heartwright.mesh import distribution
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import MeshSpec
from mpi4py import MPI

points, cells = np.vstack([np.zeros(3), np.eye(3), np.ones(3)]), np.array([[0, 1, 2, 3], [1, 2, 3, 4]])
two = RawMesh(points, cells, cells[:0, :3], np.zeros(0, dtype=int), {})
distribution.prepare = lambda spec: two
try:
    distribution.build(MeshSpec(generate={"type": "slab", "lengths": ["1 mm"] * 3, "size": "1 mm"}), MPI.COMM_WORLD)
except distribution.InputError as error:
    print(error)
"""
    done = mpi.run(3, program, timeout=60)
    assert done.stdout.count("mesh: 3 ranks for 2 tetrahedra: use fewer") == 3, done.stderr


def test_a_heart_that_cannot_fit_into_the_machine_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # a run in this process leaves the current folder
    monkeypatch.setattr(memory, "installed", lambda: 10**8)
    path = heart.scenario(tmp_path, heart.ONE_VENTRICLE)
    assert cli.main(["run", str(path), "-o", str(tmp_path / "run")]) == 64
    assert "need about 0.31 GB on each node, which has 0.1 GB" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_memory_of_a_known_run_is_about_what_it_took():
    assert memory.needs(308_025, 4) == pytest.approx(6.8e9, rel=0.05)


def test_complex_numbers_are_refused(tmp_path):
    program = """
import sys
from petsc4py import PETSc
from heartwright import cli

PETSc.ScalarType = complex
sys.exit(cli.main(["run", {scenario!r}, "-o", {folder!r}]))
"""
    text = program.format(scenario=str(CONFIGS / "quickstart.yaml"), folder=str(tmp_path / "out"))
    done = mpi.run(1, text, cwd=tmp_path, timeout=60)
    assert done.returncode == 64 and "needs the real build" in done.stderr
