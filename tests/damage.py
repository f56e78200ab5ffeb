"""Files that are damaged on purpose: meshes, HDF5, runs that have begun."""

import fcntl
import json
from collections.abc import Callable
from pathlib import Path

import h5py
import meshio
import numpy as np
from mpi4py import MPI

from cup import cup, write
from heartwright import scenario
from heartwright.files import LOCK
from heartwright.mesh.raw import RawMesh
from heartwright.output.checkpoint import Checkpoints


def with_mesh(damage: Callable[[RawMesh], RawMesh]) -> Callable[[Path], None]:
    """The cup, damaged, as heart.vtu."""
    return lambda folder: write(damage(cup()), folder / "heart.vtu", "vtu")


def content(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(data) and None


def truncated(folder: Path) -> None:
    write(cup(), folder / "heart.msh", "2.2")
    data = (folder / "heart.msh").read_bytes()
    (folder / "heart.msh").write_bytes(data[: len(data) * 2 // 3])


def hdf5(change: Callable[[h5py.File], object]) -> Callable[[Path], None]:
    """A mesh of DOLFIN's kind whose points are what `change` makes of them."""

    def make(folder: Path) -> None:
        with h5py.File(folder / "heart.h5", "w") as file:
            file["mesh/topology"] = cup().cells
            change(file)

    return make


def cut_short(folder: Path) -> None:
    hdf5(lambda file: file.create_dataset("mesh/coordinates", data=cup().points))(folder)
    data = (folder / "heart.h5").read_bytes()
    (folder / "heart.h5").write_bytes(data[: len(data) // 2])


def linked(folder: Path) -> None:
    (folder / "heart.msh").symlink_to("/etc/passwd")


def moved(raw: RawMesh, vertex: int, where) -> RawMesh:
    points = raw.points.astype(float)
    points[vertex] = where
    return raw.but(points=points)


def cells(raw: RawMesh, change: Callable[[np.ndarray], np.ndarray]) -> RawMesh:
    return raw.but(cells=change(raw.cells.copy()))


def inverted(c: np.ndarray) -> np.ndarray:
    c[::2] = c[::2][:, [1, 0, 2, 3]]
    return c


def flat(c: np.ndarray) -> np.ndarray:
    c[5, 3] = c[5, 2]
    return c


def second_part(raw: RawMesh) -> RawMesh:
    far = np.array([[0.0, 0, 0], [5, 0, 0], [0, 5, 0], [0, 0, 5]]) + 500
    n = len(raw.points)
    return raw.but(points=np.vstack([raw.points, far]), cells=np.vstack([raw.cells, n + np.arange(4)]))


def third_at_a_face(raw: RawMesh) -> RawMesh:
    n, face = len(raw.points), raw.cells[0][:3]
    top = raw.points[raw.cells[0]].mean(axis=0) + np.array([0.5, 0.3, 0.2])
    more = [[*face, n], [*face, n + 1]]
    return raw.but(points=np.vstack([raw.points, top, top + 1]), cells=np.vstack([raw.cells, more]))


def without(tag: int) -> Callable[[RawMesh], RawMesh]:
    def damage(raw: RawMesh) -> RawMesh:
        return raw.but(facets=raw.facets[raw.facet_tags != tag], facet_tags=raw.facet_tags[raw.facet_tags != tag])

    return damage


def swapped(raw: RawMesh) -> RawMesh:
    tags = raw.facet_tags.copy()
    tags[raw.facet_tags == 13], tags[raw.facet_tags == 12] = 12, 13
    return raw.but(facet_tags=tags)


def without_a_patch(raw: RawMesh) -> RawMesh:
    """Of the endocardium; what is left of it borders faces of no surface."""
    patch = np.flatnonzero(raw.facet_tags == 13)[:6]
    return raw.but(facets=np.delete(raw.facets, patch, axis=0), facet_tags=np.delete(raw.facet_tags, patch))


def with_fibres(length: float) -> Callable[[Path], None]:
    """The cup, with fibres of which the ninth has another length."""

    def make(folder: Path) -> None:
        raw = cup()
        fibres = np.tile([1.0, 0.0, 0.0], (len(raw.cells), 1))
        fibres[8] *= length
        tags, triangles = np.ones(len(raw.cells), dtype=int), np.zeros((len(raw.facets), 3))
        data = {
            "tags": [raw.facet_tags, tags],
            "f0": [triangles, fibres],
            "s0": [triangles, np.roll(fibres, 1, axis=1)],
        }
        cells = [("triangle", raw.facets), ("tetra", raw.cells)]
        meshio.Mesh(raw.points, cells, cell_data=data).write(folder / "heart.vtu")

    return make


def orphan(raw: RawMesh) -> RawMesh:
    return raw.but(points=np.vstack([raw.points, [0.0, 0, 0]]))


def twice(raw: RawMesh) -> RawMesh:
    return raw.but(cells=np.vstack([raw.cells, raw.cells[:1]]))


class Clock:
    """The only part of a run that has a checkpoint and no results."""

    name = "clock"

    def step(self, t: float, dt: float) -> None:
        pass

    def state(self) -> dict[str, np.ndarray]:
        return {"n": np.array([5])}

    def rows(self) -> dict[str, object]:
        return {}


def run_with(damage: Callable[[Path], object] = lambda checkpoint: None, **manifest: object) -> Callable[[Path], None]:
    """A run with one checkpoint, of another mesh, damaged or with another manifest."""

    def make(folder: Path) -> None:
        run, described = folder / "run", scenario.load(folder / "small.yaml").resolve()
        facts = scenario.kept_in(run, described)
        kept = Checkpoints(run / "checkpoints", [Clock()], {"mesh": "another"}, facts, MPI.COMM_SELF).save(5)
        known = json.loads((kept / "manifest.json").read_text()) | manifest
        (kept / "manifest.json").write_text(json.dumps(known))
        damage(kept)
        for name in (LOCK, "log.txt"):
            (run / name).touch()
        (run / "resolved.yaml").write_text(scenario.dump(described, run))

    return make


def flipped(checkpoint: Path) -> None:
    data = bytearray((checkpoint / "state.h5").read_bytes())
    data[-1] ^= 1
    (checkpoint / "state.h5").write_bytes(data)


def stiffened(folder: Path) -> None:
    """The scenario of a run that has begun is changed."""
    run_with()(folder)
    path = folder / "run" / "resolved.yaml"
    text = path.read_text()
    assert "a: 10.0" in text
    path.write_text(text.replace("a: 10.0", "a: 11.0"))


HELD = []  # locks, as long as this process lives


def held(folder: Path) -> None:
    """A run folder in which somebody writes."""
    (folder / "run").mkdir()
    HELD.append(open(folder / "run" / LOCK, "w"))  # noqa: SIM115
    fcntl.flock(HELD[-1], fcntl.LOCK_EX)


def notes(folder: Path) -> None:
    (folder / "run").mkdir()
    (folder / "run" / "notes.txt").write_text("mine\n")


def surface_only(folder: Path) -> None:
    text = "# vtk DataFile Version 3.0\nx\nASCII\nDATASET UNSTRUCTURED_GRID\nPOINTS 3 float\n0 0 0 1 0 0 0 1 0\n"
    (folder / "heart.vtk").write_text(text + "CELLS 1 4\n3 0 1 2\nCELL_TYPES 1\n5\n")
