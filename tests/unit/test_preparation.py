"""Tissue alone: a run without mechanics and circulation, from first step to report, and on from a checkpoint."""

import json

import numpy as np
import pytest
from mpi4py import MPI

import heart
from heartwright import scenario, simulation
from heartwright.errors import DONE, InputError
from heartwright.output import fields, report, series

SLAB = """\
title: a small slab
time: {end: 24 ms, dt: 1 ms, dt_ep: 0.1 ms}
mesh: {generate: {type: slab, lengths: [8 mm, 2 mm, 2 mm], size: 1 mm}, fibres: {type: constant}}
electrophysiology:
  cells: [{model: mitchell_schaeffer_2003}]
  conduction: {type: conductivity, fibre: 0.2 mS/mm, sheet: 0.2 mS/mm, normal: 0.2 mS/mm}
  stimuli: [{name: s1, where: xmin, clock: absolute, count: 1}]
  ecg: null
output: {report: false, fields: {every: 8 ms}, checkpoint: {every: 5 ms}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slab")
    described = scenario.load(heart.scenario(folder, SLAB)).resolve()
    assert simulation.run(described, folder / "run", MPI.COMM_WORLD) == DONE
    return folder / "run"


def test_a_slab_is_excited_and_leaves_what_other_runs_leave(folder):
    trace = series.read(folder / "series.csv")
    assert trace["activated"][0] == 0 and trace["activated"][-1] > 0.9
    assert np.isnan(trace["reentry_cycle_length"]).all()
    assert set(fields.read(folder / "fields", -1)) >= {"v", "activation", "f0"}
    found = json.loads((folder / "run.json").read_text())
    assert found["outcome"] == "done" and set(found["dofs"]) == {"tissue"}
    assert not (folder / "segments.csv").exists()
    assert "activated" in (folder / "log.txt").read_text()
    assert report.write(folder).exists()


def test_it_goes_on_from_a_checkpoint(folder, tmp_path):
    whole = scenario.load(heart.scenario(tmp_path, SLAB), ["time.end=28 ms"]).resolve()
    assert simulation.run(whole, tmp_path / "run", MPI.COMM_WORLD) == DONE
    assert simulation.restart(folder, MPI.COMM_WORLD, ["time.end=28 ms"]) == DONE
    one, other = (series.read(path / "series.csv") for path in (tmp_path / "run", folder))
    np.testing.assert_allclose(one["activated"], other["activated"])


@pytest.mark.parametrize(
    "extra, message",
    [
        ("mechanics: {}\n", "circulation: is required: there is mechanics; a beat needs both, tissue alone neither"),
        ("circulation: {}\n", "mechanics: is required: there is circulation"),
    ],
)
def test_half_a_beat_is_refused(tmp_path, extra, message):
    with pytest.raises(InputError, match=message):
        scenario.load(heart.scenario(tmp_path, SLAB + extra))


def test_fields_of_the_mechanics_need_mechanics(tmp_path):
    with pytest.raises(InputError, match="there is no u without mechanics"):
        scenario.load(heart.scenario(tmp_path, SLAB), ["output.fields.of=[v, u]"])
