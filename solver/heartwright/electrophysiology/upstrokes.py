"""Upstrokes: when each node last fired, its cycle length and phase, and whether waves go on by themselves."""

import numpy as np
from mpi4py import MPI

from heartwright.parts import State

BLANKING = 50.0  # ms, in which a node does not fire again: a dome that passes the threshold is no upstroke


class Upstrokes:
    """The last two upstrokes of n nodes, and the end of the last stimulus.

    latest: [ms], nan where there was none. cycle_length: between the last two [ms], nan before the second.
    """

    def __init__(self, n: int, comm: MPI.Comm):
        self.comm = comm
        self.latest, self._before = np.full(n, np.nan), np.full(n, np.nan)
        self._stimulated = np.full(1, -np.inf)

    @property
    def cycle_length(self) -> np.ndarray:
        return self.latest - self._before

    def note(self, nodes: np.ndarray, times: np.ndarray) -> None:
        """The `nodes` fired at `times` [ms]."""
        new = ~(times - self.latest[nodes] < BLANKING)
        nodes, times = nodes[new], times[new]
        self._before[nodes], self.latest[nodes] = self.latest[nodes], times

    def stimulated(self, t: float) -> None:
        """A stimulus was on until t [ms]."""
        self._stimulated[0] = t

    def phase(self, t: float, otherwise: float) -> np.ndarray:
        """Phase (n,) at time t [ms]: 0 at the upstroke, 2 pi one cycle length later, and no further; nan before any.

        `otherwise`: the cycle length [ms] of nodes that fired once.
        """
        cycle = np.where(np.isnan(self._before), otherwise, self.cycle_length)
        return 2 * np.pi * np.minimum((t - self.latest) / cycle, 1.0)

    def reentry(self, t: float) -> float:
        """The mean cycle length [ms] of waves that go on by themselves at time t [ms]; nan where none do. Collective.

        They do where nodes have fired twice since the last stimulus, and some within the last cycle length: a wave that
        a stimulus starts fires a node once.
        """
        alone = np.flatnonzero(self._before > self._stimulated[0])
        mine = np.array([len(alone), self.cycle_length[alone].sum()])
        count, total = self.comm.allreduce(mine)
        last = self.comm.allreduce(np.nan_to_num(self.latest, nan=-np.inf).max(initial=-np.inf), op=MPI.MAX)
        going = count > 0 and t - last < total / count
        return float(total / count) if going else float("nan")

    def nodal(self) -> State:
        """The part of the state that lies on the nodes."""
        return {"upstroke": self.latest, "upstroke_before": self._before}

    def state(self) -> State:
        return self.nodal() | {"stimulated": self._stimulated}


def filaments(phase: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Which cells (m, 4) of nodes are on a filament, the core of a rotating wave: their phase (n,) winds around a face.

    The winding of a triangle is the sum of its three differences of phase, each taken to (-pi, pi], over 2 pi. Cells
    with nodes of no phase are on none.
    """
    on = np.zeros(len(cells), dtype=bool)
    for face in ([0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]):
        around = phase[cells[:, face]]
        steps = np.roll(around, -1, axis=1) - around
        winding = (steps - 2 * np.pi * np.round(steps / (2 * np.pi))).sum(axis=1) / (2 * np.pi)
        on |= np.abs(winding) > 0.5
    return on
