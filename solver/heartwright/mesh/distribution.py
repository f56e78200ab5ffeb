"""Distribution: the mesh of a scenario, checked and shared out among the ranks."""

import basix.ufl
import numpy as np
import ufl
from dolfinx import mesh as dmesh
from mpi4py import MPI

from heartwright.errors import InputError
from heartwright.mesh import accepted, fields, refine, shares, surface
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.prepare import prepare
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import MeshSpec
from heartwright.parallel import together


def build(spec: MeshSpec, comm: MPI.Comm) -> Geometry:
    """Read or generate, check and distribute the mesh of a scenario; InputError with every finding on all ranks.

    A file of ours that had passed all checks when it was written is read by all ranks, each a share of it, and checked
    for what the digest does not vouch for. Everything else is read and checked by rank 0, which holds it whole.
    """
    share = shares.read(spec, comm)
    if share is not None:
        geometry = _needed(share, share.checked, spec, comm)
        if accepted.suits(geometry, spec):
            geometry.notes += accepted.notes(geometry, share.source)
            return geometry
        del geometry
    raw = None
    with together(comm):
        raw = prepare(spec) if comm.rank == 0 else None
    share = shares.of_first(raw, comm)
    return _needed(share, shares.identity(share, comm), spec, comm)


def distribute(raw: RawMesh | None, comm: MPI.Comm) -> Geometry:
    """The Geometry of a mesh that rank 0 holds (the others pass None). Collective."""
    share = shares.of_first(raw, comm)
    return partition(share, shares.identity(share, comm), comm)


def _needed(share: RawMesh, digest: str, spec: MeshSpec, comm: MPI.Comm) -> Geometry:
    """The Geometry with those fields only that the spec asks for. Collective."""
    return partition(fields.only_needed(share, spec.fibres, spec.fields, digest), digest, comm)


def partition(share: RawMesh, digest: str, comm: MPI.Comm) -> Geometry:
    """The Geometry of the mesh of that digest, of which each rank holds a share. Collective.

    InputError where there are more ranks than cells.
    """
    n_cells = comm.allreduce(len(share.cells))
    if comm.size > n_cells:
        raise InputError(f"mesh: {comm.size} ranks for {n_cells} tetrahedra: use fewer")
    mesh = dmesh.create_mesh(
        comm,
        np.ascontiguousarray(share.cells, dtype=np.int64),
        np.ascontiguousarray(share.points, dtype=float),
        ufl.Mesh(basix.ufl.element("Lagrange", "tetrahedron", 1, shape=(3,))),
        partitioner=dmesh.create_cell_partitioner(dmesh.GhostMode.none),
    )
    input_vertex = np.asarray(mesh.geometry.input_global_indices)
    triangles, tags = (np.concatenate(comm.allgather(own)) for own in share.named_facets())
    facets = refine.facet_tags(mesh, input_vertex, triangles, tags)
    names = {name: i for i, name in enumerate(share.names, 1)}
    geometry = Geometry(mesh, facets, names, {}, input_vertex, share.notes, digest)
    geometry.rims = _rims(geometry)
    cells = shares.Post(comm, len(share.cells), mesh.topology.original_cell_index)
    points = shares.Post(comm, len(share.points), geometry.input_vertex)
    geometry.regions = {name: i for i, name in enumerate(share.regions, 1)}
    geometry.region = cells.fetch(share.region)
    on_cells = {name: cells.fetch(held) for name, held in share.cell_fields.items()}
    on_points = {name: points.fetch(held) for name, held in share.point_fields.items()}
    geometry.stored = {name: on_points.pop(name) for name in fields.COORDINATES if name in on_points}
    geometry.scalars = {name: values for name, values in on_points.items() if values.ndim == 1}
    geometry.scalars |= {name: geometry.around_vertices(v) for name, v in on_cells.items() if v.ndim == 1}
    geometry.point_fields, geometry.cell_fields = (
        {name: values for name, values in found.items() if values.ndim > 1} for found in (on_points, on_cells)
    )
    return geometry


def _rims(geometry: Geometry) -> dict[str, list[np.ndarray]]:
    """The rims of every surface whose name ends in `endo` (see Geometry.rims), on all ranks. Collective."""
    found = {}
    for name in geometry.names:
        if name.endswith("endo"):
            parts = geometry.comm.gather(geometry.input_vertex[geometry.local_triangles(name)])
            found[name] = parts and surface.rims(np.vstack(parts))
    return geometry.comm.bcast(found)
