"""Audit: what happened to a run, one line per event, each tied to the line before; and what its files were at its end.

Every line of `audit.jsonl` carries the sha256 of its own event and of the line before it: a line that is changed,
missing or put in between breaks the chain. Events that close a run hold the sha256 of every file in its folder.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from heartwright.errors import StorageError
from heartwright.files import LOCK, storing, write_atomically

NAME = "audit.jsonl"
APART = {NAME, LOCK}  # not among the files of a run
CLOSING = {"ended", "rewritten"}  # events that hold the digests of all files


def record(folder: Path, what: str, **facts: Any) -> None:
    """Append one event. Raises StorageError."""
    path = folder / NAME
    before = _chain(path)
    event = {"what": what, "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())} | facts
    line = {"event": event, "chain": _link(before, event)}
    with storing(path), open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def close(folder: Path, **facts: Any) -> None:
    """Append the event that ends a run, with the digests of all files. Raises StorageError."""
    record(folder, "ended", sha256={str(p.relative_to(folder)): sha256(p) for p in files(folder)}, **facts)


def amend(folder: Path, rewritten: Iterable[Path]) -> None:
    """Note that some files of a run that has ended were written anew. Raises StorageError."""
    if is_closed(folder):
        events = [json.loads(line)["event"] for line in _lines(folder / NAME)]
        digests = events[-1]["sha256"] | {str(path.relative_to(folder)): sha256(path) for path in rewritten}
        record(folder, "rewritten", sha256=digests)


def files(folder: Path) -> list[Path]:
    """The files of a run."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in APART)


def findings(folder: Path, inputs: Iterable[Path]) -> Iterator[str]:
    """Everything that is not as it was recorded: the chain, the files since the run ended, its `inputs`."""
    events, before = [], ""
    for number, text in enumerate(_lines(folder / NAME), 1):
        event = _event(text, before)
        if event is None:
            yield f"{NAME}:{number}: was changed, or what stood before it"
            return
        before = json.loads(text)["chain"]
        events.append(event)
    if not events:
        yield f"{NAME}: missing or empty"
        return
    if events[-1]["what"] in CLOSING:
        yield from _changed_files(folder, events[-1]["sha256"])
    started = next((event for event in reversed(events) if "inputs" in event), {"inputs": {}})
    for path in inputs:
        if not path.is_file():
            yield f"{path}: the input is missing"
        elif sha256(path) != started["inputs"].get(path.name):
            yield f"{path}: the input was changed since the run started"


def is_closed(folder: Path) -> bool:
    """Whether the run has ended, so that its files can be compared with what they were."""
    lines = _lines(folder / NAME)
    return bool(lines) and any(f'"what": "{what}"' in lines[-1] for what in CLOSING)


def sha256(path: Path) -> str:
    with storing(path), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _changed_files(folder: Path, recorded: dict[str, str]) -> Iterator[str]:
    present = {str(path.relative_to(folder)): path for path in files(folder)}
    for name in sorted(recorded.keys() | present.keys()):
        if name not in present:
            yield f"{name}: missing"
        elif name not in recorded:
            yield f"{name}: was not there when the run ended"
        elif sha256(present[name]) != recorded[name]:
            yield f"{name}: was changed since the run ended"


def _lines(path: Path) -> list[str]:
    """All lines; one that a crash cut short is among them."""
    if not path.exists():
        return []
    with storing(path):
        return path.read_bytes().decode(errors="replace").removesuffix("\n").split("\n")


def _event(text: str, before: str) -> dict[str, Any] | None:
    """The event of a line that is whole and follows the line whose chain is `before`."""
    try:
        line = json.loads(text)
        whole = line["chain"] == _link(before, line["event"]) and text == json.dumps(line)
        return line["event"] if whole else None
    except (ValueError, TypeError, KeyError):
        return None


def _chain(path: Path) -> str:
    """The chain of the last line; a line cut short by a crash is dropped first."""
    lines = _lines(path)
    whole = [line for line in lines if line.startswith("{") and line.endswith("}")]
    if whole != lines:
        write_atomically(path, "".join(line + "\n" for line in whole))
    try:
        return json.loads(whole[-1])["chain"] if whole else ""
    except (ValueError, TypeError, KeyError):
        raise StorageError(f"{path}: is damaged; see heartwright verify") from None


def _link(before: str, event: dict[str, Any]) -> str:
    return hashlib.sha256((before + json.dumps(event, sort_keys=True)).encode()).hexdigest()
