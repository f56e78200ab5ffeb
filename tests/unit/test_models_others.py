"""Cells: five paced beats of each against CVODE; of those beyond the two workhorses the published action potentials."""

import functools

import numpy as np
import pytest

from cvode import solve
from heartwright.electrophysiology.singlecell import duration
from heartwright.odes.kernel import Kernel
from heartwright.odes.model import Model, read

# APD90 [ms] and resting potential [mV] at 1 Hz from the initial state, with what the publication says of them.
PUBLISHED = {
    ("bueno_orovio_2008", "epi"): (269, -84),  # 269 ms
    ("bueno_orovio_2008", "endo"): (264, -84),
    ("bueno_orovio_2008", "mid"): (410, -84),  # 410 ms
    ("mitchell_schaeffer_2003", None): (287, -80),  # tau_close ln(h_max tau_out / (4 tau_in)) + upstroke and tail
    ("aliev_panfilov_1996", None): (270, -80),
    ("courtemanche_1998", None): (279, -81),  # some 300 ms, -81.2 mV
    ("ohara_rudy_2011_cipa", "endo"): (266, -88),  # some 270 ms, -88 mV
    ("ohara_rudy_2011_cipa", "mid"): (319, -87.6),
    ("ohara_rudy_2011_cipa", "epi"): (213, -87.8),
    ("grandi_2011", "sinus_rhythm"): (328, -73.2),  # after some beats of the authors' code 317 ms, -73.6 mV
    ("grandi_2011", "fibrillation"): (265, -78),  # shorter, and more polarised at rest
    ("stewart_2009", None): (299, -71),  # beats on its own: the maximal diastolic potential, published -71 mV
}
WORKHORSES = [
    (name, variant) for name in ("tentusscher_panfilov_2006", "tomek_2020_dyncl") for variant in ("endo", "mid", "epi")
]
BEATS, PERIOD, AMPLITUDE, PULSE = 5, 1000.0, 53.0, 1.0
STEP = 1.0  # ms, of the records


def kernel_train(model: Model, dt: float = 0.05) -> np.ndarray:
    """The potential every millisecond of five beats."""
    kernel = Kernel(model, 1, inputs=("stimulus_current",), scheme="rush_larsen_2")
    v = np.empty(round(BEATS * PERIOD / STEP))
    for i in range(len(v)):
        v[i] = kernel["membrane_potential"][0]
        t = i * STEP
        kernel.set("stimulus_current", AMPLITUDE * (t % PERIOD < PULSE))
        kernel.step(t, STEP, round(STEP / dt))
    return v


@functools.cache
def cvode_train(name: str, variant: str | None) -> np.ndarray:
    """The same by CVODE."""
    times = np.arange(0.0, BEATS * PERIOD, STEP)
    return solve(
        read(name, variant), times, ("membrane_potential",), ("stimulus_current", 0, PULSE, AMPLITUDE, PERIOD)
    )["membrane_potential"]


@pytest.mark.parametrize(("name", "variant"), [*PUBLISHED, *WORKHORSES])
def test_five_beats_agree_with_cvode(name, variant):
    """0.5 % of the range in the root mean square; APD90 of the last beat to 0.5 %."""
    v, exact = kernel_train(read(name, variant)), cvode_train(name, variant)
    assert np.sqrt(np.mean((v - exact) ** 2)) < 0.005 * np.ptp(exact)
    last = slice(-round(PERIOD / STEP), None)
    time = np.arange(0.0, PERIOD, STEP)
    assert duration(time, v[last]) == pytest.approx(duration(time, exact[last]), rel=0.005)


@pytest.mark.parametrize(("cell", "expected"), PUBLISHED.items())
def test_action_potential_is_the_published_one(cell, expected):
    last = cvode_train(*cell)[-round(PERIOD / STEP) :]
    apd90, resting = expected
    assert duration(np.arange(0.0, PERIOD, STEP), last) == pytest.approx(apd90, rel=0.03)
    assert last[0] == pytest.approx(resting, abs=0.7)


def test_purkinje_cell_beats_on_its_own():
    """No stimulus: a beat within three seconds."""
    kernel = Kernel(read("stewart_2009"), 1, scheme="rush_larsen_2")
    v = []
    for t in range(4000):
        v.append(kernel["membrane_potential"][0])
        kernel.step(float(t), 1.0, 20)
    assert max(v[500:]) > 20


def charge_rate(name: str, ions: dict[str, str]) -> float:
    """d/dt of (V - charge of all ions / capacitance) in the plateau, relative to the largest term."""
    model = read(name)
    source = model.source.clone()
    source.get(model.variable("membrane_potential").qname()).set_initial_value(10.0)
    source.get(model.variable("stimulus_current").qname()).set_rhs(20)
    rates = dict(zip(model.states, source.evaluate_derivatives(), strict=True))
    component = source.add_component("charges_of_test")
    weights = {
        state: component.add_variable(f"w{i}", rhs=text).rhs().eval() for i, (state, text) in enumerate(ions.items())
    }
    terms = [rates[state] * weights[state] for state in ions]
    potential = rates[model.variable("membrane_potential").qname()]
    return (sum(terms) - potential) / max(map(abs, [*terms, potential]))


def test_purkinje_conserves_charge():
    calcium = "2 / cell.flux / calcium.free_{}"
    ions = {"sodium.Na_i": "1 / cell.flux", "potassium.K_i": "1 / cell.flux", "calcium.Ca_i": calcium.format("c")}
    ions["calcium.Ca_sr"] = calcium.format("sr") + " * cell.V_sr / cell.V_c"
    ions["calcium.Ca_ss"] = calcium.format("ss") + " * cell.V_ss / cell.V_c"
    assert abs(charge_rate("stewart_2009", ions)) < 1e-12


def test_atrial_cell_conserves_charge():
    calcium = "2 / cell.flux"
    ions = {"sodium.Na_i": "1 / cell.flux", "potassium.K_i": "1 / cell.flux"}
    ions["calcium.Ca_i"] = f"{calcium} / calcium.free_i"
    ions["calcium.Ca_up"] = f"{calcium} * cell.V_up / cell.V_i"
    ions["calcium.Ca_rel"] = f"{calcium} / calcium.free_rel * cell.V_rel / cell.V_i"
    assert abs(charge_rate("courtemanche_1998", ions)) < 1e-12


def test_cipa_cell_conserves_charge():
    ions = {f"{ion}_i": "1 / cell.flux_i" for ion in ("sodium.Na", "potassium.K")}
    ions |= {f"{ion}_ss": "1 / cell.flux_ss" for ion in ("sodium.Na", "potassium.K")}
    ions["calcium.Ca_i"] = "2 / cell.flux_i / calcium.free_i"
    ions["calcium.Ca_ss"] = "2 / cell.flux_ss / calcium.free_ss"
    ions["calcium.Ca_nsr"] = "2 / cell.flux_i * cell.V_nsr / cell.V_myo"
    ions["calcium.Ca_jsr"] = "2 / cell.flux_i / calcium.free_jsr * cell.V_jsr / cell.V_myo"
    assert abs(charge_rate("ohara_rudy_2011_cipa", ions)) < 1e-12


def test_rapid_rectifier_of_the_cipa_cell_keeps_its_probability():
    """The redundant state of the chain is computed from the others, not stepped."""
    cell = read("ohara_rudy_2011_cipa")
    assert "ikr.IC1" not in cell.states
    assert {"ikr.IC2", "ikr.C1", "ikr.C2", "ikr.O", "ikr.IO"} <= set(cell.states)
