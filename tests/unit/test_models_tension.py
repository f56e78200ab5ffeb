"""The shipped tension model: steady states by hand, twitches against CVODE, and what stretch does to them."""

import numpy as np
import pytest

from cvode import solve
from heartwright.odes.kernel import Kernel
from heartwright.odes.link import link
from heartwright.odes.model import read

LAND = "land_2017"
INPUTS = ("calcium", "fibre_stretch", "fibre_stretch_rate")
OUTPUTS = ("active_tension", "active_stiffness")
T_REF = 120.0  # kPa, the publication's
CA50 = 0.805e-3  # mM


def sarcomeres(n: int, scheme: str = "rush_larsen_2", **parameters: float) -> Kernel:
    return Kernel(read(LAND, parameters=parameters), n, inputs=INPUTS, outputs=OUTPUTS, scheme=scheme)


def hold(kernel: Kernel, time: float, dt: float = 0.1) -> np.ndarray:
    """The tension after `time` with the inputs as they are."""
    kernel.step(0.0, time, round(time / dt))
    return kernel.outputs(0.0)["active_tension"].copy()


def twitch(stretch: np.ndarray, scheme: str, dt: float, cell: str = "tentusscher_panfilov_2006") -> np.ndarray:
    """Tension (times, lanes), every ms, of cells beating at given constant stretches."""
    model = link(read(cell, "epi"), read(LAND))
    kernel = Kernel(
        model, stretch.size, inputs=("stimulus_current", "fibre_stretch"), outputs=OUTPUTS[:1], scheme=scheme
    )
    kernel.set("fibre_stretch", stretch)
    tension = []
    for t in range(600):
        kernel.set("stimulus_current", 53.0 if t == 10 else 0.0)
        tension.append(kernel.outputs(t)["active_tension"].copy())
        kernel.step(t, 1.0, round(1 / dt))
    return np.array(tension)


def test_steady_tension_is_a_hill_function_of_troponin():
    """In equilibrium troponin is x/(1 + x) with x = (Ca/Ca50)^2, and Ta = T_ref / (1 + (TRPN50/TRPN)^n_Tm): the
    bridges' duty ratios cancel the constant of the blocking rate."""
    calcium = np.array([0.5, 0.7, 1.0, 2.0, 1000.0]) * CA50
    kernel = sarcomeres(calcium.size)
    kernel.set("calcium", calcium)
    x = (calcium / CA50) ** 2
    assert hold(kernel, 5000.0) == pytest.approx(T_REF / (1 + (0.35 * (1 + x) / x) ** 5), rel=1e-4)


def test_no_overlap_no_tension():
    """1 + beta_0 (2 lambda - 1.87) = 0 at lambda = 0.718: below it the filaments do not overlap."""
    kernel = sarcomeres(3)
    kernel.set("calcium", 0.05)
    kernel.set("fibre_stretch", np.array([0.5, 0.7, 0.75]))
    assert (hold(kernel, 1000.0) > 0).tolist() == [False, False, True]


def test_stretch_counts_up_to_1_2():
    kernel = sarcomeres(3)
    kernel.set("calcium", 1e-3)
    kernel.set("fibre_stretch", np.array([1.1, 1.2, 1.4]))
    shorter, limit, beyond = hold(kernel, 1000.0)
    assert shorter < limit == beyond


def test_active_stiffness_is_the_answer_to_a_sudden_stretch():
    """Ka = dTa/dlambda at fixed populations: 0.1 % in 1 us, too fast for any rate; the overlap function's own slope
    (T_ref beta_0 = 276 kPa at most) belongs to the length dependence and not to Ka."""
    kernel = sarcomeres(1, **{"length.beta_0": 0.0})
    kernel.set("calcium", 1e-3)
    before = hold(kernel, 300.0)[0]
    stiffness = kernel.outputs(0.0)["active_stiffness"][0]
    kernel.set("fibre_stretch_rate", 1e-3 / 1e-3)
    kernel.step(0.0, 1e-3)
    after = kernel.outputs(0.0)["active_tension"][0]
    assert (after - before) / 1e-3 == pytest.approx(stiffness, rel=2e-3)


def test_shortening_weakens_and_lengthening_strengthens():
    """Force-velocity: shortening by one length per second, as in ejection, costs a quarter of the tension and more."""
    kernel = sarcomeres(5)
    kernel.set("calcium", 1e-3)
    kernel.set("fibre_stretch_rate", np.array([-1e-3, -5e-4, 0.0, 5e-4, 1e-3]))
    tension = hold(kernel, 300.0)
    assert (np.diff(tension) > 0).all()
    assert tension[0] < 0.75 * tension[2]


def test_empty_troponin_stays_finite():
    kernel = sarcomeres(1)
    kernel.set("calcium", 0.0)
    assert hold(kernel, 2000.0)[0] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("scheme", "dt"), [("rush_larsen_2", 0.05), ("rush_larsen_2", 0.2)])
def test_twitch_agrees_with_cvode(scheme, dt):
    """Peak and whole course, 0.5 % of the peak, at the steps a heart takes."""
    stretch, times = 1.1, np.arange(0.0, 600.0)
    model = link(read("tentusscher_panfilov_2006", "epi"), read(LAND, parameters={"input.stretch": stretch}))
    exact = solve(model, times, ("active_tension",), ("stimulus_current", 10.0, 1.0, 53.0))["active_tension"]
    ours = twitch(np.array([stretch]), scheme, dt)[:, 0]
    assert np.abs(ours - exact).max() < 0.005 * exact.max()


def test_twitch_is_that_of_human_muscle():
    """Isometric trabeculae at 37 C and 1 Hz peak after some 120-180 ms and are half relaxed some 100-130 ms later."""
    tension = twitch(np.array([1.0, 1.1]), "rush_larsen_2", 0.05)
    peak, at = tension.max(axis=0), tension.argmax(axis=0)
    half = [int(np.argmax(trace[start:] < top / 2)) for trace, start, top in zip(tension.T, at, peak, strict=True)]
    assert 60 < peak[0] < 100
    assert 1.3 < peak[1] / peak[0] < 1.8  # length dependence: half as much again for 10 % of stretch
    assert 90 < at[0] - 10 < 180
    assert 80 < half[0] < 160
    assert (tension[0] < 0.01 * peak).all()  # diastole is slack
