"""Prepare: from a spec to a mesh that is checked, filled and remeshed as wanted, on one process without MPI."""

import numpy as np

from heartwright.mesh import cache, checks, fill, generate, importers, quality, remesh, surface
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import MeshSpec


def prepare(spec: MeshSpec) -> RawMesh:
    """The mesh of a spec, read or generated; its notes say what was done to it. InputError with every finding.

    What gmsh has to make is kept and used again (cache.py).
    """
    if spec.generate:
        return cache.cached(spec, None, lambda: _made(spec, generate.generate(spec.generate)))
    raw = importers.read(spec)
    if spec.size or "slivers" in spec.fix or not len(raw.cells):
        return cache.cached(spec, raw, lambda: _made(spec, raw))
    return _made(spec, raw)


def _made(spec: MeshSpec, raw: RawMesh) -> RawMesh:
    seeds = raw.seeds and (raw.seeds[0] * spec.scale, raw.seeds[1])
    raw = raw.but(points=raw.points * spec.scale, seeds=seeds)
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
