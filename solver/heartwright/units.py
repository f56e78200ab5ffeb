"""The unit system: mm, ms, mg, mV, uA (so mN, kPa, uL, mL/s, mS/mm). Quantities are converted here and nowhere else."""

import functools
import math
import re
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, ValidationInfo

from heartwright.errors import did_you_mean

MMHG = 0.133322387415  # kPa
ML = 1000.0  # uL

PREFIXES = {"p": -12, "n": -9, "u": -6, "µ": -6, "μ": -6, "m": -3, "c": -2, "d": -1, "k": 3, "M": 6, "G": 9}

LONGEST = 2000  # bits of a factor that is still raised to a power; nested powers would never end

Unit = tuple[Fraction, tuple[int, ...]]

# symbol: (factor to SI, exponents of m, kg, s, A, mol); the first table takes prefixes, the second does not.
_ONE = (0, 0, 0, 0, 0)
PREFIXED = {
    "m": ("1", (1, 0, 0, 0, 0)),
    "g": ("1e-3", (0, 1, 0, 0, 0)),
    "s": ("1", (0, 0, 1, 0, 0)),
    "A": ("1", (0, 0, 0, 1, 0)),
    "mol": ("1", (0, 0, 0, 0, 1)),
    "L": ("1e-3", (3, 0, 0, 0, 0)),
    "l": ("1e-3", (3, 0, 0, 0, 0)),
    "M": ("1e3", (-3, 0, 0, 0, 1)),
    "Hz": ("1", (0, 0, -1, 0, 0)),
    "N": ("1", (1, 1, -2, 0, 0)),
    "Pa": ("1", (-1, 1, -2, 0, 0)),
    "J": ("1", (2, 1, -2, 0, 0)),
    "W": ("1", (2, 1, -3, 0, 0)),
    "V": ("1", (2, 1, -3, -1, 0)),
    "F": ("1", (-2, -1, 4, 2, 0)),
    "S": ("1", (-2, -1, 3, 2, 0)),
    "ohm": ("1", (2, 1, -3, -2, 0)),
    "bar": ("1e5", (-1, 1, -2, 0, 0)),
    "dyn": ("1e-5", (1, 1, -2, 0, 0)),
}
PLAIN = {
    "min": ("60", (0, 0, 1, 0, 0)),
    "h": ("3600", (0, 0, 1, 0, 0)),
    "mmHg": ("133.322387415", (-1, 1, -2, 0, 0)),
    "cmH2O": ("98.0665", (-1, 1, -2, 0, 0)),
    "bpm": ("1/60", (0, 0, -1, 0, 0)),
    "rad": ("1", _ONE),
    "deg": (Fraction(math.pi) / 180, _ONE),
    "%": ("0.01", _ONE),
    "beat": ("1", _ONE),
    "beats": ("1", _ONE),
    "1": ("1", _ONE),
}
COMMON = ("mm", "cm", "ms", "kPa", "mL", "uL", "mV", "mN", "mS", "mg", "uA", "uF", "mM")
NAMES = {
    _ONE: "a plain number",
    (1, 0, 0, 0, 0): "a length",
    (0, 0, 1, 0, 0): "a time",
    (0, 0, -1, 0, 0): "a frequency",
    (1, 0, -1, 0, 0): "a speed",
    (3, 0, 0, 0, 0): "a volume",
    (3, 0, -1, 0, 0): "a flow",
    (-1, 1, -2, 0, 0): "a pressure",
    (-3, 1, 0, 0, 0): "a density",
    (2, 1, -3, -1, 0): "a voltage",
    (-3, -1, 3, 2, 0): "a conductivity",
}

EXAMPLES = {"kPa": "12 mmHg", "rad": "60 deg", "1/ms": "75 bpm"}  # where the inner unit is not what people write

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?"
_QUANTITY = re.compile(rf"\s*({_NUMBER})\s*(.*?)\s*", re.DOTALL)
_TOKEN = re.compile(r"\s*(?:(\*\*|\^|[*/()])|([A-Za-zµμ%][A-Za-zµμ0-9%]*|1(?!\d))|([-+]?\d+))\s*")


class Bare:
    """Mark of a number that a scenario file gives without a unit; units refuse it, plain numbers accept it."""


class BareInt(Bare, int):
    """A whole number of a scenario file."""


class BareFloat(Bare, float):
    """A floating-point number of a scenario file."""


def symbols() -> list[str]:
    """The units a scenario may use, without their prefixes."""
    return [*PREFIXED, *(name for name in PLAIN if name != "1")]


@functools.cache
def _symbol(name: str) -> Unit:
    """Factor to SI and dimension of one unit symbol, with or without a prefix."""
    table = PREFIXED | PLAIN
    if name in table:
        factor, dimension = table[name]
        return Fraction(factor), dimension
    if name[:1] in PREFIXES and name[1:] in PREFIXED:
        factor, dimension = PREFIXED[name[1:]]
        return Fraction(factor) * Fraction(10) ** PREFIXES[name[0]], dimension
    raise ValueError(f"unknown unit '{name}'{did_you_mean(name, {*COMMON, *symbols()})}")


@functools.cache
def parse_unit(text: str) -> Unit:
    """Factor to SI and dimension of an expression such as `kPa*ms/mm` or `mm^2/s`.

    Raises ValueError naming the unknown unit or the place where the expression breaks off.
    """
    tokens = [match.groups() for match in _TOKEN.finditer("1" + text if text.startswith("/") else text)]
    if re.sub(r"\s", "", text) not in "".join(next(filter(None, token)) for token in tokens) or len(tokens) > 40:
        raise ValueError(f"cannot read the unit '{text}'")
    result, rest = _product(tokens, text)
    if rest:
        raise ValueError(f"cannot read the unit '{text}'")
    return result


def _product(tokens: list, text: str) -> tuple[Unit, list]:
    """factor (('*' | '/' | nothing) factor)*, left to right."""
    (factor, dimension), rest = _power(tokens, text)
    while rest and rest[0][0] != ")":
        sign = -1 if rest[0][0] == "/" else 1
        (other, exponents), rest = _power(rest[1:] if rest[0][0] in ("*", "/") else rest, text)
        factor *= other**sign
        dimension = tuple(a + sign * b for a, b in zip(dimension, exponents, strict=True))
    return (factor, dimension), rest


def _power(tokens: list, text: str) -> tuple[Unit, list]:
    """(symbol | '(' product ')') ['^' integer]."""
    operator, name, _ = tokens[0] if tokens else ("", "", "")
    if operator == "(":
        (factor, dimension), rest = _product(tokens[1:], text)
        if not rest:
            raise ValueError(f"')' missing in the unit '{text}'")
        rest = rest[1:]
    elif name:
        (factor, dimension), rest = _symbol(name), tokens[1:]
    else:
        raise ValueError(f"cannot read the unit '{text}'")
    if rest and rest[0][0] in ("^", "**"):
        exponent = _exponent(rest[1:2], text)
        if factor.numerator.bit_length() + factor.denominator.bit_length() > LONGEST:
            raise ValueError(f"cannot read the unit '{text}': too many powers of powers")
        factor, dimension, rest = factor**exponent, tuple(exponent * d for d in dimension), rest[2:]
    return (factor, dimension), rest


def _exponent(token: list, text: str) -> int:
    digits = (token[0][2] or token[0][1] or "") if token else ""
    if not re.fullmatch(r"[-+]?[1-9]", digits):
        raise ValueError(f"cannot read the exponent in the unit '{text}'")
    return int(digits)


def example(unit: str) -> str:
    """How a quantity held in `unit` may be written."""
    return EXAMPLES.get(unit, f"1 {unit}")


def _kind(dimension: tuple[int, ...], unit: str) -> str:
    return f"{NAMES[dimension]} ({unit})" if dimension in NAMES else f"a value in {unit}"


def ratio(unit: str, to: str) -> Fraction:
    """How many `to` one `unit` is; ValueError where they measure different things."""
    (factor, dimension), (target, wanted) = parse_unit(unit), parse_unit(to)
    if dimension != wanted:
        raise ValueError(f"expected {_kind(wanted, to)}, got {_kind(dimension, unit)}")
    return factor / target


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
Resistance = quantity("kPa*ms/uL")
Compliance = quantity("uL/kPa")
Inertance = quantity("kPa*ms^2/uL")
Ratio = quantity("1")
