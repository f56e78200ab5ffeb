"""Stimuli: which nodes receive how much transmembrane current during one reaction step."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from heartwright.electrophysiology.spec import Stimulus
from heartwright.errors import InputError


def beginnings(stimulus: Stimulus, t: float, dt: float, onset: float, cycle: float) -> list[float]:
    """When pulses of `stimulus` begin that are on at some time in [t, t + dt] [ms].

    Pulse k lasts from start + k T to start + k T + duration, where T is the stimulus' own period or the cycle length;
    `onset` is the onset of ventricular activation within the cycle.
    """
    start = stimulus.start + (onset if stimulus.clock == "ventricles" else 0.0)
    period = stimulus.period or cycle
    last = math.floor((t + dt - start) / period)
    first = max(0, math.floor((t - start - stimulus.duration) / period))
    if stimulus.count is not None:
        last = min(last, stimulus.count - 1)
    return [start + k * period for k in range(first, last + 1)]


def overlap(stimulus: Stimulus, t: float, dt: float, onset: float, cycle: float) -> float:
    """The part of [t, t + dt] during which `stimulus` is on [ms]; arguments as for `beginnings`."""
    pulses = beginnings(stimulus, t, dt, onset, cycle)
    return sum(max(0.0, min(t + dt, on + stimulus.duration) - max(t, on)) for on in pulses)


class Stimulation:
    """All stimuli of a tissue, as one current per node.

    A pulse that begins or ends within a reaction step acts with its mean over the step, so that the charge it brings
    does not depend on the step size. Raises InputError when a stimulus touches no node.
    """

    def __init__(
        self,
        stimuli: Sequence[Stimulus],
        nodes_of: Callable[[Stimulus], np.ndarray],
        n: int,
        onset: float,
        cycle: float,
    ):
        self.stimuli = [(stimulus, np.flatnonzero(_touched(stimulus, nodes_of)[:n])) for stimulus in stimuli]
        self.onset, self.cycle = onset, cycle
        self.current = np.zeros(n)  # uA/uF
        self._levels = (0.0,) * len(self.stimuli)

    def scale_to(self, amplitude: float) -> None:
        """Give every stimulus this amplitude [uA/uF]."""
        self.stimuli = [(stimulus.replace(amplitude=amplitude), nodes) for stimulus, nodes in self.stimuli]

    def during(self, t: float, dt: float) -> bool:
        """Whether any stimulus is on in [t, t + dt]."""
        return any(overlap(stimulus, t, dt, self.onset, self.cycle) > 0 for stimulus, _ in self.stimuli)

    def update(self, t: float, dt: float) -> bool:
        """Set `current` to its mean over [t, t + dt]; says whether it changed since the last call."""
        levels = tuple(s.amplitude * overlap(s, t, dt, self.onset, self.cycle) / dt for s, _ in self.stimuli)
        if levels == self._levels:
            return False
        self._levels = levels
        self.current[:] = 0.0
        for level, (_, nodes) in zip(levels, self.stimuli, strict=True):
            self.current[nodes] += level
        return True


def _touched(stimulus: Stimulus, nodes_of: Callable[[Stimulus], np.ndarray]) -> np.ndarray:
    try:
        return nodes_of(stimulus)
    except InputError as error:
        named = (f"electrophysiology.stimuli: {stimulus.name}: {finding}" for finding in error.findings)
        raise InputError(*named) from None
