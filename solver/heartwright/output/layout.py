"""Layout: HDF5 files whose datasets are all in place before the first number, so that ranks write numbers only.

Nothing that happens to a run can then damage the structure of its files.
"""

import contextlib
import shutil
from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np
from mpi4py import MPI

from heartwright.errors import StorageError
from heartwright.files import storing
from heartwright.parallel import together

Shapes = dict[str, tuple[tuple[int, ...], np.dtype]]


def allocate(path: Path, shapes: Shapes, attributes: dict[str, np.ndarray]) -> None:
    """Add the datasets that the file does not have yet; nothing is written into them."""
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    early.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    early.set_obj_track_times(False)  # equal numbers make equal files
    groups = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    groups.set_create_intermediate_group(True)
    with h5py.File(path, "a") as file:
        file.attrs.update(attributes)
        for name, (shape, kind) in shapes.items():
            if name not in file:
                space, kind_id = h5py.h5s.create_simple(shape), h5py.h5t.py_create(np.dtype(kind), logical=True)
                h5py.h5d.create(file.id, name.encode(), kind_id, space, early, lcpl=groups)


def offsets(path: Path, names: Iterable[str]) -> dict[str, int | None]:
    """Where the numbers of each dataset begin in the file; None where it holds none."""
    with h5py.File(path, "r", driver=None, locking=False) as file:
        return {name: file[name].id.get_offset() for name in names}


@contextlib.contextmanager
def mpi_refusals(path: Path):
    """What MPI-IO reports while `path` is written becomes StorageError."""
    try:
        yield
    except MPI.Exception as error:
        raise StorageError(f"cannot write {path.name}: {error.Get_error_string()}") from None


def require_space(folder: Path, needed: int, comm: MPI.Comm) -> None:
    """Raises StorageError when the disk of `folder` cannot hold `needed` bytes, those it holds included. Collective."""
    with together(comm):
        if comm.rank == 0:
            with storing(folder):
                present = sum(512 * path.stat().st_blocks for path in folder.rglob("*") if path.is_file())
                free = shutil.disk_usage(folder).free
            if needed - present > free:
                raise StorageError(
                    f"{folder}: this run needs about {needed / 1e9:.2g} GB, {max(0, needed - present) / 1e9:.2g} GB "
                    f"more than there are, and {free / 1e9:.2g} GB are free: choose another folder with -o, "
                    "or write less with output.fields"
                )
