"""Shares: the rows of a mesh that each rank holds before it is partitioned, and how they get to where they are needed.

The ranks' rows, one after the other, are those of the whole mesh; cells name points by their numbers in the whole.
"""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from mpi4py import MPI

from heartwright.mesh import digests, fields
from heartwright.mesh.formats import native
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import MeshSpec


def of_first(raw: RawMesh | None, comm: MPI.Comm) -> RawMesh:
    """All rows on rank 0, which alone has a mesh, none on the others. Collective."""
    nothing = comm.bcast(raw and raw.rows(slice(0, 0)))
    return raw or nothing


def read(spec: MeshSpec, comm: MPI.Comm) -> RawMesh | None:
    """What each rank reads of a file of ours that had passed all checks when it was written. Collective.

    None for any other file or damaged ones, and where the spec changes the mesh: prepare.py reads those, and tells.
    """
    raw = None
    if _as_it_is(spec):
        with contextlib.suppress(Exception):  # a file can be wrong in any way
            wanted = fields.named_by(spec.fibres) | {*spec.fields, *fields.COORDINATES}
            raw = native.share(Path(spec.file), comm.rank, comm.size, wanted)
    if not comm.allreduce(raw is not None, op=MPI.LAND):
        return None
    same = identity(raw, comm) == raw.checked and _within(raw, comm)
    return replace(raw, source=Path(spec.file).name, notes=()) if same else None


def _as_it_is(spec: MeshSpec) -> bool:
    """Whether the mesh is that of a file of ours, without changes."""
    if spec.file is None or not spec.file.endswith(".h5") or spec.unit not in (None, "mm"):
        return False
    kept = {name: getattr(spec, name) for name in ("file", "fibres", "fields", "cavity_volumes", "refine")}
    return spec.replace(unit=None) == MeshSpec(**kept)


def _within(raw: RawMesh, comm: MPI.Comm) -> bool:
    """Whether all corners are points: a forged digest must not lead outside of arrays. Collective."""
    n = comm.allreduce(len(raw.points))
    corners = (raw.cells, raw.facets)
    within = np.isfinite(raw.points).all() and all(((own >= 0) & (own < n)).all() for own in corners)
    return comm.allreduce(bool(within), op=MPI.LAND)


def identity(raw: RawMesh, comm: MPI.Comm) -> str:
    """The digest of the whole mesh. Collective."""
    parts = comm.allgather(raw.leaves())
    joined = {name: b"".join(part[name] for part in parts) for name in parts[0]}
    return digests.root(tuple(raw.names), raw.regions, joined)


class Post:
    """Brings rows of the whole mesh to the ranks that want them. Collective, like `fetch`.

    held: how many rows this rank holds; wanted: the numbers of those that it asks for.
    """

    def __init__(self, comm: MPI.Comm, held: int, wanted: np.ndarray):
        self.comm = comm
        ends = np.cumsum(comm.allgather(held))
        holder = np.searchsorted(ends, wanted, side="right")
        self._order = np.argsort(holder, kind="stable")
        pieces = np.cumsum(np.bincount(holder, minlength=comm.size))[:-1]
        asked = comm.alltoall(np.split(np.asarray(wanted, dtype=np.int64)[self._order], pieces))
        self._asked = [rows - (ends[comm.rank] - held) for rows in asked]

    def fetch(self, held: np.ndarray) -> np.ndarray:
        """The rows that this rank wants of an array of which it holds these."""
        answers = np.concatenate(self.comm.alltoall([held[rows] for rows in self._asked]))
        found = np.empty_like(answers)
        found[self._order] = answers
        return found
