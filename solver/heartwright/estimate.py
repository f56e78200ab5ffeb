"""Estimate: what a run will need, from its first steps."""

import time
from pathlib import Path
from typing import NamedTuple

from mpi4py import MPI

from heartwright import memory
from heartwright.log import readable
from heartwright.scenario import Scenario
from heartwright.simulation import Simulation
from heartwright.stopping import Stop

STEPS = 5  # from which the time of one is measured


class Needs(NamedTuple):
    """What a run takes: seconds until the heart is filled and for a step, steps, bytes of memory and on disk."""

    ranks: int
    filling: float
    step: float
    steps: int
    memory: int
    disk: int

    def seconds(self, steps: int | None = None) -> float:
        """The time of the run, or of one of so many steps."""
        return self.filling + self.step * (self.steps if steps is None else steps)

    def __str__(self) -> str:
        ranks = f"{self.ranks} rank{'s' if self.ranks > 1 else ''}"
        return (
            f"about {readable(self.seconds())} on {ranks} ({readable(self.filling)} until the heart is filled, "
            f"{self.step:.2g} s per step), {self.memory / 1e9:.2g} GB of memory, "
            f"{self.disk / 1e9:.2g} GB on disk"
        )


def estimate(scenario: Scenario, folder: Path, comm: MPI.Comm) -> Needs:
    """What a run on these ranks will take, from its first steps, taken in `folder`. Collective."""
    simulation = Simulation(scenario, folder, comm, Stop(comm))
    simulation.begin()
    filled = time.perf_counter() - simulation.started
    step = time_of_a_step(simulation)
    simulation.close()
    held = comm.allreduce(memory.peak())
    return Needs(comm.size, filled, step, simulation.clock.steps, held, simulation.recorder.bytes)


def time_of_a_step(simulation: Simulation) -> float:
    """The mean of a few steps [s], without the first, which factorises anew."""
    simulation.advance()
    began = time.perf_counter()
    for _ in range(STEPS):
        simulation.advance()
    return (time.perf_counter() - began) / STEPS
