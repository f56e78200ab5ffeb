"""Surface: triangles on which the fibres of a network run straight ahead, over edges and around bends."""

import numpy as np

from heartwright.mesh.geometry import Geometry

CROSSINGS = 100  # triangles that one segment may cross


class Surface:
    """A triangulated surface: points (n, 3) in mm, triangles (m, 3) whose normals point out of the tissue.

    height: (m,) of the triangles, 0 at the apex and 1 at the base; `heights` (n,) are those of the points.
    """

    def __init__(self, points: np.ndarray, triangles: np.ndarray, heights: np.ndarray):
        self.corners, self.height = points[triangles], heights[triangles].mean(axis=1)
        sides = np.roll(self.corners, -1, axis=1) - self.corners
        self.normals = _unit(np.cross(sides[:, 0], sides[:, 1]))
        self._along = _unit(sides)  # (m, 3, 3): of the sides from corner i to the next
        self._outward = np.cross(self._along, self.normals[:, None])  # of every side, in the plane
        self._beyond = _neighbours(triangles)

    def nearest(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The points of the surface nearest to `places` (k, 3), and their triangles (k,)."""
        a, b = self.corners[:, [0, 1, 2]], self.corners[:, [1, 2, 0]]
        x = places[:, None, None]
        share = np.sum((x - a) * (b - a), axis=-1) / np.sum((b - a) ** 2, axis=-1)
        on_sides = a + np.clip(share, 0.0, 1.0)[..., None] * (b - a)
        height = np.sum((x - a) * self.normals[:, None], axis=-1)[..., :1]
        inside = np.all(np.sum((x - a) * self._outward, axis=-1) <= 0, axis=-1)
        best_side = np.argmin(np.linalg.norm(on_sides - x, axis=-1), axis=-1)
        on_sides = np.take_along_axis(on_sides, best_side[..., None, None], axis=2)[:, :, 0]
        found = np.where(inside[..., None], places[:, None] - height * self.normals, on_sides)
        triangle = np.argmin(np.linalg.norm(found - places[:, None], axis=-1), axis=1)
        return found[np.arange(len(places)), triangle], triangle

    def walk(self, x: np.ndarray, triangle: np.ndarray, direction: np.ndarray, length: float) -> tuple[np.ndarray, ...]:
        """Straight ahead for `length` from points x (k, 3) on their triangles; unit tangents `direction` (k, 3).

        Over the side of a triangle the way goes on as if its neighbour were unfolded into its plane. Returns the points
        reached, their triangles, the directions there, and which ways ended before, at the rim.
        """
        x, triangle, direction = x.copy(), triangle.copy(), direction.copy()
        left = np.full(len(x), float(length))
        going = np.arange(len(x))
        for _ in range(CROSSINGS):
            if not len(going):
                break
            distance, side = self._exit(x[going], triangle[going], direction[going])
            step = np.minimum(distance, left[going])
            x[going] += step[:, None] * direction[going]
            left[going] -= step
            crossing, over = left[going] > 1e-12, self._beyond[triangle[going], side]
            going, side = going[crossing & (over >= 0)], side[crossing & (over >= 0)]
            direction[going], triangle[going] = self._across(triangle[going], side, direction[going])
        return x, triangle, direction, left > 1e-12

    def _exit(self, x: np.ndarray, triangle: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far it is to the side through which each way leaves its triangle, and that side."""
        outward = self._outward[triangle]
        towards = np.einsum("ijk,ik->ij", outward, direction)
        gap = np.einsum("ijk,ijk->ij", outward, self.corners[triangle] - x[:, None])
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.where(towards > 1e-12, np.maximum(gap, 0.0) / towards, np.inf)
        side = np.argmin(distance, axis=1)
        return distance[np.arange(len(x)), side], side

    def _across(self, triangle: np.ndarray, side: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Directions beyond a side, and the triangles there: the part along the side stays, the other part turns."""
        beyond = self._beyond[triangle, side]
        entered = np.argmax(self._beyond[beyond] == triangle[:, None], axis=1)
        along = self._along[triangle, side]
        part = np.sum(direction * along, axis=1, keepdims=True)
        across = np.sqrt(np.maximum(1.0 - part**2, 0.0))
        return _unit(part * along - across * self._outward[beyond, entered]), beyond


def gathered(geometry: Geometry, name: str) -> Surface:
    """A named surface of the mesh, whole and in the same order on every rank. Collective."""
    local = geometry.local_triangles(name)
    apicobasal = geometry.coordinates.apicobasal
    parts = geometry.comm.allgather((geometry.input_vertex[local], geometry.points[local], apicobasal[local]))
    vertices, corners, heights = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    _, first, triangles = np.unique(vertices, return_index=True, return_inverse=True)
    triangles = triangles.reshape(-1, 3)
    # as distributed, a triangle may begin with any of its corners
    turn = (np.argmin(triangles, axis=1)[:, None] + np.arange(3)) % 3
    triangles = np.take_along_axis(triangles, turn, axis=1)
    return Surface(corners.reshape(-1, 3)[first], triangles[np.lexsort(triangles.T)], heights.ravel()[first])


def _neighbours(triangles: np.ndarray) -> np.ndarray:
    """The triangle beyond each side (m, 3), the sides from corner i to the next; -1 at a rim."""
    a, b = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    n = int(triangles.max(initial=0)) + 1
    keys, opposite = a * n + b, b * n + a
    order = np.argsort(keys)
    place = np.minimum(np.searchsorted(keys, opposite, sorter=order), len(keys) - 1)
    found = order[place]
    return np.where(keys[found] == opposite, found // 3, -1).reshape(-1, 3)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
