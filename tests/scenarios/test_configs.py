"""Every scenario that ships is valid, resolves, reruns from its own text, and changes what it says it changes."""

from pathlib import Path

import pytest

from heartwright import scenario

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
FILES = sorted(path for path in CONFIGS.rglob("*.yaml") if not path.name.startswith("_"))


def load(path: Path, tmp_path: Path) -> scenario.Scenario:
    overrides = []
    if path.name == "patient.yaml":
        (tmp_path / "heart.msh").touch()
        overrides = [f"mesh.file={tmp_path / 'heart.msh'}"]
    return scenario.load(path, overrides)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_scenario_is_valid_and_reruns_from_its_own_text(path, tmp_path):
    resolved = load(path, tmp_path).resolve()
    (tmp_path / "resolved.yaml").write_text(scenario.dump(resolved))
    assert scenario.load(tmp_path / "resolved.yaml") == resolved


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_scenario_has_a_title_and_a_row_in_the_readme(path, tmp_path):
    assert load(path, tmp_path).title
    assert f"`{path.relative_to(CONFIGS)}`" in (CONFIGS / "README.md").read_text()


def stimuli(name: str) -> set[str]:
    ep = scenario.load(CONFIGS / name).resolve().electrophysiology
    return {stimulus.name for stimulus in ep.stimuli}


def test_lbbb_and_crt_change_the_activation_as_they_say():
    healthy = stimuli("quickstart.yaml")
    assert stimuli("pathologies/lbbb.yaml") == {name for name in healthy if not name.startswith("lv_")}
    assert stimuli("devices/crt.yaml") - stimuli("pathologies/lbbb.yaml") == {"crt_lead_right", "crt_lead_left"}


def test_the_ring_adds_a_plane_and_nothing_else():
    healthy, ring = (scenario.load(CONFIGS / n).resolve() for n in ("quickstart.yaml", "devices/valve_ring.yaml"))
    *springs, plane = ring.mechanics.boundaries
    assert springs == list(healthy.mechanics.boundaries) and plane.type == "plane"
    assert ring.mechanics.replace(boundaries=springs) == healthy.mechanics.replace(boundaries=springs)


def test_the_infarct_changes_regions_and_nothing_else():
    healthy, infarct = (scenario.load(CONFIGS / n).resolve() for n in ("quickstart.yaml", "pathologies/infarct.yaml"))
    changed = {line[2:].partition(":")[0].rstrip("0123456789.") for line in scenario.differences(healthy, infarct)}
    assert changed == {"name", "title", "electrophysiology.regions", "mechanics.regions"}
