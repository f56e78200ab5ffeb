"""Passive laws at a point: no mesh, no MPI, no compilation."""

import numpy as np
import pytest
import ufl
from ufl.algorithms.apply_algebra_lowering import apply_algebra_lowering
from ufl.algorithms.apply_derivatives import apply_derivatives

from heartwright.mechanics.passive import Guccione, HolzapfelOgden, Usyk, volumetric
from laws import LAWS

KAPPA = 100.0
FIBRE, SHEET, NORMAL = np.linalg.qr(np.random.default_rng(7).standard_normal((3, 3)))[0].T

every_law = pytest.mark.parametrize("law", LAWS, ids=lambda law: law.type)


def vector(a):
    return ufl.as_vector(a.tolist())


def number(expression) -> float:
    return float(apply_algebra_lowering(expression)(()))


def energy(law, F: np.ndarray) -> float:
    """psi_passive + psi_volumetric at F, in kPa."""
    G = ufl.as_matrix(F.tolist())
    psi = law.psi(G.T * G, vector(FIBRE), vector(SHEET), vector(NORMAL))
    return number(psi + volumetric(ufl.det(G), KAPPA))


def stress(law, F: np.ndarray) -> np.ndarray:
    """P = d psi / dF as the solid builds it: symbolically."""
    G = ufl.variable(ufl.as_matrix(F.tolist()))
    psi = law.psi(G.T * G, vector(FIBRE), vector(SHEET), vector(NORMAL)) + volumetric(ufl.det(G), KAPPA)
    P = apply_derivatives(apply_algebra_lowering(ufl.diff(psi, G)))
    return np.array([[float(P[i, j](())) for j in range(3)] for i in range(3)])


def stretched(seed: int, size: float = 0.1) -> np.ndarray:
    return np.eye(3) + size * np.random.default_rng(seed).standard_normal((3, 3))


def rotation(seed: int) -> np.ndarray:
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))[0]
    return Q * np.sign(np.linalg.det(Q))


@every_law
def test_no_energy_and_no_stress_at_rest(law):
    assert energy(law, np.eye(3)) == pytest.approx(0.0, abs=1e-13)
    assert stress(law, np.eye(3)) == pytest.approx(0.0, abs=1e-13)


@every_law
def test_no_stress_after_a_rigid_rotation(law):
    assert stress(law, rotation(1)) == pytest.approx(0.0, abs=1e-11)  # round-off times KAPPA


@every_law
def test_energy_does_not_see_the_observer(law):
    F = stretched(2)
    assert energy(law, rotation(3) @ F) == pytest.approx(energy(law, F), rel=1e-11)


@every_law
@pytest.mark.parametrize("seed", range(3))
def test_stress_is_the_derivative_of_the_energy(law, seed):
    F, h = stretched(seed), 1e-5
    P = stress(law, F)
    differences = np.zeros((3, 3))
    for i, j in np.ndindex(3, 3):
        dF = np.zeros((3, 3))
        dF[i, j] = h
        differences[i, j] = (energy(law, F + dF) - energy(law, F - dF)) / (2 * h)
    # Central differences: h^2 times a third derivative some 1e3 times larger than P, and round-off / h.
    assert differences == pytest.approx(P, abs=1e-6 * np.abs(P).max())


def test_fibres_bear_tension_and_hardly_any_compression():
    law = HolzapfelOgden(a=1e-12, a_s=0.0, a_fs=0.0)  # fibres alone

    def pull(stretch: float) -> float:
        F = np.eye(3) + (stretch - 1.0) * np.outer(FIBRE, FIBRE)
        G = ufl.variable(ufl.as_matrix(F.tolist()))
        psi = law.psi(G.T * G, vector(FIBRE), vector(SHEET), vector(NORMAL))
        P = apply_derivatives(apply_algebra_lowering(ufl.diff(psi, G)))
        return float(sum(FIBRE[i] * P[i, j](()) * FIBRE[j] for i in range(3) for j in range(3)))

    assert pull(1.15) > 5.0
    assert abs(pull(0.85)) < 1e-3 * pull(1.15)


def test_guccione_along_the_fibre_is_the_closed_formula():
    law, stretch = Guccione(C=2.0, b_f=8.0, b_t=2.0, b_fs=4.0), 1.1
    F = np.eye(3) + (stretch - 1.0) * np.outer(FIBRE, FIBRE)
    E = (stretch**2 - 1) / 2
    # psi = C/2 (exp(b_f E^2) - 1), volume change: J = stretch
    expected = 2.0 / 2 * (np.exp(8.0 * E**2) - 1) + KAPPA / 4 * (stretch**2 - 1 - 2 * np.log(stretch))
    assert energy(law, F) == pytest.approx(expected, rel=1e-12)


def test_usyk_with_equal_directions_is_guccione():
    law, same = (
        Usyk(C=2.0, b_f=8.0, b_s=2.0, b_n=2.0, b_fs=4.0, b_fn=4.0, b_sn=2.0),
        Guccione(C=2.0, b_f=8.0, b_t=2.0, b_fs=4.0),
    )
    F = stretched(4)
    assert energy(law, F) == pytest.approx(energy(same, F), rel=1e-12)


def test_a_law_refuses_negative_stiffness_and_units_of_something_else():
    with pytest.raises(ValueError, match="greater than 0"):
        HolzapfelOgden(a=-1.0)
    with pytest.raises(ValueError, match="kPa"):
        HolzapfelOgden.model_validate({"a": "0.1 mm"})
