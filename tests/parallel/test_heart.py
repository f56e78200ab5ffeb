"""The coupled heart: the same beat on any number of ranks, with no blood lost, and all that a run must leave behind."""

import json

import numpy as np
import pytest

import heart
from heartwright.output import fields, series

pytestmark = pytest.mark.parallel

EXACT = "_pressure", "_volume", "_tension", "activated"


def test_the_small_heart_goes_through_excitation_contraction_and_a_valve(beats):
    trace = beats(1).series
    assert list(trace["time"]) == list(range(41))
    assert trace["activated"][0] == 0 and trace["activated"][-1] > 0.95
    assert trace["active_tension"][-1] > 1  # kPa
    assert trace["lv_pressure"][-1] > 1.2 * trace["lv_pressure"][0]
    assert trace["valve_mitral"][0] == 1 and trace["valve_mitral"][-1] == 0


@pytest.mark.parametrize("ranks", [2, 3])
def test_traces_do_not_depend_on_the_number_of_ranks(beats, ranks):
    apart = heart.differences(beats(1).series, beats(ranks).series)
    exact = {name: value for name, value in apart.items() if name.startswith("ecg") or name.endswith(EXACT)}
    assert max(exact.values()) < 1e-7, exact  # 1e-8 seen
    assert max(apart.values()) < 1e-6, apart  # 1e-7 seen in the twist: single precision knows soft modes less well


@pytest.mark.parametrize("ranks", [2, 3])
def test_what_the_segments_do_does_not_depend_on_the_number_of_ranks(beats, ranks):
    one, many = (series.read(beats(n).folder / "segments.csv") for n in (1, ranks))
    assert {"longitudinal_stretch_1", "fibre_stress_p95_9", "cross_fibre_stress_p50_lv", "power_rv"} < set(one)
    assert np.isfinite(list(one.values())).all()
    np.testing.assert_array_equal(one["time"], np.arange(0, 41, 10))
    apart = heart.differences(one, many)
    assert max(apart.values()) < 1e-5, apart  # rates and stresses see the displacement's error enlarged


@pytest.mark.parametrize("ranks", [2, 3])
def test_fields_do_not_depend_on_the_number_of_ranks(beats, ranks):
    one, many = (_sorted_by_place(fields.read(beats(n).folder / "fields", -1)) for n in (1, ranks))
    for name in ("points", "v", "u", "activation", "active_tension"):
        # written in single precision: 6e-8 of the largest value, rounded either way
        np.testing.assert_allclose(one[name], many[name], rtol=0, atol=5e-7 * np.abs(one[name]).max(), err_msg=name)


def _sorted_by_place(frame: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    order = np.lexsort(np.round(frame["points"], 6).T)
    return {name: frame[name][order] for name in ("points", "v", "u", "activation", "active_tension")}


def test_no_blood_is_lost_and_cavities_hold_what_their_chambers_hold(beats):
    trace = beats(2).series
    assert np.abs(trace["blood_volume"] / trace["blood_volume"][0] - 1).max() < 1e-8
    assert trace["cavity_error"].max() < 1e-6
    chambers = [name for name in trace if name.endswith("_volume") and name != "blood_volume"]
    np.testing.assert_allclose(sum(trace[name] for name in chambers), trace["blood_volume"], rtol=1e-12)


def test_volumes_change_by_what_flows_through_the_valves(beats):
    trace = beats(1).series
    net = (trace["flow_mitral"] - trace["flow_aortic"]) * 1e-3  # mL/ms
    gained = np.sum((net[1:] + net[:-1]) / 2)  # trapezoidal rule: second order in the 1 ms between rows
    assert gained == pytest.approx(trace["lv_volume"][-1] - trace["lv_volume"][0], abs=0.01)


def test_run_json_says_what_scripts_read(beats):
    found = json.loads((beats(2).folder / "run.json").read_text(), parse_constant=_not_json)
    assert found["outcome"] == "done" and found["exit_code"] == 0 and found["message"] == ""
    assert found["ranks"] == 2 and found["inputs"] == [] and found["wall_s"] > 0
    assert set(found) >= {"version", "commit", "dofs", "phases", "metrics", "cite"}
    assert found["dofs"].keys() == {"tissue", "solid"} and found["dofs"]["tissue"] == 1610
    assert set(found["phases"]) >= {"fill", "tissue", "contraction", "solid"}
    sides = [f"{side}_{what}" for side in ("lv", "rv") for what in ("edv", "esv", "ef", "peak_pressure", "dpdt_max")]
    for name in [*sides, "qrs", "volume_error", "cavity_error", "steps", "retries"]:
        assert isinstance(found["metrics"][name]["value"], float | int), name
        assert found["metrics"][name]["unit"]
    assert found["metrics"]["steps"]["value"] == 40 and found["metrics"]["retries"]["value"] == 0
    assert all("doi:10." in paper for paper in found["cite"]) and len(found["cite"]) >= 3


def _not_json(constant: str):
    raise AssertionError(f"{constant} is not JSON")


def test_a_run_leaves_frames_checkpoints_a_log_and_the_scenario_that_repeats_it(beats):
    folder = beats(2).folder
    np.testing.assert_array_equal(fields.times(folder / "fields"), np.arange(0, 41, 5))
    kept = sorted(path.name for path in (folder / "checkpoints").glob("ck-*"))
    assert kept == ["ck-000000020", "ck-000000030", "ck-000000040"]
    log = (folder / "log.txt").read_text().splitlines()
    assert sum(line.startswith("t ") for line in log) == 40
    assert any(line.startswith("mesh: ") for line in log)
    from heartwright import scenario

    assert scenario.load(folder / "resolved.yaml").time.end == 40


def test_progress_under_mpirun_is_plain_lines(beats):
    printed = beats(2).process.stdout
    assert "\x1b" not in printed and "\r" not in printed.replace("\r\n", "\n")
    assert printed.count("\nt ") < 12  # one in ten seconds, not one per step
