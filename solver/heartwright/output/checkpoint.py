"""Checkpoint: the state of every part on disk, whole or not at all, to go on from on any number of ranks.

`checkpoints/ck-STEP/` holds `state.h5`, in which the rows of every array are sorted by their numbers (see `Rows`), and
a manifest with its digests; it is written under a temporary name, flushed and renamed, and `latest` names it last.
Reading verifies the digests and falls back to the checkpoint before.
"""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from mpi4py import MPI

from heartwright.errors import InputError, StorageError
from heartwright.files import storing, write_atomically
from heartwright.output import layout
from heartwright.output.exchange import Exchange
from heartwright.parallel import together
from heartwright.parts import Part, State

KEEP = 3
PIECE = 1 << 24  # bytes of a file that one digest covers; ranks share the work by pieces
FORMAT = 2


class Checkpoints:
    """The checkpoints of one run, in `folder`.

    `identity` is what a state is tied to, name -> text: a checkpoint of another one is refused by that name. `facts`
    go into the manifest as they are. All methods are collective.
    """

    def __init__(self, folder: Path, parts: Sequence[Part], identity: dict[str, str], facts: Any, comm: MPI.Comm):
        self.folder, self.parts, self.identity, self.facts, self.comm = folder, parts, identity, facts, comm
        rows = {f"{part.name}/{key}": which for part in parts for key, which in part.rows().items()}
        exchanges = {which: Exchange(which, comm) for which in rows.values()}
        self._spread = {name: exchanges[which] for name, which in rows.items()}
        self._shapes = {name: (self._shape(name, a), a.dtype) for name, a in self._arrays().items()}

    @property
    def bytes(self) -> int:
        """What the checkpoints of a run take on disk, the one that is being written included."""
        return (KEEP + 1) * sum(math.prod(shape) * kind.itemsize for shape, kind in self._shapes.values())

    def save(self, step: int) -> Path:
        """Write the checkpoint of `step` and drop all but the newest KEEP.

        Raises StorageError on all ranks when the disk refuses; older checkpoints are untouched then.
        """
        final, partial = self.folder / f"ck-{step:09d}", self.folder / f"ck-{step:09d}.partial"
        with together(self.comm):
            if self.comm.rank == 0:
                shutil.rmtree(partial, ignore_errors=True)
                with storing(partial):
                    partial.mkdir(parents=True)
                    layout.allocate(partial / "state.h5", self._shapes, {})
        self._write(partial / "state.h5")
        digests = _digests(partial / "state.h5", self.comm)
        with together(self.comm):
            if self.comm.rank == 0:
                manifest = {"format": FORMAT, "step": step, "ranks": self.comm.size, "identity": self.identity}
                manifest |= {"piece": PIECE, "sha256": digests, "facts": self.facts}
                write_atomically(partial / "manifest.json", json.dumps(manifest, indent=1))
                shutil.rmtree(final, ignore_errors=True)
                with storing(final):
                    os.replace(partial, final)
                    _sync(self.folder)
                write_atomically(self.folder / "latest", final.name + "\n")
                for old in existing(self.folder)[:-KEEP]:
                    shutil.rmtree(old, ignore_errors=True)
        return final

    def load(self) -> list[str]:
        """Put the newest undamaged checkpoint back, in place; returns notes on damaged ones passed over.

        Raises InputError, with the state as it was, when there is none, or when it is another mesh's or model's.
        """
        notes = []
        for path in reversed(existing(self.folder)):
            damage = self.comm.bcast(_damaged_manifest(path) if self.comm.rank == 0 else None)
            damage = damage or _damaged_data(path, self.comm)
            if damage is None:
                with together(self.comm):
                    self._refuse_other_run(path)
                self._read(path / "state.h5")
                return notes
            notes.append(f"{path.name} is damaged ({damage}); using the checkpoint before it")
        raise InputError(f"{self.folder}: no usable checkpoint here" + "".join(f"; {note}" for note in notes))

    def _arrays(self) -> State:
        """The live arrays of all parts, by their names in the file."""
        return {f"{part.name}/{key}": array for part in self.parts for key, array in part.state().items()}

    def _shape(self, name: str, array: np.ndarray) -> tuple[int, ...]:
        exchange = self._spread.get(name)
        return (exchange.total, exchange.width(array)) if exchange else array.shape

    def _write(self, path: Path) -> None:
        with together(self.comm):
            offsets = layout.offsets(path, self._shapes)
        with together(self.comm), layout.mpi_refusals(path):
            file = MPI.File.Open(self.comm, str(path), MPI.MODE_WRONLY)
            for name, array in self._arrays().items():
                if offsets[name] is not None:
                    first, block = self._block(name, array)
                    file.Write_at_all(offsets[name] + first, block)
            file.Sync()
            file.Close()

    def _block(self, name: str, array: np.ndarray) -> tuple[int, np.ndarray]:
        """This rank's share of an array, and how many bytes of the array come before it."""
        if exchange := self._spread.get(name):
            block = exchange.gather(array, self._shapes[name][0][1])
            return exchange.first * block.shape[1] * block.itemsize, block
        return 0, np.ascontiguousarray(array.ravel() if self.comm.rank == 0 else array.ravel()[:0])

    def _read(self, path: Path) -> None:
        blocks = {}
        with together(self.comm), storing(path), h5py.File(path, "r", driver=None, locking=False) as file:
            for name in self._shapes:
                exchange = self._spread.get(name)
                mine = slice(exchange.first, exchange.first + exchange.count) if exchange else ()
                blocks[name] = file[name][mine]
        for name, array in self._arrays().items():
            if exchange := self._spread.get(name):
                exchange.scatter(blocks[name], array)
            else:
                array[...] = blocks[name]

    def _refuse_other_run(self, path: Path) -> None:
        manifest = read_manifest(path)
        if manifest["format"] != FORMAT:
            raise InputError(f"{path.name} has format {manifest['format']}, this version reads {FORMAT}")
        for name, mine in self.identity.items():
            if manifest["identity"].get(name) != mine:
                raise InputError(f"{path.name} belongs to another {name} than this run; start anew with run")
        with h5py.File(path / "state.h5", "r", driver=None, locking=False) as file:
            kept = {f"{part}/{key}": node.shape for part, group in file.items() for key, node in group.items()}
        for name in sorted(kept.keys() | self._shapes.keys()):
            there, here = kept.get(name), self._shapes[name][0] if name in self._shapes else None
            if there != here:
                raise InputError(
                    f"{path.name}: '{name}' has shape {there} there and {here} in this run: "
                    "another mesh or other models; start anew with run"
                )


def existing(folder: Path) -> list[Path]:
    """Finished checkpoints, oldest first."""
    return sorted(path for path in folder.glob("ck-*") if path.suffix != ".partial")


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a checkpoint. Raises OSError or ValueError where it is damaged."""
    return json.loads((path / "manifest.json").read_text(encoding="utf-8"))


def damaged(folder: Path) -> Iterator[tuple[str, str]]:
    """Names of damaged checkpoints, and what is wrong with them."""
    for path in existing(folder):
        damage = _damaged_manifest(path) or _damaged_data(path, MPI.COMM_SELF)
        if damage:
            yield path.name, damage


def newest_facts(folder: Path) -> Any:
    """The `facts` of the newest checkpoint whose manifest can be read; None where there is none."""
    whole = (path for path in reversed(existing(folder)) if _damaged_manifest(path) is None)
    return next((read_manifest(path)["facts"] for path in whole), None)


def _damaged_manifest(path: Path) -> str | None:
    """What is wrong with a manifest, if anything."""
    try:
        manifest = read_manifest(path)
        missing = {"format", "step", "identity", "piece", "sha256", "facts"} - manifest.keys()
        return f"its manifest lacks {', '.join(sorted(missing))}" if missing else None
    except (OSError, ValueError, AttributeError) as error:
        return f"{type(error).__name__} in its manifest"


def _damaged_data(path: Path, comm: MPI.Comm) -> str | None:
    """What is wrong with the data of a checkpoint whose manifest can be read, if anything. Collective."""
    manifest = read_manifest(path)
    try:
        found = _digests(path / "state.h5", comm, manifest["piece"])
    except StorageError as error:
        return str(error)
    return None if found == manifest["sha256"] else "state.h5 does not match its digests"


def _digests(path: Path, comm: MPI.Comm, piece: int = PIECE) -> list[str]:
    """sha256 of every piece of a file, the same list on all ranks. Collective. Raises StorageError."""
    mine = {}
    with together(comm), storing(path), open(path, "rb") as file:
        for index in range(comm.rank, -(-os.fstat(file.fileno()).st_size // piece), comm.size):
            file.seek(index * piece)
            mine[index] = hashlib.sha256(file.read(piece)).hexdigest()
    found = {index: digest for part in comm.allgather(mine) for index, digest in part.items()}
    return [found[index] for index in sorted(found)]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
