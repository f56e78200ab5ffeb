"""The spiral wave of configs/arrhythmia is found, and has the cycle length that its waves have.

Half a minute on one rank, so marked slow.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from heartwright import scenario, simulation
from heartwright.output import fields, series

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.fixture(scope="module")
def spiral(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("spiral") / "run"
    described = scenario.load(CONFIGS / "arrhythmia/spiral.yaml", ["output.report=false"]).resolve()
    simulation.run(described, folder, MPI.COMM_WORLD)
    return folder


def test_reentry_is_found_with_its_cycle_length(spiral):
    found = json.loads((spiral / "run.json").read_text())["metrics"]["reentry_cycle_length"]["value"]
    assert 130 < found < 170
    # counted otherwise: upstrokes of one node far from the core, in the frames
    v = np.array([fields.read(spiral / "fields", frame)["v"] for frame in range(30, 61)])  # 600 to 1200 ms
    points = fields.read(spiral / "fields", 0)["points"]
    probe = np.linalg.norm(points - (50.0, 50.0, 1.0), axis=1).argmin()
    rises = np.flatnonzero((v[1:, probe] > -30) & (v[:-1, probe] <= -30))
    assert np.diff(rises).mean() * 20 == pytest.approx(found, rel=0.15)


def test_there_is_none_before_the_second_stimulus_and_a_core_afterwards(spiral):
    trace = series.read(spiral / "series.csv")
    before = trace["time"] < 190
    assert np.isnan(trace["reentry_cycle_length"][before]).all() and trace["filament_cells"][before].max() == 0
    assert np.median(trace["filament_cells"][trace["time"] > 400]) >= 3


def test_s1_alone_makes_a_wave_that_passes(tmp_path):
    overrides = ["output.report=false", "time.end=600 ms", "electrophysiology.stimuli.1.amplitude=0 uA/uF"]
    described = scenario.load(CONFIGS / "arrhythmia/spiral.yaml", overrides).resolve()
    simulation.run(described, tmp_path / "run", MPI.COMM_WORLD)
    assert np.isnan(series.read(tmp_path / "run" / "series.csv")["reentry_cycle_length"]).all()


def test_an_ablation_line_prevents_it(tmp_path):
    overrides = ["output.report=false", "time.end=900 ms"]
    described = scenario.load(CONFIGS / "devices/ablation.yaml", overrides).resolve()
    simulation.run(described, tmp_path / "run", MPI.COMM_WORLD)
    found = json.loads((tmp_path / "run" / "run.json").read_text())["metrics"]["reentry_cycle_length"]["value"]
    assert found is None
