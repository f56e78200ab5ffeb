"""Contraction: calcium, potential and stretch make active tension, or active strain, at the vertices of the wall."""

import math

import numpy as np
from dolfinx import fem
from mpi4py import MPI

from heartwright.errors import InputError, SolveFailed
from heartwright.mechanics.regions import scale_field
from heartwright.mechanics.spec import MechanicsSpec
from heartwright.mesh import rows
from heartwright.mesh.scaling import scaled_of
from heartwright.odes.kernel import Kernel
from heartwright.odes.model import Model
from heartwright.parts import Rows

SUBSTEP = 0.2  # ms: troponin and cross-bridges turn over within milliseconds
SIGNALS = ("calcium", "membrane_potential")  # what a model may feel of the cells, in mM and mV
STRETCHES = ("fibre_stretch", "fibre_stretch_rate")  # and of the wall
TENSION, STRAIN = ("active_tension", "active_stiffness"), ("active_strain",)


def makes(model: Model) -> tuple[str, ...]:
    """The labels of what a model of contraction makes: STRAIN, or TENSION, of which the stiffness may be missing.

    Raises InputError where it makes neither.
    """
    found = tuple(label for label in STRAIN + TENSION if label in model.labels)
    if found[:1] not in (STRAIN, TENSION[:1]):
        raise InputError(f"mechanics.active.model: {model.name} makes neither active_tension nor active_strain")
    return found[:1] if found[:1] == STRAIN else found


class Contraction:
    """The part that makes tension; one sarcomere model at every vertex this rank owns.

    tension, stiffness: Ta and Ka = dTa/dλ at fixed populations (kPa; local P1 arrays, ghosts included), both times
    `active.scale` and the `active_scale` of the regions. Of a model of active strain `tension` is that strain (1).

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
        model = active.read()
        self.makes = makes(model)
        self.signals, self._stretches = (
            tuple(name for name in names if name in model.labels) for names in (SIGNALS, STRETCHES)
        )
        self.substep = model.substep or SUBSTEP
        parameters = scaled_of(model, geometry, active.scales)
        self.kernel = Kernel(
            model,
            self.own,
            inputs=self.signals + self._stretches,
            outputs=self.makes,
            scheme="rush_larsen",
            comm=geometry.comm,
            parameters_per_lane=tuple(parameters),
        )
        for name, nodal in parameters.items():
            self.kernel.set(name, nodal[: self.own])
        self._before = np.zeros(self.own)  # stretch at the step before; 0: there was none

    @property
    def tension(self) -> np.ndarray:
        return self._Ta.x.array

    @property
    def stiffness(self) -> np.ndarray:
        return self._Ka.x.array

    def step(self, t: float, dt: float, signals: dict[str, np.ndarray], stretch: np.ndarray) -> None:
        """From t to t + dt with the `signals` the model wants, and `stretch` (local P1 arrays, ghosts included).

        Collective. Raises SolveFailed when the tension is no longer finite.
        """
        stretch = stretch[: self.own]
        change = np.where(self._before > 0.0, stretch - self._before, 0.0)
        for label in self.signals:
            self.kernel.set(label, signals[label][: self.own])
        for label, value in zip(STRETCHES, (stretch, change / dt), strict=True):
            if label in self._stretches:
                self.kernel.set(label, value)
        self.kernel.step(t, dt, max(1, math.ceil(dt / self.substep - 1e-9)))
        made = self.kernel.outputs(t + dt)
        for field, label in zip((self._Ta, self._Ka), self.makes, strict=False):
            field.x.array[: self.own] = self.scale * made[label]
            field.x.scatter_forward()
        self._before[:] = stretch
        finite = bool(np.isfinite(self.tension).all() and np.isfinite(self.stiffness).all())
        if not self.comm.allreduce(finite, MPI.LAND):
            raise SolveFailed("active tension", "it is not finite")

    def mean_tension(self) -> float:
        """The mean of Ta over the vertices (kPa), or of the active strain (1). Collective."""
        return self.comm.allreduce(float(self.tension[: self.own].sum())) / self.n_global

    def state(self) -> dict[str, np.ndarray]:
        return {"y": self.kernel.y, "before": self._before, "tension": self.tension, "stiffness": self.stiffness}

    def rows(self) -> dict[str, Rows]:
        every, own = (rows.of_vertices(self.geometry, slice(n)) for n in (None, self.own))
        return {"y": Rows(own.keys, axis=1), "before": own, "tension": every, "stiffness": every}
