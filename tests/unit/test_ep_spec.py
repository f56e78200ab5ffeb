"""What a scenario may say about electrophysiology."""

import pytest
from pydantic import ValidationError

from heartwright.electrophysiology.spec import Ecg, ElectrophysiologySpec, FastEndocardium, Speeds


def test_a_resolved_spec_reads_back_as_itself():
    spec = ElectrophysiologySpec.model_validate(
        {
            "cells": [{"model": "tentusscher_panfilov_2006", "variant": "epi", "parameters": {"g_Ks": "0.1 mS/uF"}}],
            "conduction": {"type": "speed", "fibre": "60 cm/s", "cross": "0.2 m/s"},
            "stimuli": [{"name": "pacing", "where": "all", "amplitude": "50 uA/uF", "period": "0.3 s", "count": 2}],
            "fast_endocardium": {"surfaces": ["lv_endo"], "thickness": "2 mm"},
            "ecg": {"electrodes": {"V1": ["1 cm", "0 mm", "0 mm"]}},
        }
    )
    assert spec.conduction == Speeds(fibre=0.6, cross=0.2)
    assert spec.stimuli[0].period == 300.0
    assert spec.ecg == Ecg(electrodes={"V1": (10.0, 0.0, 0.0)})
    assert ElectrophysiologySpec.model_validate_json(spec.model_dump_json()) == spec


def test_defaults_are_in_internal_units():
    spec = ElectrophysiologySpec()
    assert spec.chi == 140.0  # 1/mm
    assert spec.Cm == pytest.approx(0.01)  # uF/mm^2 = 1 uF/cm^2
    assert FastEndocardium().thickness == 1.5  # mm


@pytest.mark.parametrize(
    "wrong",
    [
        {"conduction": {"type": "speed", "fibre": "0 m/s", "cross": "0.2 m/s"}},
        {"conduction": {"type": "conductivity", "fibre": "0.1 m/s", "sheet": "1 S/m", "normal": "1 S/m"}},
        {"stimuli": [{"name": "x", "where": "all", "duration": "-1 ms"}]},
        {"regions": [{"where": "all", "conduction_scale": -0.5}]},
        {"cells": []},
        {
            "equation": "bidomain",
            "conduction": {"type": "conductivity", "fibre": "1 S/m", "sheet": "1 S/m", "normal": "1 S/m"},
        },
    ],
)
def test_impossible_values_are_refused(wrong):
    with pytest.raises(ValidationError):
        ElectrophysiologySpec.model_validate(wrong)
