"""The unit system: mm, ms, mg, mV, uA (so mN, kPa, uL, mL/s, mS/mm). Quantities are converted here and nowhere else."""

import functools
import math
import re
from fractions import Fraction
from typing import Annotated, Any

import pint
from pydantic import BeforeValidator, PlainSerializer, ValidationInfo

from heartwright.errors import did_you_mean

MMHG = 0.133322387415  # kPa
ML = 1000.0  # uL

# What a scenario may use, and nothing else: pint's own list has temperatures, plurals and knots.
PREFIXES = {"p": -12, "n": -9, "u": -6, "µ": -6, "μ": -6, "m": -3, "c": -2, "d": -1, "k": 3, "M": 6, "G": 9}
PREFIXED = """m = [length]; g = [mass]; s = [time]; A = [current]; mol = [substance]; L = 1e-3 m^3; l = L; M = mol / L;
Hz = 1 / s; N = 1e3 g m / s^2; Pa = N / m^2; J = N m; W = J / s; V = W / A; F = A s / V; S = A / V; ohm = V / A;
bar = 1e5 Pa; dyn = 1e-5 N"""
PLAIN = f"""min = 60 s; h = 60 min; mmHg = {MMHG!r} kPa; cmH2O = 98.0665 Pa; rad = [];
deg = {math.pi / 180!r} rad; beat = []; beats = beat; bpm = beat / min; percent = 0.01"""
COMMON = ("mm", "cm", "ms", "kPa", "mL", "uL", "mV", "mN", "mS", "mg", "uA", "uF", "mM")
KINDS = {
    **{"1": "a plain number", "mm": "a length", "ms": "a time", "Hz": "a frequency", "m/s": "a speed", "L": "a volume"},
    **{"L/s": "a flow", "Pa": "a pressure", "g/L": "a density", "V": "a voltage", "S/m": "a conductivity"},
}
EXAMPLES = {"kPa": "12 mmHg", "rad": "60 deg", "1/ms": "75 bpm"}  # where the inner unit is not what people write

_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?)\s*(.*?)\s*", re.DOTALL)
_WORD = re.compile(r"[A-Za-zµμ%][A-Za-z0-9µμ%]*")
_SYMBOL = re.compile(rf"{_WORD.pattern}(?:\s*(?:\^|\*\*)\s*[-+]?[1-9](?!\d))?")
_SHAPE = re.compile(r"(?:[x()/\s]|\*(?!\*)|1(?!\d))*")  # no powers of powers: pint would multiply them out


class Bare:
    """Mark of a number that a scenario file gives without a unit; units refuse it, plain numbers accept it."""


class BareInt(Bare, int):
    """A whole number of a scenario file."""


class BareFloat(Bare, float):
    """A floating-point number of a scenario file."""


def symbols() -> list[str]:
    """The units a scenario may use, without their prefixes."""
    return [line.split()[0] for line in f"{PREFIXED}; {PLAIN}".replace("percent", "%").split(";")]


@functools.cache
def registry() -> pint.UnitRegistry:
    """pint with our units, in exact arithmetic."""
    units = pint.UnitRegistry(None, non_int_type=Fraction)
    units.load_definitions([f"{name}- = 1e{power}" for name, power in PREFIXES.items()])
    units.load_definitions([line.strip() for line in f"{PREFIXED}; {PLAIN}".split(";")])
    return units


@functools.cache
def parse_unit(text: str) -> pint.Unit:
    """An expression such as `kPa*ms/mm` or `mm^2/s`; ValueError names the unknown unit or what cannot be read."""
    words = symbols()
    known = {*words, *(prefix + word for prefix in PREFIXES for word in words[: PREFIXED.count("=")])}
    for word in _WORD.findall(text):
        if word not in known:
            raise ValueError(f"unknown unit '{word}'{did_you_mean(word, {*COMMON, *words})}")
    shape = _SYMBOL.sub("x", text)
    if re.search(r"x\s*(\^|\*\*)", shape):
        raise ValueError(f"cannot read the exponent in the unit '{text}'")
    if shape.count("(") > shape.count(")"):
        raise ValueError(f"')' missing in the unit '{text}'")
    if not _SHAPE.fullmatch(shape):
        raise ValueError(f"cannot read the unit '{text}'")
    try:
        return registry().parse_units("1" + text if text.startswith("/") else text)
    except Exception:  # pint and the tokenizer below it raise many kinds
        raise ValueError(f"cannot read the unit '{text}'") from None


def example(unit: str) -> str:
    """How a quantity held in `unit` may be written."""
    return EXAMPLES.get(unit, f"1 {unit}")


def _kind(unit: str) -> str:
    same = (kind for name, kind in KINDS.items() if parse_unit(name).dimensionality == parse_unit(unit).dimensionality)
    return f"{kind} ({unit})" if (kind := next(same, None)) else f"a value in {unit}"


@functools.cache
def ratio(unit: str, to: str) -> Fraction:
    """How many `to` one `unit` is; ValueError where they measure different things."""
    try:
        return registry().convert(Fraction(1), parse_unit(unit), parse_unit(to))
    except pint.DimensionalityError:
        raise ValueError(f"expected {_kind(to)}, got {_kind(unit)}") from None


def convert(value: float, unit: str, to: str) -> float:
    """`value` given in `unit`, expressed in `to`; ValueError where they measure different things."""
    return value * float(ratio(unit, to))


def read(text: str, to: str) -> float:
    """A quantity written with its unit, such as `12 mmHg`, as a float in `to`, correctly rounded.

    Raises ValueError with one sentence: what was written, what was expected.
    """
    match = _QUANTITY.fullmatch(text) if len(text) < 200 else None
    if match is None:
        raise ValueError(f"cannot read {text[:60]!r} as a quantity, e.g. '{example(to)}'")
    number, unit = match.groups()
    if not unit and to != "1":  # not even an angle: 60 rad is never what was meant
        raise ValueError(f"needs a unit, e.g. '{number} {example(to).split()[1]}'")
    value = float(number)  # bounds the exponent before the exact arithmetic below
    return _finite(value and float(Fraction(number) * ratio(unit or "1", to)) if math.isfinite(value) else value)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"must be finite, got {value}")
    return value


def _reader(unit: str):
    def read_value(value: Any, info: ValidationInfo) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"expected a quantity such as '{example(unit)}', got {value!r}")
        if isinstance(value, str):
            return read(value, unit)
        if isinstance(value, Bare) and unit != "1":
            raise ValueError(f"needs a unit, e.g. '{value} {example(unit).split()[1]}'")
        return _finite(float(value))

    return read_value


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
Concentration = quantity("nM")
Resistance = quantity("kPa*ms/uL")
Compliance = quantity("uL/kPa")
Inertance = quantity("kPa*ms^2/uL")
Ratio = quantity("1")
