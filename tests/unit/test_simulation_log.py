"""The log: a lab notebook in log.txt, one line that a terminal overwrites, and plain lines everywhere else."""

import io

import pytest

from heartwright import log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in log.LAUNCHERS:
        monkeypatch.delenv(name, raising=False)


def three_steps(screen, **kwargs) -> str:
    notebook = log.Log(None, screen=screen, **kwargs)
    for text in ("t 1 ms", "t 2 ms", "t 3 ms"):
        notebook.step(text)
    notebook.say("done")
    notebook.close()
    return screen.getvalue()


def test_a_terminal_shows_one_line_that_changes():
    assert three_steps(Terminal()) == "\r\x1b[Kt 1 ms\r\x1b[Kt 2 ms\r\x1b[Kt 3 ms\ndone\n"


def test_a_pipe_gets_at_most_one_line_in_ten_seconds():
    assert three_steps(io.StringIO()) == "t 1 ms\ndone\n"


@pytest.mark.parametrize("launcher", log.LAUNCHERS)
def test_the_terminal_that_a_launcher_gives_a_rank_is_a_pipe(monkeypatch, launcher):
    monkeypatch.setenv(launcher, "0")
    assert three_steps(Terminal()) == "t 1 ms\ndone\n"


def test_only_rank_0_speaks(tmp_path):
    assert three_steps(io.StringIO(), rank=1) == ""


def test_the_file_has_every_step_and_a_restart_goes_on_in_it(tmp_path):
    for text in ("t 1 ms", "t 2 ms"):
        notebook = log.Log(tmp_path / "log.txt", quiet=True)
        notebook.step(text)
        notebook.say("said")
        notebook.record("for the file")
        notebook.close()
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert lines == ["t 1 ms", "said", "for the file", "t 2 ms", "said", "for the file"]


def test_a_disk_that_refuses_the_log_does_not_end_the_run(tmp_path):
    notebook = log.Log(tmp_path / "log.txt", quiet=True)
    notebook.file = open("/dev/full", "w", buffering=1)  # noqa: SIM115 - the log closes it
    for _ in range(2):
        notebook.step("t 1 ms")
