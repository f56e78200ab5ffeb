"""Accepted: what a mesh that had passed all checks must still show where it is used, each rank looking at its cells.

Its digest vouches for cells, surfaces and connectivity; not for fields, nor for what this scenario expects.
"""

from typing import TYPE_CHECKING

import numpy as np
from mpi4py import MPI

from heartwright.mesh import checks, fields, quality, surface
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import MeshSpec

if TYPE_CHECKING:
    from heartwright.mesh.geometry import Geometry


def suits(geometry: "Geometry", spec: MeshSpec) -> bool:
    """Whether fields, cavities and size are such as checks.py lets pass. Collective."""
    own = _own(geometry)
    findings = fields.bad_directions(own, spec.fibres) + fields.bad_scalars(own, spec.fields)
    for name in geometry.cavities:
        findings += checks.unlikely(name, geometry.cavity_volume(name), spec)
    if not geometry.cavities:
        findings += checks.bad_extent(_sides(geometry))
    return geometry.comm.allreduce(len(findings)) == 0


def notes(geometry: "Geometry", source: str) -> tuple[str, ...]:
    """What checks.py says about a good mesh. Collective."""
    comm, own = geometry.comm, _own(geometry)
    angles = quality.dihedral_angles(own.points, own.cells)
    worst = min(comm.allgather(_worst(own, angles)))
    n_slivers = comm.allreduce(int((angles < checks.SLIVER).sum()))
    volumes = np.abs(surface.tet_volumes(own.points, own.cells))
    volumes = comm.allreduce(np.bincount(own.region, volumes, minlength=len(own.regions) + 1))
    cavities = {name: geometry.cavity_volume(name) for name in geometry.cavities}
    size = comm.allreduce(len(own.cells)), geometry.V1.dofmap.index_map.size_global
    line = quality.summed_up(source, size, cavities, own.regions, volumes, worst[0])
    return (*checks.slivers(n_slivers, worst[0], np.array(worst[1])), line)


def _own(geometry: "Geometry") -> RawMesh:
    """The cells and fields of this rank, ordered as they are here."""
    return RawMesh(
        geometry.points,
        geometry.V1.dofmap.list,
        np.zeros((0, 3), dtype=np.int64),
        np.zeros(0, dtype=np.int64),
        {},
        cell_fields=geometry.cell_fields,
        point_fields=geometry.point_fields | geometry.scalars,
        regions=tuple(geometry.regions),
        region=geometry.region,
    )


def _worst(own: RawMesh, angles: np.ndarray) -> tuple[float, list]:
    """The smallest angle, and the corners of its cell."""
    if not len(angles):
        return np.inf, []
    worst = int(np.argmin(angles))
    return float(angles[worst]), own.points[own.cells[worst]].tolist()


def _sides(geometry: "Geometry") -> np.ndarray:
    """The extent (3,) of the mesh. Collective."""
    x = geometry.points
    low = np.concatenate([x.min(axis=0, initial=np.inf), -x.max(axis=0, initial=-np.inf)])
    geometry.comm.Allreduce(MPI.IN_PLACE, low, op=MPI.MIN)
    return -low[3:] - low[:3]
