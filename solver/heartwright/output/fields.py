"""Fields: XDMF with HDF5 data that ParaView opens while the run goes on and that survives its sudden death.

All datasets are allocated, and the HDF5 file closed, before the first frame is written. From then on only raw numbers
move, at offsets known from the file itself, so nothing that happens to the run can damage the file's structure; the
XDMF, rewritten by temporary file and rename, lists a frame only once its numbers are in place.
"""

import os
import shutil
from pathlib import Path
from xml.sax.saxutils import quoteattr

import h5py
import numpy as np
from mpi4py import MPI

from heartwright.errors import StorageError
from heartwright.files import storing, write_atomically
from heartwright.output import layout
from heartwright.output.exchange import Exchange
from heartwright.parallel import together
from heartwright.parts import Rows

TYPE = np.dtype("<f4")  # single precision: pictures need no more, and runs fill half the disk


class Fields:
    """Nodal fields of one tetrahedral mesh over time, as `PATH.xdmf` and `PATH.h5`.

    `points` (n, 3) are this rank's nodes [mm], numbered by `rows`, and `cells` (m, 4) its cells in local nodes. In the
    file nodes are sorted by their numbers, so that a restart on other ranks finds them where it would write them; the
    mesh of a file that has frames stays as it is. `components` gives each field's number of components (1 or 3),
    `cell_vectors` static vectors on cells, such as fibres; `axes` (3, 3) has the heart's own directions in its rows:
    towards the right ventricle, their normal, and along the long axis towards the base. At most `frames` frames are
    written. Where the file exists already, as in a restarted run, its frames are kept and room is made for the missing
    ones. Collective over `comm`.

    Raises StorageError when the file cannot be allocated.
    """

    def __init__(
        self,
        path: Path,
        comm: MPI.Comm,
        points: np.ndarray,
        rows: Rows,
        cells: np.ndarray,
        components: dict[str, int],
        cell_vectors: dict[str, np.ndarray],
        frames: int,
        axes: np.ndarray,
    ):
        self.comm, self.path, self.components = comm, path, components
        self.frames, self.axes = frames, axes
        self._cell_vectors = tuple(cell_vectors)
        self._exchange = Exchange(rows, comm)
        self._n_points = self._exchange.total
        self._first_cell = comm.exscan(len(cells)) or 0
        self._n_cells = comm.allreduce(len(cells))
        with together(comm):
            if comm.rank == 0:
                self._allocate()
        with together(comm):
            self._offsets = layout.offsets(self.h5, self._shapes())
        self.times = comm.bcast(times(path) if comm.rank == 0 and self.xdmf.exists() else np.zeros(0))
        with together(comm), layout.mpi_refusals(self.h5):
            self._file = MPI.File.Open(comm, str(self.h5), MPI.MODE_WRONLY)
            if len(self.times) == 0:
                self._put_mesh(points, cells, cell_vectors)

    @property
    def h5(self) -> Path:
        return self.path.with_suffix(".h5")

    @property
    def xdmf(self) -> Path:
        return self.path.with_suffix(".xdmf")

    def write(self, t: float, values: dict[str, np.ndarray]) -> None:
        """Write one frame: time `t` [ms] and the values of every field at this rank's nodes, (n,) or (n, 3)."""
        frame = len(self.times)
        if frame >= self.frames:
            raise StorageError(f"{self.h5.name} has room for {self.frames} frames and they are all written")
        with together(self.comm), layout.mpi_refusals(self.h5):
            for name in self.components:
                self._put_nodes(f"{name}/{frame:06d}", values[name].astype(TYPE))
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

    def _put_mesh(self, points: np.ndarray, cells: np.ndarray, cell_vectors: dict[str, np.ndarray]) -> None:
        place = np.zeros(len(points), dtype=np.int64)
        block = self._exchange.first + np.arange(self._exchange.count, dtype=np.int64)
        self._exchange.scatter(block[:, None], place)
        self._put_nodes("points", points.astype("<f8"))
        self._put("cells", place[cells].astype("<i8"), self._first_cell)
        for name, vectors in cell_vectors.items():
            self._put(name, vectors.astype(TYPE), self._first_cell)

    def _put_nodes(self, name: str, values: np.ndarray) -> None:
        width = values.shape[1] if values.ndim > 1 else 1
        self._put(name, self._exchange.gather(values, width), self._exchange.first)

    def _put(self, name: str, values: np.ndarray, first: int) -> None:
        values = np.ascontiguousarray(values)
        row = values.itemsize * (values.shape[1] if values.ndim > 1 else 1)
        self._file.Write_at_all(self._offsets[name] + first * row, values)

    def _shapes(self) -> layout.Shapes:
        shapes = {"points": ((self._n_points, 3), np.dtype("<f8")), "cells": ((self._n_cells, 4), np.dtype("<i8"))}
        shapes |= {name: ((self._n_cells, 3), TYPE) for name in self._cell_vectors}
        for name, width in self.components.items():
            shape = (self._n_points,) if width == 1 else (self._n_points, width)
            shapes |= {f"{name}/{frame:06d}": (shape, TYPE) for frame in range(self.frames)}
        return shapes

    def _allocate(self) -> None:
        """Lay out the file with all datasets it does not have yet; nothing is written into them."""
        partial = self.h5.with_suffix(".h5.partial")
        with storing(self.h5):
            partial.unlink(missing_ok=True)  # of a run that was killed right here
            if self.h5.exists():
                shutil.copyfile(self.h5, partial)
            layout.allocate(partial, self._shapes(), {"axes": self.axes})
            os.replace(partial, self.h5)

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


def read(path: Path, frame: int) -> dict[str, np.ndarray]:
    """Points, cells and all fields of one frame (negative counts from the end of those listed), on one process."""
    listed = times(path)
    index = range(len(listed))[frame]
    with h5py.File(path.with_suffix(".h5"), "r", locking=False) as file:
        data = {"time": np.array(listed[index]), "points": file["points"][()], "cells": file["cells"][()]}
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
