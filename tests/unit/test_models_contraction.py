"""Tension and strain models beyond Land's: against their publications' equations in another form, and by hand."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from heartwright.odes.kernel import Kernel
from heartwright.odes.model import read

RDQ = "rdq20_mf"
ALL = ("calcium", "fibre_stretch", "fibre_stretch_rate")


def kernel(name: str, n: int, inputs: tuple[str, ...], outputs: tuple[str, ...], **parameters: float) -> Kernel:
    return Kernel(read(name, parameters=parameters), n, inputs=inputs, outputs=outputs, scheme="rush_larsen")


def transient(t):
    """Calcium (uM) that rises within 40 ms from 0.1 to 0.9."""
    return 0.1 + 0.8 * (t / 40) * np.exp(1 - t / 40)


def published(t: float, y: np.ndarray) -> np.ndarray:
    """The 16 + 4 equations of RDQ20-MF of the publication, x[a, b, c, B]: left, centre and right unit, calcium.

    At a sarcomere length of 2.2 um, in the calcium transient; 1/ms, human at body temperature.
    """
    x, (P0, P1, N0, N1) = y[:16].reshape(2, 2, 2, 2), y[16:]
    neighbours = np.arange(2)[:, None] + np.arange(2)
    turning = np.zeros((2, 2, 2, 2))
    for bound, slower in ((0, 10.0), (1, 1.0)):
        turning[:, 0, :, bound] = 2 * 0.013 * 12.0**neighbours / slower
        turning[:, 1, :, bound] = 0.013 * 12.0 ** (2 - neighbours)
    flux = turning * x
    left = (flux.sum((0, 3)) / (x.sum((0, 3)) + 1e-12))[:, :, None, None] * x
    right = (flux.sum((2, 3)) / (x.sum((2, 3)) + 1e-12))[None, :, :, None] * x
    calcium = np.array([[0.1 / (0.381 + 0.571 * (2.15 - 2.2)) * transient(t)] * 2, [0.1, 0.01]]).T
    along = (left, flux, right, calcium[None, :, None, :] * x)
    dx = sum(np.flip(J, axis) - J for axis, J in enumerate(along))
    P, PN, NP = (x[:, 1].sum(), flux[:, 1].sum() / x[:, 1].sum(), flux[:, 0].sum() / x[:, 0].sum())
    r = 0.13431
    bridges = [
        0.032653 * P - (r + PN) * P0 + NP * N0,
        7.78e-4 * P - (r + PN) * P1 + NP * N1,
        PN * P0 - (r + NP) * N0,
        PN * P1 - (r + NP) * N1,
    ]
    return np.append(dx.ravel(), bridges)


def as_published(model) -> np.ndarray:
    """The initial state of our file as the publication's probabilities: N1 is PNN and NNP in equal parts."""
    y = dict(zip(model.states, model.initial_state(), strict=True))
    y["units.N0_U"] = 1 - sum(value for name, value in y.items() if name.startswith("units."))  # a closed chain
    x = np.empty((2, 2, 2, 2))
    for a, b, c, bound in np.ndindex(x.shape):
        n = a + c
        x[a, b, c, bound] = y[f"units.{'NP'[b]}{n}_{'UB'[bound]}"] / (2 if n == 1 else 1)
    return np.append(x.ravel(), [y[f"bridges.{name}"] for name in ("mu0_P", "mu1_P", "mu0_N", "mu1_N")])


def test_rdq20_twitches_like_the_twenty_equations_of_its_publication():
    """At the steps a heart takes, to 0.5 % of the peak."""
    times, model = np.arange(0.0, 500.0, 5.0), read(RDQ)
    exact = solve_ivp(published, (0, 500), as_published(model), t_eval=times, method="BDF", rtol=1e-8, atol=1e-12)
    overlap = (2.2 + 1.65 - 2.5) / (1.65 - 0.18)
    expected = 22894 * overlap * (exact.y[17] + exact.y[19])
    ours, run = [], kernel(RDQ, 1, ALL, ("active_tension",))
    for t in times:
        ours.append(run.outputs(t)["active_tension"][0])
        for k in range(5):
            run.set("calcium", 1e-3 * transient(t + k + 0.5))
            run.step(t + k, 1.0, round(1 / model.substep))
    assert 20 < expected.max() < 100
    assert np.abs(np.array(ours) - expected).max() < 0.005 * expected.max()


def steady(calcium: np.ndarray, stretch: float, rate: float = 0.0) -> np.ndarray:
    """Tension of RDQ20 after 4 s in constant calcium (uM)."""
    run = kernel(RDQ, calcium.size, ALL, ("active_tension",))
    for label, value in zip(ALL, (1e-3 * calcium, stretch, rate), strict=True):
        run.set(label, value)
    run.step(0.0, 4000.0, 20000)
    return run.outputs(0.0)["active_tension"].copy()


def test_rdq20_in_steady_calcium_is_steep_and_more_sensitive_where_longer():
    """The publication was fitted to 120 kPa at 2.2 um, cooperative (Hill some 5) and half activated below 0.4 uM;
    10 % of length, 0.22 um, move Kd by a third."""
    calcium = np.append(np.geomspace(0.15, 0.6, 30), 5.0)
    half, slope, top = [], [], []
    for stretch in (0.9, 1.0, 1.1):
        tension = steady(calcium, stretch)
        share = tension[:-1] / tension[-1]
        logit = np.log(share / (1 - share))
        half.append(np.exp(np.interp(0.0, logit, np.log(calcium[:-1]))))
        slope.append(np.interp(0.0, logit, np.gradient(logit, np.log(calcium[:-1]))))
        top.append(tension[-1])
    assert top[1] == pytest.approx(120.0, rel=0.01)
    assert top[0] < top[1] < top[2]
    assert half == sorted(half, reverse=True) and half[1] == pytest.approx(0.28, abs=0.01)
    assert np.array(slope) == pytest.approx(5.2, abs=0.3)


def test_rdq20_shortens_without_load_at_eight_lengths_per_second():
    """Force-velocity: the tension is zero where mu1_fP (r0 + alpha v) = v mu0_fP, v = 8.0 /s, what the publication was
    fitted to; at a tenth of that speed it has lost more than a tenth (the curve is convex)."""
    v = 7.78e-4 * 0.13431 / (0.032653 - 7.78e-4 * 25.184)
    assert 1000 * v == pytest.approx(8.0, rel=1e-3)
    isometric, slow, free = (steady(np.array([10.0]), 1.0, -rate)[0] for rate in (0.0, 0.1 * v, v))
    assert free == pytest.approx(0.0, abs=1e-3 * isometric)
    assert 0.3 * isometric < slow < 0.85 * isometric


def test_rdq20_stiffness_is_the_answer_to_a_sudden_stretch():
    """0.1 % in 0.1 us, too fast for any rate; overlap and sensitivity, which change with length, are left."""
    run = kernel(RDQ, 1, ALL, ("active_tension", "active_stiffness"))
    run.set("calcium", 1e-3)
    run.set("fibre_stretch", 1.0)
    run.set("fibre_stretch_rate", 0.0)
    run.step(0.0, 300.0, 1500)
    before = {name: value.copy() for name, value in run.outputs(0.0).items()}
    run.set("fibre_stretch_rate", 1e-3 / 1e-4)
    run.step(0.0, 1e-4)
    change = run.outputs(0.0)["active_tension"] - before["active_tension"]
    # Meanwhile alpha |v| breaks 2.5 % of the bridges.
    assert change / 1e-3 == pytest.approx(before["active_stiffness"] - 25.184 * before["active_tension"], rel=0.02)


def test_nash_panfilov_follows_the_potential_ten_times_faster_up_than_down():
    run = kernel("nash_panfilov_2004", 1, ("membrane_potential",), ("active_tension",))
    run.set("membrane_potential", 20.0)  # u = 1
    run.step(0.0, 1.0, 5)
    risen = run.outputs(0.0)["active_tension"][0]
    assert risen == pytest.approx(47.9 * (1 - np.exp(-10 / 12.9)), rel=1e-3)
    run.set("membrane_potential", -80.0)
    run.step(0.0, 20.0, 100)
    assert run.outputs(0.0)["active_tension"][0] == pytest.approx(risen * np.exp(-20 / 12.9), rel=2e-3)


def test_rossi_shortens_until_the_force_of_the_sarcomere_is_balanced():
    """gamma of no rate: 2 I4f (1 - (1 + gamma)^-3) = F_A = alpha (Ca - Ca0)^2 R_FL; none without calcium or overlap."""
    stretch, calcium = np.array([1.0, 1.0, 1.0, 1.2]), np.array([0.2, 0.6, 1.0, 1.0])
    run = kernel("rossi_2014", 4, ALL[:2], ("active_strain",))
    run.set("calcium", 1e-3 * calcium)
    run.set("fibre_stretch", stretch)
    run.step(0.0, 5000.0, 25000)
    gamma = run.outputs(0.0)["active_strain"]
    R = 0.88578  # the Fourier series at 1.95
    expected = (1 + 4 * np.maximum(calcium[:3] - 0.2155, 0.0) ** 2 * R / 2) ** (-1 / 3) - 1
    assert gamma[:3] == pytest.approx(expected, abs=2e-4)
    assert gamma[3] == pytest.approx(0.0, abs=1e-9)  # 1.95 * 1.44 um is beyond any overlap
