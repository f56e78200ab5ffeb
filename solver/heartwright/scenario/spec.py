"""The root of a scenario, and its clock."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, StringConstraints, model_validator

from heartwright.body.spec import CirculationSpec
from heartwright.devices import Device
from heartwright.electrophysiology.spec import ElectrophysiologySpec
from heartwright.mechanics.spec import MechanicsSpec
from heartwright.mesh.spec import MeshSpec
from heartwright.output.spec import OutputSpec
from heartwright.pathologies import Pathology
from heartwright.scenario.contradictions import MOVING, Contradiction, contradictions
from heartwright.spec import Spec
from heartwright.units import Frequency, Time

Positive = Annotated[Time, Field(gt=0)]


def _cycle_length(heart_rate: float | None) -> float:
    return 1 / heart_rate if heart_rate else 800.0


class TimeSpec(Spec):
    """How long, how fast, in which steps.

    A beat of `cycle_length` (or of one over `heart_rate`) starts with the atria; the ventricles follow after
    `av_delay`. The run lasts `beats` cycles unless `end` says otherwise. `dt` is the step of mechanics and
    circulation, `dt_ep` the largest step of electrophysiology inside it.
    """

    heart_rate: Annotated[Frequency, Field(gt=0)] | None = None
    cycle_length: Positive = Field(default_factory=lambda given: _cycle_length(given.get("heart_rate")))
    beats: PositiveInt = 1
    end: Positive | None = None
    dt: Positive = "1 ms"
    dt_ep: Positive = "0.05 ms"
    av_delay: Annotated[Time, Field(ge=0)] = "160 ms"

    @property
    def duration(self) -> float:
        """The length of the run [ms]."""
        return self.beats * self.cycle_length if self.end is None else self.end

    @model_validator(mode="after")
    def _consistent(self):
        if self.heart_rate and abs(self.heart_rate * self.cycle_length - 1) > 1e-6:
            raise ValueError("heart_rate and cycle_length contradict each other; give only one of them")
        if self.dt_ep > self.dt:
            raise ValueError(f"dt_ep ({self.dt_ep:g} ms) must not be larger than dt ({self.dt:g} ms)")
        if self.dt > self.duration:
            raise ValueError(f"dt ({self.dt:g} ms) must not be larger than the run ({self.duration:g} ms)")
        if self.av_delay >= self.cycle_length:
            raise ValueError(f"av_delay must be shorter than the cycle ({self.cycle_length:g} ms)")
        return self


class Scenario(Spec):
    """The root of the tree. `name` names the run folder; it is not inherited by `extends`.

    `data: patient` keeps results from other users' eyes (umask 077), and paths and names of files out of them.
    `reproducible`: every step starts from the state alone, so that a run which is stopped and restarted, anywhere, is
    the unbroken run to the last bit; a new factorisation in every step is the price.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
    title: str = ""
    data: Literal["public", "patient"] = "public"
    reproducible: bool = False
    time: TimeSpec = TimeSpec()
    mesh: MeshSpec
    electrophysiology: ElectrophysiologySpec | None = None
    mechanics: MechanicsSpec | None = None
    circulation: CirculationSpec | None = None
    pathologies: list[Pathology] = Field(default_factory=list)
    devices: list[Device] = Field(default_factory=list)
    output: OutputSpec = OutputSpec()

    @model_validator(mode="after")
    def _blocks_fit(self):
        if problems := list(contradictions(self)):
            raise Contradiction(*problems)
        return self

    def resolve(self) -> "Scenario":
        """The scenario with its pathologies and then its devices worked into the other blocks."""
        scenario = self.replace(pathologies=[], devices=[])
        if self.reproducible and self.mechanics:
            newton = self.mechanics.newton.replace(reproducible=True)
            scenario = scenario.replace(mechanics=self.mechanics.replace(newton=newton))
        for change in (*self.pathologies, *self.devices):
            scenario = change.apply(scenario)
        if self.mechanics is None:
            of = tuple(name for name in self.output.fields.of if name not in MOVING)
            scenario = scenario.replace(output=self.output.replace(fields=self.output.fields.replace(of=of)))
        return scenario
