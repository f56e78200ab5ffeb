"""Scenarios: inherit, override, resolve, and come back from their own text unchanged."""

from pathlib import Path

import pytest

from heartwright import scenario
from heartwright.errors import InputError

BASE = """\
title: base
time: {dt: 2 ms, cycle_length: 900 ms}
mesh: {generate: {type: biventricle, size: 8 mm}}
electrophysiology:
  stimuli:
    - {name: lv_septum, where: lv_endo}
    - {name: rv_septum, where: rv_endo, start: 5 ms}
  fast_endocardium: {}
mechanics:
  passive: {type: guccione, C: 3 kPa}
circulation: {}
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base.yaml"
    path.write_text(BASE)
    return path


def child(base: Path, text: str, name: str = "child.yaml") -> Path:
    path = base.parent / name
    path.write_text("extends: base.yaml\n" + text)
    return path


def test_a_file_without_a_name_is_named_after_itself(base):
    assert scenario.load(base).name == "base"
    assert scenario.load(child(base, "")).name == "child"
    assert scenario.load(child(base, "name: other\n")).name == "other"
    assert scenario.load(child(base, "", "_shared.yaml")).name == "shared"


def test_a_name_is_not_inherited(base):
    base.write_text("name: mine\n" + BASE)
    assert scenario.load(child(base, "")).name == "child"


def test_extends_merges_blocks_and_replaces_lists_and_other_types(base):
    changed = scenario.load(
        child(base, "time: {beats: 2}\nmechanics: {passive: {type: neo_hooke}}\nelectrophysiology: {stimuli: []}\n")
    )
    assert (changed.time.beats, changed.time.dt, changed.title) == (2, 2.0, "base")
    assert changed.mechanics.passive.type == "neo_hooke"
    assert changed.electrophysiology.stimuli == []
    assert changed.electrophysiology.fast_endocardium is not None


def test_extends_follows_a_chain_through_folders(base):
    folder = base.parent / "deeper"
    folder.mkdir()
    (folder / "middle.yaml").write_text("extends: ../base.yaml\ntime: {beats: 3}\n")
    (base.parent / "last.yaml").write_text("extends: deeper/middle.yaml\ntime: {dt: 1 ms}\n")
    last = scenario.load(base.parent / "last.yaml")
    assert (last.time.beats, last.time.dt, last.time.cycle_length) == (3, 1.0, 900.0)


def test_set_overrides_values_blocks_and_items_of_lists(base):
    changed = scenario.load(
        base,
        [
            "time.beats=2",
            "mesh.generate={type: ellipsoid}",
            "electrophysiology.stimuli.1.where=lv_endo",
            "electrophysiology.fast_endocardium=null",
            "circulation.cavities=null",
            "circulation.cavities={lv: lv_endo}",
            "electrophysiology.stimuli.2={name: late, where: epi, start: 20 ms}",
        ],
    )
    assert changed.time.beats == 2
    assert changed.mesh.generate.type == "ellipsoid"
    assert [stimulus.name for stimulus in changed.electrophysiology.stimuli] == ["lv_septum", "rv_septum", "late"]
    assert changed.electrophysiology.stimuli[1].where == "lv_endo"
    assert changed.electrophysiology.fast_endocardium is None
    assert changed.circulation.cavities == {"lv": "lv_endo"}


def test_heart_rate_and_cycle_length_are_one_value_and_the_last_word_counts(base):
    assert scenario.load(base).time.cycle_length == 900
    assert scenario.load(base, ["time.heart_rate=60 bpm"]).time.cycle_length == pytest.approx(1000, rel=1e-12)
    slow = child(base, "time: {heart_rate: 50 bpm}\n")
    assert scenario.load(slow).time.cycle_length == pytest.approx(1200, rel=1e-12)
    assert scenario.load(slow, ["time={cycle_length: 875 ms}"]).time.cycle_length == 875
    assert scenario.load(slow, ["time={cycle_length: 875 ms}"]).time.heart_rate is None
    with pytest.raises(InputError, match="heart_rate and cycle_length contradict"):
        scenario.load(child(base, "time: {heart_rate: 50 bpm, cycle_length: 1 s}\n"))


def test_the_run_lasts_its_beats_unless_it_has_an_end(base):
    assert scenario.load(base, ["time.beats=2"]).time.duration == 1800
    assert scenario.load(base, ["time.end=0.3 s"]).time.duration == 300


def test_mesh_files_are_relative_to_the_file_that_names_them(base, monkeypatch):
    folder = base.parent / "deeper"
    folder.mkdir()
    mesh = base.parent / "heart.msh"
    mesh.touch()
    (folder / "s.yaml").write_text(
        "extends: ../base.yaml\nmesh: {generate: null, file: ../heart.msh, unit: mm, regions: {lv_endo: 1, rv_endo: 2, "
        "epi: 3, base: 4}}\n"
    )
    assert scenario.load(folder / "s.yaml").mesh.file == str(mesh)
    (folder / "other.msh").touch()
    monkeypatch.chdir(folder)
    assert scenario.load(Path("s.yaml"), ["mesh.file=other.msh"]).mesh.file == str(folder / "other.msh")


def test_a_resolved_scenario_comes_back_from_its_text_unchanged(base, tmp_path):
    path = child(
        base,
        "time: {dt: 0.1 s, dt_ep: 0.3333333333333333 ms}\n"
        "pathologies: [{type: infarct, where: {sphere: {centre: [1 mm, 0.1 cm, 3 mm], radius: 7 mm}}, "
        "border_width: 3 mm}, {type: lbbb}]\n"
        "devices: [{type: crt, leads: [{at: {aha: [15]}}, {at: {aha: [11], layer: epi}}], vv_delay: -20 ms}]\n",
    )
    resolved = scenario.load(path).resolve()
    again = tmp_path / "resolved.yaml"
    again.write_text(scenario.dump(resolved))
    assert scenario.load(again) == resolved
    assert scenario.load(again).resolve() == resolved


def test_pathologies_come_before_devices_and_are_gone_once_resolved(base):
    lbbb_and_pacing = child(base, "pathologies: [{type: lbbb}]\ndevices: [{type: pacemaker, lead: {at: lv_endo}}]\n")
    resolved = scenario.load(lbbb_and_pacing).resolve()
    assert resolved.pathologies == resolved.devices == []
    assert [s.name for s in resolved.electrophysiology.stimuli] == ["rv_septum", "pacemaker_lead"]


@pytest.mark.parametrize("block, bundle", [("lbbb", "left"), ("rbbb", "right")])
def test_a_block_cuts_the_bundle_of_a_network(base, block, bundle):
    network = "electrophysiology: {purkinje: {}, stimuli: [{name: his, where: his}]}\n"
    path = child(base, network + f"pathologies: [{{type: {block}}}]\n")
    resolved = scenario.load(path).resolve().electrophysiology
    assert resolved.purkinje.cut == [bundle]
    assert [stimulus.name for stimulus in resolved.stimuli] == ["his"]


def test_rbbb_takes_the_right_stimuli_and_the_right_fast_layer(base):
    resolved = scenario.load(base, ["pathologies=[{type: rbbb}]"]).resolve().electrophysiology
    assert [stimulus.name for stimulus in resolved.stimuli] == ["lv_septum"]
    assert resolved.fast_endocardium.surfaces == ["lv_endo"]


def test_lbbb_takes_the_left_stimuli_and_the_left_fast_layer(base):
    resolved = scenario.load(base, ["pathologies=[{type: lbbb}]"]).resolve()
    assert [stimulus.name for stimulus in resolved.electrophysiology.stimuli] == ["rv_septum"]
    assert resolved.electrophysiology.fast_endocardium.surfaces == ["rv_endo"]
    with pytest.raises(InputError, match="needs a purkinje network, or stimuli named lv_"):
        scenario.load(base, ["pathologies=[{type: lbbb}, {type: lbbb}]"]).resolve()


def test_leads_pace_at_their_delay_after_the_atria(base):
    device = "devices=[{type: crt, leads: [{at: rv_endo}, {at: epi}], av_delay: 120 ms, vv_delay: -20 ms}]"
    loaded = scenario.load(base, [device, "time.av_delay=150 ms"])
    right, left = loaded.resolve().electrophysiology.stimuli[-2:]
    assert (right.start + 150, left.start + 150) == (120, 100)  # stimuli count from the ventricles' own onset
    assert loaded.resolve().time == loaded.time


def test_an_infarct_weakens_its_border_and_silences_its_core(base):
    where = "{chamber: lv, layer: mid, apicobasal: 0.4, rotation: 80 deg, radius: 12 mm}"
    infarct = f"pathologies=[{{type: infarct, where: {where}, border_width: 5 mm, stiffness: 4}}]"
    resolved = scenario.load(base, [infarct]).resolve()
    border, core = resolved.mechanics.regions
    assert (border.where.radius, border.active_scale, border.passive_scale) == (17, 0.5, 1)
    assert (core.where.radius, core.active_scale, core.passive_scale) == (12, 0, 4)
    assert [region.conduction_scale for region in resolved.electrophysiology.regions] == [0.3, 0]


def test_differences_show_what_a_pathology_changes_and_nothing_else(base):
    before = scenario.load(base)
    after = scenario.load(base, ["pathologies=[{type: lbbb}]", "time.beats=2"]).resolve()
    assert list(scenario.differences(before, before)) == []
    assert list(scenario.differences(before, after)) == [
        "  time.beats: 1 -> 2",
        "  electrophysiology.fast_endocardium.surfaces: [lv_endo, rv_endo] -> [rv_endo]",
        "- electrophysiology.stimuli.lv_septum: {name: lv_septum, where: lv_endo, start: 0.0 ms, duration: 2.0 ms, "
        "amplitude: 60.0 uA/uF, clock: ventricles}",
    ]
