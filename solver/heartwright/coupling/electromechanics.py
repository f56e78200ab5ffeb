"""Electromechanics: tissue, contraction, solid and circulation beat as one heart."""

from collections.abc import Callable, Iterator

import numpy as np
from dolfinx import fem

from heartwright.body.circulation import Circulation
from heartwright.coupling.preparation import NodalFields, Preparation, Row
from heartwright.electrophysiology.tissue import Tissue
from heartwright.mechanics import contact
from heartwright.mechanics.active import Contraction
from heartwright.mechanics.energy import Energy
from heartwright.mechanics.solid import Solid
from heartwright.mechanics.strain import Strain
from heartwright.mechanics.stress import PERCENTILES, Stress
from heartwright.mesh import segments
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.transfer import Transfer
from heartwright.parallel import together
from heartwright.parts import Part
from heartwright.units import ML, MMHG


class Heart(Preparation):
    """A heart beating into a closed circulation.

    One step goes once around: the tissue depolarises, its calcium makes tension, the solid deforms under that tension
    and the blood's pressure, and its stretch is what the sarcomeres feel in the next step. The order is staggered; the
    active stiffness `Ka` that goes with the tension `Ta` keeps it stable (Regazzoni & Quarteroni 2021,
    doi:10.1016/j.cma.2020.113506). Cavity pressures are unknowns of the solid: the volume of each 3D cavity equals that
    of its chamber in the circulation at every step.
    """

    name = "heart"

    def __init__(
        self,
        tissue: Tissue,
        contraction: Contraction,
        solid: Solid,
        circulation: Circulation,
        transfer: Transfer,
        fibres: fem.Function,
    ):
        super().__init__(tissue, fibres)
        self.contraction, self.solid, self.circulation, self.transfer = contraction, solid, circulation, transfer
        known = segments.compute(solid.geometry)
        self.regions = known.regions(solid.geometry.comm)
        self.strain = Strain(solid.geometry, solid.u, known, self.regions)
        self.stress = Stress(solid.wall, known, self.regions)
        self.energy = Energy(solid.wall) if solid.spec.density else None

    @property
    def geometry(self) -> Geometry:
        return self.solid.geometry

    @property
    def parts(self) -> Iterator[Part]:
        yield from (self.tissue, self.contraction, self.solid, self.circulation)

    def fill(self, say: Callable[[str], None] = lambda line: None) -> dict[str, float]:
        """Bring the heart from rest to the start of the beat; returns the filled cavities' volumes [uL].

        The circulation beats alone until it is periodic, then the ventricles are filled to the pressures it has at
        that moment, and their volumes become its own. `say` is told of the progress.
        """
        with self.watch("fill"):
            self.circulation.warm_up()
            preload = self.circulation.preload()
            self.solid.inflate(preload, say)
            volumes = dict(zip(self.solid.cavities, self.solid.volumes().tolist(), strict=True))
            self.circulation.set_volumes(volumes)
        return volumes

    def step(self, t: float, dt: float) -> None:
        """From t to t + dt; raises SolveFailed, after which the state must be restored."""
        with self.watch("tissue"):
            self.tissue.step(t, dt)
        with self.watch("contraction"):
            signals = {name: self.transfer.restrict(self._signal(name)) for name in self.contraction.signals}
            self.contraction.step(t, dt, signals, self.solid.stretch())
        with self.watch("solid"):
            self.solid.tension(self.contraction.tension, self.contraction.stiffness)
            self.solid.solve(t, dt, lambda p: self._volumes(t, dt, p))
        self.circulation.accept(t, dt, self.solid.p)
        self.solid.accept()

    def _volumes(self, t: float, dt: float, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The circulation's, which every rank computes for itself; where it fails on one, it fails on all."""
        with together(self.geometry.comm):
            return self.circulation.volumes(t, dt, p)

    def _signal(self, name: str) -> np.ndarray:
        """What makes muscle contract: the cells' calcium or potential at the nodes, ghosts included. Collective."""
        return self.tissue.calcium() if name == "calcium" else self.tissue.v.x.array

    def forget(self) -> None:
        """Drop what only speeds up the next step: without it, what follows is given by `state()` to the last digit."""
        self.solid.newton.stale = True

    def observe(self, t: float) -> Row:
        """The row of the series at time t: name -> (value, unit). Collective."""
        row = {name: in_report_units(name, value) for name, value in self.circulation.observables(t).items()}
        row |= self.observe_tissue()
        made = self.contraction.makes[0]
        row[made] = (self.contraction.mean_tension(), "kPa" if made == "active_tension" else "1")
        row |= self._shape_of_the_left_ventricle()
        if self.energy:
            row |= self.energy.observables()
        if contacts := self.solid.wall.contacts:
            row |= contact.observables(contacts)
        row["cavity_error"] = (self._cavity_error(), "1")
        row["newton"] = (float(self.solid.iterations), "1")
        return row

    def observe_regions(self) -> Row:
        """The row of segments.csv: of every region its stretches, stresses and power, as name -> (value, unit).

        Collective.
        """
        columns = {f"{name}_stretch": (value, "1") for name, value in self.strain.stretches().items()}
        fibre, across, power = self.stress.in_cells()
        for name, stress in (("fibre", fibre), ("cross_fibre", across)):
            found = zip(PERCENTILES, self.stress.percentiles(stress), strict=True)
            columns |= {f"{name}_stress_p{percent}": (values, "kPa") for percent, values in found}
        columns["power"] = (self.stress.per_volume(power), "mW/mL")
        return {
            f"{name}_{region}": (float(value), unit)
            for name, (values, unit) in columns.items()
            for region, value in zip(self.regions, values, strict=True)
        }

    def _shape_of_the_left_ventricle(self) -> Row:
        left = list(self.regions).index("lv")
        twist, distance = self.strain.twist()
        stretches = {f"lv_{name}_stretch": (float(v[left]), "1") for name, v in self.strain.stretches().items()}
        return stretches | {"lv_twist": (twist, "deg"), "lv_slice_distance": (distance, "mm")}

    def progress(self, row: Row) -> str:
        """What the log says of a row."""
        cavities = "  ".join(
            f"{side.upper()} {row[f'{side}_pressure'][0]:.0f} mmHg {row[f'{side}_volume'][0]:.0f} mL"
            for side in self.solid.cavities
        )
        planes = f"  planes {row['contact_force'][0]:.1f} N" if "contact_force" in row else ""
        return f"Newton {row['newton'][0]:.0f}  {cavities}{planes}"

    def fields(self) -> NodalFields:
        return super().fields() | {
            "u": lambda: self.transfer.prolong_p2(self.solid.u),
            "active_tension": lambda: self.transfer.prolong(self.contraction.tension),
        }

    def dofs(self) -> dict[str, int]:
        """Unknowns of each equation. The same on all ranks."""
        space = self.solid.u.function_space.dofmap
        return super().dofs() | {"solid": space.index_map.size_global * space.index_map_bs}

    def _cavity_error(self) -> float:
        """Largest relative difference between a 3D cavity and its chamber in the circulation. Collective."""
        chambers = self.circulation.cavity_volumes()
        return float(np.max(np.abs(self.solid.volumes() - chambers) / chambers, initial=0.0))


def in_report_units(name: str, value: float) -> tuple[float, str]:
    """A circulation's observable in the units clinicians read: mmHg, mL, mL/s."""
    if name.endswith("pressure"):
        return value / MMHG, "mmHg"
    if name.endswith("volume"):
        return value / ML, "mL"
    return value, "mL/s" if name.startswith("flow") else "1"
