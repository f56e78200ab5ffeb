"""The unit system: mm, ms, mg, mV, uA (so mN, kPa, uL, mL/s, mS/mm). Quantities are converted here and nowhere else."""

import functools
from typing import Annotated, Any

import pint
from pydantic import BeforeValidator, PlainSerializer, ValidationInfo

MMHG = 0.133322387415  # kPa
ML = 1000.0  # uL


@functools.cache
def registry() -> pint.UnitRegistry:
    """The units a scenario may use."""
    units = pint.UnitRegistry()
    units.define("beat = [] = bpm_beat")
    return units


def convert(value: float, unit: str, to: str) -> float:
    """`value` given in `unit`, expressed in `to`; pint's DimensionalityError where they measure different things."""
    return float(registry().Quantity(value, unit).to(to).magnitude)


def _reader(unit: str):
    def read(value: Any, info: ValidationInfo) -> float:
        if isinstance(value, bool):
            raise ValueError(f"expected a quantity such as '1 {unit}', got {value}")
        if isinstance(value, int | float):
            if (info.context or {}).get("yaml"):
                raise ValueError(f"needs a unit, e.g. '{value} {unit}'")
            return float(value)
        try:
            quantity = registry()(value)
        except Exception:  # noqa: BLE001 - pint raises many kinds; the user needs one sentence
            raise ValueError(f"cannot read {value!r} as a quantity, e.g. '1 {unit}'") from None
        try:
            return float(quantity.to(unit).magnitude)
        except (pint.DimensionalityError, AttributeError):
            raise ValueError(f"{value!r} cannot be converted to {unit}") from None

    return read


def quantity(unit: str):
    """The pydantic type of a float held in `unit`, read from and written to text that carries its unit."""
    return Annotated[
        float,
        BeforeValidator(_reader(unit)),
        PlainSerializer(lambda value: f"{value!r} {unit}", when_used="json"),
    ]


Time = quantity("ms")
Length = quantity("mm")
Angle = quantity("rad")
Volume = quantity("uL")
Flow = quantity("mL/s")
Pressure = quantity("kPa")
Stiffness = quantity("kPa/mm")
Damping = quantity("kPa*ms/mm")
Viscosity = quantity("kPa*ms")
Density = quantity("mg/mm^3")
Conductivity = quantity("mS/mm")
Speed = quantity("mm/ms")
Voltage = quantity("mV")
SurfaceToVolume = quantity("1/mm")
Capacitance = quantity("uF/mm^2")
CurrentDensity = quantity("uA/uF")
Frequency = quantity("1/ms")
Resistance = quantity("kPa*ms/uL")
Compliance = quantity("uL/kPa")
Inertance = quantity("kPa*ms^2/uL")
