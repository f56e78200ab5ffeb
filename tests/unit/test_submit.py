"""Submit and status: what Slurm is asked, what is refused before, and how runs stand."""

import json
import os
from types import SimpleNamespace

import pytest

import heart
from heartwright import cli, scenario, status, submit
from heartwright.errors import InputError


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(submit, "is_here", lambda: False)
    return heart.scenario(tmp_path, heart.ONE_VENTRICLE)


def call(file, *arguments) -> int:
    return cli.main(["submit", str(file), "-o", str(file.parent / "out"), *arguments])


def test_where_slurm_is_not_its_commands_are_printed(file, capsys):
    assert (
        call(file, "--ranks", "16", "--nodes", "2", "--time", "1:00:00", "--set", "time.end=5 ms", "--after", "7") == 0
    )
    (line,) = capsys.readouterr().out.splitlines()[1:]
    for part in (
        "--nodes=2",
        "--ntasks-per-node=16",
        "--time=1:00:00",
        "--dependency=afterok:7",
        "--set 'time.end=5 ms'",
    ):
        assert part in line
    assert "HEARTWRIGHT_FOLDER=" in line and str(submit.TEMPLATE) in line


@pytest.mark.parametrize(("answer", "here"), [("exit 0", True), ("exit 1", False), ("exec sleep 5", False)])
def test_slurm_is_where_its_controller_answers(tmp_path, monkeypatch, answer, here):
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "scontrol").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(submit, "PATIENCE", 0.5)
    assert submit.is_here() is here


def test_the_members_of_a_sweep_are_complete_scenarios(file, capsys):
    assert call(file, "--sweep", "time.end=5 ms,6 ms", "--sweep", "mechanics.bulk_modulus=1 MPa,2 MPa") == 0
    folder = file.parent / "out"
    rows = [row.split("\t") for row in (folder / "manifest.tsv").read_text().splitlines()]
    assert [row[2:] for row in rows][2] == ["time.end=6 ms", "mechanics.bulk_modulus=1 MPa"] and len(rows) == 4
    assert "end: 6.0 ms" in (folder / "scenarios" / "003.yaml").read_text()
    printed = capsys.readouterr().out
    assert "--array=0-3%8" in printed and "--dependency=afterok:$warm_up" in printed


def test_the_time_is_taken_from_a_probe_of_the_first_member_and_the_steps_of_the_longest(file, capsys, monkeypatch):
    probed = []
    needs = SimpleNamespace(ranks=4, seconds=lambda steps: probed.append(steps) or 60.0 * steps)
    monkeypatch.setattr(cli.cluster, "probe", lambda first: probed.append(first.time.end) or needs)
    assert call(file, "--time", "auto", "--ranks", "2", "--sweep", "time.end=5 ms,15 ms") == 0
    assert probed == [5.0, 15]
    # 15 steps of a minute on 4 ranks, twice that on 2, a third more, and the notice of 5 minutes
    assert capsys.readouterr().out.count("--time=0:45:00") == 3  # told, and asked for by both jobs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sweep", "mechanics.bulk_modulus=1 MPa,-2 MPa"], "mechanics.bulk_modulus"),
        (["--sweep", "time.end"], "write it as key=a,b,c"),
        (["--sweep", "time.end=1 ms,,2 ms"], "write it as key=a,b,c"),
        (["--time", "auto", "--set", "time.dT=1 ms"], "unknown key"),
        (["--time", "soon"], "write it as Slurm does"),
        (["--time", "1; rm -rf /"], "write it as Slurm does"),
        (["--after", "$(id)"], "give the number of a job"),
        (["--set", "time.dT=1 ms"], "unknown key"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(file, capsys, arguments, message):
    assert call(file, *arguments) == 64
    assert message in capsys.readouterr().err
    assert not (file.parent / "out").exists()


@pytest.fixture
def begun(file):
    """The folder of a run."""
    folder = file.parent / "out"
    folder.mkdir()
    (folder / "resolved.yaml").write_text(scenario.dump(scenario.load(file).resolve(), folder))
    return folder


def test_the_folder_of_a_run_goes_on(begun, capsys):
    assert cli.main(["submit", str(begun), "--set", "time.end=30 ms"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert f"HEARTWRIGHT_FOLDER={begun}" in line and line.endswith(f"run.sbatch {begun} --set 'time.end=30 ms')")


def test_a_scenario_does_not_go_on_with_a_run_that_it_may_have_nothing_to_do_with(file, begun, capsys):
    assert call(file) == 64
    assert f"holds a run already; go on with it: submit {begun}" in capsys.readouterr().err


def test_what_a_restart_would_refuse_is_not_submitted(begun, capsys):
    assert cli.main(["submit", str(begun), "--set", "mesh.refine=0", "--set", "mechanics.bulk_modulus=2 MPa"]) == 64
    told = capsys.readouterr().err
    assert "mesh.refine was 1" in told and "mechanics.bulk_modulus was 1000.0 kPa" in told


def test_what_is_not_done_of_a_sweep_goes_on(file, capsys):
    assert call(file, "--sweep", "time.end=5 ms,6 ms") == 0
    folder = file.parent / "out"
    assert call(file, "--sweep", "time.end=5 ms,6 ms") == 64
    assert f"go on with it: submit {folder}" in capsys.readouterr().err
    assert cli.main(["submit", str(folder), "--throttle", "1"]) == 0
    (line,) = capsys.readouterr().out.splitlines()[1:]
    assert "--array=0-1%1" in line and line.endswith(f"run.sbatch {folder})")


def test_a_folder_takes_neither_an_axis_nor_another_folder(begun, capsys):
    assert cli.main(["submit", str(begun), "--sweep", "time.end=5 ms"]) == 64
    assert cli.main(["submit", str(begun.parent)]) == 64
    told = capsys.readouterr().err.splitlines()
    assert "goes on in its own folder" in told[0] and "no run and no sweep here" in told[1]


def test_values_in_brackets_keep_their_commas():
    text = "stimuli=[{name: a, where: b}],[{name: c, where: d}]"
    assert submit._axis(text) == ["stimuli=[{name: a, where: b}]", "stimuli=[{name: c, where: d}]"]


def test_the_status_of_a_sweep_counts_its_members(tmp_path):
    (tmp_path / "manifest.tsv").write_text("".join(f"00{n}\t0\ta={n}\n" for n in range(3)))
    for name, outcome in (("000", "done"), ("001", "running")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "resolved.yaml").touch()
        (tmp_path / name / "log.txt").write_text("t 1 ms\nt 2 ms\n")
        (tmp_path / name / "run.json").write_text(json.dumps({"outcome": outcome}))
    lines = list(status.lines(tmp_path))
    assert lines[0].split() == ["000", "done", "a=0", "t", "2", "ms"]
    assert lines[1].startswith("001  died") and lines[2].startswith("002  waiting")
    assert lines[3] == "1 done, 1 died, 1 waiting"
    (tmp_path / "000").rename(tmp_path / "warm-up")
    (tmp_path / "warm-up" / "run.json").write_text(json.dumps({"outcome": "diverged"}))
    assert next(status.lines(tmp_path)) == "warm-up  diverged  t 2 ms"
    with pytest.raises(InputError, match="no run and no sweep here"):
        list(status.lines(tmp_path / "000" / "none"))
