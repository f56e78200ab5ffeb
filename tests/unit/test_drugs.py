"""Drugs: block by concentration, on models whose conductances are named."""

import numpy as np
import pytest
from pydantic import ValidationError

from box import AXES, box
from heartwright.electrophysiology.drugs import Drug, library, under
from heartwright.electrophysiology.electrodes import ELECTRODES
from heartwright.electrophysiology.singlecell import duration, pace
from heartwright.electrophysiology.spec import Cells, Conductivities, Ecg, ElectrophysiologySpec, Stimulus
from heartwright.electrophysiology.tissue import Tissue
from heartwright.errors import InputError
from heartwright.odes.model import read
from heartwright.output.metrics import t_wave
from small_models import CELL, model

TORORD = "tomek_2020_dyncl"


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


def test_dofetilide_prolongs_the_qt_interval():
    """A wall of endocardial and epicardial cells seen from nine electrodes: the T wave ends later with every dose."""
    around = {name: (40.0 * np.cos(k), 40.0 * np.sin(k), 5.0 * k) for k, name in enumerate(ELECTRODES)}
    outer = {"box": {"lower": (2.0, -1.0, -1.0), "upper": (9.0, 9.0, 9.0)}}
    intervals = []
    for dose in (0, 1, 4):
        drugs = [Drug(name="dofetilide", dose=dose)]
        cells = [Cells(model=TORORD, drugs=drugs), Cells(model=TORORD, variant="epi", where=outer, drugs=drugs)]
        spec = ElectrophysiologySpec(
            cells=cells,
            conduction=Conductivities(fibre=0.1334, sheet=0.0176, normal=0.0176),
            stimuli=[Stimulus(name="endo", where={"box": {"lower": (-1, -1, -1), "upper": (0.6, 9, 9)}}, start=5.0)],
            ecg=Ecg(electrodes=around),
        )
        tissue = Tissue(box((4.0, 1.0, 1.0), 0.5), spec, AXES, dt=0.05)
        leads = []
        for t in range(0, 500, 2):
            tissue.step(float(t), 2.0)
            leads.append(list(tissue.ecg().values()))
        intervals.append(t_wave(np.arange(0.0, 500.0, 2.0), np.array(leads))[1])
    assert intervals[0] + 5 < intervals[1] < intervals[2] - 5
