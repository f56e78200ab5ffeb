"""The folder of a run belongs to one process at a time, and is never emptied by mistake."""

import contextlib
import fcntl
import shutil
from pathlib import Path
from typing import TextIO

from heartwright.errors import InputError
from heartwright.files import LOCK

UNUSED = {LOCK, "resolved.yaml", "log.txt", "audit.jsonl"}  # what a run folder holds before there are results


def prepare(folder: Path, force: bool) -> TextIO:
    """An empty folder for a run, and its lock; a folder that holds anything but a run is never emptied."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; choose another folder with -o")
    folder.mkdir(parents=True, exist_ok=True)
    inside = {path.name for path in folder.iterdir()}
    if inside - UNUSED and not (folder / "resolved.yaml").exists():
        raise InputError(f"{folder}: is not empty and holds no run; choose another folder with -o")
    if inside - UNUSED and not force:
        raise InputError(f"{folder}: holds a run already; go on with restart, replace it with --force, or use -o")
    lock = claim(folder)
    _empty(folder)
    return lock


def _empty(folder: Path) -> None:
    """Remove everything but the lock."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def claim(folder: Path) -> TextIO:
    """The lock of a run folder, kept open as long as this process writes there."""
    lock = open(folder / LOCK, "a")  # noqa: SIM115 - held until the run ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise InputError(f"{folder}: another run is writing here") from None
    return lock


@contextlib.contextmanager
def held(lock: TextIO | None, folder: Path):
    """Keep the lock during a run; input that turns out to be bad leaves no folder behind."""
    try:
        yield
    except InputError:
        if lock and {path.name for path in folder.iterdir()} <= UNUSED:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        if lock:
            lock.close()
