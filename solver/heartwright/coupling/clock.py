"""Clock: where the simulation stands, on a grid of whole steps that a retried step never leaves."""

import numpy as np

from heartwright.parts import Rows, State


class Clock:
    """Time as an integer count of steps, so that no rounding accumulates: t = n dt.

    dt, end in ms; `period` is the cycle length in ms; `retries` counts the steps that had to be halved.
    """

    name = "clock"

    def __init__(self, dt: float, end: float, period: float):
        self.dt, self.period = dt, period
        self.steps = max(1, round(end / dt))
        self._n, self._retries = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)

    @property
    def n(self) -> int:
        """Steps taken."""
        return int(self._n[0])

    @property
    def retries(self) -> int:
        return int(self._retries[0])

    @property
    def t(self) -> float:
        return self.n * self.dt

    @property
    def end(self) -> float:
        return self.steps * self.dt

    @property
    def beat(self) -> int:
        """The running beat, from 0."""
        return int((self.t + 0.5 * self.dt) // self.period)

    def advance(self) -> None:
        self._n[0] += 1

    def retried(self) -> None:
        self._retries[0] += 1

    def finished(self) -> bool:
        return self.n >= self.steps

    def due(self, every: float) -> bool:
        """Whether an output that is written every `every` ms is due now."""
        return self.n % max(1, round(every / self.dt)) == 0

    def step(self, t: float, dt: float) -> None:
        """A part like any other: the loop advances it, not the heart's step."""

    def state(self) -> State:
        return {"n": self._n, "retries": self._retries}

    def rows(self) -> dict[str, Rows]:
        return {}
