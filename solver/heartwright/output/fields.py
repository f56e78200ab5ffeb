"""Fields: XDMF with HDF5 data that ParaView opens while the run goes on and that survives its sudden death.

All datasets are allocated, and the HDF5 file closed, before the first frame is written. From then on only raw numbers
move, at offsets known from the file itself, so nothing that happens to the run can damage the file's structure; the
XDMF, rewritten by temporary file and rename, lists a frame only once its numbers are in place.
"""

import contextlib
import os
import shutil
from pathlib import Path
from xml.sax.saxutils import quoteattr

import h5py
import numpy as np
from mpi4py import MPI

from heartwright.errors import StorageError
from heartwright.files import storing, write_atomically
from heartwright.parallel import together

TYPE = np.dtype("<f4")  # single precision: pictures need no more, and runs fill half the disk


class Fields:
    """Nodal fields of one tetrahedral mesh over time, as `PATH.xdmf` and `PATH.h5`.

    `points` (n, 3) and `cells` (m, 4) are this rank's own nodes [mm] and its cells in global node numbers; rank r's
    nodes follow those of rank r-1. `components` gives each field's number of components (1 or 3), `cell_vectors` static
    vectors on cells, such as fibres; `axes` (3, 3) has the heart's own directions in its rows: towards the right
    ventricle, their normal, and along the long axis towards the base. At most `frames` frames are written. Where the
    file exists already, as in a restarted run, its frames are kept and room is made for the missing ones. Collective
    over `comm`.

    Raises StorageError when the file cannot be allocated.
    """

    def __init__(
        self,
        path: Path,
        comm: MPI.Comm,
        points: np.ndarray,
        cells: np.ndarray,
        components: dict[str, int],
        cell_vectors: dict[str, np.ndarray],
        frames: int,
        axes: np.ndarray,
    ):
        self.comm, self.path, self.components = comm, path, components
        self.frames, self.axes = frames, axes
        self._cell_vectors = tuple(cell_vectors)
        self._first = comm.exscan(len(points)) or 0
        self._n_points = comm.allreduce(len(points))
        self._first_cell = comm.exscan(len(cells)) or 0
        self._n_cells = comm.allreduce(len(cells))
        with together(comm):
            if comm.rank == 0:
                self._allocate()
        with together(comm):
            self._offsets = self._find_offsets()
        self.times = comm.bcast(times(path) if comm.rank == 0 and self.xdmf.exists() else np.zeros(0))
        with together(comm), _mpi_refusals(self.h5):
            self._file = MPI.File.Open(comm, str(self.h5), MPI.MODE_WRONLY)
            self._put("points", points.astype("<f8"), self._first)
            self._put("cells", cells.astype("<i8"), self._first_cell)
            for name, vectors in cell_vectors.items():
                self._put(name, vectors.astype(TYPE), self._first_cell)

    @property
    def h5(self) -> Path:
        return self.path.with_suffix(".h5")

    @property
    def xdmf(self) -> Path:
        return self.path.with_suffix(".xdmf")

    def write(self, t: float, values: dict[str, np.ndarray]) -> None:
        """Write one frame: time `t` [ms] and this rank's own nodal values of every field, (n,) or (n, 3)."""
        frame = len(self.times)
        if frame >= self.frames:
            raise StorageError(f"{self.h5.name} has room for {self.frames} frames and they are all written")
        with together(self.comm), _mpi_refusals(self.h5):
            for name in self.components:
                self._put(f"{name}/{frame:06d}", values[name].astype(TYPE), self._first)
            self._file.Sync()
        self.times = np.append(self.times, t)
        with together(self.comm):
            if self.comm.rank == 0:
                write_atomically(self.xdmf, self._xml())

    def truncate(self, t: float) -> None:
        """Forget frames after time `t` [ms]: a restart writes them anew."""
        self.times = self.times[self.times <= t + 1e-9]

    def close(self) -> None:
        self._file.Close()

    def _put(self, name: str, values: np.ndarray, first: int) -> None:
        values = np.ascontiguousarray(values)
        row = values.itemsize * (values.shape[1] if values.ndim > 1 else 1)
        self._file.Write_at_all(self._offsets[name] + first * row, values)

    def _shapes(self) -> dict[str, tuple[tuple[int, ...], str]]:
        shapes = {"points": ((self._n_points, 3), "<f8"), "cells": ((self._n_cells, 4), "<i8")}
        shapes |= {name: ((self._n_cells, 3), TYPE.str) for name in self._cell_vectors}
        for name, width in self.components.items():
            shape = (self._n_points,) if width == 1 else (self._n_points, width)
            shapes |= {f"{name}/{frame:06d}": (shape, TYPE.str) for frame in range(self.frames)}
        return shapes

    def _allocate(self) -> None:
        """Lay out the file with all datasets it does not have yet; nothing is written into them."""
        partial = self.h5.with_suffix(".h5.partial")
        early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        early.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        groups = h5py.h5p.create(h5py.h5p.LINK_CREATE)
        groups.set_create_intermediate_group(True)
        with storing(self.h5):
            if self.h5.exists():
                shutil.copyfile(self.h5, partial)
            with h5py.File(partial, "a") as file:
                file.attrs["axes"] = self.axes
                for name, (shape, kind) in self._shapes().items():
                    if name in file:
                        continue
                    space = h5py.h5s.create_simple(shape)
                    kind_id = h5py.h5t.py_create(np.dtype(kind), logical=True)
                    h5py.h5d.create(file.id, name.encode(), kind_id, space, early, lcpl=groups)
            os.replace(partial, self.h5)

    def _find_offsets(self) -> dict[str, int]:
        with h5py.File(self.h5, "r", driver=None, locking=False) as file:
            return {name: file[name].id.get_offset() for name in self._shapes()}

    def _xml(self) -> str:
        n, m, file, kind = self._n_points, self._n_cells, self.h5.name, {1: "Scalar", 3: "Vector"}
        item = '<DataItem Dimensions="{}" NumberType="{}" Precision="{}" Format="HDF">{}:/{}</DataItem>'.format
        mesh = (
            f'<Topology TopologyType="Tetrahedron" NumberOfElements="{m}">{item(f"{m} 4", "Int", 8, file, "cells")}'
            f'</Topology>\n<Geometry GeometryType="XYZ">{item(f"{n} 3", "Float", 8, file, "points")}</Geometry>\n'
        )
        static = "".join(
            f'<Attribute Name={quoteattr(name)} AttributeType="Vector" Center="Cell">'
            f"{item(f'{m} 3', 'Float', 4, file, name)}</Attribute>\n"
            for name in self._cell_vectors
        )
        grids = []
        for frame, t in enumerate(self.times):
            fields = "".join(
                f'<Attribute Name={quoteattr(name)} AttributeType="{kind[width]}" Center="Node">'
                + item(f"{n}" if width == 1 else f"{n} {width}", "Float", 4, file, f"{name}/{frame:06d}")
                + "</Attribute>\n"
                for name, width in self.components.items()
            )
            grids.append(f'<Grid Name="heart"><Time Value="{t:.10g}"/>\n{mesh}{static}{fields}</Grid>\n')
        return (
            '<?xml version="1.0"?>\n<Xdmf Version="3.0"><Domain>\n'
            '<Grid Name="run" GridType="Collection" CollectionType="Temporal">\n'
            f"{''.join(grids)}</Grid>\n</Domain></Xdmf>\n"
        )


@contextlib.contextmanager
def _mpi_refusals(path: Path):
    """What MPI-IO reports while `path` is written becomes StorageError."""
    try:
        yield
    except MPI.Exception as error:
        raise StorageError(f"cannot write {path.name}: {error.Get_error_string()}") from None


def read(path: Path, frame: int) -> dict[str, np.ndarray]:
    """Points, cells and all fields of one frame (negative counts from the end of those listed), on one process."""
    import xml.etree.ElementTree as ElementTree

    times = [float(e.get("Value")) for e in ElementTree.parse(path.with_suffix(".xdmf")).iter("Time")]  # noqa: S314
    index = range(len(times))[frame]
    with h5py.File(path.with_suffix(".h5"), "r", locking=False) as file:
        data = {"time": np.array(times[index]), "points": file["points"][()], "cells": file["cells"][()]}
        data["axes"] = file.attrs["axes"]
        for name, node in file.items():
            if isinstance(node, h5py.Group):
                data[name] = node[f"{index:06d}"][()]
            elif name not in data:
                data[name] = node[()]
    return data


def times(path: Path) -> np.ndarray:
    """Times [ms] of the frames that are complete."""
    import xml.etree.ElementTree as ElementTree

    return np.array([float(e.get("Value")) for e in ElementTree.parse(path.with_suffix(".xdmf")).iter("Time")])  # noqa: S314
