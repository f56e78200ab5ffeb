"""The closed loop: resting values, conservation, and the function V(p), dV/dp the 3D heart sees."""

import time

import numpy as np
import pytest

from heartwright.body.circulation import PROBE, Circulation
from heartwright.body.resting import resting_values, table
from heartwright.body.spec import CirculationSpec
from heartwright.errors import InputError, SolveFailed
from heartwright.units import ML, MMHG

CYCLE, AV_DELAY = 800.0, 160.0

# Healthy resting adult: the loop as tuned must stay inside normal ranges (docs/theory/circulation.md has the sources).
BANDS = {
    "lv_edv": (125, 145),
    "lv_esv": (50, 60),
    "lv_ef": (56, 63),
    "lv_peak_pressure": (110, 122),
    "lv_edp": (7, 10),
    "lv_dpdt_max": (1000, 2000),
    "rv_edv": (130, 165),
    "rv_esv": (55, 80),
    "rv_peak_pressure": (23, 28),
    "rv_edp": (3, 5),
    "la_pressure_mean": (6, 10),
    "ra_pressure_mean": (2, 5),
    "arterial_pressure_max": (110, 122),
    "arterial_pressure_min": (70, 82),
    "arterial_pressure_mean": (88, 98),
    "pulmonary_arterial_pressure_max": (20, 25),
    "pulmonary_arterial_pressure_min": (8, 12),
    "pulmonary_arterial_pressure_mean": (12, 17),
    "cardiac_output": (5.3, 6.3),
    "blood_volume": (5.0, 5.6),
}


def loop(cavities=(), **spec) -> Circulation:
    circulation = Circulation(CirculationSpec(**spec), CYCLE, AV_DELAY, cavities)
    circulation.warm_up()
    return circulation


@pytest.fixture(scope="module")
def alone():
    return loop()


@pytest.fixture
def both():
    return loop(("lv", "rv"))


def test_resting_values_are_those_of_a_healthy_adult(alone):
    values = resting_values(alone)
    print(table(values))
    outside = {name: values[name] for name, (low, high) in BANDS.items() if not low <= values[name][0] <= high}
    assert not outside


def test_a_quarter_of_the_blood_is_stressed(alone):
    """The share that stretches the vessels is 25-30 % by textbooks of physiology; bleeds and tilts depend on it."""
    model = alone._alone.model
    unstressed = sum(value for name, value in model.parameters.items() if name.endswith(".V0"))
    assert 0.25 < 1 - unstressed / alone.observables(0)["blood_volume"] < 0.30


def test_atria_contract_before_the_ventricles(alone):
    t, traces = alone.beat(dt=0.5)
    before = t < AV_DELAY
    for atrium, ventricle in (("la", "lv"), ("ra", "rv")):
        kick = traces[f"{ventricle}_volume"][before]
        assert np.ptp(kick) > 0.1 * np.ptp(traces[f"{ventricle}_volume"])  # the atrial kick fills 10-30 % of the stroke
        assert traces[f"{atrium}_volume"].argmin() < AV_DELAY / 0.5
        assert traces[f"{ventricle}_pressure"].argmax() > AV_DELAY / 0.5


def test_valves_open_in_the_order_of_the_cycle(alone):
    _, traces = alone.beat(dt=0.5)
    for inflow, outflow in (("mitral", "aortic"), ("tricuspid", "pulmonary")):
        ejecting, filling = traces[f"valve_{outflow}"] > 0, traces[f"valve_{inflow}"] > 0
        assert not (ejecting & filling).any()
        closed = ~ejecting & ~filling
        opens, closes = np.flatnonzero(np.diff(ejecting.astype(int)))
        assert closed[opens - 20 : opens].all()  # isovolumic contraction lasts longer than 10 ms
        assert closed[closes + 2 : closes + 20].all()


def test_closed_valves_keep_the_ventricles_isovolumic(alone):
    _, traces = alone.beat(dt=0.5)
    for ventricle, valves in (("lv", ("mitral", "aortic")), ("rv", ("tricuspid", "pulmonary"))):
        closed = sum(traces[f"valve_{valve}"] for valve in valves) == 0
        phases = np.split(np.arange(closed.size), np.flatnonzero(np.diff(closed.astype(int))) + 1)
        for phase in phases:
            if closed[phase[0]]:
                assert np.ptp(traces[f"{ventricle}_volume"][phase]) < 0.1 * ML
        backflow = sum(np.minimum(traces[f"flow_{valve}"], 0).sum() * 0.5 for valve in valves)
        assert abs(backflow) < 0.1 * ML


def test_blood_is_conserved_over_many_beats(both):
    """The sum of the stores is a linear invariant, which Runge-Kutta methods keep to rounding."""
    blood = both.observables(0)["blood_volume"]
    p = both.state()["p"].copy()
    for step in range(4000):
        both.accept(step, 1.0, p * (1 + 10 * np.sin(np.pi * step / CYCLE) ** 2))
    assert both.observables(4000)["blood_volume"] == pytest.approx(blood, rel=1e-10)


def test_warm_up_is_periodic_and_quick(alone):
    start = time.perf_counter()
    circulation = loop()
    assert time.perf_counter() - start < 2.0  # 0.06 s where the kernels are compiled already; CI machines are slow
    before = circulation.state()["y"].copy()
    for step in range(int(CYCLE)):
        circulation.step(step, 1.0)
    stores = circulation._stores
    assert np.abs(circulation.state()["y"] - before)[stores].max() < 1e-6 * before[stores].sum()


def test_volumes_are_a_trial_and_accept_takes_the_same_step(both):
    before = {key: array.copy() for key, array in both.state().items()}
    p = before["p"] + [0.3, 0.1]
    V, _ = both.volumes(0.0, 1.0, p)
    assert all((both.state()[key] == before[key]).all() for key in before)
    both.accept(0.0, 1.0, p)
    assert (both.cavity_volumes() == V).all()
    assert (both.state()["p"] == p).all()


@pytest.mark.parametrize("rise", [[-0.5, -0.3], [0.12, 0.1], [0.0, 0.0], [12.0, 2.0]])
def test_dvdp_is_the_derivative_of_v(both, rise):
    """Against central differences four times wider; where valves switch, their curvature leaves (4 PROBE/width)^2."""
    p, h = both.state()["p"] + rise, 4 * PROBE
    _, slope = both.volumes(0.0, 1.0, p)
    for j, e in enumerate(np.eye(2)):
        expected = (both.volumes(0.0, 1.0, p + h * e)[0] - both.volumes(0.0, 1.0, p - h * e)[0]) / (2 * h)
        assert slope[:, j] == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_volumes_hardly_ever_rise_with_the_pressure(both):
    """What keeps the bordered system of the solid regular: dV/dp of the loop stays below that of the wall.

    The backflow through a closing valve shrinks again as it closes, so that dV/dp reaches 4 % of the open valve's
    1000 uL/kPa in 1 ms; a filled ventricle, passive, gives 10000 uL/kPa and more, a contracting one 3000 uL/kPa.
    """
    slopes = [np.diag(both.volumes(0.0, 1.0, np.array([p, p]))[1]).max() for p in np.linspace(0.3, 1.5, 1200)]
    assert max(slopes) < 50


def test_elastances_put_outside_the_loop_reproduce_it(alone):
    """The whole interface at once: ventricles that are elastances, but coupled as 3D ones are, V_wall(p) = V(p) solved
    by Newton's method at every step, beat like the loop's own. Pressures run linearly over 1 ms: 0.2 % of the range."""
    circulation = loop(("lv", "rv"))
    _, traces = alone.beat()
    wall = [traces[f"{c}_pressure"] / (traces[f"{c}_volume"] - V0) for c, V0 in (("lv", 10 * ML), ("rv", 15 * ML))]
    volumes, p, most = [], circulation.state()["p"].copy(), 0
    for step in range(int(CYCLE) - 1):
        elastance = np.array([E[step + 1] for E in wall])
        for iteration in range(20):
            most = max(most, iteration)
            V, slope = circulation.volumes(step, 1.0, p)
            residual = [10 * ML, 15 * ML] + p / elastance - V
            if np.abs(residual).max() < 1e-6 * ML:
                break
            p = p - np.linalg.solve(np.diag(1 / elastance) - slope, residual)
        circulation.accept(step, 1.0, p)
        volumes.append(circulation.cavity_volumes())
    assert most <= 6
    for i, chamber in enumerate(("lv", "rv")):
        exact = traces[f"{chamber}_volume"][1:]
        assert np.abs(np.array(volumes)[:, i] - exact).max() < 0.002 * np.ptp(exact)


def test_only_the_left_ventricle_may_be_3d():
    circulation = loop(("lv",))
    V, slope = circulation.volumes(0.0, 1.0, np.array([1.0]))
    assert V.shape == (1,) and slope.shape == (1, 1)
    assert set(circulation.preload()) == {"lv"}


def test_without_cavities_a_step_is_the_loop_alone(alone):
    circulation = loop()
    _, traces = alone.beat(dt=1.0)
    for step in range(300):
        circulation.accept(step, 1.0, np.zeros(0))
    assert circulation.observables(300.0)["lv_volume"] == pytest.approx(traces["lv_volume"][300], rel=1e-9)


def test_preload_is_the_pressure_before_the_atrial_kick(both):
    preload = both.preload()
    assert 4 * MMHG < preload["lv"] < 9 * MMHG
    assert 1.5 * MMHG < preload["rv"] < 5 * MMHG


def test_own_volumes_leave_the_pressures_of_the_loop(both):
    before = both.observables(0.0)
    both.set_volumes({"lv": 170 * ML, "rv": 150 * ML})
    after = both.observables(0.0)
    assert list(both.cavity_volumes()) == [170 * ML, 150 * ML]
    assert all(after[name] == before[name] for name in before if name.endswith("pressure"))


def test_a_restored_state_goes_on_the_same(both):
    saved = {key: array.copy() for key, array in both.state().items()}
    both.accept(0.0, 1.0, saved["p"] + 0.2)
    expected = both.cavity_volumes()
    for key, array in both.state().items():
        array[...] = saved[key]
    both.accept(0.0, 1.0, saved["p"] + 0.2)
    assert (both.cavity_volumes() == expected).all()


def test_more_resistance_raises_the_pressure_and_lowers_the_output(alone):
    hypertensive = resting_values(loop(parameters={"systemic_arteries.R": "1.2 mmHg*s/mL"}))
    normal = resting_values(alone)
    assert hypertensive["arterial_pressure_mean"] > normal["arterial_pressure_mean"]
    assert hypertensive["cardiac_output"] < normal["cardiac_output"]


def test_a_bleed_empties_the_veins_and_lowers_the_pressure(alone):
    bled = loop(blood_volume="4.8 L")
    assert bled.observables(0)["blood_volume"] == pytest.approx(4.8e6, rel=1e-12)
    assert resting_values(bled)["arterial_pressure_mean"] < resting_values(alone)["arterial_pressure_mean"]


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="systemic_arteries"):
        loop(parameters={"systemic_arteries.Rx": "1.2 mmHg*s/mL"})
    with pytest.raises(InputError, match="xv_pressure"):
        Circulation(CirculationSpec(), CYCLE, AV_DELAY, ("xv",))


def test_a_loop_without_a_periodic_beat_is_reported():
    with pytest.raises(SolveFailed, match="not periodic"):
        loop(warm_up_beats=1)


def test_chambers_outside_the_model_are_refused_by_the_spec():
    with pytest.raises(ValueError, match="aorta"):
        CirculationSpec(cavities={"aorta": "endo"})


def test_the_spec_survives_being_written_and_read():
    spec = CirculationSpec(blood_volume="5 L", parameters={"aortic.R_open": "0.1 mmHg*s/mL"}, cavities={"lv": "endo"})
    assert CirculationSpec.model_validate(spec.model_dump(mode="json")) == spec
