"""Log: the lab notebook of a run, in log.txt and on the terminal, written by rank 0 only."""

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import TextIO

from heartwright.errors import InputError

LAUNCHERS = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID")  # what they tell each rank


@contextlib.contextmanager
def taken_back(path: Path):
    """Where the input turns out to be bad, what was logged in here is dropped: nothing has happened to the run."""
    size = path.stat().st_size if path.exists() else 0
    try:
        yield
    except InputError:
        if path.exists():
            os.truncate(path, size)
        raise


class Log:
    """`say` writes a line that stays; `step` one that a terminal overwrites with the next.

    Both go to `path` as plain lines; into a pipe or file, or from several ranks, `step` prints at most one line every
    `quiet_for` seconds.
    Ranks other than 0 may call both; nothing happens there. `quiet` keeps the terminal silent.
    """

    quiet_for = 10.0

    def __init__(self, path: Path | None, rank: int = 0, quiet: bool = False, screen: TextIO | None = None):
        self.screen = None if quiet or rank else screen or sys.stdout
        self.folder = str(path.parent) if path else "."
        self.file = None if rank or path is None else open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115
        # mpirun gives rank 0 a terminal of its own and passes on what is written there, to wherever it writes itself
        launched = any(name in os.environ for name in LAUNCHERS)
        self.terminal = bool(self.screen and self.screen.isatty()) and not launched
        self._open_line, self._last = False, -self.quiet_for

    def say(self, text: str = "") -> None:
        """A line that stays."""
        self.record(text)
        self._end_line()
        self._show(f"{text}\n")

    def step(self, text: str) -> None:
        """One line per step of the time loop."""
        self.record(text)
        if self.terminal:
            self._show(f"\r\x1b[K{text}")
            self._open_line = True
        elif self.screen and time.monotonic() - self._last >= self.quiet_for:
            self._show(f"{text}\n")
            self._last = time.monotonic()

    def close(self) -> None:
        self._end_line()
        if self.file:
            self.file.close()
            self.file = None

    def record(self, text: str) -> None:
        """A line in the file only, where the run's folder goes by its name: its path may tell whose run it is.

        A disk that refuses it ends the file, not the run: the results say what is wrong.
        """
        try:
            if self.file:
                print(text.replace(self.folder, Path(self.folder).name), file=self.file)
        except OSError:
            lost, self.file = self.file, None
            with contextlib.suppress(OSError):
                lost.close()

    def _show(self, text: str) -> None:
        """On the screen. A terminal or a pipe that is gone ends what is shown, not the run."""
        try:
            if self.screen:
                print(text, end="", file=self.screen, flush=True)
        except OSError:
            self.screen = None

    def _end_line(self) -> None:
        if self._open_line:
            self._show("\n")
            self._open_line = False


def readable(seconds: float) -> str:
    """A time in the unit one would say it in: 80 s, 12 min, 1.6 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
