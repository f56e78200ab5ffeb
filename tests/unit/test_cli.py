"""The command line: one message and one exit code for every ending, and light commands that stay light."""

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from heartwright import cli, scenario
from heartwright.cli import lock
from heartwright.errors import InputError, SolveFailed, StorageError
from heartwright.output import audit

QUICKSTART = Path(__file__).resolve().parents[2] / "configs" / "quickstart.yaml"
HEAVY = ("dolfinx", "petsc4py", "mpi4py", "matplotlib", "scipy", "pyvista")


@pytest.fixture
def simulation(monkeypatch, tmp_path):
    """A stand-in for `heartwright.simulation` whose outcome a test decides; the current folder is restored after."""
    monkeypatch.chdir(tmp_path)
    stand_in = types.ModuleType("heartwright.simulation")
    monkeypatch.setitem(sys.modules, "heartwright.simulation", stand_in)
    monkeypatch.setattr("heartwright.simulation", stand_in, raising=False)

    def outcome(result):
        def run(described, folder, comm, hours):
            (folder / "resolved.yaml").write_text(scenario.dump(described))
            if isinstance(result, Exception):
                raise result
            (folder / "series.csv").touch()
            return result

        stand_in.run = run
        monkeypatch.chdir(tmp_path)

    return outcome


def run(*arguments: str) -> int:
    return cli.main(["run", str(QUICKSTART), *arguments])


@pytest.mark.parametrize("code", [0, 85])
def test_run_ends_with_the_code_of_the_simulation(simulation, tmp_path, code):
    simulation(code)
    assert run() == code
    assert scenario.load(tmp_path / "runs" / "quickstart" / "resolved.yaml").name == "quickstart"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("mesh: a", "mesh: b"), 64, "mesh: a\nmesh: b\n"),
        (SolveFailed("solid", "det F <= 0"), 65, "solid: det F <= 0\n"),
        (StorageError("disk full"), 74, "disk full\n"),
    ],
)
def test_errors_become_a_message_and_a_code(simulation, capsys, error, code, message):
    simulation(error)
    assert run() == code
    assert capsys.readouterr().err == message


def test_a_mistake_of_ours_leaves_one_line_and_a_crash_log(simulation, capsys):
    simulation(ZeroDivisionError("oops"))
    assert run() == 70
    message = capsys.readouterr().err
    assert message.startswith("internal error: ZeroDivisionError: oops (details in ")
    log = Path(message.rstrip(")\n").rpartition(" ")[2])
    assert "Traceback" in log.read_text()
    log.unlink()


def test_bad_input_leaves_no_folder_behind(simulation, tmp_path):
    simulation(InputError("mesh: bad"))
    assert run("-o", "out") == 64
    assert not (tmp_path / "out").exists()


def test_a_finished_run_is_replaced_only_by_force(simulation, capsys, tmp_path):
    simulation(0)
    assert run("-o", "out") == 0
    simulation(0)
    assert run("-o", "out") == 64
    assert "holds a run already; go on with restart, replace it with --force, or use -o" in capsys.readouterr().err
    (tmp_path / "out" / "old").touch()
    assert run("-o", "out", "--force") == 0
    assert not (tmp_path / "out" / "old").exists()


def test_a_folder_that_is_no_run_is_never_emptied(simulation, capsys, tmp_path):
    simulation(0)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").touch()
    assert run("-o", "thesis", "--force") == 64
    assert "is not empty and holds no run" in capsys.readouterr().err
    assert (tmp_path / "thesis" / "chapter1.tex").exists()
    assert run("-o", "thesis/chapter1.tex") == 64


def test_two_runs_do_not_share_a_folder(simulation, capsys, tmp_path):
    simulation(0)
    (tmp_path / "out").mkdir()
    with lock.claim(tmp_path / "out"):
        assert run("-o", "out") == 64
    assert "another run is writing here" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_a_storage_error(simulation, capsys):
    simulation(0)
    assert run("-o", "/proc/nothing/here") == 74
    assert capsys.readouterr().err.startswith("/proc/nothing")


def test_restart_needs_a_run(simulation, capsys, tmp_path):
    simulation(0)
    assert cli.main(["restart", str(tmp_path)]) == 64
    assert "no run to restart here" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_slurm_with_one_lonely_rank_is_refused(simulation, monkeypatch, capsys):
    simulation(0)
    monkeypatch.setenv("SLURM_NTASKS", "8")
    assert run() == 64
    assert "Slurm started 8 tasks, but MPI sees one: use `srun --mpi=pmix`" in capsys.readouterr().err


def test_usage_errors_are_bad_input(capsys):
    assert cli.main(["frobnicate"]) == 64
    assert cli.main(["check"]) == 64
    assert "heartwright check --help" in capsys.readouterr().err


def test_check_says_what_would_run(capsys):
    assert cli.main(["check", str(QUICKSTART), "--set", "time.beats=2"]) == 0
    assert capsys.readouterr().out.endswith("good. quickstart: 1600 ms in 1600 steps of 1 ms\n")


def test_show_prints_a_scenario_that_loads(capsys, tmp_path):
    assert cli.main(["show", str(QUICKSTART)]) == 0
    (tmp_path / "shown.yaml").write_text(capsys.readouterr().out)
    assert scenario.load(tmp_path / "shown.yaml") == scenario.load(QUICKSTART).resolve()
    assert cli.main(["show", str(QUICKSTART), "--set", "time.beats=2", "--diff", str(QUICKSTART)]) == 0
    assert capsys.readouterr().out == "  time.beats: 1 -> 2\n"


def test_list_names_everything_there_is(capsys):
    assert cli.main(["list"]) == 0
    out = capsys.readouterr().out
    for name in ("quickstart.yaml", "tentusscher_panfilov_2006", "land_2017", "closed_loop", "lbbb", "crt", "guccione"):
        assert name in out
    assert cli.main(["list", "device"]) == 64
    assert "did you mean 'devices'?" in capsys.readouterr().err


def test_doctor_looks_at_everything_it_names(capsys):
    assert cli.main(["doctor"]) in (0, 70)
    found = {line.split()[1] for line in capsys.readouterr().out.splitlines()}
    assert {"Python", "compiler", "MPI", "PETSc", "DOLFINx", "BLAS", "cache", "disk"} <= found


@pytest.mark.parametrize(
    ("command", "unwanted"),
    [(["check", str(QUICKSTART)], HEAVY), (["show", str(QUICKSTART)], HEAVY), (["list"], (*HEAVY, "myokit"))],
    ids=["check", "show", "list"],
)
def test_light_commands_import_nothing_heavy(command, unwanted):
    """A scenario that changes a model needs Myokit to be checked: a fifth of a second."""
    program = (
        f"import sys; from heartwright.cli import main; code = main({command!r}); "
        f"print([m for m in {unwanted!r} if m in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "[]\n")


def test_python_files_of_the_current_folder_are_not_imported(tmp_path):
    (tmp_path / "click.py").write_text("raise SystemExit('ran foreign code')")
    done = subprocess.run(
        [sys.executable, "-m", "heartwright", "check", str(QUICKSTART)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_option_files_of_the_current_folder_are_not_read(tmp_path):
    """A .petscrc can load libraries, a dolfinx_jit_options.json can name compilers: both may come with a scenario."""
    (tmp_path / ".petscrc").write_text("-planted 1\n")
    program = f"""
import os, sys, types
import heartwright
from heartwright import cli

def run(scenario, folder, comm, hours):
    from petsc4py import PETSc
    return 3 if PETSc.Options().hasName("planted") or os.getcwd() == {str(tmp_path)!r} else 0

heartwright.simulation = sys.modules["heartwright.simulation"] = types.SimpleNamespace(run=run)
sys.exit(cli.main(["run", {str(QUICKSTART)!r}]))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "note: not read: .petscrc\n")


def test_what_a_run_on_patients_data_writes_is_hidden_from_others(simulation, tmp_path):
    simulation(0)
    before = os.umask(0o022)
    try:
        assert run("--set", "data=patient") == 0
    finally:
        os.umask(before)
    folder = tmp_path / "runs" / "quickstart"
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())


def test_verify_names_what_was_changed(tmp_path, capsys):
    (tmp_path / "series.csv").write_text("1\n")
    audit.record(tmp_path, "started", inputs={})
    audit.close(tmp_path)
    assert cli.main(["verify", str(tmp_path)]) == 0
    (tmp_path / "series.csv").write_text("2\n")
    assert cli.main(["verify", str(tmp_path)]) == 74
    assert capsys.readouterr().err == "series.csv: was changed since the run ended\n"
    assert cli.main(["verify", str(tmp_path / "none")]) == 64
