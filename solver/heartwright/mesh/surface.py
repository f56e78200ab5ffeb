"""Surfaces of a tetrahedral mesh as arrays: boundary faces, rims, and the volume a surface encloses with its lids.

The volume closed by a surface S and one cone lid per rim, with apex c_k (the mean of the rim's points), is
    V = 1/3 ∫_S (x - c_0)·n dA + Σ_k 1/3 (c_k - c_0)·A_k,   A_k = 1/2 Σ_i r_i × r_{i+1}
with n pointing out of the enclosed volume and A_k the lid's outward vector area: (x - c_k)·n = 0 on cone k.
"""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

RIGHT_WAY_ROUND = [1, 0, 2, 3]  # corners of an inverted tetrahedron, put right
# Faces of a positively oriented tetrahedron, each counter-clockwise seen from outside; face i lies opposite vertex i.
FACES = np.array([[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]])


def tet_volumes(points: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Signed volumes (m,): positive when vertex 3 lies where the right-hand rule over 0, 1, 2 points."""
    a, b, c, d = (points[cells[:, i]] for i in range(4))
    return np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a) / 6.0


def face_keys(triangles: np.ndarray, n_points: int) -> np.ndarray:
    """One sortable number per triangle that does not depend on the order of its corners."""
    a, b, c = np.sort(np.asarray(triangles, dtype=np.int64), axis=1).T
    if n_points < 2_000_000:  # (2e6)^3 fits into 63 bits
        return (a * n_points + b) * n_points + c
    corners = np.stack([a, b, c], axis=1)
    return np.unique(corners, axis=0, return_inverse=True)[1].ravel()


def faces_of(cells: np.ndarray) -> np.ndarray:
    """All faces of all cells (4 m, 3), face i of cell j in row 4 j + i, outward for positive cells."""
    return cells[:, FACES].reshape(-1, 3)


def boundary_faces(cells: np.ndarray, n_points: int) -> np.ndarray:
    """Faces that belong to one cell only (k, 3), pointing out of the (positively oriented) cells."""
    faces = faces_of(cells)
    _, first, count = np.unique(face_keys(faces, n_points), return_index=True, return_counts=True)
    return faces[np.sort(first[count == 1])]


def edges_of(triangles: np.ndarray) -> np.ndarray:
    """All edges of all triangles (3 k, 2), edge i of triangle j in row 3 j + i, as the triangle runs through it."""
    return triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)


def find(triangles: np.ndarray, among: np.ndarray, n_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Row of `among` with the same corners as each of `triangles` in any order, and whether there is one."""
    if len(among) == 0:
        return np.zeros(len(triangles), dtype=np.int64), np.zeros(len(triangles), dtype=bool)
    both = face_keys(np.vstack([among, triangles]), n_points)
    keys, wanted = both[: len(among)], both[len(among) :]
    order = np.argsort(keys, kind="stable")
    row = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
    return row, keys[row] == wanted


def oriented_like(triangles: np.ndarray, reference: np.ndarray, n_points: int) -> np.ndarray:
    """`triangles` with the corner order they have in `reference`; those not found there are left out."""
    row, found = find(triangles, reference, n_points)
    return reference[row[found]]


def neighbours(triangles: np.ndarray, n_points: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of triangles with a common edge, and that edge (e, 2), its lower vertex first."""
    edges = np.sort(edges_of(triangles), axis=1)
    keys = edges[:, 0] * n_points + edges[:, 1]
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    return order[same] // 3, order[same + 1] // 3, edges[order[same]]


def components(n: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Number (n,), from 0, of the connected piece that each of n things belongs to, linked pairwise by a and b."""
    return connected_components(coo_matrix((np.ones(len(a)), (a, b)), shape=(n, n)), directed=False)[1]


def shells(triangles: np.ndarray, n_points: int) -> np.ndarray:
    """Number (k,), from 0, of the connected piece each triangle belongs to."""
    return components(len(triangles), *neighbours(triangles, n_points)[:2])


def outwards(points: np.ndarray, triangles: np.ndarray, shells: np.ndarray) -> np.ndarray:
    """The triangles of every shell turned the same way round, so that its volume is positive.

    Every triangle stands for two, one each way round; neighbours are linked where they agree, so that each shell falls
    into two components, of which the one with its first triangle as it is is taken.
    """
    a, b, edge = neighbours(triangles, len(points))
    agree = _along(triangles[a], edge) != _along(triangles[b], edge)
    n = len(triangles)
    either = components(
        2 * n, np.concatenate([a, a + n]), np.concatenate([np.where(agree, b, b + n), np.where(agree, b + n, b)])
    )
    first = np.unique(shells, return_index=True)[1][shells]
    turned = np.where((either[:n] == either[first])[:, None], triangles, triangles[:, ::-1])
    corners = points[turned]
    volume = np.bincount(shells, weights=np.linalg.det(corners - points.mean(axis=0)))
    return np.where((volume[shells] > 0)[:, None], turned, turned[:, ::-1])


def _along(triangles: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """Whether each triangle runs through its edge from the lower to the higher vertex."""
    start = np.argmax(triangles == edge[:, :1], axis=1)
    return np.take_along_axis(triangles, ((start + 1) % 3)[:, None], axis=1)[:, 0] == edge[:, 1]


def rim_edges(triangles: np.ndarray) -> np.ndarray:
    """Directed edges (e, 2) with a triangle of the oriented surface on their left side only."""
    edges = edges_of(triangles)
    n = int(edges.max(initial=0)) + 1
    forward, backward = edges[:, 0] * n + edges[:, 1], edges[:, 1] * n + edges[:, 0]
    return edges[~np.isin(forward, backward)]


def loops(edges: np.ndarray) -> list[np.ndarray]:
    """Simple closed loops of vertices along directed edges, longest first.

    The rim of a consistently oriented surface has as many edges into a vertex as out of it, so walking on always
    returns; where two rims touch in a vertex the walk is cut there, because each valve has a lid of its own.
    """
    leaving: dict[int, list[int]] = {}
    for a, b in edges[::-1].tolist():
        leaving.setdefault(a, []).append(b)
    found = []
    for start in edges[:, 0].tolist():
        walk = [start]
        while leaving.get(walk[-1]):
            vertex = leaving[walk[-1]].pop()
            if vertex in walk:
                begin = walk.index(vertex)
                found.append(np.array(walk[begin:], dtype=np.int64))
                walk = walk[: begin + 1]
            else:
                walk.append(vertex)
    return sorted(found, key=lambda loop: (-len(loop), int(loop.min())))


def rims(triangles: np.ndarray) -> list[np.ndarray]:
    """The loops along the open edges of an oriented surface, whatever the order of its triangles."""
    edges = rim_edges(triangles)
    return loops(edges[np.lexsort(edges.T)])


def flux(points: np.ndarray, triangles: np.ndarray, apex: np.ndarray) -> float:
    """1/3 ∫ (x - apex)·n dA over oriented triangles: the volume of the cone from `apex` over them, in mm³ = uL."""
    a, b, c = (points[triangles[:, i]] - apex for i in range(3))
    return float(np.einsum("ij,ij->", np.cross(a, b), c)) / 6.0


def vector_area(rim: np.ndarray) -> np.ndarray:
    """A = 1/2 Σ r_i × r_{i+1} (3,) of a closed polygon of points (n, 3), the same for every surface it bounds."""
    r = rim - rim.mean(axis=0)
    return 0.5 * np.cross(r, np.roll(r, -1, axis=0)).sum(axis=0)


def lids(rims: list[np.ndarray]) -> float:
    """Σ_k 1/3 (c_k - c_0)·A_k over rims of points (n, 3): what several lids add to the flux about the first apex."""
    centre = rims[0].mean(axis=0)
    return sum(float((rim.mean(axis=0) - centre) @ vector_area(rim)) for rim in rims[1:]) / 3.0


def enclosed_volume(points: np.ndarray, triangles: np.ndarray) -> float:
    """Volume (uL) inside oriented triangles closed by cone lids; negative if the triangles point inwards.

    The rims run as the lids need them only for triangles pointing out of the volume; for tissue-outward triangles of
    an endocardium (which point into the cavity) the result is minus the volume of the cavity.
    """
    lines = [points[loop[::-1]] for loop in rims(triangles)]
    if not lines:
        return flux(points, triangles, points[triangles.ravel()].mean(axis=0))
    return flux(points, triangles, lines[0].mean(axis=0)) + lids(lines)
