"""Contraction: nodal tension from calcium and stretch."""

import numpy as np
import pytest
from mpi4py import MPI

from heartwright.errors import InputError
from heartwright.mechanics.active import Contraction
from heartwright.mechanics.spec import MechanicsSpec, RegionSpec
from heartwright.mesh.distribution import build
from heartwright.mesh.fibre_rules import FibresConstant
from heartwright.mesh.spec import MeshSpec, Slab

MESH = MeshSpec(generate=Slab(lengths=(10, 5, 5), size=5), fibres=FibresConstant())


@pytest.fixture(scope="module")
def geometry():
    return build(MESH, MPI.COMM_SELF)


def twitch(contraction: Contraction, stretch: float = 1.0, steps: int = 150) -> np.ndarray:
    """Tension (steps, nodes) under a calcium transient of 1 uM."""
    ones = np.ones_like(contraction.tension)
    rows = []
    for k in range(steps):
        calcium = 1e-4 + 9e-4 * (k / 20) * np.exp(1 - k / 20)
        contraction.step(float(k), 1.0, {"calcium": calcium * ones}, stretch * ones)
        rows.append(contraction.tension.copy())
    return np.array(rows)


def test_a_calcium_transient_makes_a_twitch(geometry):
    tension = twitch(Contraction(geometry, MechanicsSpec(), 1.0))
    assert tension.min() >= 0.0
    assert 20.0 < tension.max() < 120.0  # kPa; isometric peaks of human muscle, Land et al. 2017
    assert 40 < tension[:, 0].argmax() < 140
    assert np.ptp(tension, axis=1).max() == pytest.approx(0.0, abs=1e-9)


def test_stretched_muscle_pulls_harder(geometry):
    spec = MechanicsSpec()
    short, long = (twitch(Contraction(geometry, spec, 1.0), stretch).max() for stretch in (1.0, 1.1))
    assert long > 1.1 * short


def test_shortening_lowers_the_tension_at_once(geometry):
    contraction = Contraction(geometry, MechanicsSpec(), 1.0)
    ones = np.ones_like(contraction.tension)
    before = twitch(contraction, steps=60)[-1]
    stiffness = contraction.stiffness.copy()
    contraction.step(60.0, 1.0, {"calcium": 7e-4 * ones}, 0.995 * ones)
    # The drop is Ka times the change of stretch, less what the bridges recover within the step.
    assert contraction.tension - before == pytest.approx(-0.005 * stiffness, rel=0.5)


def test_regions_and_scale_multiply_the_tension(geometry):
    spec = MechanicsSpec(active={"scale": 2.0}, regions=[RegionSpec(where="xmin", active_scale=0.0)])
    scaled = twitch(Contraction(geometry, spec, 1.0), steps=50)[-1]
    plain = twitch(Contraction(geometry, MechanicsSpec(), 1.0), steps=50)[-1]
    infarct = geometry.points[:, 0] < 1e-9
    assert scaled[infarct] == pytest.approx(0.0)
    assert scaled[~infarct] == pytest.approx(2.0 * plain[~infarct])


def test_a_restored_contraction_goes_on_alike(geometry):
    contraction = Contraction(geometry, MechanicsSpec(), 1.0)
    twitch(contraction, steps=30)
    saved = {key: array.copy() for key, array in contraction.state().items()}
    once = twitch(contraction, 1.02, steps=5)
    for key, array in contraction.state().items():
        array[...] = saved[key]
    assert twitch(contraction, 1.02, steps=5) == pytest.approx(once, rel=1e-14)


def test_a_model_takes_the_potential_where_it_wants_no_calcium_and_may_have_no_stiffness(geometry):
    contraction = Contraction(geometry, MechanicsSpec(active={"model": "nash_panfilov_2004"}), 1.0)
    assert contraction.signals == ("membrane_potential",)
    ones = np.ones_like(contraction.tension)
    for k in range(20):
        contraction.step(float(k), 1.0, {"membrane_potential": 0.0 * ones}, ones)
    assert contraction.tension == pytest.approx(0.8 * 47.9, rel=1e-3)  # u = 0.8, risen within 1.3 ms
    assert not contraction.stiffness.any()


def test_a_model_of_active_strain_shortens(geometry):
    contraction = Contraction(geometry, MechanicsSpec(active={"model": "rossi_2014", "scale": 0.5}), 1.0)
    gamma = 2 * twitch(contraction)
    assert -0.25 < gamma.min() < -0.1
    assert (gamma <= 0.0).all() and gamma[-1] == pytest.approx(0.0, abs=0.05)


def test_a_model_that_makes_neither_tension_nor_strain_is_refused(geometry):
    with pytest.raises(InputError, match="mitchell_schaeffer_2003 makes neither active_tension nor active_strain"):
        Contraction(geometry, MechanicsSpec(active={"model": "mitchell_schaeffer_2003"}), 1.0)
