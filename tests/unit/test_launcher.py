"""The launcher and the list of what it installs."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ENVIRONMENT = Path(__file__).resolve().parents[2] / "environment"


def listed(column: str) -> list[str]:
    return subprocess.run([ENVIRONMENT / "list.sh", column], capture_output=True, text=True, check=True).stdout.split()


def start(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`./heartwright ARGUMENTS` from `folder`."""
    command = [ENVIRONMENT.parent / "heartwright", *arguments]
    env = os.environ | variables
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)


# --- one list ------------------------------------------------------------------------------------------------------


def test_conda_installs_what_the_list_says():
    dependencies = YAML(typ="safe").load(ENVIRONMENT / "environment.yml")["dependencies"]
    assert dependencies[:-1] == listed("conda")
    assert dependencies[-1] == {"pip": listed("pypi")}


@pytest.mark.parametrize("recipe", ["Dockerfile", "apptainer.def", "build.sh"])
def test_every_recipe_reads_the_list(recipe):
    text = (ENVIRONMENT / recipe).read_text()
    assert 'list.sh" debian)' in text or "list.sh debian)" in text
    assert 'list.sh" pypi)' in text or "list.sh pypi)" in text


def test_packages_from_the_index_are_pinned():
    assert all("==" in package for package in listed("pypi"))


def test_the_running_environment_has_what_the_list_says():
    answer = subprocess.run([sys.executable, ENVIRONMENT / "probe.py"], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


def test_an_environment_without_a_module_is_refused_by_its_name(tmp_path):
    """Without site-packages nothing of the list is importable but a fake DOLFINx 0.9."""
    for name in ("dolfinx", "fenics_dolfinx-0.9.0.dist-info"):
        (tmp_path / name).mkdir()
    (tmp_path / "dolfinx" / "__init__.py").touch()
    (tmp_path / "fenics_dolfinx-0.9.0.dist-info" / "METADATA").write_text("Name: fenics-dolfinx\nVersion: 0.9.0\n")
    command = [sys.executable, "-S", ENVIRONMENT / "probe.py"]
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    answer = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert "myokit" in answer.stderr


# --- starting commands ---------------------------------------------------------------------------------------------


def test_commands_start_where_the_caller_is(tmp_path):
    assert start(tmp_path, "shell", "pwd").stdout.strip() == str(tmp_path)


def test_the_package_is_found_from_any_folder(tmp_path):
    assert start(tmp_path, "shell", "python3", "-c", "import heartwright").returncode == 0


def test_exit_codes_come_through(tmp_path):
    assert start(tmp_path, "shell", "sh", "-c", "exit 85").returncode == 85


def test_a_file_beside_the_scenario_is_not_imported(tmp_path):
    (tmp_path / "numpy.py").write_text("raise SystemExit('imported')")
    answer = start(tmp_path, "list")
    assert answer.returncode == 0, answer.stderr


def test_what_is_written_belongs_to_the_caller(tmp_path):
    start(tmp_path, "shell", "touch", "made")
    assert (tmp_path / "made").stat().st_uid == os.getuid()


@pytest.mark.parametrize("arguments", [("-n", "2", "shell", "printenv", "OMPI_COMM_WORLD_SIZE")])
@pytest.mark.parallel
def test_ranks_are_started(tmp_path, arguments):
    assert start(tmp_path, *arguments).stdout.split() == ["2", "2"]


@pytest.mark.parametrize("wrong", ["0", "two", "-1", ""])
def test_a_wrong_number_of_ranks_is_bad_input(tmp_path, wrong):
    for arguments in (("-n", wrong, "shell", "true"), ("run", "-n", wrong, "x.yaml")):
        answer = start(tmp_path, *arguments)
        assert answer.returncode == 64
        assert "number of ranks" in answer.stderr


def test_starting_is_fast(tmp_path):
    """Under one second on an idle machine (0.15 s measured); the best of three, since others may be busy here."""
    start(tmp_path, "shell", "true")
    assert min(seconds_of_a_start(tmp_path) for _ in range(3)) < 1.0


def seconds_of_a_start(folder: Path) -> float:
    begin = time.perf_counter()
    start(folder, "shell", "true")
    return time.perf_counter() - begin


# --- building: what is missing is said, what is unfinished is not used ----------------------------------------------

HOST = "sh bash flock mkdir df awk id tail cat sed tr grep dirname readlink uname sleep rm chmod du cut touch cp mv"
TOOLS = {"bwrap": "exit 0", "debootstrap": "exit 0", "wget": "echo Origin: Debian"}


def host(tmp_path: Path, stand_ins: dict[str, str]) -> dict[str, str]:
    """The variables of a machine with the everyday commands and `stand_ins`, shell texts in place of real tools."""
    path = tmp_path / "bin"
    path.mkdir(exist_ok=True)
    for name in HOST.split():
        if name not in stand_ins and not (path / name).exists():
            (path / name).symlink_to(shutil.which(name))
    for name, text in stand_ins.items():
        (path / name).unlink(missing_ok=True)
        (path / name).write_text(f"#!/bin/sh\n{text}\n")
        (path / name).chmod(0o755)
    return {"PATH": str(path), "HOME": str(tmp_path), "HEARTWRIGHT_DEBIAN_MIRROR": "http://mirror.invalid/debian"}


def build_command(tmp_path: Path) -> list[str | Path]:
    return [shutil.which("bash"), ENVIRONMENT / "build.sh", tmp_path / "cache" / "environment-0"]


def build(tmp_path: Path, stand_ins: dict[str, str]) -> subprocess.CompletedProcess[str]:
    env = host(tmp_path, stand_ins)
    return subprocess.run(build_command(tmp_path), env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("stand_ins", "said"),
    [
        ({}, "missing here: bubblewrap"),
        (TOOLS | {"df": "echo header; echo disk 9 9 100 9 /"}, "100 MB free"),
        (TOOLS | {"wget": "exit 4"}, "check the network"),
        (TOOLS | {"bwrap": "echo no permission >&2; exit 1"}, "cannot make a sandbox here: no permission"),
        (TOOLS | {"bwrap": "[ $# -lt 9 ] || { echo what broke; exit 1; }"}, "what broke"),
    ],
    ids=["tools", "disk", "network", "namespaces", "step"],
)
def test_a_build_that_cannot_succeed_says_why_and_what_else_to_do(tmp_path, stand_ins, said):
    answer = build(tmp_path, stand_ins)
    assert answer.returncode == 69
    assert said in answer.stderr
    assert all(way in answer.stderr for way in ("environment.yml", "Dockerfile", "apptainer.def", "spack.md"))
    assert not (tmp_path / "cache" / "environment-0").exists()


def test_what_an_interrupted_build_left_is_removed(tmp_path):
    left = tmp_path / "cache" / "environment-1.partial" / "usr"
    left.mkdir(parents=True)
    left.chmod(0o500)
    build(tmp_path, {})
    assert not left.parent.exists()


def test_a_second_build_waits_and_uses_the_first_ones_work(tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    env = host(tmp_path, {})
    with open(cache / "environment.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen(build_command(tmp_path), env=env, stderr=subprocess.PIPE, text=True) as second:
            assert "waiting" in second.stderr.readline()
            (cache / "environment-0").mkdir()
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert second.wait(timeout=20) == 0
