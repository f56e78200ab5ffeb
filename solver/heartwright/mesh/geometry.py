"""Geometry: the distributed mesh with named surfaces, cavity rims, and everything that is found on it."""

import functools
from typing import TYPE_CHECKING

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem
from dolfinx import mesh as dmesh
from mpi4py import MPI

from heartwright.errors import InputError
from heartwright.mesh import refine, surface
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import MeshSpec
from heartwright.parallel import together

if TYPE_CHECKING:
    from heartwright.mesh.coordinates import Coordinates


class Geometry:
    """A mesh without ghost cells, its surfaces by name, and the rims of its cavities.

    input_vertex: for every local P1 dof, ghosts included, the number of that vertex in the checked input (vertices
        that refinement added follow): the same vertex has the same number on any number of ranks.
    rims: cavity surface -> closed loops of input vertices along its open edge, each running so that the cone lid over
        it closes the cavity with its normal pointing out of the cavity.
    levels, parent_cells: how often it was refined, and the local parent cell of every local cell.
    """

    def __init__(
        self,
        mesh: dmesh.Mesh,
        facets: dmesh.MeshTags,
        names: dict[str, int],
        rims: dict[str, list[np.ndarray]],
        input_vertex_of_node: np.ndarray,
        notes: tuple[str, ...] = (),
        levels: int = 0,
        parent_cells: np.ndarray | None = None,
    ):
        self.comm: MPI.Comm = mesh.comm
        self.mesh, self.facets, self.names, self.rims, self.notes = mesh, facets, names, rims, notes
        self.levels, self.parent_cells = levels, parent_cells
        self.dx = ufl.Measure("dx", domain=mesh)
        self.ds = ufl.Measure("ds", domain=mesh, subdomain_data=facets)
        self.V1 = fem.functionspace(mesh, ("Lagrange", 1))
        self.n_vertices = self.V1.dofmap.index_map.size_local + self.V1.dofmap.index_map.num_ghosts
        self._node = np.zeros(self.n_vertices, dtype=np.int64)
        self._node[self.V1.dofmap.list] = mesh.geometry.dofmap
        self.input_vertex = input_vertex_of_node[self._node]

    @property
    def points(self) -> np.ndarray:
        """Coordinates (n_vertices, 3) in mm of the local P1 dofs, ghosts included."""
        return self.mesh.geometry.x[self._node]

    @functools.cached_property
    def coordinates(self) -> "Coordinates":
        """Transmural, apicobasal and rotational coordinates, computed when first asked for. Collective."""
        from heartwright.mesh import coordinates

        return coordinates.compute(self)

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
        return [self.at_input_vertices(self.points, loop) for loop in self.rims[self._cavity(name)]]

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
            mesh, vertex, facets, into = refine.split(mesh, vertex, facets)
            parents = parents[into]
        return Geometry(mesh, facets, self.names, self.rims, vertex, self.notes, self.levels + levels, parents)


def build(spec: MeshSpec, comm: MPI.Comm) -> Geometry:
    """Read or generate, check and distribute the mesh of a scenario; InputError with every finding on all ranks."""
    raw = None
    with together(comm):
        if comm.rank == 0:
            raw = _prepare(spec)
    return distribute(raw, comm)


def _prepare(spec: MeshSpec) -> RawMesh:
    from heartwright.mesh import generate, importers, quality, remesh

    raw = generate.generate(spec.generate) if spec.generate else importers.read(spec)
    raw = quality.checked(raw.but(points=raw.points * spec.scale), spec)
    return quality.checked(remesh.remesh(raw, spec.size), spec) if spec.size else raw


def distribute(raw: RawMesh | None, comm: MPI.Comm) -> Geometry:
    """The Geometry of a mesh that rank 0 holds (the others pass None). Collective."""
    names, rims, notes = comm.bcast((tuple(raw.names), find_rims(raw), raw.notes) if raw else None)
    cells, points = (raw.cells, raw.points) if raw else (np.zeros((0, 4), np.int64), np.zeros((0, 3)))
    mesh = dmesh.create_mesh(
        comm,
        np.ascontiguousarray(cells, dtype=np.int64),
        np.ascontiguousarray(points, dtype=float),
        ufl.Mesh(basix.ufl.element("Lagrange", "tetrahedron", 1, shape=(3,))),
        partitioner=dmesh.create_cell_partitioner(dmesh.GhostMode.none),
    )
    input_vertex = np.asarray(mesh.geometry.input_global_indices)
    tags = refine.facet_tags(mesh, input_vertex, *comm.bcast(raw.named_facets() if raw else None))
    return Geometry(mesh, tags, {name: i for i, name in enumerate(names, 1)}, rims, input_vertex, notes)


def find_rims(raw: RawMesh) -> dict[str, list[np.ndarray]]:
    """The rims of every surface whose name ends in `endo`, as loops of vertices (see Geometry.rims)."""
    boundary = surface.boundary_faces(raw.cells, len(raw.points))
    rims = {}
    for name in raw.names:
        if name.endswith("endo"):
            triangles = surface.oriented_like(raw.surface(name), boundary, len(raw.points))
            rims[name] = surface.loops(surface.rim_edges(triangles))
    return rims
