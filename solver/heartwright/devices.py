"""Devices: what an implant changes in a scenario, each a function scenario -> scenario."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from heartwright.electrophysiology.spec import Stimulus
from heartwright.errors import InputError
from heartwright.mesh.where import Where
from heartwright.spec import Spec
from heartwright.units import CurrentDensity, Time

if TYPE_CHECKING:
    from heartwright.scenario import Scenario


class Lead(Spec):
    """A pacing electrode: where it stimulates, and with what pulse."""

    at: Where
    amplitude: Annotated[CurrentDensity, Field(gt=0)] = "100 uA/uF"
    duration: Annotated[Time, Field(gt=0)] = "2 ms"


class Pacemaker(Spec):
    """Ventricular pacing by one lead, `av_delay` after the onset of the atria; intrinsic activation goes on."""

    type: Literal["pacemaker"] = "pacemaker"
    lead: Lead
    av_delay: Annotated[Time, Field(ge=0)] = "120 ms"

    def apply(self, scenario: "Scenario") -> "Scenario":
        return _paced(scenario, {"pacemaker_lead": (self.lead, self.av_delay)})


class CRT(Spec):
    """Cardiac resynchronisation: a right ventricular lead and a left one that paces the late wall.

    `leads` are right, then left. The right lead paces `av_delay` after the onset of the atria, the left one `vv_delay`
    after the right (negative: before). Intrinsic activation goes on, so a long `av_delay` gives fusion beats.
    In dogs with left bundle branch block biventricular pacing raises dP/dt max by about a quarter (Leclercq 2002,
    doi:10.1161/01.CIR.0000035037.11968.5C).
    """

    type: Literal["crt"] = "crt"
    leads: tuple[Lead, Lead]
    av_delay: Annotated[Time, Field(ge=0)] = "120 ms"
    vv_delay: Time = "0 ms"

    def apply(self, scenario: "Scenario") -> "Scenario":
        right, left = self.leads
        return _paced(
            scenario,
            {"crt_lead_right": (right, self.av_delay), "crt_lead_left": (left, self.av_delay + self.vv_delay)},
        )


class Ablation(Spec):
    """Catheter ablation: the places of its `lesions`, most often lines, neither conduct nor contract any more."""

    type: Literal["ablation"] = "ablation"
    lesions: Annotated[list[Where], Field(min_length=1)]

    def apply(self, scenario: "Scenario") -> "Scenario":
        ep = scenario.electrophysiology
        if ep is None:
            raise InputError("ablation: the scenario has no `electrophysiology` to change")
        dead = [{"where": where, "conduction_scale": 0.0} for where in self.lesions]
        scenario = scenario.replace(electrophysiology=ep.replace(regions=[*ep.regions, *dead]))
        if scenario.mechanics is None:
            return scenario
        weak = [{"where": where, "active_scale": 0.0} for where in self.lesions]
        mechanics = scenario.mechanics
        return scenario.replace(mechanics=mechanics.replace(regions=[*mechanics.regions, *weak]))


Device = Annotated[Pacemaker | CRT | Ablation, Field(discriminator="type")]


def _paced(scenario: "Scenario", leads: dict[str, tuple[Lead, float]]) -> "Scenario":
    """The scenario with a stimulus for every lead, at its time [ms] after the onset of the atria."""
    ep = scenario.electrophysiology
    if ep is None:
        raise InputError("pacing: the scenario has no `electrophysiology` to change")
    if early := [name for name, (_, start) in leads.items() if start < 0]:
        raise InputError(f"crt: {early[0]} would pace before the beat begins: vv_delay is longer than av_delay")
    stimuli = [
        Stimulus(
            name=name,
            where=lead.at,
            start=start - scenario.time.av_delay,  # stimuli count from the onset of the ventricles
            amplitude=lead.amplitude,
            duration=lead.duration,
        )
        for name, (lead, start) in leads.items()
    ]
    return scenario.replace(electrophysiology=ep.replace(stimuli=[*ep.stimuli, *stimuli]))
