"""A cell alone, and the commands that show it."""

import numpy as np
import pytest

from heartwright import cli
from heartwright.electrophysiology.singlecell import duration, measures, pace, restitution
from heartwright.odes.model import read

CELLML = """<?xml version="1.0"?>
<model xmlns="http://www.cellml.org/cellml/1.0#" xmlns:cellml="http://www.cellml.org/cellml/1.0#" name="small">
 <units name="ms"><unit units="second" prefix="milli"/></units>
 <units name="mV"><unit units="volt" prefix="milli"/></units>
 <units name="mV_per_ms"><unit units="mV"/><unit units="ms" exponent="-1"/></units>
 <units name="per_ms"><unit units="ms" exponent="-1"/></units>
 <component name="membrane">
  <variable name="time" units="ms"/>
  <variable name="V" units="mV" initial_value="-80"/>
  <variable name="g" units="per_ms" initial_value="0.5"/>
  <variable name="E" units="mV" initial_value="-80"/>
  <variable name="i_Stim" units="mV_per_ms"/>
  <math xmlns="http://www.w3.org/1998/Math/MathML">
   <apply><eq/><ci>i_Stim</ci><piecewise>
     <piece><cn cellml:units="mV_per_ms">-50</cn><apply><lt/><ci>time</ci><cn cellml:units="ms">1</cn></apply></piece>
     <otherwise><cn cellml:units="mV_per_ms">0</cn></otherwise></piecewise></apply>
   <apply><eq/><apply><diff/><bvar><ci>time</ci></bvar><ci>V</ci></apply>
    <apply><minus/><apply><plus/><ci>i_Stim</ci><apply><times/><ci>g</ci><apply><minus/><ci>V</ci><ci>E</ci></apply></apply>
    </apply></apply></apply>
  </math>
 </component>
</model>
"""


def test_duration_of_a_triangle():
    """Rise at 10 ms from -80 to 20 mV, straight back to -80 at 110 ms: 90 % are lost at 100 ms."""
    time = np.arange(0, 200, 0.5)
    v = np.where(time <= 10, -80, np.maximum(20 - (time - 10.5), -80))
    assert duration(time, v) == pytest.approx(100.5 - 10, abs=0.51)
    assert np.isnan(duration(time, np.full(len(time), -80.0)))


def test_measures_of_the_published_action_potential():
    found = measures(pace(read("tentusscher_panfilov_2006", "epi"), 1000.0, 1, names=("calcium",)))
    assert found["apd90"][0] == pytest.approx(303, rel=0.03)
    assert found["resting_potential"][0] == pytest.approx(-85.4, abs=0.3)
    assert found["calcium_peak"][0] == pytest.approx(0.9, rel=0.1)


def test_restitution_rises_and_ends_where_the_cell_is_refractory():
    intervals = np.array([250.0, 340.0, 400.0, 600.0, 1000.0])
    diastolic, apd = restitution(read("tentusscher_panfilov_2006", "epi"), 1000.0, 1, intervals)
    assert np.isnan(apd[0])
    assert (np.diff(apd[1:]) > 0).all()
    assert apd[-1] == pytest.approx(303, rel=0.03)
    assert np.diff(diastolic) == pytest.approx(np.diff(intervals))


def run(*arguments: str) -> int:
    return cli.main(["model", *arguments])


def test_info_names_labels_states_and_parameters(capsys):
    assert run("info", "mitchell_schaeffer_2003") == 0
    shown = capsys.readouterr().out
    assert "membrane_potential" in shown and "gate.tau_close" in shown and "10.1016/S0092" in shown


def test_run_prints_measures_and_writes_traces(capsys, tmp_path):
    file = tmp_path / "trace.csv"
    assert run("run", "bueno_orovio_2008", "--beats", "1", "--period", "600", "-o", str(file)) == 0
    assert "apd90" in capsys.readouterr().out
    assert file.read_text().startswith("time [ms],v [mV]")
    assert len(file.read_text().splitlines()) == 1202


def test_plot_draws(tmp_path):
    file = tmp_path / "cell.png"
    assert run("plot", "mitchell_schaeffer_2003", "--beats", "1", "--period", "600", "-o", str(file)) == 0
    assert file.stat().st_size > 10_000


def test_import_replaces_the_stimulus_by_ours(tmp_path, capsys):
    (tmp_path / "small.cellml").write_text(CELLML)
    assert run("import", str(tmp_path / "small.cellml")) == 0
    assert "membrane.i_Stim" in capsys.readouterr().out
    cell = read(tmp_path / "small.mmt")
    assert cell.value("i_Stim") == 0
    record = pace(cell, 100.0, 1)
    # dV/dt = -0.5 (V + 80) + 53 for 1 ms
    assert record.v[2] == pytest.approx(-80 + 106 * (1 - np.exp(-0.5)), abs=0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><model/>", "small.cellml:1: document types"),
        ("no xml", "cannot be read as CellML"),
    ],
)
def test_bad_cellml_is_refused(tmp_path, capsys, text, message):
    (tmp_path / "small.cellml").write_text(text)
    assert run("import", str(tmp_path / "small.cellml")) == 64
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "tentuscher"), "no model"),
        (("run", "bueno_orovio_2008", "--set", "k_s"), "write it as key=value"),
        (("run", "tomek_2020_dyncl", "--drug", "dofetilid"), "did you mean 'dofetilide'"),
        (("run", "tomek_2020_dyncl", "--drug", "dofetilide:much"), "no number"),
        (("import", "nothing.cellml"), "nothing.cellml: No such file or directory"),
        (("draw", "x"), "No such command"),
    ],
)
def test_wrong_commands_are_answered(capsys, arguments, message):
    assert run(*arguments) == 64
    assert message in capsys.readouterr().err
