"""The monodomain solver converges with second order in space and time, and to the benchmark's numbers."""

import importlib.util

import numpy as np
import pytest
import ufl
from dolfinx import fem

from box import AXES, at, box
from heartwright.electrophysiology import tissue as tissue_module
from heartwright.electrophysiology.diffusion import Diffusion
from heartwright.electrophysiology.quadratic import Quadratic
from heartwright.electrophysiology.spec import LUMPED, Cells, Conductivities, ElectrophysiologySpec, Stimulus
from heartwright.electrophysiology.tissue import Tissue
from heartwright.stopwatch import Stopwatch

CAPACITY = 1.4  # uF/mm^3
SIGMA = ufl.as_tensor(np.diag([0.28, 0.07, 0.07]).tolist())  # mS/mm
SIZE = (4.0, 2.0, 0.5)

# dv/dt = v - v^3/3 - w + i, dw/dt = 0.3 (v - 0.6 w): smooth, so that the order in time can be seen
FITZHUGH_NAGUMO = """
[[model]]
name: FitzHugh-Nagumo
cell.v = 1
cell.w = 0

[engine]
time = 0 [ms]
    in [ms]
    bind time

[cell]
stimulus = 0 [A/F]
    in [A/F]
    label stimulus_current
dot(v) = 1 [mV/ms] * (v / 1 [mV] - v^3 / 3 [mV^3] - w) + stimulus
    in [mV]
    label membrane_potential
dot(w) = 0.3 [1/ms] * (v / 1 [mV] - 0.6 * w)
"""


def cosine(geometry, t: float = 0.0) -> np.ndarray:
    """cos(pi x/4) cos(pi y/2) e^(-rate t), which solves the equation on the box without flux through its faces."""
    x, y, _ = geometry.points.T
    rate = (0.28 * (np.pi / SIZE[0]) ** 2 + 0.07 * (np.pi / SIZE[1]) ** 2) / CAPACITY
    return np.cos(np.pi * x / SIZE[0]) * np.cos(np.pi * y / SIZE[1]) * np.exp(-rate * t)


def diffuse(geometry, dt: float, steps: int, lumped: float = 0.0) -> fem.Function:
    v = fem.Function(geometry.V1)
    v.x.array[:] = cosine(geometry)
    diffusion = Diffusion(geometry.V1, SIGMA, CAPACITY, lumped, 1e-12, Stopwatch())
    for _ in range(steps):
        diffusion.step(0.0, dt, v)
    return v


def l2(geometry, error: np.ndarray) -> float:
    e = fem.Function(geometry.V1)
    e.x.array[:] = error
    return fem.assemble_scalar(fem.form(e**2 * geometry.dx)) ** 0.5


@pytest.mark.parametrize("lumped", [0.0, 1.0])
def test_diffusion_is_second_order_in_space(lumped):
    errors = []
    for h in (0.25, 0.125, 0.0625):
        geometry = box(SIZE, h)
        errors.append(l2(geometry, diffuse(geometry, 0.02, 100, lumped).x.array - cosine(geometry, 2.0)))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders == pytest.approx(2.0, abs=0.15)


def test_diffusion_on_quadratic_elements_is_third_order_in_space():
    errors = []
    for h in (0.5, 0.25, 0.125):
        geometry = box(SIZE, h).refined(1)
        v = fem.Function(geometry.V1)
        v.x.array[:] = cosine(geometry)
        one = fem.Constant(geometry.mesh, 1.0)
        diffusion = Quadratic(geometry, one * SIGMA, CAPACITY, 0.0, 1e-12, Stopwatch())
        for _ in range(100):
            diffusion.step(0.0, 0.02, v)
        # at the nodes: between them the parts' linear interpolation is of second order
        errors.append(np.sqrt(np.mean((v.x.array - cosine(geometry, 2.0)) ** 2)))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders[-1] > 2.8


def test_diffusion_is_second_order_in_time():
    geometry = box(SIZE, 0.5)
    reference = diffuse(geometry, 0.01, 400).x.array
    errors = [l2(geometry, diffuse(geometry, dt, round(4 / dt)).x.array - reference) for dt in (0.5, 0.25, 0.125)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize(("precision", "lost"), [("double", 1e-14), ("single", 6e-8)])  # 2^-24 of what has moved
@pytest.mark.parametrize("lumped", LUMPED.values(), ids=LUMPED)
def test_diffusion_keeps_the_charge(lumped, precision, lost):
    geometry = box(SIZE, 0.25)
    v = diffuse(geometry, 0.05, 20)
    v.x.array[:] += 1.0
    before, old = fem.assemble_scalar(fem.form(v * geometry.dx)), v.x.array.copy()
    Diffusion(geometry.V1, SIGMA, CAPACITY, lumped, 1e-12, Stopwatch(), precision).step(0.0, 0.05, v)
    after = fem.assemble_scalar(fem.form(v * geometry.dx))
    v.x.array[:] = np.abs(v.x.array - old)
    moved = fem.assemble_scalar(fem.form(v * geometry.dx))
    assert after == pytest.approx(before, rel=1e-12, abs=lost * moved)


def test_splitting_is_second_order(tmp_path, monkeypatch):
    monkeypatch.setattr(tissue_module, "QUIET_STEPS", 1)  # potentials of a few mV always look quiet
    file = tmp_path / "fitzhugh_nagumo.mmt"
    file.write_text(FITZHUGH_NAGUMO)
    spec = ElectrophysiologySpec(
        cells=[Cells(model=str(file))],
        conduction=Conductivities(fibre=0.28, sheet=0.07, normal=0.07),
        tolerance=1e-11,
    )
    geometry = box(SIZE, 0.5)

    def solve(dt: float) -> np.ndarray:
        tissue = Tissue(geometry, spec, AXES, dt=dt)
        tissue.v.x.array[:] += 2.0 * cosine(geometry)
        for t in range(4):
            tissue.step(float(t), 1.0)
        return tissue.v.x.array.copy()

    reference = solve(1 / 256)
    errors = [l2(geometry, solve(dt) - reference) for dt in (1 / 8, 1 / 16, 1 / 32)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    # a reference 8 times finer than the finest of the three raises the last order by 0.02
    assert orders == pytest.approx(2.0, abs=0.15)


def test_quadratic_elements_are_closer_to_the_limit_than_linear_ones_on_the_same_nodes():
    """0.224 m/s across fibres, Niederer et al. 2011."""
    stimulus = Stimulus(name="end", where={"box": {"lower": (-1, -1, -1), "upper": (1, 9, 9)}}, clock="absolute")
    speeds = {}
    for element, geometry in (("P1", box((4.0, 0.25, 0.25), 0.125)), ("P2", box((4.0, 0.25, 0.25), 0.25).refined(1))):
        spec = ElectrophysiologySpec(
            element=element,
            cells=[Cells(variant="epi")],
            conduction=Conductivities(fibre=0.0176, sheet=0.0176, normal=0.0176),
            stimuli=[stimulus],
            ecg=None,
        )
        tissue = Tissue(geometry, spec, AXES, dt=0.04)
        for t in range(22):
            tissue.step(float(t), 1.0)
        near, far = at(geometry, tissue.activation, np.array([(2.0, 0, 0), (3.5, 0, 0)]))
        speeds[element] = 1.5 / (far - near)
    assert speeds["P2"] == pytest.approx(0.224, rel=0.01)
    assert abs(speeds["P2"] - 0.224) < abs(speeds["P1"] - 0.224)


def test_niederer_at_half_a_millimetre(repository):
    file = repository / "benchmarks" / "niederer2011" / "run.py"
    run = importlib.util.module_from_spec(importlib.util.spec_from_file_location("niederer2011", file))
    run.__spec__.loader.exec_module(run)
    times = run.solve(0.5, 0.05)[0]
    # within 1 % of the limit dt -> 0 on this mesh (dt 0.0125 and Richardson's extrapolation)
    assert times[1:] == pytest.approx(run.LIMIT_AT_HALF_A_MILLIMETRE[1:], rel=0.01)
    # P1 lies in the stimulus and rises within the first steps
    assert times[0] == pytest.approx(run.LIMIT_AT_HALF_A_MILLIMETRE[0], abs=0.05)
