"""Parts of a heart: the tissue of some of its regions as a geometry of its own, on the same ranks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from dolfinx import la
from dolfinx import mesh as dmesh
from mpi4py import MPI

from heartwright.errors import InputError
from heartwright.mesh import refine

if TYPE_CHECKING:
    from heartwright.mesh.geometry import Geometry

BORDER = "border_"  # names of surfaces towards other regions begin so


def cut(whole: "Geometry", regions: Sequence[str]) -> "Geometry":
    """The part of `whole` made of `regions` (see Geometry.part). Collective."""
    missing = [name for name in regions if name not in whole.regions]
    if missing:
        raise InputError(f"mesh: there is no region '{missing[0]}'; it has: {', '.join(whole.regions) or 'none'}")
    inside = np.isin(whole.region, [whole.regions[name] for name in regions])
    mesh, parent_cells, _, node = dmesh.create_submesh(whole.mesh, 3, np.flatnonzero(inside).astype(np.int32))
    vertex_of_node, dof_of_node = np.zeros((2, len(whole.mesh.geometry.x)), dtype=np.int64)
    vertex_of_node[whole._node], dof_of_node[whole._node] = whole.input_vertex, np.arange(whole.n_vertices)
    triangles, tags, names = _surfaces(whole, inside, vertex_of_node)
    facets = refine.facet_tags(mesh, vertex_of_node[node], triangles, tags)
    found = set().union(*whole.comm.allgather(set(np.unique(facets.values).tolist())))
    names = {name: tag for name, tag in names.items() if tag in found}
    rims = {name: loops for name, loops in whole.rims.items() if name in names}
    part = type(whole)(mesh, facets, names, rims, vertex_of_node[node], whole.notes, whole.digest, whole.levels)
    part.part_of, part.parent_cells = whole, np.asarray(parent_cells)
    part.parent_vertices = dof_of_node[np.asarray(node)[part._node]]
    part.regions = {name: whole.regions[name] for name in regions}
    part.region = whole.region[part.parent_cells]
    part.cell_fields = {name: values[part.parent_cells] for name, values in whole.cell_fields.items()}
    part.scalars = {name: values[part.parent_vertices] for name, values in whole.scalars.items()}
    part.point_fields = {name: values[part.parent_vertices] for name, values in whole.point_fields.items()}
    return part


def _surfaces(
    whole: "Geometry", inside: np.ndarray, vertex: np.ndarray
) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Triangles (k, 3) of named surfaces and of borders, by numbers of their vertices, their tags, and all names."""
    topology = whole.mesh.topology
    topology.create_connectivity(3, 2)
    topology.create_connectivity(2, 3)
    facet_of = topology.connectivity(3, 2).array.reshape(-1, 4)
    beside = _region_beside(whole, facet_of)
    free = max(whole.names.values(), default=0) + 1
    names = whole.names | {f"{BORDER}{name}": free + number for name, number in whole.regions.items()}
    names |= {BORDER.rstrip("_"): free}
    there = whole.comm.allreduce(np.bincount(whole.region[inside], minlength=len(whole.regions) + 1), op=MPI.SUM) > 0
    border = inside[:, None] & (beside >= 0) & ~there[np.maximum(beside, 0)]
    named = whole.facets.indices
    facets = np.concatenate([named, facet_of[border]])
    tags = np.concatenate([whole.facets.values, free + beside[border]])
    return vertex[refine.corners_of(whole.mesh, facets)], tags, names


def _region_beside(whole: "Geometry", facet_of: np.ndarray) -> np.ndarray:
    """For every face of every local cell (n, 4) the region of the cell behind it, -1 outside the tissue. Collective."""
    total = la.vector(whole.mesh.topology.index_map(2))
    np.add.at(total.array, facet_of, (whole.region + 1.0)[:, None])
    total.scatter_reverse(la.InsertMode.add)
    total.scatter_forward()
    return np.round(total.array[facet_of]).astype(np.int64) - whole.region[:, None] - 2
