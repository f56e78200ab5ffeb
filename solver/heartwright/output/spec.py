"""What a scenario says about its results: which ones, and how often."""

from typing import Annotated, Literal

from pydantic import Field

from heartwright.spec import Spec
from heartwright.units import Time

Every = Annotated[Time, Field(gt=0)]
FieldName = Literal[
    "v",
    "phi_e",
    "calcium",
    "activation",
    "repolarisation",
    "apd90",
    "conduction_velocity",
    "phase",
    "cycle_length",
    "u",
    "active_tension",
]


class FieldsSpec(Spec):
    """Nodal fields for ParaView: v and, of the bidomain, phi_e [mV], calcium [mM], activation, repolarisation and
    apd90 [ms], conduction_velocity [mm/ms], phase (0 at the upstroke, 2 pi a cycle later), cycle_length [ms], u [mm],
    active_tension [kPa]."""

    every: Every = "10 ms"
    of: tuple[FieldName, ...] = ("v", "u", "activation", "active_tension")


class SeriesSpec(Spec):
    """Scalar traces: pressures, volumes, flows, valves, ECG."""

    every: Every = "1 ms"


class SegmentsSpec(Spec):
    """Stretches, stresses and power of the 17 segments and of both ventricles."""

    every: Every = "10 ms"


class CheckpointSpec(Spec):
    """States to restart from; the newest three are kept.

    One costs a step or two and a factorisation: by default less than 1 % of a run. Runs that are asked to stop write
    one anyway.
    """

    every: Every = "500 ms"


class OutputSpec(Spec):
    """Each output by its own schedule; an empty `fields.of` writes none."""

    fields: FieldsSpec = FieldsSpec()
    series: SeriesSpec = SeriesSpec()
    segments: SegmentsSpec = SegmentsSpec()
    checkpoint: CheckpointSpec = CheckpointSpec()
    report: bool = True
