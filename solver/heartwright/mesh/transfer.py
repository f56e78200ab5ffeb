"""Transfer between a mesh and its uniformly refined child: exact, on every rank by itself."""

import basix
import numpy as np
from dolfinx import fem
from scipy import sparse

from heartwright.mesh.geometry import Geometry

# At points k/2^l the basis functions of degree 1 and 2 are multiples of 4^-l: rounding to these makes them exact.
BINARY = 4.0**6


class Transfer:
    """Values of the parent's polynomials at the child's vertices, and back.

    A child vertex X has coordinates k/2^levels in the reference tetrahedron of the parent cell it lies in, so
    φ_i(X) is found by rounding, and a P1 or P2 field of the parent is reproduced to round-off. All arrays are local,
    ghosts included (`function.x.array`); without ghost cells every local child dof lies in a local parent cell, so
    nothing is communicated. Where both meshes are the same, vertices keep their values.
    """

    def __init__(self, parent: Geometry, child: Geometry):
        levels = child.levels - parent.levels
        if child is not parent and (child.parent_cells is None or levels < 1):
            raise ValueError("child must come from parent.refined(levels)")
        self.parent, self.child = parent, child
        self._cell, self._X = _reference_points(parent, child, levels)
        self._linear = _interpolation(parent.V1, self._cell, self._X)
        self._quadratic: tuple[fem.FunctionSpace, sparse.csr_matrix] | None = None
        self._injection = _columns_of_ones(self._linear)

    def prolong(self, values: np.ndarray) -> np.ndarray:
        """A P1 field of the parent (n_parent,) or (n_parent, k) at the child's vertices."""
        return self._linear @ values

    def restrict(self, values: np.ndarray) -> np.ndarray:
        """A P1 field of the child at the vertices it shares with the parent: `restrict(prolong(x)) == x`."""
        return values[self._injection]

    def prolong_p2(self, u: fem.Function) -> np.ndarray:
        """A P2 field of the parent, scalar or vector, at the child's vertices (n_child, block size)."""
        space = u.function_space
        if self._quadratic is None or self._quadratic[0] is not space:
            self._quadratic = (space, _interpolation(space, self._cell, self._X))
        return self._quadratic[1] @ u.x.array.reshape(-1, space.dofmap.index_map_bs)


def _reference_points(parent: Geometry, child: Geometry, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """For every child dof of P1, a parent cell that holds it (n,) and its reference coordinates there (n, 3)."""
    dofs = child.V1.dofmap.list
    cell = np.zeros(child.n_vertices, dtype=np.int64)
    cell[dofs] = (np.arange(len(dofs)) if child is parent else np.asarray(child.parent_cells))[:, None]
    corners = parent.points[parent.V1.dofmap.list[cell]]  # (n, 4, 3)
    J = np.swapaxes(corners[:, 1:] - corners[:, :1], 1, 2)
    X = np.linalg.solve(J, (child.points - corners[:, 0])[:, :, None])[:, :, 0]
    steps = 2**levels
    return cell, np.round(X * steps) / steps


def _interpolation(space: fem.FunctionSpace, cell: np.ndarray, X: np.ndarray) -> sparse.csr_matrix:
    """Sparse matrix of the basis functions of `space` (scalar part) at the points X of the cells (n_points, n_dofs)."""
    degree = space.element.basix_element.degree
    element = basix.create_element(basix.ElementFamily.P, basix.CellType.tetrahedron, degree)
    distinct, which = np.unique(X, axis=0, return_inverse=True)
    phi = np.round(element.tabulate(0, distinct)[0, :, :, 0] * BINARY) / BINARY
    dofs = space.dofmap.list[cell]
    rows = np.repeat(np.arange(len(cell)), dofs.shape[1])
    index_map = space.dofmap.index_map
    shape = (len(cell), index_map.size_local + index_map.num_ghosts)
    matrix = sparse.csr_matrix((phi[which.ravel()].ravel(), (rows, dofs.ravel())), shape=shape)
    matrix.eliminate_zeros()
    return matrix


def _columns_of_ones(matrix: sparse.csr_matrix) -> np.ndarray:
    """For every column the row that is one there and zero elsewhere: the child's copy of each parent vertex."""
    single = np.flatnonzero(np.diff(matrix.indptr) == 1)
    rows = np.zeros(matrix.shape[1], dtype=np.int64)
    rows[matrix.indices[matrix.indptr[single]]] = single
    return rows
