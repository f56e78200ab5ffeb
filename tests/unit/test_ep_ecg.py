"""ECG: signs, leads, and the duration of the QRS complex."""

import numpy as np
import pytest
import ufl
from dolfinx import fem

from box import AXES, box
from heartwright.electrophysiology.ecg import LeadField
from heartwright.electrophysiology.electrodes import ELECTRODES, located, placed, read
from heartwright.electrophysiology.spec import Ecg, ElectrophysiologySpec
from heartwright.errors import InputError
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import Biventricle, MeshSpec
from heartwright.output.metrics import qrs, qrs_axis, t_wave


@pytest.fixture(scope="module")
def bar():
    return box((20.0, 4.0, 4.0), 1.0)


def in_an_equal_torso(bar, electrodes) -> LeadField:
    """A heart whose two spaces together conduct like the torso: then the lead field is that of a half space."""
    inside, outside = (fem.Constant(bar.mesh, sigma) * ufl.Identity(3) for sigma in (0.1, 0.1))
    return LeadField(bar, inside, outside, electrodes)


def front(bar, x: float) -> np.ndarray:
    """A wave that has travelled along the bar up to x: depolarised behind, at rest ahead."""
    return -85.0 + 105.0 / (1 + np.exp((bar.points[:, 0] - x) / 0.5))


def test_an_approaching_wave_is_positive_and_a_leaving_one_negative(bar):
    ends = {"behind": np.array([-20.0, 2.0, 2.0]), "ahead": np.array([40.0, 2.0, 2.0])}
    ecg = in_an_equal_torso(bar, ends)
    signal = [ecg.potentials(front(bar, x)) for x in (5.0, 10.0, 15.0)]
    assert all(phi["ahead"] > 0 > phi["behind"] for phi in signal)
    assert signal[0]["ahead"] < signal[1]["ahead"] < signal[2]["ahead"]


def test_a_wave_that_passes_an_electrode_is_biphasic(bar):
    ecg = in_an_equal_torso(bar, {"beside": np.array([10.0, 2.0, 14.0])})
    before, after = (ecg.potentials(front(bar, x))["beside"] for x in (5.0, 15.0))
    assert before > 0 > after
    assert before == pytest.approx(-after, rel=0.02)


def test_tissue_of_one_potential_makes_no_signal(bar):
    ecg = in_an_equal_torso(bar, {"near": np.array([30.0, 2.0, 2.0])})
    scale = abs(ecg.potentials(front(bar, 10.0))["near"])
    assert abs(ecg.potentials(np.full(len(bar.points), -85.0))["near"]) < 1e-10 * scale


def test_the_dipole_of_a_flat_front_is_that_of_the_formula(bar):
    # far away: phi = sigma_i (Δv A) cos θ / (2 pi sigma_b r^2), Δv A the front's jump times its area
    r = 500.0
    ecg = in_an_equal_torso(bar, {"far": np.array([10.0 + r, 2.0, 2.0])})
    expected = 0.1 * 105.0 * 16.0 / (2 * np.pi * 0.2 * r**2)
    assert ecg.potentials(front(bar, 10.0))["far"] == pytest.approx(expected, rel=1e-3)


def test_leads_obey_einthoven_and_wilson():
    heart = build(MeshSpec(generate=Biventricle(size=12.0)), box((1, 1, 1), 1.0).comm)
    ecg = LeadField.around(heart, ElectrophysiologySpec(), AXES)
    leads = ecg.leads(heart.points @ np.array([1.0, -0.5, 2.0]))
    assert list(leads) == ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    assert leads["I"] + leads["III"] == pytest.approx(leads["II"])
    assert leads["aVR"] + leads["aVL"] + leads["aVF"] == pytest.approx(0.0, abs=1e-12)


def test_default_electrodes_surround_the_heart_on_the_proper_sides():
    heart = build(MeshSpec(generate=Biventricle(size=12.0)), box((1, 1, 1), 1.0).comm)
    at = placed(heart)
    nearest = {name: np.linalg.norm(heart.points - x, axis=1).min() for name, x in at.items()}
    assert set(at) == set(ELECTRODES)
    assert min(nearest.values()) > 10.0
    # the right ventricle lies on the side of +x, the apex at the bottom (-z)
    assert at["V1"][0] > at["V6"][0]
    assert at["RA"][2] > at["LL"][2]


def test_electrodes_are_needed_where_there_is_no_heart(bar):
    assert LeadField.around(bar, ElectrophysiologySpec(), AXES) is None
    with pytest.raises(InputError, match="no lv_endo to place"):
        LeadField.around(bar, ElectrophysiologySpec(ecg=Ecg(electrodes={"V1": (0.0, 0.0, 30.0)})), AXES)


def test_electrodes_of_a_file_are_taken_and_the_given_ones_before_them(bar, tmp_path):
    lines = [f"{name}, {x / 10}, {y / 10} {z / 10}  # cm" for name, (x, y, z) in ELECTRODES.items()]
    (tmp_path / "electrodes.csv").write_text("# a patient's\n\n" + "\n".join(lines))
    found = located(bar, Ecg(file=str(tmp_path / "electrodes.csv"), unit="cm", electrodes={"V1": (1.0, 2.0, 3.0)}))
    assert found.keys() == ELECTRODES.keys()
    np.testing.assert_allclose(found["RA"], ELECTRODES["RA"])
    np.testing.assert_allclose(found["V1"], (1.0, 2.0, 3.0))


def test_every_bad_line_of_a_file_is_named(tmp_path):
    (tmp_path / "bad.csv").write_text("V1 1 2 3\nV7 1 2 3\nV1 1 2 3\nRA 1 2\nLA 1 2 nan\nLL a b c\n")
    with pytest.raises(InputError) as error:
        read(tmp_path / "bad.csv", 1.0)
    for line, reason in (
        (2, "no electrode 'V7'; known: LA, LL"),
        (3, "V1 is given twice"),
        (4, "RA needs three coordinates, not '1 2'"),
        (5, "LA needs three coordinates, not '1 2 nan'"),
        (6, "LL needs three coordinates, not 'a b c'"),
    ):
        assert f"bad.csv:{line}: {reason}" in str(error.value)
    assert "bad.csv:1:" not in str(error.value)


def test_a_file_of_electrodes_needs_a_unit():
    with pytest.raises(ValueError, match="needs its `unit`"):
        Ecg(file="electrodes.csv")


def test_qrs_duration_ends_before_the_slow_t_wave():
    t = np.arange(0.0, 500.0, 1.0)
    spike = np.where((t > 100) & (t < 190), np.sin((t - 100) / 90 * 3 * np.pi), 0.0)
    wave = 0.3 * np.exp(-(((t - 380) / 40) ** 2))
    assert qrs(t, (spike + wave)[:, None])[1] == pytest.approx(90.0, abs=3.0)
    assert np.isnan(qrs(t, np.zeros((500, 2)))[1])


def test_qrs_is_the_steepest_wave_of_several():
    """A small atrial wave 150 ms before it is none of it; a notch of 20 ms inside is."""
    t = np.arange(0.0, 600.0, 1.0)
    humps = [(100, 0.1), (250, 1.0), (300, 0.6)]
    leads = sum(size * np.exp(-(((t - at) / 8) ** 2)) for at, size in humps)
    begin, duration = qrs(t, leads[:, None])
    # at the sides of the humps the slope is 5 % of the greatest 2.1 and 1.9 widths from their middle
    assert begin == pytest.approx(250 - 17, abs=2)
    assert begin + duration == pytest.approx(300 + 16, abs=2)


def test_t_wave_ends_where_its_tangent_meets_the_base_line():
    """A Gaussian of width 40 ms is steepest 40/√2 after its peak; its tangent there reaches zero as far again."""
    t = np.arange(0.0, 800.0, 1.0)
    spike = np.where((t > 100) & (t < 190), np.sin((t - 100) / 90 * 3 * np.pi), 0.0)
    wave = 0.3 * np.exp(-(((t - 380) / 40) ** 2))
    leads = np.column_stack([spike + wave, 0.5 * spike - 0.4 * wave])
    peak, end = t_wave(t, leads)
    assert peak == pytest.approx(380, abs=1)
    assert end == pytest.approx(380 + 2 * 40 / np.sqrt(2), abs=1.5)


def test_a_record_that_ends_before_the_t_wave_has_none():
    t = np.arange(0.0, 390.0, 1.0)
    spike = np.where((t > 100) & (t < 190), np.sin((t - 100) / 90 * 3 * np.pi), 0.0)
    wave = 0.3 * np.exp(-(((t - 380) / 40) ** 2))
    assert np.isnan(t_wave(t, (spike + wave)[:, None])).all()


def test_the_axis_is_the_direction_of_a_dipole():
    """Lead I is D·x, aVF √3/2 D·y for a dipole D at the centre of Einthoven's triangle."""
    t = np.arange(0.0, 400.0, 1.0)
    pulse = np.where((t > 100) & (t < 190), np.sin((t - 100) / 90 * np.pi), 0.0)
    for degrees in (-60.0, 30.0, 100.0):
        across, down = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        axis = qrs_axis(t, 0.2 + across * pulse, np.sqrt(3) / 2 * down * pulse, 100.0, 90.0)
        assert axis == pytest.approx(degrees, abs=1e-9)


def test_muscle_that_conducts_along_the_lead_draws_its_current(bar):
    """Reciprocal current into a bar flows along it whatever its fibres do; where they conduct better, ∇Z is smaller."""
    ends = {"ahead": np.array([60.0, 2.0, 2.0])}
    equal = in_an_equal_torso(bar, ends).potentials(front(bar, 10.0))["ahead"]
    inside = fem.Constant(bar.mesh, 0.1) * ufl.Identity(3)
    better = fem.Constant(bar.mesh, 0.3) * ufl.Identity(3)
    found = LeadField(bar, inside, better, ends).potentials(front(bar, 10.0))["ahead"]
    assert found == pytest.approx(equal * 0.2 / 0.4, rel=1e-6)
