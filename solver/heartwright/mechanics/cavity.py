r"""Cavity: the volume of blood a chamber holds, closed at its rims by cone lids, and how it changes with u.

With x = X + u, N the normal out of the tissue (into the cavity), and lid k the cone over rim k from its apex c_k (the
mean of the rim's vertices), the divergence theorem gives, because (x - c_k).n = 0 on cone k,

    V = -1/3 ∫_endo x . cof(F) N dS + 1/3 Σ_k c_k . A_k,     A_k = 1/2 ∮_k x × dx
    dV/du . w = -∫_endo w . cof(F) N dS + Σ_k ∫_lid w . n dA

where w on a lid interpolates linearly between the rim and the mean of w at its vertices. Edges of the rim are lines or
the parabolas of a quadratic displacement; their integrals are exact.

A pressure p in the cavity loads the wall with p dV/du: on the endocardium, and through the lids on the rims, because
the annuli carry the pressure on the valves. So it has no resultant force or moment, and its work is p dV. (Without
the lids' share a pressure of 16 kPa would push the heart off its springs with a force of some 10 N.)
"""

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI
from petsc4py import PETSc

from heartwright.linalg import JIT
from heartwright.mechanics.boundary import cofactor
from heartwright.mesh import rows
from heartwright.mesh.rows import pair

# Gauss points along an edge: exact for x × x' w, a polynomial of degree 5.
T = 0.5 + 0.5 * np.array([-np.sqrt(0.6), 0.0, np.sqrt(0.6)])
WEIGHTS = np.array([5.0, 8.0, 5.0]) / 18.0
# Of the nodes of an edge, its ends and then its middle, by how many it has.
SHAPE = {
    2: np.stack([1 - T, T], axis=1),
    3: np.stack([(1 - T) * (1 - 2 * T), T * (2 * T - 1), 4 * T * (1 - T)], axis=1),
}
SLOPE = {
    2: np.tile([-1.0, 1.0], (len(T), 1)),
    3: np.stack([4 * T - 3, 4 * T - 1, 4 - 8 * T], axis=1),
}


class Rim:
    """One closed rim of a cavity: its nodes in order, and which of them this rank owns.

    Nodes are numbered vertices first, then, if u is quadratic, the middle of the edge that leaves each vertex.
    """

    def __init__(self, geometry, V: fem.FunctionSpace, loop: np.ndarray):
        self.n, self.comm = len(loop), geometry.comm
        here = _owned_dofs(geometry, V, loop)
        self.nodes = len(here)
        self.rows = np.flatnonzero(here >= 0)
        self.dofs = here[self.rows]
        self.X = self.gather(V.tabulate_dof_coordinates())

    def gather(self, values: np.ndarray) -> np.ndarray:
        """Rows (nodes, 3) of a blocked array at the rim's nodes, the same on every rank. Collective."""
        gathered = np.zeros((self.nodes, 3))
        gathered[self.rows] = values[self.dofs]
        self.comm.Allreduce(MPI.IN_PLACE, gathered)
        return gathered

    def apex(self, x: np.ndarray) -> np.ndarray:
        return x[: self.n].mean(axis=0)

    def edges(self, x: np.ndarray) -> np.ndarray:
        """Nodes (n, 2 or 3, 3) of every edge: its two ends and its middle."""
        nodes = x.reshape(-1, self.n, 3)
        return np.stack([nodes[0], np.roll(nodes[0], -1, axis=0), *nodes[1:]], axis=1)

    def sweep(self, x: np.ndarray) -> np.ndarray:
        """(x - c) × x' at the Gauss points of every edge (n, g, 3)."""
        edges = self.edges(x - self.apex(x))
        k = edges.shape[1]
        return np.cross(np.einsum("gk,ekj->egj", SHAPE[k], edges), np.einsum("gk,ekj->egj", SLOPE[k], edges))

    def area(self, x: np.ndarray) -> np.ndarray:
        """A = 1/2 ∮ x × dx (3,): the vector area of any surface this rim bounds."""
        return 0.5 * np.einsum("g,egj->j", WEIGHTS, self.sweep(x))

    def flux(self, x: np.ndarray) -> np.ndarray:
        """∫_lid w . n dA as weights (nodes, 3) of the values of w at the rim's nodes."""
        sweep = self.sweep(x)
        shape = SHAPE[len(x) // self.n + 1]
        first, last, *middle = np.einsum("g,gk,egj->kej", WEIGHTS, shape, sweep) / 3
        weights = np.vstack([first + np.roll(last, 1, axis=0), *middle])
        weights[: self.n] += np.einsum("g,egj->j", WEIGHTS, sweep) / 6 / self.n
        return weights


def _owned_dofs(geometry, V: fem.FunctionSpace, loop: np.ndarray) -> np.ndarray:
    """For every rim node its node on this rank if owned, otherwise -1."""
    keys = rows.of_nodes(geometry, V).keys
    wanted = [pair(loop, loop), pair(loop, np.roll(loop, -1))][: V.element.basix_element.degree]
    own = V.dofmap.index_map.size_local
    return _lookup(keys[:own], np.arange(own), np.concatenate(wanted))


def _lookup(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The value whose key is wanted, or -1 where there is none."""
    if keys.size == 0:
        return np.full(len(wanted), -1)
    order = np.argsort(keys, kind="stable")
    place = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
    return np.where(keys[order[place]] == wanted, values[order[place]], -1)


class Cavity:
    """One chamber: V(u) and dV/du; the latter times -p is the residual of a pressure p (kPa) in it.

    u: the displacement; `surface`: name of the endocardium in the geometry.
    """

    def __init__(self, geometry, u: fem.Function, surface: str):
        V, self.u, self.comm = u.function_space, u, geometry.comm
        self.rims = [Rim(geometry, V, loop) for loop in geometry.rims[surface]]
        ds = geometry.ds(geometry.tag(surface), metadata={"quadrature_degree": 4})
        N, w = ufl.FacetNormal(geometry.mesh), ufl.TestFunction(V)
        F = ufl.Identity(3) + ufl.grad(u)
        x = ufl.SpatialCoordinate(geometry.mesh) + u
        self.pressed = ufl.inner(cofactor(F) * N, w) * ds  # the endocardium's part of -dV/du
        self._flux = fem.form(-ufl.inner(x, cofactor(F) * N) / 3 * ds, jit_options=JIT)
        self._gradient = fem.form(-self.pressed, jit_options=JIT)
        self.gradient = fem_petsc.create_vector(self._gradient)

    def volume(self) -> float:
        """V in uL. Collective."""
        lids = [(rim, self._positions(rim)) for rim in self.rims]
        flux = self.comm.allreduce(fem.assemble_scalar(self._flux))
        return flux + sum(float(rim.apex(x) @ rim.area(x)) for rim, x in lids) / 3

    def update_gradient(self) -> PETSc.Vec:
        """Bring `gradient`, dV/du (mm²), to the present u. Collective."""
        with self.gradient.localForm() as local:
            local.set(0.0)
        fem_petsc.assemble_vector(self.gradient, self._gradient)
        self.gradient.ghostUpdate(PETSc.InsertMode.ADD, PETSc.ScatterMode.REVERSE)
        self.add_lids(self.gradient, 1.0)
        return self.gradient

    def add_lids(self, vector: PETSc.Vec, factor: float) -> None:
        """vector += factor times the lids' part of dV/du. Collective."""
        for rim in self.rims:
            weights = rim.flux(self._positions(rim))
            vector.array.reshape(-1, 3)[rim.dofs] += factor * weights[rim.rows]

    def _positions(self, rim: Rim) -> np.ndarray:
        return rim.X + rim.gather(self.u.x.array.reshape(-1, 3))
