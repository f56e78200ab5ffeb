"""Uniform refinement: every tetrahedron into eight, each rank keeping its own, the same on any number of ranks.

DOLFINx's own refinement cuts the inner octahedron by an edge that depends on the partition, so that two runs on
different rank counts would compute on different meshes. Here the cut is the shortest of the three diagonals, ties
decided by the numbers of the vertices in the file.
"""

import basix.ufl
import numpy as np
import ufl
from dolfinx import graph
from dolfinx import mesh as dmesh
from mpi4py import MPI

from heartwright.mesh import surface

# The ten nodes of a split tetrahedron: its corners 0-3, then the midpoints of these edges, 4-9.
EDGES = np.array([[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]])
DIAGONALS = np.array([[4, 9], [5, 8], [6, 7]])
_RINGS = np.array([[5, 7, 8, 6], [4, 6, 9, 7], [4, 5, 9, 8]])  # the octahedron's other nodes, around each diagonal
_CORNERS = np.array([[0, 4, 5, 6], [1, 4, 7, 8], [2, 5, 7, 9], [3, 6, 8, 9]])
CHILDREN = np.array(
    [
        np.vstack([_CORNERS, [[*diagonal, ring[i], ring[(i + 1) % 4]] for i in range(4)]])
        for diagonal, ring in zip(DIAGONALS, _RINGS, strict=True)
    ]
)
# The four triangles on the face opposite each corner.
FACE_CHILDREN = np.array(
    [
        [[1, 7, 8], [2, 7, 9], [3, 8, 9], [7, 9, 8]],
        [[0, 5, 6], [2, 5, 9], [3, 6, 9], [5, 9, 6]],
        [[0, 4, 6], [1, 4, 8], [3, 6, 8], [4, 8, 6]],
        [[0, 4, 5], [1, 4, 7], [2, 5, 7], [4, 7, 5]],
    ]
)
# Where DOLFINx keeps the edge between two corners of a cell (its edges are 23, 13, 12, 03, 02, 01).
EDGE_BETWEEN = np.array([[-1, 5, 4, 3], [5, -1, 2, 1], [4, 2, -1, 0], [3, 1, 0, -1]])


def split(mesh: dmesh.Mesh, vertex: np.ndarray, facets: dmesh.MeshTags):
    """One refinement of a mesh whose nodes have the rank-independent numbers `vertex`. Collective.

    Returns the child mesh, the numbers of its nodes (the parent's first, then its edges in sorted order), the facet
    tags carried over, and the local parent cell of every local child cell.
    """
    topology, x = mesh.topology, mesh.geometry.x
    topology.create_entities(1)
    topology.create_connectivity(3, 1)
    order = np.argsort(vertex[mesh.geometry.dofmap], axis=1)
    nodes = np.take_along_axis(mesh.geometry.dofmap, order, axis=1)
    cell_edges = topology.connectivity(3, 1).array.reshape(-1, 6)
    edges = np.take_along_axis(cell_edges, EDGE_BETWEEN[order[:, EDGES[:, 0]], order[:, EDGES[:, 1]]], axis=1)
    ends = _ends(nodes, edges, topology.index_map(1))
    midpoints = 0.5 * (x[ends[:, 0]] + x[ends[:, 1]])

    node_row, edge_row = _rows(mesh.comm, mesh.geometry.index_map(), topology.index_map(1))
    rows = np.hstack([node_row[nodes], edge_row[edges]])  # (cells, 10)
    diagonal = _shortest_diagonal(midpoints[edges])
    children = np.take_along_axis(rows[:, None, :], CHILDREN[diagonal].reshape(len(rows), 1, 32), axis=2)
    n_nodes, n_edges = mesh.geometry.index_map().size_local, topology.index_map(1).size_local
    child = dmesh.create_mesh(
        mesh.comm,
        children.reshape(-1, 4),
        np.vstack([x[:n_nodes], midpoints[:n_edges]]),
        ufl.Mesh(basix.ufl.element("Lagrange", "tetrahedron", 1, shape=(3,))),
        partitioner=_stay,
    )
    row_of_node = np.asarray(child.geometry.input_global_indices)
    numbers = np.concatenate([vertex, _edge_numbers(mesh.comm, vertex[ends], n_edges, mesh.geometry.index_map())])
    all_rows = np.concatenate([node_row, edge_row])
    sorted_rows = np.argsort(all_rows)
    child_vertex = numbers[sorted_rows[np.searchsorted(all_rows, row_of_node, sorter=sorted_rows)]]
    tags = facet_tags(child, row_of_node, *_face_children(topology, facets, order, rows))
    made = child.topology.original_cell_index - child.topology.index_map(3).local_range[0]
    return child, child_vertex, tags, made // 8


def facet_tags(mesh: dmesh.Mesh, number_of_node: np.ndarray, triangles: np.ndarray, tags: np.ndarray) -> dmesh.MeshTags:
    """Tags on the local boundary facets that are one of the `triangles` (k, 3), given by the numbers of nodes."""
    mesh.topology.create_entities(2)
    mesh.topology.create_connectivity(2, 3)
    facets = dmesh.exterior_facet_indices(mesh.topology)
    corners = number_of_node[dmesh.entities_to_geometry(mesh, 2, facets)].reshape(-1, 3)
    n = 1 + max(int(number_of_node.max(initial=0)), int(triangles.max(initial=0)))
    where, found = surface.find(corners, triangles, n)
    return dmesh.meshtags(mesh, 2, facets[found], tags[where[found]].astype(np.int32))


def _stay(comm, n_parts, cell_types, cells):
    """A partition in which every cell goes to the rank that made it."""
    return graph.adjacencylist(np.full((len(cells[0]) // 4, 1), comm.rank, dtype=np.int32))


def _ends(nodes: np.ndarray, edges: np.ndarray, edge_map) -> np.ndarray:
    """The two nodes of every local edge (n_edges, 2), in ascending order of their numbers."""
    ends = np.zeros((edge_map.size_local + edge_map.num_ghosts, 2), dtype=np.int64)
    ends[edges] = nodes[:, EDGES]
    return ends


def _rows(comm: MPI.Comm, node_map, edge_map) -> tuple[np.ndarray, np.ndarray]:
    """Global number in the child's input of every local node and edge: rank by rank, nodes first."""
    starts = np.array(comm.allgather((node_map.local_range[0], edge_map.local_range[0], node_map.size_local)))
    node_start, edge_start, n_nodes = starts.T

    def rows(index_map, start, shift):
        ghosts = len(index_map.ghosts)
        owner = np.concatenate([np.full(index_map.size_local, comm.rank), index_map.owners])
        local = np.arange(index_map.size_local + ghosts, dtype=np.int32)
        base = node_start + edge_start  # nodes and edges owned by lower ranks
        return (index_map.local_to_global(local) - start[owner] + base[owner] + shift[owner]).astype(np.int64)

    return rows(node_map, node_start, 0 * n_nodes), rows(edge_map, edge_start, n_nodes)


def _shortest_diagonal(midpoints: np.ndarray) -> np.ndarray:
    """Which of the three diagonals of the octahedron of midpoints (m, 6, 3) is shortest; the first of equals."""
    first, last = (midpoints[:, DIAGONALS[:, i] - 4] for i in (0, 1))
    squared = ((first - last) ** 2).sum(axis=2)
    # rounded, so that equal lengths stay equal when the mesh was moved by a field that differs in the last digits
    return np.argmin(np.round(squared / squared.sum(axis=1, keepdims=True), 6), axis=1)


def _edge_numbers(comm: MPI.Comm, ends: np.ndarray, n_owned: int, node_map) -> np.ndarray:
    """Rank-independent numbers of the local edges with these end vertices, following those of the vertices."""
    n = node_map.size_global
    keys = ends.min(axis=1) * n + ends.max(axis=1)
    everywhere = np.sort(np.concatenate(comm.allgather(keys[:n_owned])))
    return n + np.searchsorted(everywhere, keys)


def _face_children(topology, facets: dmesh.MeshTags, order: np.ndarray, rows: np.ndarray):
    """The four triangles (as rows of the child's input) of every tagged facet, and their tags."""
    cells, opposite = cells_of_facets(topology, facets.indices)
    position = np.argmax(order[cells] == opposite[:, None], axis=1)
    triangles = np.take_along_axis(rows[cells][:, None, :], FACE_CHILDREN[position].reshape(-1, 1, 12), axis=2)
    return triangles.reshape(-1, 3), np.repeat(facets.values, 4)


def cells_of_facets(topology, facets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cell of each boundary facet, and the local corner of that cell opposite the facet."""
    topology.create_connectivity(2, 3)
    topology.create_connectivity(3, 2)
    to_cell, to_facet = topology.connectivity(2, 3), topology.connectivity(3, 2)
    cells = to_cell.array[to_cell.offsets[facets]]
    return cells, np.argmax(to_facet.array.reshape(-1, 4)[cells] == facets[:, None], axis=1)
