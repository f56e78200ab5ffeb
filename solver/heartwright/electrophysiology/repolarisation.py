"""Repolarisation: when each node has lost 90 % of its action potential's amplitude."""

import numpy as np

from heartwright.parts import State


class Repolarisation:
    """Follows the potential of n nodes from step to step; one action potential per cycle.

    times: when v fell through peak − 0.9 (peak − resting) [ms], by linear interpolation; nan where it has not. The
    resting potential is that at the beginning of the cycle, the peak the highest value at the end of a step.
    """

    def __init__(self, v: np.ndarray):
        self.times = np.full(len(v), np.nan)
        self._rest, self._peak, self._before = v.copy(), v.copy(), v.copy()

    def begin_cycle(self, v: np.ndarray) -> None:
        """Forget the cycle before."""
        self.times[:] = np.nan
        self._rest[:] = self._peak[:] = v

    def mark(self, t: float, dt: float, v: np.ndarray, activated: np.ndarray) -> None:
        """Note the `activated` nodes that fell through their level within the step from t to t + dt."""
        np.maximum(self._peak, v, out=self._peak)
        level = 0.1 * self._peak + 0.9 * self._rest
        fell = np.flatnonzero((self._before > level) & (v <= level) & activated & np.isnan(self.times))
        old, new = self._before[fell], v[fell]
        self.times[fell] = t + dt * (old - level[fell]) / (old - new)
        self._before[:] = v

    def state(self) -> State:
        return {"repolarisation": self.times, "rest": self._rest, "peak": self._peak, "before": self._before}
