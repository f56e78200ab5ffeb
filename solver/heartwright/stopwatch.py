"""Stopwatch: where the wall time of a run goes, by phase."""

import contextlib
import time
from collections import defaultdict


class Stopwatch:
    """Accumulates seconds by phase: `with watch("solid"): …`."""

    def __init__(self):
        self.seconds: dict[str, float] = defaultdict(float)

    @contextlib.contextmanager
    def __call__(self, phase: str):
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] += time.perf_counter() - start
