"""Contraction: calcium and stretch make active tension at the vertices of the wall."""

import math

import numpy as np
from dolfinx import fem
from mpi4py import MPI

from heartwright.errors import SolveFailed
from heartwright.mechanics.regions import scale_field
from heartwright.mechanics.spec import MechanicsSpec
from heartwright.mesh import rows
from heartwright.odes.kernel import Kernel
from heartwright.odes.model import read
from heartwright.parts import Rows

SUBSTEP = 0.2  # ms: troponin and cross-bridges turn over within milliseconds


class Contraction:
    """The part that makes tension; one sarcomere model at every vertex this rank owns.

    tension, stiffness: Ta and Ka = dTa/dλ at fixed populations (kPa; local P1 arrays, ghosts included), both times
    `active.scale` and the `active_scale` of the regions.

    A step feels the stretch the solid has reached before it, and the whole change of stretch since the step before;
    the change within the step is what the solid adds with Ka.
    """

    name = "contraction"

    def __init__(self, geometry, spec: MechanicsSpec, dt: float):
        active, V1 = spec.active, geometry.V1
        self.geometry = geometry
        self.comm, self.dt = geometry.comm, dt
        self.own, self.n_global = V1.dofmap.index_map.size_local, V1.dofmap.index_map.size_global
        self._Ta, self._Ka = fem.Function(V1, name="Ta"), fem.Function(V1, name="Ka")
        self.scale = active.scale * scale_field(geometry, spec.regions, "active_scale").x.array[: self.own]
        self.kernel = Kernel(
            read(active.model, variant=active.variant, parameters=active.parameters),
            self.own,
            inputs=("calcium", "fibre_stretch", "fibre_stretch_rate"),
            outputs=("active_tension", "active_stiffness"),
            scheme="rush_larsen",
            comm=geometry.comm,
        )
        self._before = np.zeros(self.own)  # stretch at the step before; 0: there was none

    @property
    def tension(self) -> np.ndarray:
        return self._Ta.x.array

    @property
    def stiffness(self) -> np.ndarray:
        return self._Ka.x.array

    def step(self, t: float, dt: float, calcium: np.ndarray, stretch: np.ndarray) -> None:
        """From t to t + dt in `calcium` (mM) and `stretch` (local P1 arrays, ghosts included). Collective.

        Raises SolveFailed when the tension is no longer finite.
        """
        stretch = stretch[: self.own]
        change = np.where(self._before > 0.0, stretch - self._before, 0.0)
        self.kernel.set("calcium", calcium[: self.own])
        self.kernel.set("fibre_stretch", stretch)
        self.kernel.set("fibre_stretch_rate", change / dt)
        self.kernel.step(t, dt, max(1, math.ceil(dt / SUBSTEP - 1e-9)))
        made = self.kernel.outputs(t + dt)
        for field, label in ((self._Ta, "active_tension"), (self._Ka, "active_stiffness")):
            field.x.array[: self.own] = self.scale * made[label]
            field.x.scatter_forward()
        self._before[:] = stretch
        finite = bool(np.isfinite(self.tension).all() and np.isfinite(self.stiffness).all())
        if not self.comm.allreduce(finite, MPI.LAND):
            raise SolveFailed("active tension", "it is not finite")

    def mean_tension(self) -> float:
        """The mean of Ta over the vertices (kPa). Collective."""
        return self.comm.allreduce(float(self.tension[: self.own].sum())) / self.n_global

    def state(self) -> dict[str, np.ndarray]:
        return {"y": self.kernel.y, "before": self._before, "tension": self.tension, "stiffness": self.stiffness}

    def rows(self) -> dict[str, Rows]:
        every, own = (rows.of_vertices(self.geometry, slice(n)) for n in (None, self.own))
        return {"y": Rows(own.keys, axis=1), "before": own, "tension": every, "stiffness": every}
