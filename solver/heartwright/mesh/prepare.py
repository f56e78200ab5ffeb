"""Prepare: from a spec to a mesh that is checked, filled and remeshed as wanted, on one process without MPI."""

import numpy as np

from heartwright.mesh import checks, fill, generate, importers, quality, remesh, surface
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import MeshSpec


def prepare(spec: MeshSpec) -> RawMesh:
    """The mesh of a spec, read or generated; its notes say what was done to it. InputError with every finding."""
    raw = generate.generate(spec.generate) if spec.generate else importers.read(spec)
    raw = raw.but(points=raw.points * spec.scale)
    if not len(raw.cells):
        raw = fill.fill(raw, spec.size)
        spec = spec.replace(size=None)
    raw = checks.checked(raw, spec)
    size = spec.size
    if "slivers" in spec.fix and quality.dihedral_angles(raw.points, raw.cells).min() < checks.SLIVER:
        size = size or edge_length(raw)
    return checks.checked(remesh.remesh(raw, size), spec) if size else raw


def edge_length(raw: RawMesh) -> float:
    """Mean length (mm) of the edges of the surface."""
    corners = raw.points[surface.boundary_faces(raw.cells, len(raw.points))]
    return float(np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).mean())
