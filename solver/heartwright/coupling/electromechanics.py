"""Electromechanics: tissue, contraction, solid and circulation beat as one heart."""

from collections.abc import Iterator

import numpy as np

from heartwright.body.circulation import Circulation
from heartwright.electrophysiology.tissue import Tissue
from heartwright.mechanics.active import Contraction
from heartwright.mechanics.solid import Solid
from heartwright.mesh.transfer import Transfer
from heartwright.parts import Part, State
from heartwright.stopwatch import Stopwatch
from heartwright.units import ML, MMHG


class Heart:
    """A heart beating into a closed circulation.

    One step goes once around: the tissue depolarises, its calcium makes tension, the solid deforms under that tension
    and the blood's pressure, and its stretch is what the sarcomeres feel in the next step. The order is staggered; the
    active stiffness `Ka` that goes with the tension `Ta` keeps it stable (Regazzoni & Quarteroni 2021,
    doi:10.1016/j.cma.2020.113506). Cavity pressures are unknowns of the solid: the volume of each 3D cavity equals that
    of its chamber in the circulation at every step.
    """

    name = "heart"

    def __init__(
        self, tissue: Tissue, contraction: Contraction, solid: Solid, circulation: Circulation, transfer: Transfer
    ):
        self.tissue, self.contraction, self.solid, self.circulation = tissue, contraction, solid, circulation
        self.transfer = transfer
        self.watch = Stopwatch()

    @property
    def parts(self) -> Iterator[Part]:
        yield from (self.tissue, self.contraction, self.solid, self.circulation)

    def state(self) -> State:
        return {f"{part.name}.{key}": array for part in self.parts for key, array in part.state().items()}

    def fill(self) -> None:
        """Bring the heart from rest to the start of the beat: the circulation beats alone until it is periodic, then
        the ventricles are filled to the pressures it has at that moment, and their volumes become its own."""
        with self.watch("fill"):
            self.circulation.warm_up()
            preload = self.circulation.preload()
            self.solid.inflate(preload)
            self.circulation.set_volumes(dict(zip(preload, self.solid.volumes(), strict=True)))

    def step(self, t: float, dt: float) -> None:
        """From t to t + dt; raises SolveFailed, after which the state must be restored."""
        with self.watch("tissue"):
            self.tissue.step(t, dt)
        with self.watch("contraction"):
            calcium = self.transfer.restrict(self.tissue.calcium())
            self.contraction.step(t, dt, calcium=calcium, stretch=self.solid.stretch())
        with self.watch("solid"):
            self.solid.tension(self.contraction.tension, self.contraction.stiffness)
            self.solid.solve(t, dt, lambda p: self.circulation.volumes(t, dt, p))
        self.circulation.accept(t, dt, self.solid.p)
        self.solid.accept()

    def cavity_error(self) -> float:
        """Largest relative difference between a 3D cavity and its chamber in the circulation."""
        chambers = self.circulation.cavity_volumes()
        return float(np.max(np.abs(self.solid.volumes() - chambers) / chambers, initial=0.0))

    def observe(self, t: float) -> dict[str, tuple[float, str]]:
        """The row of the series at time t: name -> (value, unit). Collective."""
        row = {name: in_report_units(name, value) for name, value in self.circulation.observables(t).items()}
        row |= {f"ecg_{lead}": (value, "mV") for lead, value in self.tissue.ecg().items()}
        row["activated"] = (self.tissue.activated_fraction(), "1")
        row["active_tension"] = (self.contraction.mean_tension(), "kPa")
        row["cavity_error"] = (self.cavity_error(), "1")
        row["newton"] = (float(self.solid.iterations), "1")
        return row

    def fields(self) -> dict[str, np.ndarray]:
        """Nodal fields on the fine mesh, this rank's own nodes: (n,) or (n, 3)."""
        own = self.tissue.geometry.own_vertices
        return {
            "v": self.tissue.v.x.array[:own],
            "calcium": self.tissue.calcium()[:own],
            "activation": self.tissue.activation[:own],
            "u": self.transfer.prolong_p2(self.solid.u)[:own],
            "active_tension": self.transfer.prolong(self.contraction.tension)[:own],
        }


def in_report_units(name: str, value: float) -> tuple[float, str]:
    """A circulation's observable in the units clinicians read: mmHg, mL, mL/s."""
    if name.endswith("pressure"):
        return value / MMHG, "mmHg"
    if name.endswith("volume"):
        return value / ML, "mL"
    return value, "mL/s" if name.startswith("flow") else "1"
