"""Reading ODE models: names, variants, parameters and units, and what is refused."""

import os
import subprocess
import sys

import pytest

from heartwright.errors import InputError
from heartwright.odes.model import list_models, read
from small_models import CELL, OSCILLATOR, model


@pytest.fixture
def cell(tmp_path):
    return model(tmp_path, CELL)


@pytest.mark.parametrize("name", list_models())
def test_shipped_models_are_read_and_cite_their_source(name):
    """Reading checks every unit strictly."""
    shipped = read(name)
    assert shipped.states and shipped.labels and shipped.doi.startswith("10.")


def test_a_model_shows_its_ports_states_and_parameters(cell):
    assert cell.states == ("membrane.V", "ina.m", "ina.h", "ik.n", "pool.c")
    assert cell.labels == {"concentration": "[1]", "membrane_potential": "[mV]", "stimulus_current": "[uA/cm^2]"}
    assert cell.parameters["ina.g"] == 120
    assert "ina.am" not in cell.parameters
    assert cell.inputs == ()


def test_variants_set_parameters_and_initial_values(tmp_path):
    assert model(tmp_path, CELL).parameters["leak.g"] == 0.3
    leaky = model(tmp_path, CELL, "leaky")
    assert leaky.parameters["leak.g"] == 0.6
    assert leaky.initial_state()[0] == -70


def test_parameters_come_after_the_variant_and_carry_units(tmp_path):
    assert model(tmp_path, CELL, "leaky", leak__g=0.1).parameters["leak.g"] == 0.1
    assert model(tmp_path, CELL, leak__g="3 S/m^2").parameters["leak.g"] == pytest.approx(0.3)
    assert model(tmp_path, CELL, membrane__V="-0.07 V").initial_state()[0] == pytest.approx(-70)


def test_pressures_may_be_given_in_mmHg():
    assert read("closed_loop", parameters={"lv.E_active": "2.5 mmHg/mL"}).parameters["lv.E_active"] == pytest.approx(
        2.5 * 0.133322387415 / 1000
    )


def test_the_last_part_of_a_name_is_enough_where_it_is_unique(cell):
    assert cell.with_parameters({"C": 2}).parameters["membrane.C"] == 2
    with pytest.raises(InputError, match=r"'g' is ambiguous: ina\.g, ik\.g, leak\.g"):
        cell.with_parameters({"g": 2})


def test_models_never_change(cell):
    before = cell.source.code()
    cell.with_parameters({"ina.g": 1})
    cell.with_inputs("membrane_potential")
    assert cell.source.code() == before


def test_all_wrong_parameters_are_reported_together(cell):
    with pytest.raises(InputError) as caught:
        cell.with_parameters({"ina.gg": 1, "ina.i": 2, "ina.g": "1 mmHg"})
    assert [("did you mean" in f, "computed" in f, "expected" in f) for f in caught.value.findings] == [
        (True, False, False), (False, True, False), (False, False, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "variant", "message"),
    [
        ("tentusscher_panfilov_2007", None, "did you mean 'tentusscher_panfilov_2006'"),
        ("tentusscher_panfilov_2006", "endocard", "did you mean 'endo'"),
        ("../../etc/passwd", None, "no model"),
        ("missing.mmt", None, "no such file"),
    ],
)
def test_unknown_names_are_answered_with_what_there_is(name, variant, message):
    with pytest.raises(InputError, match=message):
        read(name, variant)


def test_a_state_can_become_an_input(cell):
    clamped = cell.with_inputs("membrane_potential")
    assert clamped.inputs == ("membrane.V",)
    assert clamped.states == cell.states[1:]
    assert clamped.value("membrane_potential") == -75


def test_an_equation_can_become_an_input(cell):
    """Its value is then the one the equation had at the start, until it is set."""
    cut = cell.with_inputs("ina.i")
    assert cut.value("ina.i") == pytest.approx(120 * 0.05**3 * 0.6 * (-75 - 50))


def test_syntax_errors_name_the_line(tmp_path):
    with pytest.raises(InputError, match=r"small\.mmt:7: "):
        model(tmp_path, OSCILLATOR.replace("[engine]", "[engine"))


def test_units_that_contradict_each_other_are_a_warning_in_foreign_files(tmp_path):
    with pytest.warns(UserWarning, match=r"Incompatible units in <ina\.i>"):
        model(tmp_path, CELL.replace("i = g * m^3 * h * (V - E)", "i = g * m^3 * h"))


def test_time_may_be_in_seconds(tmp_path):
    """The rates are converted: kernels count in ms."""
    text = OSCILLATOR.replace("0 [ms] in [ms]", "0 [s] in [s]").replace("1 [ms]", "1 [s]")
    slow = model(tmp_path, text)
    assert slow.variable("body.v").rhs().eval() == pytest.approx(-1e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OSCILLATOR.replace("bind time", ""), "bound to time"),
        (OSCILLATOR.replace("in [ms] bind time", "bind time"), "time needs a unit"),
        (OSCILLATOR.replace("0 [ms] in [ms] bind time", "0 in [1] bind time"), "time: "),
        ("not a model", "Segment header"),
    ],
)
def test_models_without_a_clock_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        model(tmp_path, text)


@pytest.mark.parametrize(
    "name", ['x; system("id"); double y', "x_\u00e9t\u00e9", "a" * 65, "x\\\n#include", 'x"', "__import__"]
)
def test_names_that_are_not_plain_identifiers_are_refused(tmp_path, name):
    """Names are written into C: what Myokit's parser lets through must be ASCII letters, digits, underscores."""
    with pytest.raises(InputError):
        model(tmp_path, OSCILLATOR.replace("force", name))


def test_scripts_in_model_files_are_not_run(tmp_path):
    script = f"[[script]]\nopen({str(tmp_path / 'ran')!r}, 'w')\n"
    model(tmp_path, OSCILLATOR + "\n[[protocol]]\nnonsense\n" + script)
    assert not (tmp_path / "ran").exists()


CHAIN = """
[[model]]
name: channel
chain.A = 0.9
chain.B = 0.08
chain.C = 0.02
[engine]
time = 0 [ms] in [ms] bind time
[chain]
k = 3 [1/ms] in [1/ms]
l = 1 [1/ms] in [1/ms]
dot(A) = l * B - k * A
dot(B) = k * A - (l + k) * B + l * C
dot(C) = k * B - l * C
"""


def test_markov_chains_lose_their_redundant_state(tmp_path):
    """Stepped one by one, three states of a chain would let their sum drift."""
    chain = model(tmp_path, CHAIN)
    assert chain.states == ("chain.B", "chain.C")
    assert chain.value("chain.A") == pytest.approx(0.9)


def test_linear_equations_that_are_no_chain_stay(tmp_path):
    assert len(model(tmp_path, CHAIN.replace("k * B - l * C", "k * B - 2 * l * C")).states) == 3
    assert len(model(tmp_path, CHAIN.replace("chain.A = 0.9", "chain.A = 90")).states) == 3


def test_listing_models_imports_neither_myokit_nor_mpi():
    """`heartwright check` lists models on login nodes, in a fraction of a second."""
    code = "import sys, heartwright.odes.model as m; m.list_models(); print({'myokit', 'mpi4py'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "set()\n"


@pytest.mark.parametrize("home", ["/proc", None])
def test_reading_needs_no_home(home):
    """Myokit alone fails to import where it cannot make its settings folder."""
    environment = {key: value for key, value in os.environ.items() if key != "HOME"} | ({"HOME": home} if home else {})
    code = "import os; from heartwright.odes.model import read; read('land_2017'); print(os.environ.get('HOME'))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert answer.stdout == f"{home}\n"
