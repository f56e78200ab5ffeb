"""Growth: a fractal tree on a surface, whose branches keep away from each other and stop where they would meet."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from heartwright.electrophysiology.purkinje.surface import Surface
from heartwright.electrophysiology.purkinje.tree import ROOT, Tree
from heartwright.electrophysiology.spec import Bundle, GrownTree

NEIGHBOURS = 32  # points looked at around a tip: enough to see strangers beyond those of its own branch


@dataclass(frozen=True)
class Tips:
    """The growing ends of k branches.

    point: the point each has reached. triangle: that it lies on. direction: (k, 3), unit tangents. remaining: what it
    still has to grow [mm]. branch, bundle: its numbers.
    """

    point: np.ndarray
    triangle: np.ndarray
    direction: np.ndarray
    remaining: np.ndarray
    branch: np.ndarray
    bundle: np.ndarray

    def only(self, which: np.ndarray) -> "Tips":
        return Tips(*(values[which] for values in vars(self).values()))


class Growth:
    """A network as it grows (Sahli Costabal, Hurtado & Kuhl 2016, doi:10.1016/j.jbiomech.2015.12.025).

    Every branch that has grown to its length sprouts two, `branch_angle` to either side. Each segment turns away from
    the nearest branch that is not kin (itself, its parent, its sibling), d = d + repulsion ∇distance; a branch ends
    where a stranger is nearer than `clearance`, or above `height`. Unlike there, all branches of a generation grow side
    by side, a segment at a time.
    """

    def __init__(self, spec: GrownTree, root: np.ndarray):
        self.spec, self.random = spec, np.random.default_rng(spec.seed)
        self.points, self.branch = root[None], np.zeros(1, dtype=int)
        self.edges, self.bundle = np.zeros((0, 2), dtype=int), np.zeros(0, dtype=int)
        self.parent = np.full(1, -1)  # of every branch

    def grow(self, surface: Surface, bundle: Bundle, sites: np.ndarray, numbers: np.ndarray) -> None:
        """A bundle that runs from the root to the first of its `sites` (n, 3) and over the surface to the second.

        The other sites are those of its strands. numbers: that of the bundle, of its fascicles and of its strands.
        """
        angles = np.array(list(bundle.fascicles.values()))
        trunk = self._trunk(surface, sites[:2], numbers[0])
        fascicles = self._sprout(surface, trunk, angles, bundle.fascicle_length)
        strands = self._strands(surface, trunk, sites[2:], numbers[1 + len(angles) :])
        quarters = self._sprout(surface, strands, np.radians([45, 135, 225, 315]), bundle.fascicle_length)
        first = _joined([replace(fascicles, bundle=numbers[1 : 1 + len(angles)]), quarters])
        tips = self._generation(surface, first)
        for _ in range(self.spec.generations):
            lengths = self.random.normal(self.spec.branch_length, self.spec.branch_deviation, 2 * len(tips.point))
            angle = self.spec.branch_angle
            longer = np.maximum(lengths, self.spec.segment)
            tips = self._generation(surface, self._sprout(surface, tips, np.array([angle, -angle]), longer))

    def tree(self, numbers: dict[str, int]) -> Tree:
        return Tree(self.points, self.edges, self.bundle, numbers)

    def _trunk(self, surface: Surface, sites: np.ndarray, bundle: int) -> Tips:
        """The insulated beginning of a bundle; its tip."""
        (start, end), (triangle, _) = surface.nearest(sites)
        trunk = Tips(
            np.array([ROOT]), triangle[None], np.zeros((1, 3)), np.zeros(1), self._new_branches(1), np.array([bundle])
        )
        there = start[None]
        for _ in range(int(2 * np.linalg.norm(end - start) / self.spec.segment) + 1):
            aim = _tangent(end - there, surface.normals[trunk.triangle])
            trunk = self._extended(trunk, there, trunk.triangle, aim)
            if np.linalg.norm(end - there) < self.spec.segment:
                break
            there, triangle, _, _ = surface.walk(there, trunk.triangle, aim, self.spec.segment)
            trunk = replace(trunk, triangle=triangle)
        return trunk

    def _generation(self, surface: Surface, tips: Tips) -> Tips:
        """Let branches grow side by side; returns the tips of those that reached their length."""
        grown = [tips.only(np.zeros(0, dtype=int))]
        while len(tips.point):
            here = self.points[tips.point]
            there, triangle, ahead, lost = surface.walk(here, tips.triangle, tips.direction, self.spec.segment)
            near, away = self._strangers(there, tips.branch)
            direction = _tangent(ahead + self.spec.repulsion * away, surface.normals[triangle])
            free = ~lost & (near >= self.spec.clearance) & (surface.height[triangle] <= self.spec.height)
            tips = self._extended(tips.only(free), there[free], triangle[free], direction[free])
            long = tips.remaining <= 0
            grown.append(tips.only(long))
            tips = tips.only(~long)
        return _joined(grown)

    def _strands(self, surface: Surface, trunk: Tips, places: np.ndarray, bundles: np.ndarray) -> Tips:
        """Straight ways from the end of a trunk to `places` (k, 3); the tips where they reach the surface."""
        there, triangle = surface.nearest(places)
        ways = replace(trunk.only(np.zeros(len(places), dtype=int)), bundle=bundles)
        ways = replace(ways, branch=self._new_branches(len(places), trunk.branch))
        return self._extended(ways, there, triangle, _tangent(ways.direction, surface.normals[triangle]))

    def _sprout(self, surface: Surface, tips: Tips, angles: np.ndarray, lengths: np.ndarray | float) -> Tips:
        """New branches at the ends of others, turned by each of the `angles` about the surface's normal."""
        parents = tips.only(np.repeat(np.arange(len(tips.point)), len(angles)))
        turn, normal = np.tile(angles, len(tips.point))[:, None], surface.normals[parents.triangle]
        direction = np.cos(turn) * parents.direction + np.sin(turn) * np.cross(normal, parents.direction)
        branch = self._new_branches(len(turn), parents.branch)
        return replace(parents, direction=direction, remaining=np.broadcast_to(lengths, len(turn)), branch=branch)

    def _strangers(self, x: np.ndarray, branch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance from x (k, 3) to the nearest point of a branch that is not kin to `branch`, and the way from it."""
        _, near = cKDTree(self.points).query(x, np.arange(1, 1 + min(NEIGHBOURS, len(self.points))))
        theirs, mine, above = self.branch[near], branch[:, None], self.parent[branch][:, None]
        kin = (theirs == mine) | (theirs == above) | (self.parent[theirs] == above) | (near == ROOT)
        apart = x[:, None] - self.points[near]
        distance = np.where(kin, np.inf, np.linalg.norm(apart, axis=2))
        nearest = np.argmin(distance, axis=1)
        rows = np.arange(len(x))
        distance, apart = distance[rows, nearest], apart[rows, nearest]
        return distance, np.where(np.isfinite(distance), 1.0, 0.0)[:, None] * _unit(apart)

    def _extended(self, tips: Tips, there: np.ndarray, triangle: np.ndarray, direction: np.ndarray) -> Tips:
        """The tips after one more segment each, to the points `there`."""
        new = len(self.points) + np.arange(len(there))
        self.points = np.vstack([self.points, there])
        self.branch = np.concatenate([self.branch, tips.branch])
        self.edges = np.vstack([self.edges, np.column_stack([tips.point, new])])
        self.bundle = np.concatenate([self.bundle, tips.bundle])
        remaining = tips.remaining - self.spec.segment
        return replace(tips, point=new, triangle=triangle, direction=direction, remaining=remaining)

    def _new_branches(self, n: int, parents: np.ndarray | int = 0) -> np.ndarray:
        self.parent = np.concatenate([self.parent, np.broadcast_to(parents, n)])
        return len(self.parent) - n + np.arange(n)


def _joined(parts: Sequence[Tips]) -> Tips:
    return Tips(*(np.concatenate(values) for values in zip(*(vars(tips).values() for tips in parts), strict=True)))


def _tangent(direction: np.ndarray, normal: np.ndarray) -> np.ndarray:
    return _unit(direction - np.sum(direction * normal, axis=1, keepdims=True) * normal)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)
