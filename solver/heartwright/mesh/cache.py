"""Cache of meshes that took gmsh to make: kept by the digest of all that they were made from."""

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from heartwright.errors import StorageError
from heartwright.mesh.formats import native
from heartwright.mesh.generate import version
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import MeshSpec

KEPT = 64  # meshes; older ones make room
MATTERS = ("generate", "size", "fix", "scale", "cavity_volumes")  # of a spec, besides what is read from its file


def cached(spec: MeshSpec, raw: RawMesh | None, make: Callable[[], RawMesh]) -> RawMesh:
    """The mesh of `make`, or its copy from an earlier run with the same spec, input mesh and program.

    A cache that cannot be written or read is no reason to fail: the mesh is then made.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "heartwright" / "meshes"
    path = folder / f"{_digest(spec, raw)}.h5"
    try:
        mesh = native.mesh(path)
        os.utime(path)
        return mesh
    except (OSError, ValueError):
        mesh = make()
    with contextlib.suppress(OSError, StorageError):
        folder.mkdir(parents=True, exist_ok=True)
        native.write(path, mesh)
        _make_room(folder)
    return mesh


def _digest(spec: MeshSpec, raw: RawMesh | None) -> str:
    """SHA-256 of what a mesh is made from, the modules that make it and gmsh's version among it."""
    total = hashlib.sha256(f"{version()} {spec.model_dump_json(include=set(MATTERS))}".encode())
    for module in sorted(Path(__file__).parent.glob("*.py")):
        total.update(module.read_bytes())
    if raw is not None:
        total.update(repr((raw.source, raw.names, raw.regions, raw.notes)).encode())
        for values in (raw.points, raw.cells, raw.facets, raw.facet_tags, raw.region, *(raw.seeds or ())):
            total.update(np.ascontiguousarray(values).tobytes())
    return total.hexdigest()


def _make_room(folder: Path) -> None:
    """Remove the meshes that were not used for longest."""
    meshes = sorted(folder.glob("*.h5"), key=lambda path: path.stat().st_mtime)
    for path in meshes[:-KEPT]:
        path.unlink(missing_ok=True)
        path.with_suffix(".xdmf").unlink(missing_ok=True)
