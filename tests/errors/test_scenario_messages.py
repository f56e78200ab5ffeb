"""Bad scenarios: each mistake gives one line, `file:line: key: reason`, and all of them come at once."""

import pytest

from heartwright.cli import main
from heartwright.errors import BAD_INPUT
from heartwright.odes.model import list_models

GOOD = """\
mesh: {generate: {type: biventricle}}
electrophysiology:
  stimuli:
    - {name: a, where: lv_endo}
mechanics: {}
circulation: {}
"""


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """The messages of `check` for a scenario of this text, without the path of the folder."""
    monkeypatch.chdir(tmp_path)

    def check(text: str, *overrides: str) -> str:
        (tmp_path / "s.yaml").write_text(text)
        code = main(["check", "s.yaml", *(part for override in overrides for part in ("--set", override))])
        out, err = capsys.readouterr()
        assert (code, out) == (BAD_INPUT, "")
        return err.rstrip("\n")

    return check


TEXTS = {
    "empty": ("", "s.yaml: is empty; a scenario needs at least `mesh`"),
    "only a comment": ("# nothing\n", "s.yaml: is empty; a scenario needs at least `mesh`"),
    "not a block": ("- 1\n", "s.yaml:1: a scenario is a block of `key: value`"),
    "tab": ("mesh:\n\tfile: x\n", "s.yaml:2: YAML: a tab; indent with spaces"),
    "duplicate key": (GOOD + "mesh: {}\n", "s.yaml:7: mesh: given twice (lines 1 and 7)"),
    "unknown block": (GOOD + "tme: {beats: 2}\n", "s.yaml:7: tme: unknown key; did you mean 'time'?"),
    "unknown key": (GOOD + "time: {dT: 1 ms}\n", "s.yaml:7: time.dT: unknown key; did you mean 'dt'?"),
    "no unit": (GOOD + "time:\n  dt: 1\n", "s.yaml:8: time.dt: needs a unit, e.g. '1 ms'"),
    "exponent": (GOOD + "time: {dt: 1e-3}\n", "s.yaml:7: time.dt: needs a unit, e.g. '0.001 ms'"),
    "wrong unit": (GOOD + "time: {dt: 1 mm}\n", "s.yaml:7: time.dt: expected a time (ms), got a length (mm)"),
    "unknown unit": (GOOD + "time: {dt: 1 msec}\n", "s.yaml:7: time.dt: unknown unit 'msec'; did you mean 'ms'?"),
    "zero": (GOOD + "time: {dt: 0 ms}\n", "s.yaml:7: time.dt: must be greater than 0, got '0 ms'"),
    "not a number": (GOOD + "time: {beats: .nan}\n", "s.yaml:7: .nan is not finite"),
    "not whole": (GOOD + "time: {beats: 1.5}\n", "s.yaml:7: time.beats: expected a whole number, got 1.5"),
    "no is a word": (GOOD + "output: {report: [no]}\n", "s.yaml:7: output.report: expected true or false, got a list"),
    "number as text": (GOOD + "title: 5\n", "s.yaml:7: title: expected text (put it in quotes), got 5"),
    "dt too long": (
        GOOD + "time: {dt: 1 s}\n",
        "s.yaml:7: time: dt (1000 ms) must not be larger than the run (800 ms)",
    ),
    "unknown type": (
        GOOD + "pathologies: [{type: lbb}]\n",
        "s.yaml:7: pathologies.0: unknown type 'lbb'; did you mean 'lbbb'?",
    ),
    "no type": (GOOD + "devices:\n  - {av_delay: 3 ms}\n", "s.yaml:8: devices.0: needs a `type`"),
    "one domain": (
        GOOD.replace(
            "  stimuli",
            "  equation: bidomain\n"
            "  conduction: {type: conductivity, fibre: 1 S/m, sheet: 1 S/m, normal: 1 S/m}\n  stimuli",
        ),
        "s.yaml:2: electrophysiology: the bidomain equation needs conductivities of both domains: conduction of type "
        "domains or speed",
    ),
    "a field that the mesh does not keep": (
        GOOD.replace("  stimuli", "  cells: [{scales: [{type: field, parameter: iks.g_Ks, field: scar}]}]\n  stimuli"),
        "s.yaml:3: electrophysiology.cells.0.scales.0.field: mesh.fields does not keep 'scar'; it names: none",
    ),
    "a field of a generated mesh": (
        GOOD.replace("mesh: {", "mesh: {fields: [scar], "),
        "s.yaml:1: mesh: fields belong to the cells of a file: they need `file`, without `size` or fix: [slivers]",
    ),
    "a unit without electrodes": (
        GOOD.replace("  stimuli", "  ecg: {unit: mm}\n  stimuli"),
        "s.yaml:3: electrophysiology.ecg: a file of electrodes needs its `unit`: mm, cm, m or um; places without file "
        "carry theirs",
    ),
    "a bath without its equation": (
        GOOD.replace("  stimuli", "  bath: {where: epi}\n  stimuli"),
        "s.yaml:2: electrophysiology: a bath needs the bidomain equation, this is monodomain",
    ),
    "quadratic elements with wanted speeds": (
        GOOD.replace("  stimuli", "  element: P2\n  stimuli"),
        "s.yaml:2: electrophysiology: the conductivities for wanted speeds are known for linear elements: give "
        "conductivities",
    ),
    "quadratic elements that are lumped": (
        GOOD.replace(
            "  stimuli",
            "  element: P2\n  mass: lumped\n"
            "  conduction: {type: conductivity, fibre: 1 S/m, sheet: 1 S/m, normal: 1 S/m}\n  stimuli",
        ),
        "s.yaml:2: electrophysiology: quadratic elements have no lumped mass: it would be negative at their vertices",
    ),
    "a field of another equation": (
        GOOD + "output: {fields: {of: [v, phi_e]}}\n",
        "s.yaml:7: output.fields.of: phi_e is a field of the bidomain equation, this is monodomain",
    ),
    "required": (GOOD + "devices: [{type: crt}]\n", "s.yaml:7: devices.0.leads: is required"),
    "too few": (
        GOOD + "devices: [{type: crt, leads: [{at: epi}]}]\n",
        "s.yaml:7: devices.0.leads: entry 1 of the list is missing",
    ),
    "negative": (
        GOOD.replace("mechanics: {}", "mechanics: {bulk_modulus: -2 kPa}"),
        "s.yaml:5: mechanics.bulk_modulus: must be greater than 0, got '-2 kPa'",
    ),
    "no such surface": (
        GOOD.replace("circulation: {}", "circulation: {cavities: {lv: endo}}"),
        "s.yaml:6: circulation.cavities.lv: the mesh has no surface 'endo'; it has: base, epi, lv_endo, rv_endo",
    ),
    "no such surface of a pathology": (
        GOOD.replace("circulation: {}", "circulation: {}\npathologies: [{type: infarct, where: apex}]"),
        "s.yaml:7: pathologies.0.where: the mesh has no surface 'apex'; it has: base, epi, lv_endo, rv_endo",
    ),
    "no such region of the tissue": (
        GOOD.replace("mechanics: {}", "mechanics: {regions: [{where: {region: la}, passive_scale: 2}]}"),
        "s.yaml:5: mechanics.regions.0.where: the mesh has no region 'la'; it has: none",
    ),
    "no such region": (
        GOOD.replace("mechanics: {}", "mechanics: {regions: [{where: scar, passive_scale: 2}]}"),
        "s.yaml:5: mechanics.regions.0.where: the mesh has no surface 'scar'; it has: base, epi, lv_endo, rv_endo",
    ),
    "no such region to be near": (
        GOOD.replace("mechanics: {}", "mechanics: {regions: [{where: {near: scar, within: 5 mm}}]}"),
        "s.yaml:5: mechanics.regions.0.where: the mesh has no surface 'scar'; it has: base, epi, lv_endo, rv_endo",
    ),
    "negative stiffness": (
        GOOD.replace("mechanics: {}", "mechanics: {passive: {type: usyk, C: -1 kPa}}"),
        "s.yaml:5: mechanics.passive.C: must be greater than 0, got '-1 kPa'",
    ),
    "no stiffness": (
        GOOD.replace("mechanics: {}", "mechanics: {passive: {type: neo_hooke, mu: 0 kPa}}"),
        "s.yaml:5: mechanics.passive.mu: must be greater than 0, got '0 kPa'",
    ),
    "not convex": (
        GOOD.replace("mechanics: {}", "mechanics: {passive: {type: holzapfel_ogden, b_f: -2}}"),
        "s.yaml:5: mechanics.passive.b_f: must be greater than 0, got -2",
    ),
    "Poisson ratio 0.5": (
        GOOD.replace("mechanics: {}", "mechanics: {bulk_modulus: null}"),
        "s.yaml:5: mechanics: with an infinite bulk_modulus (Poisson ratio 0.5) the pressure is an unknown: "
        "set `element: P2P1` or `P1P1`",
    ),
    "no element": (
        GOOD.replace("mechanics: {}", "mechanics: {element: P3}"),
        "s.yaml:5: mechanics.element: must be 'P2', 'P2P1' or 'P1P1', got 'P3'",
    ),
    "stabilisation of an element that needs none": (
        GOOD.replace("mechanics: {}", "mechanics: {element: P2P1, stabilisation: 5 kPa}"),
        "s.yaml:5: mechanics: stabilisation is for `element: P1P1`; this is P2P1, which needs none",
    ),
    "no stabilisation of an element that needs it": (
        GOOD.replace("mechanics: {}", "mechanics: {element: P1P1, stabilisation: null}"),
        "s.yaml:5: mechanics: `element: P1P1` needs a stabilisation: leave it out for 10 kPa",
    ),
    "no law": (
        GOOD.replace("mechanics: {}", "mechanics: {passive: {type: mooney_rivlin}}"),
        "s.yaml:5: mechanics.passive: unknown type 'mooney_rivlin'; known: guccione, holzapfel_ogden, neo_hooke, usyk",
    ),
    "no such model": (
        GOOD.replace("mechanics: {}", "mechanics: {active: {model: land_2018}}"),
        "s.yaml:5: mechanics.active.model: no model 'land_2018'; did you mean 'land_2017'?",
    ),
    "no such parameter of a cell": (
        GOOD.replace("electrophysiology:", "electrophysiology:\n  cells:\n    - {parameters: {ina.g_K: 1}}"),
        "s.yaml:4: electrophysiology.cells.0: tentusscher_panfilov_2006: no parameter 'ina.g_K'; "
        "did you mean 'ina.g_Na'?",
    ),
    "no such channel of a cell": (
        GOOD.replace(
            "electrophysiology:",
            "electrophysiology:\n  cells:\n    - {model: mitchell_schaeffer_2003, drugs: [{name: ranolazine}]}",
        ),
        "s.yaml:4: electrophysiology.cells.0: mitchell_schaeffer_2003: has none of the conductances ranolazine blocks "
        "(conductance_kr, conductance_nal, conductance_na)",
    ),
    "no such parameter of a contraction": (
        GOOD.replace("mechanics: {}", "mechanics: {active: {model: rdq20_mf, parameters: {k_basik: 1}}}"),
        "s.yaml:5: mechanics.active: rdq20_mf: no parameter 'k_basik'; did you mean 'k_basic'?",
    ),
    "late stimulus": (
        GOOD.replace("where: lv_endo", "where: lv_endo, start: 1 s"),
        "s.yaml:4: electrophysiology.stimuli.0.start: stimulus 'a' starts at 1160 ms, after the end at 800 ms",
    ),
    "missing physics": (
        GOOD.replace("mechanics: {}\n", ""),
        "s.yaml:1: mechanics: is required: there is circulation; a beat needs both, tissue alone neither",
    ),
    "bad name": (
        GOOD + "name: ../x\n",
        "s.yaml:7: name: String should match pattern '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'",
    ),
    "code": (GOOD + "title: !!python/name:os.system\n", "s.yaml:7: the tag !!python/name:os.system is not allowed"),
}


@pytest.mark.parametrize(("text", "message"), TEXTS.values(), ids=TEXTS)
def test_a_mistake_gives_its_message(refused, text, message):
    assert refused(text) == message


OVERRIDES = {
    "time.dt=1": "--set time.dt=1: time.dt: needs a unit, e.g. '1 ms'",
    "time.dtt=1 ms": "--set time.dtt=1 ms: time.dtt: unknown key; did you mean 'dt'?",
    "time": "--set time: write it as key=value, e.g. --set time.beats=2",
    "=3": "--set =3: write it as key=value, e.g. --set time.beats=2",
    "time..dt=3": "--set time..dt=3: write it as key=value, e.g. --set time.beats=2",
    "time.dt=[1": "--set time.dt=[1: YAML: expected ',' or ']', but got '<stream end>' while parsing a flow sequence",
    "electrophysiology.stimuli.3.start=1 ms": "--set electrophysiology.stimuli.3.start=1 ms: "
    "electrophysiology.stimuli.3.start: '3' is not an index of this list of 1",
    "mesh.generate.type.x=1": "--set mesh.generate.type.x=1: mesh.generate.type.x: "
    "'x' cannot be set in the value 'biventricle'",
}


@pytest.mark.parametrize(("override", "message"), OVERRIDES.items(), ids=OVERRIDES)
def test_a_bad_override_names_itself(refused, override, message):
    assert refused(GOOD, override) == message


def test_all_mistakes_come_in_one_pass_in_the_order_of_the_file(refused):
    text = GOOD.replace("where: lv_endo", "were: lv_endo, start: 3 mV") + "time: {dt: 5, beets: 2}\nname: a b\n"
    assert [line.split(": ")[:2] for line in refused(text).splitlines()] == [
        ["s.yaml:4", "electrophysiology.stimuli.0.where"],
        ["s.yaml:4", "electrophysiology.stimuli.0.start"],
        ["s.yaml:4", "electrophysiology.stimuli.0.were"],
        ["s.yaml:7", "time.dt"],
        ["s.yaml:7", "time.beets"],
        ["s.yaml:8", "name"],
    ]


def test_a_mistake_in_a_base_is_reported_where_it_was_written(refused, tmp_path):
    (tmp_path / "base.yaml").write_text(GOOD + "time: {dt: 1}\n")
    assert refused("extends: base.yaml\ntitle: x\n") == "base.yaml:7: time.dt: needs a unit, e.g. '1 ms'"


def test_missing_files_come_with_their_neighbours(refused, tmp_path):
    (tmp_path / "heart.msh").touch()
    assert refused("extends: bsae.yaml\n") == "s.yaml:1: extends: no file bsae.yaml"
    (tmp_path / "base.yaml").touch()
    assert refused("extends: bsae.yaml\n") == "s.yaml:1: extends: no file bsae.yaml; nearest: base.yaml"
    mesh = "mesh: {file: haert.msh, unit: mm}\n"
    assert refused(GOOD.replace("mesh: {generate: {type: biventricle}}\n", mesh)) == (
        f"s.yaml:1: mesh.file: no file {tmp_path / 'haert.msh'}; nearest: {tmp_path / 'heart.msh'}"
    )


def test_a_cell_with_a_stimulus_of_its_own_is_refused(refused, tmp_path):
    text = list_models()["mitchell_schaeffer_2003"].read_text()
    own = text.replace("i_stim = 0 [A/F]", "i_stim = if(engine.time < 1 [ms], 50 [A/F], 0 [A/F])")
    (tmp_path / "own.mmt").write_text(own)
    answer = refused(GOOD.replace("electrophysiology:", "electrophysiology:\n  cells: [{model: own.mmt}]"))
    assert answer.startswith("s.yaml:3: electrophysiology.cells.0: own: driven by time in membrane.i_stim: remove")
    assert main(["model", "run", str(tmp_path / "own.mmt")]) == BAD_INPUT


def test_extends_without_end_is_refused(refused, tmp_path):
    (tmp_path / "a.yaml").write_text("extends: s.yaml\n")
    assert refused("extends: a.yaml\n") == ("a.yaml:1: extends: s.yaml extends this file in turn; the chain has no end")
    assert "no end" in refused("extends: s.yaml\n")


def test_a_mesh_needs_one_source_and_its_unit(refused):
    either = "give either `file` (with `unit`) or `generate`, not both and not neither"
    assert refused(GOOD.replace("{generate: {type: biventricle}}", "{refine: 1}")) == f"s.yaml:1: mesh: {either}"
    assert refused(GOOD, "mesh.file=s.yaml", "mesh.unit=mm") == f"s.yaml:1: mesh: {either}"
    assert refused(GOOD, "mesh.generate=null", "mesh.file=s.yaml") == (
        "s.yaml:1: mesh: a mesh file needs its `unit`: mm, cm, m or um"
    )


def test_a_file_that_is_no_scenario_is_refused_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "picture.yaml").write_bytes(b"\x89PNG\xff")
    (tmp_path / "folder").mkdir()
    for name, message in {
        "picture.yaml": "picture.yaml: is not text in UTF-8 (byte 0)",
        "folder": "folder: is a folder, not a scenario file",
        "pictur.yaml": "pictur.yaml: no such file; nearest: picture.yaml",
    }.items():
        assert main(["check", name]) == BAD_INPUT
        assert capsys.readouterr().err == message + "\n"
