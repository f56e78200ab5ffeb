"""Waves: activation times on a Purkinje network, both ways along its fibres."""

import numpy as np

from heartwright.electrophysiology.purkinje.tree import Tree
from heartwright.parts import State

TOLERANCE = 1e-9  # ms, below which an arrival is not earlier


class Waves:
    """Waves that run along the edges of a tree at one speed and die where they meet, or where a point is refractory.

    A point takes the least of what its neighbours offer, T + length / speed; it takes a second wave `refractory` after
    the first at the earliest. arrival: (n,) of the latest wave at every point [ms], which may lie ahead; -inf where
    there was none.
    """

    def __init__(self, tree: Tree, speed: float, refractory: float, cut: tuple[str, ...] = ()):
        self.tree, self.refractory = tree, refractory
        passable = ~tree.first_edges(cut)
        edges, travel = tree.edges[passable], tree.lengths[passable] / speed
        self._from, self._to = np.concatenate([edges, edges[:, ::-1]]).T
        self._travel = np.concatenate([travel, travel])
        self.arrival = np.full(len(tree.points), -np.inf)
        self._before = self.arrival.copy()  # of the wave before the latest

    def start(self, T: np.ndarray) -> None:
        """Let waves start at times T (n,), inf where none does, and run to their ends."""
        T = self._taken(T)
        while True:
            offered = T.copy()
            np.minimum.at(offered, self._to, T[self._from] + self._travel)
            offered = self._taken(offered)
            if np.array_equal(offered, T):
                break
            T = offered
        came = np.isfinite(T)
        later = came & (self.arrival < T)
        self._before[later] = self.arrival[later]
        self.arrival[came] = T[came]

    def _taken(self, T: np.ndarray) -> np.ndarray:
        """T where a wave is taken: before the one that is on its way, or after the refractory time of the last."""
        rested, rested_before = (times + self.refractory for times in (self.arrival, self._before))
        earlier = (self.arrival - T > TOLERANCE) & (rested_before < T)
        return np.where(earlier | (rested < T), T, np.inf)

    def state(self) -> State:
        return {"purkinje_arrival": self.arrival, "purkinje_before": self._before}
