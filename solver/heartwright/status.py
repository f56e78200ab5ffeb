"""Status: how far a run, or every member of a sweep, has come, from its files alone."""

import fcntl
import json
from collections.abc import Iterator
from pathlib import Path

from heartwright.errors import InputError
from heartwright.files import LOCK, WARM_UP


def lines(folder: Path) -> Iterator[str]:
    """One line for a run, or one for each member of a sweep and their sum. Raises InputError where there is neither.

    The run that compiles for a sweep is told of until it is done: the members wait for it.
    """
    if (folder / "manifest.tsv").is_file():
        rows = [row.split("\t") for row in (folder / "manifest.tsv").read_text(encoding="utf-8").splitlines()]
        found = [_outcome(folder / row[0]) for row in rows]
        compiled, said = _outcome(folder / WARM_UP)
        if compiled not in ("waiting", "done"):
            yield f"{WARM_UP}  {compiled}  {said}".rstrip()
        for row, (outcome, last) in zip(rows, found, strict=True):
            yield f"{row[0]}  {outcome:<12} {', '.join(row[2:])}  {last}".rstrip()
        counts = {outcome: sum(o == outcome for o, _ in found) for outcome, _ in found}
        yield ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    elif (folder / "resolved.yaml").is_file():
        outcome, last = _outcome(folder)
        yield f"{folder.name}  {outcome}  {last}".rstrip()
    else:
        raise InputError(f"{folder}: no run and no sweep here; a job makes its folder when it starts")


def _outcome(folder: Path) -> tuple[str, str]:
    """How a run stands, and the last line of its log."""
    if not (folder / "resolved.yaml").is_file():
        return "waiting", ""
    log = folder / "log.txt"
    last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-1:] if log.is_file() else []
    try:
        outcome = json.loads((folder / "run.json").read_text(encoding="utf-8"))["outcome"]
    except (OSError, ValueError, KeyError):
        outcome = "running"
    if outcome == "running" and not _held(folder / LOCK):
        outcome = "died"
    return outcome, "".join(last)


def _held(lock: Path) -> bool:
    """Whether a process writes in this folder, as far as the file system can tell."""
    try:
        with open(lock) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
