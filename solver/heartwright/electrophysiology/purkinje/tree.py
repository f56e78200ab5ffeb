"""Tree: the points and edges of a Purkinje network, in bundles."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import meshio
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order

from heartwright.errors import InputError
from heartwright.files import storing

ROOT = 0  # the point at which the bundle of His enters


@dataclass(frozen=True)
class Tree:
    """A network of Purkinje fibres.

    points: (n, 3) in mm; the first is the root. edges: (m, 2) of points, each from the side of the root. bundle: (m,)
    number of the bundle or fascicle that an edge belongs to. numbers: those by name; `left.anterior` springs from
    `left`.
    """

    points: np.ndarray
    edges: np.ndarray
    bundle: np.ndarray
    numbers: dict[str, int]

    @property
    def lengths(self) -> np.ndarray:
        """Length (m,) of every edge in mm."""
        a, b = self.points[self.edges].swapaxes(0, 1)
        return np.linalg.norm(b - a, axis=1)

    @property
    def junctions(self) -> np.ndarray:
        """The points in which the network ends and meets the muscle: all ends but the root."""
        ends = np.flatnonzero(np.bincount(self.edges.ravel(), minlength=len(self.points)) == 1)
        return ends[ends != ROOT]

    def first_edges(self, bundles: Sequence[str]) -> np.ndarray:
        """Which edges (m,) leave for one of the `bundles` from what it springs from: where a block cuts it off.

        Raises InputError naming the bundles there are.
        """
        if unknown := [name for name in bundles if name not in self.numbers]:
            raise InputError(
                f"electrophysiology.purkinje.cut: there is no bundle '{unknown[0]}'; "
                f"there are: {', '.join(self.numbers)}"
            )
        above = np.full(len(self.points), -1)
        above[self.edges[:, 1]] = self.bundle
        first = self.bundle != above[self.edges[:, 0]]
        return first & np.isin(self.bundle, [self.numbers[name] for name in bundles])

    def write(self, path: Path, activation: np.ndarray) -> None:
        """A file of lines (.vtu) with the activation times (n,) [ms] of the points, nan where nothing arrived."""
        mesh = meshio.Mesh(
            self.points,
            [("line", self.edges)],
            point_data={"activation": np.where(np.isfinite(activation), activation, np.nan)},
            cell_data={"bundle": [self.bundle]},
        )
        partial = path.with_name(f"partial_{path.name}")
        with storing(path):
            mesh.write(partial)
            os.replace(partial, path)


def read(path: Path, scale: float, numbers: dict[str, int]) -> Tree:
    """The network of a file of lines; its first point is the root, its coordinates times `scale` are mm.

    The field `bundle` of its lines, if it has one, holds the `numbers` of bundles. Raises InputError.
    """
    key = "electrophysiology.purkinje.file"
    try:
        mesh = meshio.read(path)
    except Exception as reason:  # meshio raises many kinds
        raise InputError(f"{key}: {path.name} cannot be read: {reason}") from None
    edges = [block.data for block in mesh.cells if block.type == "line"]
    if not edges:
        raise InputError(f"{key}: {path.name} has no lines")
    found = mesh.cell_data_dict.get("bundle", {}).get("line", np.zeros(sum(map(len, edges)), dtype=int))
    try:
        order, turned = directed(len(mesh.points), np.vstack(edges))
    except ValueError as reason:
        raise InputError(f"{key}: {path.name} is no tree: {reason}") from None
    return Tree(scale * mesh.points, turned, found.astype(int)[order], numbers)


def directed(n: int, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The order in which a walk from the root meets the edges of n points, and the edges in it, away from the root.

    Raises ValueError where they are no tree.
    """
    graph = coo_matrix((np.ones(len(edges)), edges.T), shape=(n, n)).tocsr()
    walk, above = breadth_first_order(graph, ROOT, directed=False)
    if len(walk) < n:
        raise ValueError(f"{n - len(walk)} of its {n} points do not hang together with the first, the root")
    if len(edges) != n - 1:
        raise ValueError(f"it has {len(edges)} edges for {n} points: it closes loops or has edges twice")
    turned = np.column_stack([above[walk[1:]], walk[1:]])
    keys = np.sort(edges, axis=1) @ (n, 1)
    sorted_ = np.argsort(keys)
    return sorted_[np.searchsorted(keys[sorted_], np.sort(turned, axis=1) @ (n, 1))], turned
