"""Network: a Purkinje tree in its tissue, and the junctions through which they excite each other."""

from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from heartwright.electrophysiology.purkinje import tree as trees
from heartwright.electrophysiology.purkinje.growth import Growth
from heartwright.electrophysiology.purkinje.surface import gathered
from heartwright.electrophysiology.purkinje.tree import ROOT, Tree
from heartwright.electrophysiology.purkinje.waves import TOLERANCE, Waves
from heartwright.electrophysiology.spec import Bundle, GrownTree, Purkinje, TreeFile
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.select import select
from heartwright.mesh.where import Where
from heartwright.parallel import together
from heartwright.units import convert


class Network:
    """A tree whose ends meet the tissue, the same on every rank.

    waves: the activation of the tree. ends: (k,) its points that are junctions. nodes, of_end: the local nodes that
    junctions excite, ghosts included, and the junction of each.

    Collective. Raises InputError for a file that holds no tree, and for unknown bundles in `cut`.
    """

    def __init__(self, geometry: Geometry, spec: Purkinje):
        self.comm, self.spec = geometry.comm, spec
        self.tree = planted(geometry, spec.tree)
        self.waves = Waves(self.tree, spec.speed, spec.refractory, spec.cut)
        self.ends = self.tree.junctions
        places, owned = self.tree.points[self.ends], geometry.V1.dofmap.index_map.size_local
        distance, node = _nearest(geometry.points[:owned], places)
        mine = np.argmin(self.comm.allgather(distance), axis=0) == self.comm.rank
        self._mine, self._node = np.flatnonzero(mine), node[mine]
        near = cKDTree(geometry.points).query_ball_point(places, spec.junction_radius)
        pairs = {(int(i), j) for j, around in enumerate(near) for i in around}
        pairs |= set(zip(self._node.tolist(), self._mine.tolist(), strict=True))
        self.nodes, self.of_end = np.array(sorted(pairs), dtype=int).reshape(-1, 2).T

    def fire(self, t: float) -> None:
        """A wave from the root at time t [ms]."""
        start = np.full(len(self.tree.points), np.inf)
        start[ROOT] = t
        self.waves.start(start)

    def enter(self, muscle: np.ndarray) -> None:
        """Waves from the ends whose muscle fires at times `muscle` (k,) [ms], inf where it does not."""
        start = np.full(len(self.tree.points), np.inf)
        start[self.ends] = muscle + self.spec.retrograde
        self.waves.start(start)

    def leave(self) -> np.ndarray:
        """When the muscle at every end (k,) is excited by the latest wave [ms]; -inf where none came."""
        return self.waves.arrival[self.ends] + self.spec.antegrade

    def exchange(self, T: np.ndarray) -> bool:
        """Lower the arrival times T [ms] of the muscle (local P1 array) and of the network by what the other offers.

        Says whether T was lowered anywhere. Collective.
        """
        self.enter(self.sample(T))
        offered = self.leave()[self.of_end]
        lower = np.isfinite(offered) & (offered < T[self.nodes] - TOLERANCE)
        np.minimum.at(T, self.nodes[lower], offered[lower])
        return bool(self.comm.allreduce(int(lower.sum())))

    def sample(self, values: np.ndarray) -> np.ndarray:
        """Nodal values (local P1 array) at the nodes nearest to the ends (k,), on every rank. Collective."""
        found = np.zeros(len(self.ends))
        found[self._mine] = values[self._node]
        return self.comm.allreduce(found)

    def write(self, path: Path) -> None:
        """The tree with the times of its latest wave [ms]."""
        self.tree.write(path, self.waves.arrival)


def planted(geometry: Geometry, spec: GrownTree | TreeFile) -> Tree:
    """The tree that `spec` describes, grown or read by rank 0, on every rank. Collective."""
    sites = {}
    if isinstance(spec, GrownTree):
        sites = {
            name: (
                gathered(geometry, bundle.surface),
                np.array([_middle(geometry, where) for where in _places(bundle)]),
            )
            for name, bundle in spec.bundles.items()
        }
    tree = None
    with together(geometry.comm):
        if geometry.comm.rank == 0:
            tree = (
                grown(spec, sites)
                if sites
                else trees.read(Path(spec.file), convert(1.0, spec.unit, "mm"), spec.bundles)
            )
    return geometry.comm.bcast(tree)


def grown(spec: GrownTree, sites: dict) -> Tree:
    """The tree on surfaces, `sites` a surface and the places (n, 3) [mm] of start, end and strands per bundle."""
    growth = Growth(spec, np.mean([places[0] for _, places in sites.values()], axis=0))
    numbers: dict[str, int] = {}
    for name, bundle in spec.bundles.items():
        own = [name, *(f"{name}.{part}" for part in (*bundle.fascicles, *bundle.strands))]
        first = len(numbers)
        numbers |= {each: first + i for i, each in enumerate(own)}
        surface, places = sites[name]
        growth.grow(surface, bundle, places, first + np.arange(len(own)))
    return growth.tree(numbers)


def _places(bundle: Bundle) -> list[Where]:
    return [bundle.start, bundle.end, *bundle.strands.values()]


def _middle(geometry: Geometry, where) -> np.ndarray:
    """The mean of the nodes in a place (3,). Collective."""
    owned = geometry.V1.dofmap.index_map.size_local
    inside = geometry.points[:owned][select(geometry, where)[:owned]]
    total = geometry.comm.allreduce(np.append(inside.sum(axis=0), len(inside)))
    return total[:3] / total[3]


def _nearest(points: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance and number of the point nearest to each place; infinitely far where a rank has none."""
    if not len(points):
        return np.full(len(places), np.inf), np.zeros(len(places), dtype=int)
    return cKDTree(points).query(places)
