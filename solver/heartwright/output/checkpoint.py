"""Checkpoint: the state of every part on disk, whole or not at all.

`checkpoints/ck-STEP/` holds one file per rank and a manifest with their digests; it is written under a temporary name,
flushed and renamed, and `latest` names it last. Reading verifies the digests and falls back to the checkpoint before.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import h5py
from mpi4py import MPI

from heartwright.errors import InputError, StorageError
from heartwright.files import storing, write_atomically
from heartwright.parallel import together
from heartwright.parts import Part, State

KEEP = 3


def save(folder: Path, step: int, parts: Iterable[Part], identity: str, comm: MPI.Comm) -> Path:
    """Write the checkpoint of `step` and drop all but the newest KEEP. `identity` ties it to a mesh partition.

    Raises StorageError on all ranks when the disk refuses; older checkpoints are untouched then. Collective.
    """
    final, partial = folder / f"ck-{step:09d}", folder / f"ck-{step:09d}.partial"
    with together(comm):
        if comm.rank == 0:
            shutil.rmtree(partial, ignore_errors=True)
            with storing(partial):
                partial.mkdir(parents=True)
    with together(comm):
        digest = _write_rank(partial / _rank_file(comm.rank), parts)
    digests = comm.gather({_rank_file(comm.rank): digest, "identity": identity})
    with together(comm):
        if comm.rank == 0:
            manifest = {"step": step, "ranks": comm.size, "identity": [d.pop("identity") for d in digests]}
            manifest["sha256"] = {name: digest for one in digests for name, digest in one.items()}
            write_atomically(partial / "manifest.json", json.dumps(manifest, indent=1))
            shutil.rmtree(final, ignore_errors=True)
            with storing(final):
                os.replace(partial, final)
                _sync(folder)
            write_atomically(folder / "latest", final.name + "\n")
            for old in existing(folder)[:-KEEP]:
                shutil.rmtree(old, ignore_errors=True)
    return final


def existing(folder: Path) -> list[Path]:
    """Finished checkpoints, oldest first."""
    return sorted(path for path in folder.glob("ck-*") if path.suffix != ".partial")


def load(folder: Path, identity: str, comm: MPI.Comm) -> tuple[dict[str, State], list[str]]:
    """This rank's part states from the newest undamaged checkpoint, and notes on damaged ones passed over.

    Raises InputError when there is none, or when it was written on other ranks or another mesh. Collective.
    """
    notes = []
    for path in reversed(existing(folder)):
        damage = next((d for d in comm.allgather(_damage(path, comm)) if d), None)
        if damage is None:
            with together(comm):
                _refuse_other_run(path, identity, comm)
                return _read_rank(path / _rank_file(comm.rank)), notes
        notes.append(f"{path.name} is damaged ({damage}); using the checkpoint before it")
    raise InputError(f"{folder}: no usable checkpoint here" + "".join(f"; {note}" for note in notes))


def _rank_file(rank: int) -> str:
    return f"rank-{rank:05d}.h5"


def _write_rank(path: Path, parts: Iterable[Part]) -> str:
    try:
        with h5py.File(path, "w") as file:
            for part in parts:
                for key, array in part.state().items():
                    file[f"{part.name}/{key}"] = array
        _sync(path)
    except OSError as error:
        raise StorageError(f"cannot write checkpoint {path.parent.name}: {error.strerror or error}") from None
    return _sha256(path)


def _read_rank(path: Path) -> dict[str, State]:
    with h5py.File(path, "r", locking=False) as file:
        return {part: {key: node[()] for key, node in group.items()} for part, group in file.items()}


def _damage(path: Path, comm: MPI.Comm) -> str | None:
    """What is wrong with this rank's share of a checkpoint, if anything."""
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        name = _rank_file(comm.rank % manifest["ranks"])
        return None if _sha256(path / name) == manifest["sha256"][name] else f"{name} does not match its digest"
    except (OSError, ValueError, KeyError) as error:
        return f"{type(error).__name__} in its manifest or data"


def _refuse_other_run(path: Path, identity: str, comm: MPI.Comm) -> None:
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    if manifest["ranks"] != comm.size:
        raise InputError(
            f"{path.name} was written by {manifest['ranks']} ranks and this run has {comm.size}: "
            f"restart with -n {manifest['ranks']}"
        )
    if manifest["identity"][comm.rank] != identity:
        raise InputError(
            f"{path.name} belongs to another mesh, other models or another version of Heartwright than this; "
            "start anew with run"
        )


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
