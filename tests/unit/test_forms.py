"""The cache of compiled forms."""

import subprocess
import sys
from pathlib import Path

PROGRAM = "from heartwright import forms; print(forms.options()['cache_dir'], flush=True); input()"


def start(cache, monkeypatch) -> subprocess.Popen[str]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_killed_compilation_is_forgotten_unless_it_may_be_another_runs(tmp_path, monkeypatch):
    """FFCx would wait ten minutes for the unfinished form."""
    with start(tmp_path, monkeypatch) as first:
        folder = first.stdout.readline().strip()
        unfinished, finished = (f"{folder}/libffcx_forms_{name}.c" for name in "ab")
        for path in (unfinished, finished, finished + ".cached"):
            open(path, "w").close()
        assert left_after_a_start(tmp_path, monkeypatch, folder) == {"a.c", "b.c", "b.c.cached"}
        first.kill()
    assert left_after_a_start(tmp_path, monkeypatch, folder) == {"b.c", "b.c.cached"}


def left_after_a_start(cache, monkeypatch, folder: str) -> set[str]:
    with start(cache, monkeypatch) as process:
        process.communicate("\n", timeout=30)
    return {path.name.removeprefix("libffcx_forms_") for path in Path(folder).glob("libffcx_*")}
