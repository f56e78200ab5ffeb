"""Junctions: the currents by which a Purkinje network fires its tissue, and how it hears the tissue fire."""

from collections.abc import Sequence

import numpy as np

from heartwright.electrophysiology.purkinje.network import Network
from heartwright.electrophysiology.spec import Stimulus
from heartwright.electrophysiology.stimulus import beginnings
from heartwright.parts import State

# A junction pulls its muscle towards the potential of the fibre for a while, so that it is a source large enough
# wherever the mesh puts its nodes: i = COUPLING (FIBRE - v).
FIBRE, COUPLING, DURATION = 20.0, 2.0, 10.0  # mV, 1/ms, ms
THRESHOLD = 0.0  # mV, above which muscle has fired


class Junctions:
    """The network as a source of current: `during` and `update` as those of Stimulation.

    stimuli: those of the bundle of His. v: the owned potentials, which it follows. onset, cycle: as for Stimulation.
    """

    def __init__(self, network: Network, stimuli: Sequence[Stimulus], v: np.ndarray, onset: float, cycle: float):
        self.network, self.stimuli, self.onset, self.cycle = network, stimuli, onset, cycle
        self.current = np.zeros(len(v))  # uA/uF
        self._potential = v
        owned = network.nodes < len(v)
        self._nodes, self._of_end = network.nodes[owned], network.of_end[owned]
        self._v = network.sample(v)

    def fire(self, t: float, dt: float) -> None:
        """Start waves where pulses begin in [t, t + dt)."""
        for stimulus in self.stimuli:
            for begins in beginnings(stimulus, t, dt, self.onset, self.cycle):
                if t <= begins < t + dt:
                    self.network.fire(begins)

    def listen(self, t: float, dt: float, v: np.ndarray) -> None:
        """Let in the waves of muscle whose potential v rose through the threshold in [t, t + dt]. Collective."""
        new = self.network.sample(v)
        rose = (new > THRESHOLD) & (self._v <= THRESHOLD)
        share = (THRESHOLD - self._v) / np.where(rose, new - self._v, 1.0)
        if rose.any():
            self.network.enter(np.where(rose, t + dt * share, np.inf))
        self._v[:] = new

    def during(self, t: float, dt: float) -> bool:
        """Whether any junction fires in [t, t + dt]."""
        return bool(self._on(t, dt).any())

    def update(self, t: float, dt: float) -> bool:
        """Set `current` to its mean over [t, t + dt]; says whether it changed since the last call."""
        on, was_on = self._on(t, dt), self.current.any()
        if was_on:
            self.current[:] = 0.0
        if not on.any():
            return bool(was_on)
        pull = on[self._of_end] / dt * COUPLING * np.maximum(FIBRE - self._potential[self._nodes], 0.0)
        np.maximum.at(self.current, self._nodes, pull)
        return True

    def _on(self, t: float, dt: float) -> np.ndarray:
        """The part of [t, t + dt] during which each junction is on [ms]."""
        begins = self.network.leave()
        return np.clip(np.minimum(t + dt, begins + DURATION) - np.maximum(t, begins), 0.0, None)

    def state(self) -> State:
        return self.network.waves.state() | {"purkinje_muscle": self._v}
