"""Compiled forms: the flags FFCx compiles them with, and a cache that killed runs and other processors cannot spoil."""

import contextlib
import fcntl
import functools
import hashlib
import os
from pathlib import Path

from heartwright.errors import StorageError
from heartwright.native import cache_folder, processor

# Native SIMD is 1.5-1.8 times faster on quadratic tetrahedra than FFCx's default -O2. `-ffast-math` drops NaN checks,
# so finiteness is tested explicitly where it matters.
FLAGS = ["-O3", "-march=native", "-ffast-math", "-g0"]


def options() -> dict[str, object]:
    """The `jit_options` of every form. Raises InputError or StorageError when the cache cannot be used."""
    folder = cache_folder() / f"forms-{hashlib.sha256(processor()[0].encode()).hexdigest()[:12]}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        _claim(folder)
    except OSError as error:
        raise StorageError(f"{folder}: cannot keep compiled forms here: {error.strerror}; set XDG_CACHE_HOME") from None
    return {"cache_dir": str(folder), "cffi_extra_compile_args": FLAGS, "timeout": 600}


@functools.cache  # once, and the lock stays open as long as this process lives
def _claim(folder: Path) -> int:
    """Share the cache with other runs; whoever finds nobody else there first removes what killed runs left unfinished.

    FFCx takes a form's C file without its `.cached` for a compilation under way and waits for it until `timeout`.
    """
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, mode=0o600)
    with contextlib.suppress(OSError):  # others are there, or a file system without locks
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for source in folder.glob("libffcx_*.c"):
            if not source.with_suffix(".c.cached").exists():
                source.unlink()
    with contextlib.suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_SH)
    return lock
