"""Native code: C text is compiled once per digest, kept in a private folder, and loaded."""

import contextlib
import ctypes
import fcntl
import functools
import hashlib
import os
import platform
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from heartwright.errors import HeartwrightError, InputError, StorageError
from heartwright.parallel import together

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
COMPILE = ("-std=gnu11", "-O3", "-march=native", "-ffast-math", "-fopenmp-simd", "-fPIC", "-fvisibility=hidden", "-w")


def library(source: str, name: str, links: tuple[str, ...] = ()) -> ctypes.CDLL:
    """The shared library made of the C text `source`; compiled on first use, then loaded from the cache.

    links: what else it is linked with, e.g. `-lsmumps`.

    The file's name is `name` and a digest of the text, the flags, the compiler's version and the processor's model,
    so a cache shared by different machines never serves wrong code. Only functions marked
    `__attribute__((visibility("default")))` are exported: a hidden `step` cannot be mistaken for glibc's.

    Any number of processes may ask at once (a file lock lets one compile), and a compilation killed at any moment
    leaves at most an unused temporary folder (the result is renamed into place when it is complete).

    Raises InputError without a compiler or with an unsafe cache folder, StorageError when the cache cannot be
    written, HeartwrightError with the compiler's words when the text does not compile.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"not a library name: {name!r}")
    argv = _compiler()
    folder = cache_folder()
    target = folder / f"{name}-{_digest(source, argv, links)}.so"
    if not target.exists():
        _build_once(source, argv, links, target)
    try:
        return ctypes.CDLL(str(target))
    except OSError:  # damaged by a full disk or a crash of the machine: build it again, once
        target.unlink(missing_ok=True)
        _build_once(source, argv, links, target)
        return _load(target)


def library_on(comm, source: str, name: str, links: tuple[str, ...] = ()) -> ctypes.CDLL:
    """`library` for all ranks of `comm`: rank 0 compiles, the others load. Collective; all ranks fail or none does."""
    with together(comm):
        loaded = library(source, name, links) if comm.rank == 0 else None
    with together(comm):  # ranks on another machine, with a cache of their own, compile here
        return loaded or library(source, name, links)


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/heartwright/kernels`, readable by this user alone.

    What lies there is loaded as code: a folder that belongs to somebody else, or that others may write to, is refused
    with an InputError.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "heartwright" / "kernels"
    try:
        base.mkdir(parents=True, exist_ok=True)
        for path in (folder.parent, folder):
            path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot keep compiled kernels here: {error.strerror}; set XDG_CACHE_HOME"
        ) from None
    for path in (folder.parent, folder):
        _refuse_unsafe(path)
    return folder


def _refuse_unsafe(path: Path) -> None:
    status = path.stat()
    if status.st_uid != os.geteuid():
        raise InputError(
            f"{path}: belongs to another user, compiled code from there is not trusted; set XDG_CACHE_HOME"
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise InputError(
            f"{path}: other users may write here, compiled code from there is not trusted; chmod go-w {path}"
        )


def _compiler() -> tuple[str, ...]:
    """The C compiler's command: `$CC` (which may carry arguments), else gcc, else cc."""
    wanted = shlex.split(os.environ.get("CC", ""))
    for argv in [wanted] if wanted else [["gcc"], ["cc"]]:
        path = shutil.which(argv[0])
        if path:
            return (path, *argv[1:])
    missing = f"CC={' '.join(wanted)}" if wanted else "gcc or cc"
    raise InputError(f"no C compiler: {missing} not found on PATH; install gcc or set the variable CC to a C compiler")


@functools.cache
def _version(argv: tuple[str, ...]) -> str:
    answer = subprocess.run([*argv, "--version"], capture_output=True, text=True, check=False)
    return answer.stdout.partition("\n")[0]


@functools.cache
def processor() -> tuple[str, bool]:
    """The processor's model, and whether it has AVX-512."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine() + platform.processor(), False
    lines = dict(reversed([line.split(":", 1) for line in text.splitlines() if ":" in line]))
    facts = {key.strip(): value.strip() for key, value in lines.items()}
    flags = facts.get("flags", "")
    return " ".join([platform.machine(), facts.get("model name", ""), flags]), "avx512f" in flags.split()


def _flags() -> tuple[str, ...]:
    return (*COMPILE, "-mprefer-vector-width=512") if processor()[1] else COMPILE


def _libraries() -> tuple[str, ...]:
    return ("-lmvec", "-lm") if platform.machine() == "x86_64" else ("-lm",)


def _digest(source: str, argv: tuple[str, ...], links: tuple[str, ...]) -> str:
    parts = [source, *argv, _version(argv), *_flags(), *_libraries(), *links, processor()[0]]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _build_once(source: str, argv: tuple[str, ...], links: tuple[str, ...], target: Path) -> None:
    try:
        with _locked(target.with_suffix(".lock")):
            if not target.exists():
                _build(source, argv, links, target)
    except OSError as error:
        raise StorageError(f"{target.parent}: cannot write compiled kernels: {error.strerror}") from error


@contextlib.contextmanager
def _locked(path: Path):
    with open(path, "w") as handle:
        with contextlib.suppress(OSError):  # a file system without locks: two may compile, the rename keeps both right
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(source: str, argv: tuple[str, ...], links: tuple[str, ...], target: Path) -> None:
    """Compile and link in a temporary folder beside `target`, then rename.

    Linking is a step of its own because gcc < 13, when it links with -ffast-math, adds start-up code that switches
    the whole process to flush-to-zero arithmetic.
    """
    with tempfile.TemporaryDirectory(prefix="build-", dir=target.parent) as folder:
        text, object_, result = (Path(folder) / f"kernel{suffix}" for suffix in (".c", ".o", ".so"))
        text.write_text(source)
        _run([*argv, *_flags(), "-c", str(text), "-o", str(object_)], target.stem)
        _run([*argv, "-shared", "-fPIC", str(object_), "-o", str(result), *links, *_libraries()], target.stem)
        with open(result, "rb") as handle:
            os.fsync(handle.fileno())
        text.replace(target.with_suffix(".c"))  # kept for the curious and for debuggers
        result.replace(target)


def _run(argv: list[str], what: str) -> None:
    answer = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if answer.returncode:
        raise HeartwrightError(f"{what}: {argv[0]} failed:\n{answer.stderr.strip()[:2000]}")


def _load(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise StorageError(f"{path}: cannot load compiled code (is the folder mounted noexec?): {error}") from None
