"""Kernels: lanes are independent, inputs and outputs are what they say, generated C means what the model says."""

import numpy as np
import pytest

from heartwright.errors import InputError
from heartwright.odes.codegen import generate
from heartwright.odes.kernel import Kernel
from heartwright.odes.model import read
from small_models import CELL, OSCILLATOR, model

SCHEMES = ("rush_larsen", "rush_larsen_2", "rk4")


@pytest.fixture
def cell(tmp_path):
    return model(tmp_path, CELL)


@pytest.fixture
def oscillator(tmp_path):
    return model(tmp_path, OSCILLATOR)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_results_do_not_depend_on_the_number_of_lanes(cell, scheme):
    """Bit for bit: every lane passes through the same vector instructions, in full blocks and in the last one."""
    ends = []
    for n in (1, 7, 1000):
        kernel = Kernel(cell, n, inputs=("stimulus_current",), scheme=scheme)
        kernel.set("stimulus_current", 15)
        kernel.step(0, 3, 300)
        ends.append(kernel.y)
    assert np.ptp(ends[2][0]) == 0
    assert (ends[0][:, 0] == ends[1][:, 6]).all() and (ends[0][:, 0] == ends[2][:, 999]).all()


def test_lanes_are_independent(cell):
    """A lane of a batch with mixed states and inputs ends where it ends alone."""
    v0, stimulus = np.linspace(-80, -40, 21), np.linspace(0, 20, 21)
    batch = Kernel(cell, 21, inputs=("stimulus_current",))
    batch["membrane_potential"] = v0
    batch.set("stimulus_current", stimulus)
    batch.step(0, 2, 100)
    for i in (0, 10, 20):
        alone = Kernel(cell, 1, inputs=("stimulus_current",))
        alone["membrane_potential"] = v0[i]
        alone.set("stimulus_current", stimulus[i])
        alone.step(0, 2, 100)
        assert (alone.y[:, 0] == batch.y[:, i]).all()


def ready(n: int, v: np.ndarray, scheme: str = "rush_larsen_2") -> Kernel:
    """Ventricular cells with the potentials v."""
    kernel = Kernel(read("tentusscher_panfilov_2006"), n, inputs=("stimulus_current",), scheme=scheme)
    kernel["membrane_potential"] = v
    return kernel


def test_a_lane_is_calm_or_not_whatever_its_neighbours_do():
    """Bit for bit: resting lanes keep the first-order step, also in blocks where others need the second evaluation."""
    v = np.where(np.arange(24) % 3 == 0, -40.0, -85.4)
    v[16:] = -85.4  # a block where all are calm
    batch = ready(24, v)
    batch.step(0, 0.05)
    for i in (0, 1, 15, 16):
        alone = ready(1, v[i])
        alone.step(0, 0.05)
        assert (alone.y[:, 0] == batch.y[:, i]).all(), i


def test_at_rest_the_second_order_scheme_is_the_first_order_one():
    """One evaluation serves both steps; where the potential moves, they differ."""
    v = np.array([-85.4, -40.0])
    first, second = ready(2, v, "rush_larsen"), ready(2, v)
    for kernel in (first, second):
        kernel.step(0, 0.05)
    assert second.y[:, 0] == pytest.approx(first.y[:, 0], rel=1e-12)
    assert abs(second["membrane_potential"][1] - first["membrane_potential"][1]) > 1e-2


def test_no_lanes_at_all(cell):
    """A rank may own no node."""
    kernel = Kernel(cell, 0, inputs=("stimulus_current",), outputs=("ina.i",))
    kernel.set("stimulus_current", np.zeros(0))
    kernel.step(0, 1, 10)
    assert kernel.outputs(1)["ina.i"].shape == (0,)


def test_substeps_are_steps(cell):
    once, often = Kernel(cell, 3), Kernel(cell, 3)
    once.step(0, 0.5, 5)
    for i in range(5):
        often.step(0.1 * i, 0.1)
    assert once.y == pytest.approx(often.y, rel=1e-13)


def test_watched_lanes_step_twice_where_they_move_fast(cell):
    """Each lane ends where it would end alone, with one step or with two of half the size."""
    v0 = np.linspace(-75, 0, 13)
    watched, once, twice = (Kernel(cell, 13, inputs=("stimulus_current",)) for _ in range(3))
    for kernel in (watched, once, twice):
        kernel["membrane_potential"] = v0
        kernel.ramp("stimulus_current", 5, 10)
    watched.watched_step(0, 0.05, "membrane_potential", 0.5)
    once.step(0, 0.05)
    twice.step(0, 0.05, 2)
    fast = np.abs(once["membrane_potential"] - v0) > 0.5
    assert fast.any() and not fast.all()
    assert (watched.y == np.where(fast, twice.y, once.y)).all()


def test_rows_are_live_views(cell):
    kernel = Kernel(cell, 5)
    saved = kernel.y.copy()
    kernel.step(0, 1, 50)
    after = kernel.y.copy()
    kernel["membrane_potential"][2] = 0
    assert kernel.y[0, 2] == 0
    kernel.y[...] = saved
    kernel.step(0, 1, 50)
    assert (kernel.y == after).all()


def test_outputs_are_the_models_equations(cell):
    kernel = Kernel(cell, 4, outputs=("ina.i", "membrane_potential", "ina.g", "ik.n"))
    kernel["membrane_potential"] = v = np.array([-80.0, -40, 0, 30])
    out = kernel.outputs(0.0)
    assert out["ina.i"] == pytest.approx(120 * 0.05**3 * 0.6 * (v - 50))
    assert (out["membrane_potential"] == v).all()
    assert (out["ina.g"] == 120).all() and (out["ik.n"] == 0.32).all()


def test_the_unselected_side_of_an_if_does_no_harm(cell):
    """At -40 mV the rate of m is 0/0 in the branch that is not taken."""
    kernel = Kernel(cell, 3, outputs=("ina.am",))
    kernel["membrane_potential"] = np.array([-40 - 1e-5, -40, -40 + 1e-5])
    assert kernel.outputs(0)["ina.am"] == pytest.approx(1, rel=1e-6)


def test_outputs_see_time_and_the_end_of_a_ramp(tmp_path):
    clock = model(tmp_path, OSCILLATOR + "phase = engine.time / 2 [ms]\n    label phase\n")
    kernel = Kernel(clock, 1, inputs=("force",), outputs=("phase", "force"), scheme="rk4")
    kernel.ramp("force", 1, 3)
    assert kernel.outputs(5.0) == {"phase": [2.5], "force": [3]}


def test_parameters_per_lane_start_with_their_values(cell):
    kernel = Kernel(cell, 3, parameters_per_lane=("leak.g",), outputs=("leak.i",))
    assert kernel.outputs(0)["leak.i"] == pytest.approx(0.3 * (-75 + 54.4))
    kernel.set("leak.g", np.array([0.1, 0.2, 0.3]))
    assert kernel.outputs(0)["leak.i"] == pytest.approx(np.array([0.1, 0.2, 0.3]) * (-75 + 54.4))


def test_stiff_states_relax_at_any_step(tmp_path):
    """dc/dt = 1000 (1 - c^3): explicit steps of 0.05 ms would explode at rate 3000/ms; the exact end is c = 1."""
    stiff = model(tmp_path, OSCILLATOR.replace("dot(v) = (force - y) / 1 [ms]", "dot(v) = 1000 [1/ms] * (1 - v^3)"))
    for scheme in ("rush_larsen", "rush_larsen_2"):
        kernel = Kernel(stiff, 2, scheme=scheme)
        kernel["speed"] = [0.5, 3.0]
        kernel.step(0, 5, 100)
        assert kernel["speed"] == pytest.approx(1, abs=0.02)


EXPRESSIONS = {
    "y^3 + y^-2 + y^0.5 + y^1.7 + y^v": lambda y, v: y**3 + y**-2 + y**0.5 + y**1.7 + y**v,
    "log(y) + log(y, 3) + log10(y)": lambda y, v: np.log(y) + np.log(y) / np.log(3) + np.log10(y),
    "(7 * y) // 2 + (7 * y) % 2": lambda y, v: np.floor(7 * y / 2) + np.mod(7 * y, 2),
    "(-7 * y) // 2 + (-7 * y) % 2": lambda y, v: np.floor(-7 * y / 2) + np.mod(-7 * y, 2),
    "abs(-y) + floor(3 * y) + ceil(y) - -y + +v": lambda y, v: np.abs(y) + np.floor(3 * y) + np.ceil(y) + y + v,
    "sin(y) * cos(y) + tan(y) + asin(y / 9) + acos(y / 9) + atan(y)": lambda y, v: (
        np.sin(y) * np.cos(y) + np.tan(y) + np.arcsin(y / 9) + np.arccos(y / 9) + np.arctan(y)
    ),
    "if(y > 1 and not (v < 1 or y == 2), 1, exp(v))": lambda y, v: np.where(
        (y > 1) & ~((v < 1) | (y == 2)), 1, np.exp(v)
    ),
    "piecewise(y < 1, 1, y >= 2, sqrt(y), v)": lambda y, v: np.where(y < 1, 1, np.where(y >= 2, np.sqrt(y), v)),
    "2 ^ 3 * y - (1 - (2 - v)) / (3 / (4 / y))": lambda y, v: 8 * y - (1 - (2 - v)) / (3 / (4 / y)),
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_generated_expressions_mean_what_they_say(tmp_path, text):
    kernel = Kernel(model(tmp_path, OSCILLATOR + f"z = {text}\n    label z\n"), 20, outputs=("z",))
    kernel["position"], kernel["speed"] = y, v = np.linspace(0.3, 3, 20), np.linspace(2, 0.5, 20)
    assert kernel.outputs(0)["z"] == pytest.approx(EXPRESSIONS[text](y, v), rel=1e-13)


def test_words_of_C_are_harmless_names(tmp_path):
    text = OSCILLATOR.replace("force", "register").replace("energy", "exp_").replace("body", "double")
    kernel = Kernel(model(tmp_path, text), 1, scheme="rk4")
    kernel.step(0, 1, 100)
    assert kernel["position"][0] == pytest.approx(np.cos(1))


def test_gates_and_relaxing_states_are_told_apart(cell):
    """m (alpha/beta) and h (inf/tau) are gates; n, written otherwise, and the pool relax; V is explicit."""
    text = generate(cell, "rush_larsen", ())
    assert "STATES = 5, GATES = 2, RELAXING = 2" in text
    assert "GATES = 0, RELAXING = 0" in generate(cell, "rk4", ())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scheme": "rush_larson"}, "did you mean 'rush_larsen'"),
        ({"inputs": ("stimulus_curent",)}, "did you mean 'stimulus_current'"),
        ({"outputs": ("ina.j",)}, "no variable or label 'ina.j'"),
        ({"parameters_per_lane": ("ina.i",)}, "not a parameter"),
    ],
)
def test_wrong_names_are_answered(cell, arguments, message):
    with pytest.raises(InputError, match=message):
        Kernel(cell, 1, **arguments)


def test_wrong_rows_are_answered(cell):
    kernel = Kernel(cell, 1)
    with pytest.raises(InputError, match="not a state"):
        _ = kernel["ina.g"]
    with pytest.raises(InputError, match="not an input"):
        kernel.set("ina.g", 1)
