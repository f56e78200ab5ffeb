"""Files: results reach the disk whole or not at all, and a disk that refuses them is named as the cause."""

import contextlib
import os
from pathlib import Path

from heartwright.errors import StorageError

LOCK = ".lock"  # in a run folder, held by the process that writes there
WARM_UP = "warm-up"  # in the folder of a sweep, the run that compiles for all members


@contextlib.contextmanager
def storing(path: Path):
    """Refusals of the file system while `path` is written become StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write {path.name}: {error.strerror or error}") from None


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by `text` so that a reader, or a crash, finds either the old content or the new, never a part.

    Raises StorageError.
    """
    partial = path.with_name(path.name + ".partial")
    with storing(path):
        with open(partial, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
