"""The YAML of `where:` and `fibres:`: what is accepted, what is refused and in which words."""

import math

import pytest
from pydantic import TypeAdapter, ValidationError

from heartwright.mesh.fibre_rules import FibreRule, FibresBayer
from heartwright.mesh.where import Where, WhereAHA, WhereBox, WhereCoordinates, WhereNear, WhereRegion, WhereSphere
from heartwright.units import BareFloat, BareInt

where, rule = TypeAdapter(Where), TypeAdapter(FibreRule)


def read(value, adapter=where):
    return adapter.validate_python(value)


ACCEPTED = [
    ("all", str),
    ("lv_endo", str),
    ({"region": "la"}, WhereRegion),
    ({"region": ["la", "ra"]}, WhereRegion),
    ({"near": "base", "within": "6 mm"}, WhereNear),
    ({"sphere": {"centre": ["1 cm", "0 mm", "0 mm"], "radius": "5 mm"}}, WhereSphere),
    ({"box": {"lower": ["0 mm"] * 3, "upper": ["1 cm"] * 3}}, WhereBox),
    ({"aha": [7, 8], "layer": "endo"}, WhereAHA),
    ({"chamber": "rv"}, WhereCoordinates),
    ({"chamber": "lv", "layer": "endo", "apicobasal": 0.5, "rotation": "30 deg", "radius": "4 mm"}, WhereCoordinates),
    ({"transmural": [0, 0.2], "apicobasal": [0.2, 0.5], "rotation": ["-30 deg", "30 deg"]}, WhereCoordinates),
]


@pytest.mark.parametrize(("value", "kind"), ACCEPTED)
def test_every_form_is_read_and_survives_being_written(value, kind):
    spec = read(value)
    assert isinstance(spec, kind)
    assert read(where.dump_python(spec, mode="json")) == spec
    assert where.validate_python(spec) == spec


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"near": "base"}, "Field required"),
        ({"near": "base", "within": "0 mm"}, "greater than zero"),
        ({"sphere": {"centre": [BareInt(1), "0 mm", "0 mm"], "radius": "5 mm"}}, "needs a unit"),
        ({"sphere": {"centre": ["1 mm", "0 mm", "0 mm"], "radius": "-5 mm"}}, "greater than zero"),
        ({"sphere": {"center": ["1 mm", "0 mm", "0 mm"], "radius": "5 mm"}}, "Extra inputs"),
        ({"box": {"lower": ["1 cm"] * 3, "upper": ["0 mm"] * 3}}, "smaller"),
        ({"aha": []}, "at least 1"),
        ({"aha": [18]}, "less than or equal to 17"),
        ({"aha": [1], "layer": "middle"}, "'endo', 'mid' or 'epi'"),
        ({"apicobasal": 0.5}, "both apicobasal and rotation"),
        ({"apicobasal": 0.5, "rotation": ["0 deg", "9 deg"], "layer": "endo"}, "both apicobasal and rotation"),
        ({"apicobasal": 0.5, "rotation": "9 deg"}, "depth in the wall"),
        ({"apicobasal": 1.5, "rotation": "9 deg", "layer": "endo"}, "less than or equal to 1"),
        ({"apicobasal": [0.5, 0.2]}, "low < high"),
        ({"rotation": ["0 deg", "400 deg"]}, "360 deg"),
        ({"rotation": BareFloat(1.0), "apicobasal": 0.5, "layer": "epi"}, "needs a unit"),
        ({"layer": "epi", "transmural": [0, 1]}, "not both"),
        ({"chamber": "lv", "radius": "3 mm"}, "belongs to a site"),
        ({}, "restricts nothing"),
        (3, "expected `all`"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words_that_help(value, reason):
    with pytest.raises(ValidationError) as caught:
        read(value)
    assert len(caught.value.errors()) <= 3  # one kind of place speaks, not all five
    assert reason in str(caught.value)


def test_a_site_is_told_from_a_region():
    assert read({"apicobasal": 0.0, "rotation": "0 deg", "layer": "endo"}).is_site
    assert not read({"apicobasal": [0.0, 0.1]}).is_site


def test_fibre_angles_carry_units_and_default_to_sixty_degrees():
    assert read({"type": "bayer"}, rule) == FibresBayer(type="bayer", endo=math.pi / 3, epi=-math.pi / 3)
    assert read({"type": "bayer", "endo": "50 deg"}, rule).endo == pytest.approx(math.radians(50))
    with pytest.raises(ValidationError, match="needs a unit"):
        read({"type": "bayer", "endo": BareInt(50)}, rule)
    with pytest.raises(ValidationError, match="neither zero nor parallel"):
        read({"type": "constant", "fibre": [1, 0, 0], "sheet": [2, 0, 0]}, rule)
    with pytest.raises(ValidationError, match="bayer"):
        read({"type": "bayes"}, rule)
