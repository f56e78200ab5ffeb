"""Whole beats of the scenarios that ship: a healthy heart, and what disease and device change in it.

Minutes each on two ranks, so marked slow: `./heartwright test -m slow tests/scenarios/test_beats.py`.
"""

import functools
import json
from pathlib import Path

import pytest

import heart
from heartwright.output import metrics, report, series

pytestmark = [pytest.mark.slow, pytest.mark.parallel]

CONFIGS = Path(__file__).resolve().parents[2] / "configs"

# A healthy adult at rest; sources in docs/theory/normal_values.md.
HEALTHY = {
    "lv_ef": (50, 70),
    "lv_peak_pressure": (100, 140),
    "rv_peak_pressure": (18, 35),
    "lv_edv": (100, 180),
    "lv_dpdt_max": (1000, 2500),
    "qrs": (60, 120),
    "volume_error": (0, 1e-8),
    "cavity_error": (0, 1e-6),
}


@pytest.fixture(scope="module")
def beat(tmp_path_factory):
    """`beat(scenario)`: the folder of one whole beat on two ranks."""

    @functools.cache
    def run(scenario: str) -> Path:
        folder = tmp_path_factory.mktemp("beats") / Path(scenario).stem
        arguments = ["run", str(CONFIGS / scenario), "-o", str(folder), "--set", "output.report=false"]
        done = heart.command(2, *arguments, timeout=1800)
        assert done.returncode == 0, done.stderr[-3000:]
        return folder

    return run


def values(folder: Path) -> dict[str, float]:
    found = json.loads((folder / "run.json").read_text())["metrics"]
    return {name: metric["value"] for name, metric in found.items()}


def test_the_quickstart_beats_like_a_healthy_heart(beat):
    found = values(beat("quickstart.yaml"))
    outside = {name: found[name] for name, (low, high) in HEALTHY.items() if not low <= found[name] <= high}
    assert outside == {}


def test_its_valves_open_and_close_in_order(beat):
    trace = series.read(beat("quickstart.yaml") / "series.csv")
    # From atrial contraction on: the ventricle closes the mitral valve, ejects, relaxes, and fills again.
    assert metrics.valve_order(trace) == ["mitral closes", "aortic opens", "aortic closes", "mitral opens"]


@pytest.mark.parametrize("side", ["lv", "rv"])
def test_isovolumic_volumes_are_flat(beat, side):
    trace = series.read(beat("quickstart.yaml") / "series.csv")
    assert metrics.isovolumic_drift(trace, side) < 0.1  # mL


def test_bundle_branch_block_slows_the_ventricles_and_pacing_brings_part_of_it_back(beat):
    healthy, block, paced = (
        values(beat(name)) for name in ("quickstart.yaml", "pathologies/lbbb.yaml", "devices/crt.yaml")
    )
    assert healthy["qrs"] < paced["qrs"] < block["qrs"]
    assert block["lv_dpdt_max"] < paced["lv_dpdt_max"] < healthy["lv_dpdt_max"]


def test_an_infarct_lowers_the_ejection_fraction(beat, tmp_path):
    healthy, infarct = beat("quickstart.yaml"), beat("pathologies/infarct.yaml")
    assert values(infarct)["lv_ef"] < values(healthy)["lv_ef"] - 2
    assert "infarct" in report.compare(healthy, infarct, tmp_path / "compare.html").read_text()
