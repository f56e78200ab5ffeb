"""Units: exact, strict, and told in the user's words."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from heartwright import units
from heartwright.units import Bare, BareFloat, BareInt, Pressure, Ratio, Time, convert, read

FACTORS = [  # text, inner unit, value by hand
    ("12 mmHg", "kPa", 12 * 0.133322387415),
    ("10 cmH2O", "kPa", 0.980665),
    ("0.8 s", "ms", 800.0),
    ("0.1 s", "ms", 100.0),  # 0.1 * 1000 is exact only because the arithmetic is
    ("1 mmHg*s/mL", "kPa*ms/uL", 0.133322387415),
    ("60 deg", "rad", math.pi / 3),
    ("0.6 m/s", "mm/ms", 0.6),
    ("140 / mm", "1/mm", 140.0),
    ("1 uF/cm^2", "uF/mm^2", 0.01),
    ("1.06 g/cm**3", "mg/mm^3", 1.06),
    ("1 Pa", "mg/mm/ms^2", 1e-3),  # kPa is the coherent pressure of mm, ms, mg
    ("1 mN", "mg*mm/ms^2", 1.0),
    ("0.17 S/m", "mS/mm", 0.17),
    ("80 A/F", "uA/uF", 80.0),
    ("75 bpm", "1/ms", 75 / 60000),
    ("75 beats/min", "1/ms", 75 / 60000),
    ("5 L/min", "mL/s", 5000 / 60),
    ("2 mM", "mol/L", 2e-3),
    ("5 kPa/(mm*ms)", "kPa/mm/ms", 5.0),
    ("-85 mV", "mV", -85.0),
    ("5 %", "1", 0.05),
    ("1e-3 kPa", "kPa", 1e-3),
]


@pytest.mark.parametrize(("text", "unit", "value"), FACTORS)
def test_quantities_have_the_value_worked_out_by_hand(text, unit, value):
    assert read(text, unit) == pytest.approx(value, rel=1e-15)


NESTED = "((((((((mm/cm)^9)^9)^9)^9)^9)^9)^9)^9"  # multiplied out: a number of some hundred million bits
REFUSED = [
    ("5 mm", "kPa", "expected a pressure (kPa), got a length (mm)"),
    ("3 mV", "uA/uF", "expected a value in uA/uF, got a voltage (mV)"),
    ("5", "kPa", "needs a unit, e.g. '5 mmHg'"),
    ("60", "rad", "needs a unit, e.g. '60 deg'"),
    ("3 kpa", "kPa", "unknown unit 'kpa'; did you mean 'kPa'?"),
    ("nan kPa", "kPa", "cannot read 'nan kPa' as a quantity, e.g. '12 mmHg'"),
    ("1e999 mm", "mm", "must be finite, got inf"),
    ("9**9**9**9", "1", "cannot read the unit '**9**9**9'"),
    ("1 mm^99", "mm", "cannot read the exponent in the unit 'mm^99'"),
    ("1 mm^", "mm", "cannot read the exponent in the unit 'mm^'"),
    ("1 mm^(2)", "mm", "cannot read the exponent in the unit 'mm^(2)'"),
    (f"1 {NESTED}", "1", f"cannot read the unit '{NESTED}'"),
    ("1 mm^2^2", "mm", "cannot read the exponent in the unit 'mm^2^2'"),
    ("5 mms", "mm", "unknown unit 'mms'; did you mean 'ms'?"),
    ("5 10**3*mm", "mm", "cannot read the unit '10**3*mm'"),
    ("1 (mm", "mm", "')' missing in the unit '(mm'"),
    ("__import__('os')", "mm", "cannot read \"__import__('os')\" as a quantity, e.g. '1 mm'"),
    ("", "mm", "cannot read '' as a quantity, e.g. '1 mm'"),
]


@pytest.mark.parametrize(("text", "unit", "message"), REFUSED)
def test_what_is_not_a_quantity_is_refused_in_one_sentence(text, unit, message):
    with pytest.raises(ValueError) as caught:
        read(text, unit)
    assert str(caught.value) == message


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_writing_a_quantity_and_reading_it_back_changes_no_bit(value):
    adapter = TypeAdapter(Pressure)
    assert adapter.validate_python(adapter.dump_python(value, mode="json")) == value


@given(st.text(max_size=30))
def test_no_text_at_all_raises_anything_but_value_error(text):
    with contextlib.suppress(ValueError):
        read(text, "kPa")


def test_converting_forth_and_back_is_the_identity_to_round_off():
    assert convert(convert(120.0, "mmHg", "kPa"), "kPa", "mmHg") == pytest.approx(120.0, rel=1e-15)
    assert convert(1.0, "mmHg", "kPa") == units.MMHG
    assert convert(1.0, "mL", "uL") == units.ML


def test_numbers_from_files_need_a_unit_but_numbers_from_code_do_not():
    assert TypeAdapter(Time).validate_python(5.0) == 5.0
    assert TypeAdapter(Ratio).validate_python(BareFloat(0.5)) == 0.5
    for number in (BareInt(5), BareFloat(5)):
        assert isinstance(number, Bare)
        with pytest.raises(ValidationError, match="needs a unit"):
            TypeAdapter(Time).validate_python(number)


@pytest.mark.parametrize("wrong", [True, None, [1], {"a": 1}, float("nan"), float("inf")])
def test_other_kinds_of_values_are_refused(wrong):
    with pytest.raises(ValidationError):
        TypeAdapter(Time).validate_python(wrong)
