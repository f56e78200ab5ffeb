"""Stopping: a run is asked to end by a signal or by the wall clock, and all its ranks hear of it at the same step."""

import os
import signal
import time
from collections import deque

from mpi4py import MPI

SIGNALS = (signal.SIGUSR1, signal.SIGTERM)
RESERVE = 0.01, 60.0  # what is kept for the last checkpoint: a share of the time there is, but at most so many seconds


class Stop:
    """Whether to stop after this step: asked by SIGUSR1 or SIGTERM, or because the time does not suffice for another.

    A second signal ends the process at once. `hours` is the time the run may take; under Slurm the end of the job
    counts too. To be used as a context, inside which signals are heard.
    """

    def __init__(self, comm: MPI.Comm, hours: float | None = None, now: float | None = None):
        self.comm, self.asked = comm, False
        began = time.time() if now is None else now
        ends = [began + 3600 * hours] if hours is not None else []
        ends += [float(end)] if (end := os.environ.get("SLURM_JOB_END_TIME", "")).isdigit() else []
        allowed = min(ends, default=float("inf")) - began
        self.end = began + allowed - min(RESERVE[0] * allowed, RESERVE[1])
        self._last, self._steps = began, deque(maxlen=10)

    def __enter__(self):
        self._before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        self._last = time.time()
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def stepped(self) -> None:
        """Note that a step has ended."""
        now = time.time()
        self._steps.append(now - self._last)
        self._last = now

    def reason(self) -> str | None:
        """Why to stop now, in words; None to go on. The same on all ranks. Collective."""
        late = time.time() + max(self._steps, default=0.0) > self.end
        asked, late = self.comm.allreduce(2 * self.asked + late, op=MPI.BOR) & 2, self.comm.bcast(late)
        if asked:
            return "stopped on request"
        return "stopped because its time is up" if late else None

    def _hear(self, number, _) -> None:
        self.asked = True
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
