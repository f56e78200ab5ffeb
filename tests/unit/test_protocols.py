"""What is done to tissue: random fibrosis, ablation lines, conductivities for wanted speeds, capture thresholds."""

import re

import numpy as np
import pytest
from mpi4py import MPI

import heart
from box import box
from heartwright import protocols, scenario
from heartwright.cli import main
from heartwright.electrophysiology.conductivity import Bundle, cable_lengths, region_scale
from heartwright.electrophysiology.spec import Cells, Region
from heartwright.errors import InputError
from heartwright.mesh.select import select
from heartwright.mesh.speckle import speckle
from heartwright.mesh.where import WhereLine

SLAB = """\
title: a slab
time: {end: 60 ms, dt: 1 ms, dt_ep: 0.1 ms}
mesh: {generate: {type: slab, lengths: [10 mm, 4 mm, 1 mm], size: 1 mm}, fibres: {type: constant}}
electrophysiology:
  cells: [{model: mitchell_schaeffer_2003}]
  conduction: {type: conductivity, fibre: 0.2 mS/mm, sheet: 0.2 mS/mm, normal: 0.2 mS/mm}
  stimuli: [{name: s1, where: xmin, clock: absolute, count: 1, duration: 2 ms}]
  ecg: null
"""


def test_patterns_depend_on_place_and_seed_alone():
    points = np.random.default_rng(0).uniform(-40, 40, (20_000, 3))
    numbers = speckle(points, 1.0, 1)
    np.testing.assert_array_equal(numbers[::-1], speckle(points[::-1], 1.0, 1))
    np.testing.assert_array_equal(speckle(np.floor(points) + 0.2, 1.0, 1), speckle(np.floor(points) + 0.9, 1.0, 1))
    assert np.abs(np.histogram(numbers, 10, (0, 1))[0] / len(points) - 0.1).max() < 0.01
    aside, above = points + np.array([1, 0, 0]), points + np.array([0, 0, 1])
    for other in (speckle(points, 1.0, 2), speckle(aside, 1.0, 1), speckle(above, 1.0, 1)):
        assert abs(np.corrcoef(numbers, other)[0, 1]) < 0.03


def test_a_share_of_a_region_does_not_conduct():
    geometry = box((10.0, 10.0, 10.0), 0.5)
    half = {"box": {"lower": (-1, -1, -1), "upper": (5, 11, 11)}}
    scale = region_scale(geometry, [Region(where=half, conduction_scale=0.2, density=0.3, grain=1.0)])
    x = geometry.points[geometry.V1.dofmap.list].mean(axis=1)[:, 0]
    assert (scale[x < 4.9] == 0.2).mean() == pytest.approx(0.3, abs=0.04)  # 500 patches: 2 %
    assert (scale[x > 5.5] == 1.0).all()


def test_a_line_holds_what_is_near_it():
    geometry = box((6.0, 6.0, 1.0), 0.5)
    bent = WhereLine(line=((0, 0, 0), (6, 0, 0), (6, 6, 0)), radius=1.0)
    x, y, z = geometry.points.T
    expected = np.minimum(np.hypot(y, z), np.hypot(6 - x, z)) <= 1.0 + 1e-6
    np.testing.assert_array_equal(select(geometry, bent), expected)
    with pytest.raises(InputError, match="no node in"):
        select(geometry, WhereLine(line=((0, 0, 9), (6, 0, 9)), radius=1.0))


def fired(tmp_path, extra: str, end: int = 60) -> float:
    """The share of the slab that has fired at its end."""
    from heartwright.building import build

    preparation = build(scenario.load(heart.scenario(tmp_path, SLAB + extra)).resolve(), MPI.COMM_WORLD)
    for t in range(end):
        preparation.step(float(t), 1.0)
    return preparation.tissue.summary()["activated"]


def test_waves_do_not_cross_an_ablation_line_but_its_gap(tmp_path):
    line = "[{{line: [[5 mm, -1 mm, 0 mm], [5 mm, {end} mm, 0 mm]], radius: 1.5 mm}}]"
    line = f"devices: [{{{{type: ablation, lesions: {line}}}}}]\n"
    assert fired(tmp_path, line.format(end=9)) < 0.65
    assert fired(tmp_path, line.format(end=1)) > 0.75


def test_fibrosis_becomes_a_region(tmp_path):
    extra = "pathologies: [{type: fibrosis, where: all, density: 0.4, seed: 3}]\n"
    (region,) = scenario.load(heart.scenario(tmp_path, SLAB + extra)).resolve().electrophysiology.regions
    assert (region.density, region.seed, region.conduction_scale) == (0.4, 3, 0.0)


def test_tuned_conductivities_give_the_wanted_speed():
    text = protocols.tune(0.5, 0.25, 0.5, 0.1, "tentusscher_panfilov_2006", None)[1]
    fibre = float(re.search(r"fibre: ([\d.]+)", text).group(1))
    cells, length = Cells(), cable_lengths(0.5, 0.5, 0.25)[0]
    speed = Bundle(cells, length, 0.1, np.array([fibre / (140 * 0.01)])).speeds(slowest=0.25)[0]
    assert speed == pytest.approx(0.5, rel=0.01)


def test_tune_says_what_is_wrong_with_its_options(capsys):
    assert main(["tune", "--fibre", "0.6", "--cross", "0.3 m/s", "--size", "1 mm"]) == 64
    assert "needs a unit" in capsys.readouterr().err
    assert main(["tune", "--fibre", "0 m/s", "--cross", "0.3 m/s", "--size", "1 mm"]) == 64
    assert "greater than zero" in capsys.readouterr().err


def test_the_threshold_divides_what_captures_from_what_does_not(tmp_path):
    described = scenario.load(heart.scenario(tmp_path, SLAB)).resolve()
    found = protocols.threshold(described, "s1", 60.0, MPI.COMM_WORLD, lambda line: None)
    preparation = protocols.alone(described, "s1", MPI.COMM_WORLD)[0]
    assert 5 < found < 60
    assert protocols.share_fired(preparation, found, 60.0, 1.0) > 0.5
    preparation = protocols.alone(described, "s1", MPI.COMM_WORLD)[0]
    assert protocols.share_fired(preparation, 0.97 * found, 60.0, 1.0) < 0.5
    with pytest.raises(InputError, match="no stimulus 's2' of the muscle; known: s1"):
        protocols.threshold(described, "s2", 60.0, MPI.COMM_WORLD, lambda line: None)
