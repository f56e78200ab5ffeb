"""Boxes of tetrahedra with six per cube, numbered alike on any number of ranks: the meshes of slab tests."""

import numpy as np
import ufl
from dolfinx import mesh as dmesh
from mpi4py import MPI

from heartwright.mesh.geometry import Geometry

# f0, s0, n0 along x, y, z
AXES = tuple(ufl.as_vector(row) for row in np.eye(3).tolist())


def box(lengths: tuple[float, float, float], h: float, comm: MPI.Comm = MPI.COMM_WORLD) -> Geometry:
    """The box from the origin to `lengths` with cubes of side h; it has no named surfaces."""
    counts = [round(length / h) for length in lengths]
    mesh = dmesh.create_box(
        comm, [[0.0] * 3, list(lengths)], counts, dmesh.CellType.tetrahedron, ghost_mode=dmesh.GhostMode.none
    )
    mesh.topology.create_entities(2)
    nothing = np.zeros(0, dtype=np.int32)
    return Geometry(
        mesh, dmesh.meshtags(mesh, 2, nothing, nothing), {}, {}, np.asarray(mesh.geometry.input_global_indices)
    )


def at(geometry: Geometry, values: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values (local P1 array) at the nodes nearest to `points` (n, 3), on all ranks. Collective."""
    owned = geometry.V1.dofmap.index_map.size_local
    distance = np.linalg.norm(geometry.points[:owned, None] - np.asarray(points)[None], axis=2)
    nearest = distance.argmin(axis=0) if owned else np.zeros(len(points), dtype=int)
    found = [(distance[i, k], values[i]) if owned else (np.inf, 0.0) for k, i in enumerate(nearest)]
    return np.array([min(candidates)[1] for candidates in zip(*geometry.comm.allgather(found), strict=True)])
