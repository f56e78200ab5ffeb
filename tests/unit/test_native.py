"""Native code is compiled once, by one of many, from a folder nobody else can write to, and survives being killed."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from heartwright import native
from heartwright.errors import HeartwrightError, InputError
from mpi import run

SOURCE = """__attribute__((visibility("default"))) int answer(void) { return 42; }
int step(void) { return 1; }
"""
CHILD = f"from heartwright import native; print(native.library({SOURCE!r}, 'test').answer())"


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "heartwright" / "kernels"


@pytest.fixture
def compiler(tmp_path, monkeypatch) -> Path:
    """A compiler that notes each translation in `calls`, and while the file `wait` exists, waits before it."""
    script = tmp_path / "slowcc"
    script.write_text(f"""#!/bin/sh
case "$*" in *" -c "*) echo call >> {tmp_path}/calls; touch {tmp_path}/started
  while [ -e {tmp_path}/wait ]; do sleep 0.05; done;; esac
exec gcc "$@"
""")
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    return tmp_path


def child() -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def test_compiles_once_and_loads_afterwards(cache, compiler):
    assert native.library(SOURCE, "test").answer() == 42
    assert native.library(SOURCE, "test").answer() == 42
    assert (compiler / "calls").read_text() == "call\n"
    assert sorted(file.suffix for file in cache.iterdir()) == [".c", ".lock", ".so"]


def test_other_text_is_another_library(cache):
    assert native.library(SOURCE, "test").answer() == 42
    assert native.library(SOURCE.replace("42", "43"), "test").answer() == 43


def test_exports_only_what_is_marked(cache):
    """A function called `step` must not take the place of glibc's own, nor the other way round."""
    with pytest.raises(AttributeError):
        _ = native.library(SOURCE.replace("step", "stride"), "test").stride


def test_two_processes_at_once_compile_once(cache, compiler):
    (compiler / "wait").touch()
    children = [child() for _ in range(2)]
    wait_for(compiler / "started")
    time.sleep(0.3)  # the second process reaches the lock meanwhile; were there none, it would compile too
    (compiler / "wait").unlink()
    with ThreadPoolExecutor() as pool:
        answers = [out for out, _ in pool.map(subprocess.Popen.communicate, children)]
    assert answers == ["42\n", "42\n"]
    assert (compiler / "calls").read_text() == "call\n"


def test_killed_compilation_leaves_nothing_harmful(cache, compiler):
    (compiler / "wait").touch()
    killed = child()
    wait_for(compiler / "started")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not list(cache.glob("*.so"))
    (compiler / "wait").unlink()
    assert native.library(SOURCE, "test").answer() == 42


def test_damaged_file_is_built_again(cache):
    child().communicate()  # not in this process: a library must not change under the one that has it loaded
    (file,) = cache.glob("*.so")
    file.write_bytes(file.read_bytes()[:100])  # a crash after which the disk has only the beginning
    out, err = child().communicate()
    assert out == "42\n", err


def test_missing_compiler_names_CC(cache, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(InputError, match="CC=no-such-compiler not found"):
        native.library(SOURCE, "test")


def test_compiler_messages_reach_the_user(cache):
    with pytest.raises(HeartwrightError, match="undeclared"):
        native.library("int f(void) { return nothing; }", "test")


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_cache_that_others_may_write_is_refused(cache, mode):
    cache.mkdir(parents=True, mode=0o700)
    cache.chmod(mode)
    with pytest.raises(InputError, match="other users may write"):
        native.library(SOURCE, "test")


def test_cache_of_another_user_is_refused(cache, monkeypatch):
    native.cache_folder()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(InputError, match="another user"):
        native.library(SOURCE, "test")


def test_cache_is_private(cache):
    assert native.cache_folder().stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["../evil", "a b", "", "x" * 65])
def test_names_stay_in_the_cache(cache, name):
    with pytest.raises(ValueError, match="not a library name"):
        native.library(SOURCE, name)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


RANKS = f"""
from mpi4py import MPI
from heartwright import native
from heartwright.errors import InputError
try:
    print(native.library_on(MPI.COMM_WORLD, {SOURCE!r}, "test").answer(), flush=True)
except InputError as error:
    print("refused" if "CC" in str(error) else error, flush=True)
"""


@pytest.mark.parallel
def test_one_rank_compiles_and_all_load(cache, compiler):
    assert run(2, RANKS).stdout.count("42") == 2
    assert (compiler / "calls").read_text() == "call\n"


@pytest.mark.parallel
def test_all_ranks_hear_that_there_is_no_compiler(cache):
    assert run(2, RANKS, env={"CC": "no-such-compiler"}).stdout.count("refused") == 2
