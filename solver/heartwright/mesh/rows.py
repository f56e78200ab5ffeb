"""Rows: which row of a distributed array belongs to which vertex, node or point, by numbers that hold on any ranks.

A vertex has its number in the input. A node of a displacement is a pair of vertices, both the same where it is a vertex
itself; a quadrature point is a cell of the input and its place in it.
"""

import numpy as np
from dolfinx import fem

from heartwright.mesh.geometry import Geometry
from heartwright.parts import Rows

# Vertices at the ends of the local edges of a tetrahedron, in the order of the quadratic element's edge nodes.
EDGES = np.array([[2, 3], [1, 3], [1, 2], [0, 3], [0, 2], [0, 1]])


def of_vertices(geometry: Geometry, which: np.ndarray | slice = slice(None)) -> Rows:
    """Rows of linear fields (local P1 dofs), or of `which` of them."""
    return Rows(geometry.input_vertex[which].astype(np.int64))


def of_nodes(geometry: Geometry, V: fem.FunctionSpace) -> Rows:
    """Rows of linear or quadratic fields: the local nodes of V."""
    corners = geometry.input_vertex[geometry.V1.dofmap.list].astype(np.int64)
    keys = np.zeros(V.dofmap.index_map.size_local + V.dofmap.index_map.num_ghosts, dtype=np.int64)
    keys[V.dofmap.list[:, :4]] = pair(corners, corners)
    ends = EDGES[: V.dofmap.list.shape[1] - 4]  # linear cells have no nodes on their edges
    keys[V.dofmap.list[:, 4:]] = pair(corners[:, ends[:, 0]], corners[:, ends[:, 1]])
    return Rows(keys)


def of_points(geometry: Geometry, V: fem.FunctionSpace) -> Rows:
    """Rows of fields of a quadrature space V, on a mesh that is not a refined one."""
    per_cell = V.dofmap.list.shape[1]
    cells = np.asarray(geometry.mesh.topology.original_cell_index, dtype=np.int64)[: len(V.dofmap.list)]
    keys = np.zeros(V.dofmap.index_map.size_local + V.dofmap.index_map.num_ghosts, dtype=np.int64)
    keys[V.dofmap.list] = cells[:, None] * per_cell + np.arange(per_cell)
    return Rows(keys)


def pair(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """One number per unordered pair of input vertices."""
    return np.minimum(a, b) * (1 << 31) + np.maximum(a, b)
