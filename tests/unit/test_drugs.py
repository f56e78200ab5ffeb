"""Drugs: block by concentration, on models whose conductances are named."""

import pytest
from pydantic import ValidationError

from heartwright.electrophysiology.drugs import Drug, library, under
from heartwright.electrophysiology.singlecell import duration, pace
from heartwright.errors import InputError
from heartwright.odes.model import read
from small_models import CELL, model


def test_half_is_left_at_the_concentration_of_half_block():
    drug = Drug(
        name="mine", dose=2, cmax="5 nM", blocks={"kr": {"ic50": "10 nM", "hill": 1.7}, "na": {"ic50": "20 nM"}}
    )
    assert drug.remaining() == pytest.approx({"kr": 1 / 2, "na": 2 / 3})


def test_no_dose_blocks_nothing():
    assert set(Drug(name="quinidine", dose=0).remaining().values()) == {1.0}


def test_drugs_multiply():
    cell = read("tomek_2020_dyncl")
    both = under(cell, [Drug(name="dofetilide"), Drug(name="verapamil")])
    shares = [Drug(name=name).remaining()["kr"] for name in ("dofetilide", "verapamil")]
    label = "conductance_kr"
    assert both.value(label) == pytest.approx(cell.value(label) * shares[0] * shares[1])
    assert both.value("conductance_k1") == pytest.approx(
        cell.value("conductance_k1") * Drug(name="dofetilide").remaining()["k1"]
    )


@pytest.mark.parametrize("name", ["tomek_2020_dyncl", "ohara_rudy_2011_cipa", "tentusscher_panfilov_2006"])
def test_dofetilide_prolongs_the_action_potential_with_dose(name):
    durations = []
    for dose in (0, 1, 4):
        record = pace(under(read(name), [Drug(name="dofetilide", dose=dose)]), period=1000.0, beats=2)
        durations.append(duration(record.time, record.v))
    assert durations[0] + 5 < durations[1] < durations[2] - 5


def test_the_library_is_the_training_set():
    assert len(library()) == 12
    assert all(cmax > 0 and "kr" in blocks for cmax, blocks in library().values())


@pytest.mark.parametrize(
    ("drug", "message"),
    [
        ({"name": "dofetilid"}, "did you mean 'dofetilide'"),
        ({"name": "mine", "cmax": "1 nM"}, "needs cmax and blocks"),
        ({"name": "mine", "cmax": "1 nM", "blocks": {"herg": {"ic50": "1 nM"}}}, "herg"),
        ({"name": "dofetilide", "dose": -1}, "dose"),
    ],
)
def test_wrong_drugs_are_answered(drug, message):
    with pytest.raises(ValidationError, match=message):
        Drug(**drug)


def test_a_model_without_named_conductances_is_refused(tmp_path):
    with pytest.raises(InputError, match="none of the conductances dofetilide blocks"):
        under(model(tmp_path, CELL), [Drug(name="dofetilide")])
