"""Inputs of runs on patients' data, known by their digests: a path, or a file's name, may tell whose heart it is.

The user's own folder `~/.local/state/heartwright/inputs` (or in $XDG_STATE_HOME) has a link for each, named by the
sha256 of what it points to. Results hold that name; only this user's account knows where the file lies.
"""

import hashlib
import os
import re
from pathlib import Path

from heartwright.files import storing

NAME = re.compile(r"[0-9a-f]{64}(\.\w+)+")


def noted(path: Path) -> Path:
    """The link to an input, made where it is missing. Raises StorageError."""
    if is_noted(path):
        return path
    with storing(path), open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    link = _folder() / f"{digest}{path.suffix}"
    partial = link.with_name(f"{link.name}.{os.getpid()}.partial")
    with storing(link):
        link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        partial.symlink_to(os.path.realpath(path))
        os.replace(partial, link)
    return link


def is_noted(path: Path) -> bool:
    """Whether this is such a link, or would be one if it were there."""
    return path.parent == _folder()


def found(name: str) -> Path | None:
    """The link of that name; None for other names of files."""
    return _folder() / name if NAME.fullmatch(name) else None


def _folder() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "heartwright" / "inputs"
