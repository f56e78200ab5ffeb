"""The bidomain solver converges with second order, with a bath and without, and is the monodomain's where it should."""

import importlib.util

import numpy as np
import pytest
import ufl
from dolfinx import fem

from box import AXES, at, box
from heartwright.electrophysiology.bidomain import Bidomain
from heartwright.electrophysiology.conductivity import domain_fields, muscle_of
from heartwright.electrophysiology.diffusion import conductivity_tensor
from heartwright.electrophysiology.spec import Bath, Cells, Domains, ElectrophysiologySpec, Region, Stimulus
from heartwright.electrophysiology.tissue import Tissue
from heartwright.stopwatch import Stopwatch

INTRACELLULAR = {"fibre": 0.17, "sheet": 0.019, "normal": 0.019}
EXTRACELLULAR = {"fibre": 0.62, "sheet": 0.24, "normal": 0.24}
CORNER = Stimulus(name="corner", where={"box": {"lower": (0, 0, 0), "upper": (1.5, 1.5, 1.5)}}, clock="absolute")


def spec(equation: str, extracellular: dict, **more) -> ElectrophysiologySpec:
    return ElectrophysiologySpec(
        equation=equation,
        conduction=Domains(intracellular=INTRACELLULAR, extracellular=extracellular),
        cells=[Cells(variant="epi")],
        stimuli=[CORNER],
        ecg=None,
        **more,
    )


@pytest.fixture(scope="module")
def manufactured(repository):
    """The benchmark with the manufactured solutions."""
    file = repository / "benchmarks" / "ep_convergence" / "run.py"
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location("ep_convergence", file))
    module.__spec__.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["monodomain", "bidomain", "bidomain, bath"])
def test_potentials_are_second_order_in_space_and_time(manufactured, name):
    errors = manufactured.errors_in_space(manufactured.PROBLEMS[name], [(0.5, 0.2), (0.25, 0.1), (0.125, 0.05)])
    # half a period over eight, sixteen elements: the order is still rising
    assert np.log2(errors[1] / errors[2]) == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize("name", ["monodomain", "bidomain", "bidomain, bath"])
def test_splitting_is_second_order_in_time(manufactured, name):
    errors = manufactured.errors_in_time(manufactured.PROBLEMS[name], 0.5, [0.2, 0.1], 0.025)
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.2)


def test_with_equal_anisotropy_it_is_the_monodomain_equation():
    """sigma_e = 2 sigma_i: phi_e = -v/3 up to a constant, and 2/3 sigma_i conducts v."""
    twice = {axis: 2 * value for axis, value in INTRACELLULAR.items()}
    geometry = box((4.0, 2.0, 1.0), 0.5)
    mono, bi = (Tissue(geometry, spec(e, twice, tolerance=1e-8), AXES, dt=0.05) for e in ("monodomain", "bidomain"))
    for t in range(3):
        mono.step(float(t), 1.0)
        bi.step(float(t), 1.0)
    reached = np.isfinite(mono.activation)
    assert 0.2 < reached.mean() < 0.9
    # both solvers stop at 1e-8 mV in each of 60 steps, the entries of the one are floats
    assert bi.v.x.array == pytest.approx(mono.v.x.array, abs=1e-3)
    assert bi.activation[reached] == pytest.approx(mono.activation[reached], abs=1e-5)
    phi = bi.potentials()["phi_e"]
    assert phi + bi.v.x.array / 3 == pytest.approx((phi + bi.v.x.array / 3).mean(), abs=1e-4)


@pytest.mark.parametrize("mass", ["selective", "lumped"])
def test_it_is_the_monodomain_equation_whatever_is_lumped(mass):
    twice = {axis: 2 * value for axis, value in INTRACELLULAR.items()}
    geometry = box((2.0, 1.0, 1.0), 0.5)
    mono, bi = (
        Tissue(geometry, spec(e, twice, tolerance=1e-8, mass=mass), AXES, dt=0.05) for e in ("monodomain", "bidomain")
    )
    for tissue in (mono, bi):
        tissue.step(0.0, 1.0)
    assert np.ptp(mono.v.x.array) > 20.0
    assert bi.v.x.array == pytest.approx(mono.v.x.array, abs=1e-4)


def test_unequal_anisotropy_is_another_equation():
    geometry = box((4.0, 2.0, 1.0), 0.5)
    mono, bi = (Tissue(geometry, spec(e, EXTRACELLULAR), AXES, dt=0.05) for e in ("monodomain", "bidomain"))
    for t in range(3):
        mono.step(float(t), 1.0)
        bi.step(float(t), 1.0)
    assert np.abs(bi.v.x.array - mono.v.x.array).max() > 2.0  # mV


def test_potential_in_a_bath_is_second_order():
    """For v = cos(kx) cos(qy) next to an isotropic bath phi_e is that of the muscle alone and a harmonic part each."""
    L, B, k, q = 2.0, 1.0, np.pi / 2.0, np.pi / 2.0
    i, s, bath = INTRACELLULAR, {a: INTRACELLULAR[a] + EXTRACELLULAR[a] for a in INTRACELLULAR}, 0.6
    share = -(i["fibre"] * k**2 + i["sheet"] * q**2) / (s["fibre"] * k**2 + s["sheet"] * q**2)
    p = q * (s["sheet"] / s["fibre"]) ** 0.5
    # muscle: share cos(kx) + D cosh(px); bath: C cosh(q(x - L - B)); equal potential and current at x = L
    D, C = np.linalg.solve(
        [[np.cosh(p * L), -np.cosh(q * B)], [s["fibre"] * p * np.sinh(p * L), bath * q * np.sinh(q * B)]],
        [-share * np.cos(k * L), 0.0],
    )
    errors = []
    for h in (0.25, 0.125):
        geometry = box((L + B, 2.0, 0.5), h)
        wet = Bath(where={"box": {"lower": (L, -1, -1), "upper": (9, 9, 9)}}, conductivity=bath)
        whole = spec("bidomain", EXTRACELLULAR, bath=wet)
        tensors = (conductivity_tensor(field, AXES) for field in domain_fields(geometry, whole, 0.05))
        equation = Bidomain(geometry, *tensors, 1.4, 0.0, 1e-4, Stopwatch(), muscle_of(geometry, whole))
        x, y, _ = geometry.points.T
        muscle = x < L + 1e-9
        v = fem.Function(geometry.V1)
        v.x.array[:] = np.where(muscle, np.cos(k * x) * np.cos(q * y), 0.0)
        inside = share * np.cos(k * x) + D * np.cosh(p * x)
        exact = np.where(muscle, inside, C * np.cosh(q * (x - L - B))) * np.cos(q * y)
        error = fem.Function(geometry.V1)
        error.x.array[:] = equation.phi_e(v) - exact
        errors.append(fem.assemble_scalar(fem.form(ufl.inner(error, error) * geometry.dx)) ** 0.5)
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.2)


def test_a_bath_has_no_cells_and_speeds_the_wave_along_its_border():
    """The bath loads the wave less than the extracellular space does: the front is ahead at the border."""
    geometry = box((6.0, 3.0, 1.0), 0.5)
    wet = Bath(where={"box": {"lower": (-1, 2.0, -1), "upper": (9, 9, 9)}}, conductivity=2.0)
    stimulus = CORNER.replace(where={"box": {"lower": (-1, -1, -1), "upper": (1, 9, 9)}})
    tissue = Tissue(geometry, spec("bidomain", EXTRACELLULAR, bath=wet).replace(stimuli=[stimulus]), AXES, dt=0.05)
    for t in range(10):
        tissue.step(float(t), 1.0)
    far, border = at(geometry, tissue.activation, np.array([(4.0, 0.0, 0.5), (4.0, 2.0, 0.5)]))
    assert border < far - 0.1
    in_bath = geometry.points[:, 1] > 2.1
    assert np.isnan(tissue.activation[in_bath]).all()
    assert not tissue.v.x.array[in_bath].any()
    assert np.ptp(tissue.potentials()["phi_e"][in_bath]) > 0.2
    assert tissue.summary()["activated"] > 0.5


def test_current_flows_around_dead_cells():
    """A scar beside the wave conducts in its extracellular space: phi_e varies along it, v does not."""
    scar = Region(where={"box": {"lower": (-1, 1.0, -1), "upper": (9, 9, 9)}}, conduction_scale=0.0)
    stimulus = CORNER.replace(where={"box": {"lower": (-1, -1, -1), "upper": (1, 0.5, 9)}})
    one = spec("bidomain", EXTRACELLULAR, regions=[scar]).replace(stimuli=[stimulus])
    tissue = Tissue(box((6.0, 3.0, 1.0), 0.5), one, AXES, dt=0.05)
    for t in range(5):
        tissue.step(float(t), 1.0)
    far = tissue.geometry.points[:, 1] > 2.9
    assert np.ptp(tissue.v.x.array[far]) < 0.1
    assert np.ptp(tissue.potentials()["phi_e"][far]) > 1.0
