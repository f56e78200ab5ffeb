"""Geometry: the distributed mesh with named surfaces, cavity rims, and everything that is found on it."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import ufl
from dolfinx import fem, la
from dolfinx import mesh as dmesh
from mpi4py import MPI

from heartwright.errors import InputError
from heartwright.mesh import fields, refine, regions, surface
from heartwright.mesh.raw import RawMesh

if TYPE_CHECKING:
    from heartwright.mesh.coordinates import Coordinates


class Geometry:
    """A mesh without ghost cells, its surfaces by name, and the rims of its cavities.

    input_vertex: for every local P1 dof, ghosts included, the number of that vertex in the checked input (vertices
        that refinement added follow): the same vertex has the same number on any number of ranks.
    rims: cavity surface -> closed loops of input vertices along its open edge, each running so that the cone lid over
        it closes the cavity with its normal pointing out of the cavity.
    digest: sha256 of the checked input.
    cell_fields, point_fields: directions from the mesh file, rows for local cells and for local P1 dofs.
    regions, region: names of regions of the tissue -> their numbers, and the number of every local cell, 0 in none.
    scalars: scalar fields from the mesh file, rows for local P1 dofs.
    stored: heart coordinates from the mesh file by name, rows for local P1 dofs; empty where it has none.
    levels, parent_cells: how often it was refined, and the local parent cell of every local cell.
    part_of, parent_vertices: the heart that this is a part of, if it is one, and the dof there of every local P1 dof.
    coarser: the mesh before the last refinement, and its local cell that every local cell is a part of.
    """

    def __init__(
        self,
        mesh: dmesh.Mesh,
        facets: dmesh.MeshTags,
        names: dict[str, int],
        rims: dict[str, list[np.ndarray]],
        input_vertex_of_node: np.ndarray,
        notes: tuple[str, ...] = (),
        digest: str = "",
        levels: int = 0,
        parent_cells: np.ndarray | None = None,
    ):
        self.comm: MPI.Comm = mesh.comm
        self.mesh, self.facets, self.names, self.rims, self.notes = mesh, facets, names, rims, notes
        self.digest, self.levels, self.parent_cells = digest, levels, parent_cells
        self.dx = ufl.Measure("dx", domain=mesh)
        self.ds = ufl.Measure("ds", domain=mesh, subdomain_data=facets)
        self.V1 = fem.functionspace(mesh, ("Lagrange", 1))
        self.n_vertices = self.V1.dofmap.index_map.size_local + self.V1.dofmap.index_map.num_ghosts
        self._node = np.zeros(self.n_vertices, dtype=np.int64)
        self._node[self.V1.dofmap.list] = mesh.geometry.dofmap
        self.input_vertex = input_vertex_of_node[self._node]
        self.coarser: tuple[dmesh.Mesh, np.ndarray] | None = None
        self.regions: dict[str, int] = {}
        self.region = np.zeros(len(mesh.geometry.dofmap), dtype=np.int32)
        self.part_of: Geometry | None = None
        self.parent_vertices: np.ndarray | None = None
        self.cell_fields: dict[str, np.ndarray] = {}
        self.point_fields: dict[str, np.ndarray] = {}
        self.scalars: dict[str, np.ndarray] = {}
        self.stored: dict[str, np.ndarray] = {}

    def gathered_cells(self, values: np.ndarray) -> np.ndarray | None:
        """Rows of local cells (n_cells, ...) in the order of the input, on rank 0; of unrefined meshes. Collective."""
        return _gathered(self.comm, self.mesh.topology.original_cell_index, values)

    def gathered_points(self, values: np.ndarray) -> np.ndarray | None:
        """Rows of local P1 dofs (n_vertices, ...) in the order of the input vertices, on rank 0. Collective."""
        owned = self.V1.dofmap.index_map.size_local
        return _gathered(self.comm, self.input_vertex[:owned], values[:owned])

    def whole(self) -> RawMesh | None:
        """The mesh with its surfaces and fields on rank 0, vertices in the order of the input. Collective."""
        cells = self.input_vertex[self.V1.dofmap.list]
        inverted = surface.tet_volumes(self.points, self.V1.dofmap.list) < 0.0
        cells[inverted] = cells[inverted][:, surface.RIGHT_WAY_ROUND]
        owners, opposite = refine.cells_of_facets(self.mesh.topology, self.facets.indices)
        opposite = np.where(inverted[owners], np.array(surface.RIGHT_WAY_ROUND)[opposite], opposite)
        triangles = np.take_along_axis(cells[owners], surface.FACES[opposite], axis=1)
        points = self.gathered_points(self.points)
        point_fields = {name: self.gathered_points(values) for name, values in self.point_fields.items()}
        parts = self.comm.gather((cells, self.cell_fields, self.region, triangles, self.facets.values))
        if parts is None:
            return None
        cells, fields, region, triangles, tags = zip(*parts, strict=True)
        return RawMesh(
            points,
            np.vstack(cells),
            np.vstack(triangles),
            np.concatenate(tags),
            {name: (tag,) for name, tag in self.names.items()},
            notes=self.notes,
            cell_fields={name: np.vstack([part[name] for part in fields]) for name in self.cell_fields},
            point_fields=point_fields,
            regions=tuple(self.regions),
            region=np.concatenate(region),
        )

    @property
    def points(self) -> np.ndarray:
        """Coordinates (n_vertices, 3) in mm of the local P1 dofs, ghosts included."""
        return self.mesh.geometry.x[self._node]

    @functools.cached_property
    def coordinates(self) -> "Coordinates":
        """Transmural, apicobasal and rotational coordinates: stored ones, or computed at first use. Collective."""
        from heartwright.mesh import coordinates

        return coordinates.restored(self) if self.stored else coordinates.compute(self)

    def tag(self, name: str) -> int:
        """The facet tag of a surface; InputError naming those there are."""
        if name not in self.names:
            raise InputError(f"mesh: there is no surface '{name}'; it has: {', '.join(self.names)}")
        return self.names[name]

    @property
    def cavities(self) -> tuple[str, ...]:
        """Names of the surfaces that have a rim to be closed by lids."""
        return tuple(self.rims)

    def local_triangles(self, name: str) -> np.ndarray:
        """The triangles of a surface on this rank as P1 dofs (k, 3), pointing out of the tissue."""
        cells, opposite = refine.cells_of_facets(self.mesh.topology, self.facets.find(self.tag(name)))
        corners = self.V1.dofmap.list[cells].astype(np.int64)
        triangles = np.take_along_axis(corners, surface.FACES[opposite], axis=1)
        inverted = surface.tet_volumes(self.points, corners) < 0.0
        triangles[inverted] = triangles[inverted, ::-1]
        return triangles

    def rim_points(self, name: str) -> list[np.ndarray]:
        """Coordinates (n, 3) along every rim of a cavity surface, the same on all ranks. Collective."""
        whole = self.part_of or self  # a part may end below its valves
        return [whole.at_input_vertices(whole.points, loop) for loop in self.rims[self._cavity(name)]]

    def at_input_vertices(self, values: np.ndarray, vertices: np.ndarray) -> np.ndarray:
        """Rows of a local P1 array at the given input vertices, the same on all ranks. Collective."""
        owned = self.V1.dofmap.index_map.size_local
        order = np.argsort(vertices)
        place = np.minimum(np.searchsorted(vertices, self.input_vertex[:owned], sorter=order), len(vertices) - 1)
        here = np.flatnonzero(vertices[order[place]] == self.input_vertex[:owned])
        gathered = np.zeros((len(vertices), *values.shape[1:]))
        gathered[order[place[here]]] = values[here]
        self.comm.Allreduce(MPI.IN_PLACE, gathered)
        return gathered

    def cavity_volume(self, name: str) -> float:
        """Volume (uL) between a cavity surface and its cone lids, see mesh/surface.py. Collective."""
        rims = self.rim_points(name)
        part = surface.flux(self.points, self.local_triangles(name)[:, ::-1], rims[0].mean(axis=0))
        return self.comm.allreduce(part) + surface.lids(rims)

    def _cavity(self, name: str) -> str:
        if name not in self.rims:
            raise InputError(f"mesh: '{name}' bounds no cavity; those that do: {', '.join(self.rims) or 'none'}")
        return name

    def unknowns(self, degree: int) -> int:
        """Numbers that make a vector field of degree 1 or 2: three at every vertex, and edge. Collective."""
        self.mesh.topology.create_entities(1)
        return 3 * sum(self.mesh.topology.index_map(dim).size_global for dim in range(degree))

    def refined(self, levels: int) -> "Geometry":
        """The mesh with every tetrahedron split into 8, `levels` times, each rank keeping the children of its cells.

        Zero levels give the geometry itself. Rims keep the parent's vertices: the new ones lie on the same lines.
        """
        if levels == 0:
            return self
        mesh, facets, parents = self.mesh, self.facets, np.arange(len(self.mesh.geometry.dofmap))
        vertex = np.zeros(len(self.mesh.geometry.x), dtype=np.int64)
        vertex[self._node] = self.input_vertex
        for _ in range(levels):
            coarser = mesh
            mesh, vertex, facets, into = refine.split(mesh, vertex, facets)
            parents = parents[into]
        deeper = self.levels + levels
        child = Geometry(mesh, facets, self.names, self.rims, vertex, self.notes, self.digest, deeper, parents)
        child.coarser = coarser, into
        child.regions, child.region = self.regions, self.region[parents]
        child.cell_fields = {name: values[parents] for name, values in self.cell_fields.items()}
        if self.point_fields or self.scalars:
            self._prolong_to(child)
        return child

    def part(self, names: Sequence[str]) -> "Geometry":
        """The tissue of some regions, on the same ranks. Collective; InputError where there is no such region.

        It keeps the surfaces that it has a share in; the border with another region becomes a surface `border_NAME`.
        """
        return regions.cut(self, names)

    def from_part(self, part: "Geometry", values: np.ndarray, elsewhere: float) -> np.ndarray:
        """Values at the P1 dofs of a part at those of the whole, and another where the part has none. Collective."""
        # The rank that owns a node need not have a cell of the part around it.
        total, times = (self._sum(part.parent_vertices, own) for own in (values, np.ones(len(values))))
        return np.where(times > 0.5, total / np.maximum(times, 1.0), elsewhere)

    def around_vertices(self, values: np.ndarray) -> np.ndarray:
        """At every P1 dof the mean of the values (n_cells,) of the cells around. Collective."""
        corners = self.V1.dofmap.list.ravel()
        total, times = (self._sum(corners, np.repeat(own, 4)) for own in (values, np.ones(len(values))))
        return total / times

    def _sum(self, dofs: np.ndarray, values: np.ndarray) -> np.ndarray:
        """At every P1 dof the sum of all values given for it on any rank. Collective."""
        vector = la.vector(self.V1.dofmap.index_map)
        vector.array[:] = np.bincount(dofs, values, len(vector.array))
        vector.scatter_reverse(la.InsertMode.add)
        vector.scatter_forward()
        return vector.array

    def _prolong_to(self, child: "Geometry") -> None:
        """Give a refined child directions and scalars at its vertices, between those at the vertices of this mesh."""
        from heartwright.mesh.transfer import Transfer

        prolong = Transfer(self, child).prolong
        child.point_fields = {n: fields.principal(prolong(fields.tensors(v))) for n, v in self.point_fields.items()}
        child.scalars = {name: prolong(values) for name, values in self.scalars.items()}


def _gathered(comm: MPI.Comm, rows: np.ndarray, values: np.ndarray) -> np.ndarray | None:
    """On rank 0 the rows of all ranks at their places. Collective."""
    parts = comm.gather((np.asarray(rows), values))
    if parts is None:
        return None
    whole = np.zeros((sum(len(own) for own, _ in parts), *values.shape[1:]), dtype=values.dtype)
    for own, part in parts:
        whole[own] = part
    return whole
