"""Specs: frozen, typo-proof, validated on every change; errors that survive the trip to another rank."""

import pickle

import pytest
from pydantic import ValidationError

from heartwright.errors import InputError, SolveFailed, StorageError, did_you_mean
from heartwright.scenario import Contradiction
from heartwright.spec import Spec
from heartwright.units import Time


class Pulse(Spec):
    duration: Time = "2 ms"
    count: int = 1


def test_defaults_are_validated_like_input():
    assert Pulse().duration == 2.0


def test_a_spec_cannot_be_changed_in_place_nor_take_unknown_keys():
    with pytest.raises(ValidationError):
        Pulse().count = 2
    with pytest.raises(ValidationError):
        Pulse(cuont=2)


def test_replace_changes_one_field_and_validates():
    assert Pulse(count=3).replace(duration="1 s") == Pulse(duration=1000.0, count=3)
    with pytest.raises(ValidationError):
        Pulse().replace(duration="1 mm")
    with pytest.raises(ValidationError):
        Pulse().replace(cuont=1)


@pytest.mark.parametrize(
    "error",
    [
        InputError("a: one", "b: two"),
        SolveFailed("solid", "no convergence"),
        StorageError("disk full"),
        Contradiction((("time", "dt"), "too large")),
    ],
)
def test_errors_travel_between_ranks_unchanged(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_did_you_mean_names_the_nearest_word_or_all():
    assert did_you_mean("epicardum", ["epicardium", "base"]) == "; did you mean 'epicardium'?"
    assert did_you_mean("zzz", ["b", "a"]) == "; known: a, b"
    assert did_you_mean("zzz", []) == ""
