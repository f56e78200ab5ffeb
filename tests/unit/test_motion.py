"""Motion: the generalised-α method, on an oscillator of one degree of freedom and on a ventricle."""

from types import SimpleNamespace

import numpy as np
import pytest
from mpi4py import MPI

from heartwright.mechanics.motion import Motion, Scheme, scheme
from heartwright.mechanics.solid import Solid
from heartwright.mechanics.spec import Curve, MechanicsSpec
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import Ellipsoid, MeshSpec

RADII = pytest.mark.parametrize("r", [0.0, 0.5, 1.0])


def oscillator() -> Motion:
    """u'' = -ω² u, from u = 1 at rest; its balance is solved by `swing`."""
    field = lambda value: SimpleNamespace(x=SimpleNamespace(array=np.array([value])))  # noqa: E731
    wall = SimpleNamespace(u=field(1.0), u0=field(1.0), v=field(0.0), rate=SimpleNamespace(value=0.0))
    wall.admissible, wall.put = lambda: True, lambda: None
    return Motion(wall, Scheme())


def swing(motion: Motion, omega: float, dt: float, steps: int) -> np.ndarray:
    """u and v after every step."""
    wall, found = motion.wall, []
    motion.v_dot[:] = -(omega**2) * wall.u.x.array
    for _ in range(steps):
        motion.begin(dt)
        rate = wall.rate.value
        history = (wall.u0.x.array * rate + wall.v.x.array) * rate
        wall.u.x.array[:] = history / (rate**2 + omega**2)
        motion.end()
        found.append([wall.u.x.array[0], wall.v.x.array[0]])
    return np.array(found)


def error(chosen: Scheme, steps: int) -> float:
    """Of u after one period of 1 ms."""
    motion = oscillator()
    motion.scheme = chosen
    u, v = swing(motion, 2 * np.pi, 1.0 / steps, steps)[-1]
    return abs(u - 1.0) + abs(v) / (2 * np.pi)


@RADII
def test_the_method_is_of_second_order(r):
    assert error(scheme(r), 100) / error(scheme(r), 200) == pytest.approx(4.0, rel=0.05)


def test_without_a_spectral_radius_it_is_backward_euler():
    motion, omega, dt = oscillator(), 3.0, 0.1
    u, v = 1.0, 0.0
    for found in swing(motion, omega, dt, 5):
        v = (v - dt * omega**2 * u) / (1 + (omega * dt) ** 2)
        u += dt * v
        assert found == pytest.approx([u, v], rel=1e-12)
    assert error(Scheme(), 1000) / error(Scheme(), 2000) == pytest.approx(2.0, rel=0.05)


@RADII
def test_the_spectral_radius_is_what_a_step_leaves_of_the_fastest_oscillation(r):
    """The eigenvalues of one step, as a matrix on (u, u', v, v') with ω dt = 1e6, where u and v are scaled alike."""
    dt, omega, step = 1.0, 1e6, np.zeros((4, 4))
    for k in range(4):
        motion = oscillator()
        motion.scheme, wall = scheme(r), motion.wall
        arrays = wall.u.x.array, motion.u_dot, wall.v.x.array, motion.v_dot
        for i, array in enumerate(arrays):
            array[:] = float(i == k)
        motion.begin(dt)
        rate = wall.rate.value
        wall.u.x.array[:] = (wall.u0.x.array * rate + wall.v.x.array) * rate / (rate**2 + omega**2)
        motion.end()
        step[:, k] = [array[0] for array in arrays]
    # Double eigenvalues: exact to the square root of round-off times the size of the matrix.
    assert np.abs(np.linalg.eigvals(step)).max() == pytest.approx(r, abs=1e-3)


def test_the_midpoint_rule_keeps_the_energy():
    u, v = swing_with(scheme(1.0)).T
    assert u**2 + v**2 / 4.0 == pytest.approx(1.0, rel=1e-12)


def swing_with(chosen: Scheme) -> np.ndarray:
    motion = oscillator()
    motion.scheme = chosen
    return swing(motion, 2.0, 0.3, 50)


def test_what_sets_a_body_in_motion_at_once_does_not_ring_on():
    """u = t is enforced on a free mass at rest by p = v': a blow in the first step, and nothing after it."""
    motion = oscillator()
    motion.scheme, wall, p, forces = scheme(0.5), motion.wall, 0.0, []
    wall.u.x.array[:] = wall.u0.x.array[:] = 0.0
    motion.rest()
    for k in range(8):
        motion.begin(1.0)
        alpha, rate = motion.present.alpha_f, wall.rate.value
        wall.u.x.array[:] = k + alpha
        p += (((wall.u.x.array[0] - wall.u0.x.array[0]) * rate - wall.v.x.array[0]) * rate - p) / alpha
        motion.end()
        forces.append(p)
    assert forces == pytest.approx([1.0] + 7 * [0.0], abs=1e-12)


MESH = MeshSpec(generate=Ellipsoid(size=16.0))
RISING = Curve(times=(0.0, 4.0, 8.0), values=(0.0, 4.0, 16.0))


@pytest.fixture(scope="module")
def geometry():
    return build(MESH, MPI.COMM_SELF)


def beat(geometry, r: float | None, steps: int) -> np.ndarray:
    """Pressure and volume of a ventricle after 8 ms of contraction against an elastic chamber."""
    spec = MechanicsSpec(density=1.06, spectral_radius=r, viscosity=1.0, active_stress=RISING)
    solid = Solid(geometry, spec, MESH.fibres, {"lv": "lv_endo"}, 1.0)
    volume, compliance = solid.inflate({"lv": 0.5})[0], 3000.0  # uL/kPa
    for k in range(steps):
        solid.step(8.0 * k / steps, 8.0 / steps, lambda p: (volume - compliance * (p - 0.5), np.array([[-compliance]])))
        assert solid.volumes()[0] == pytest.approx(volume - compliance * (solid.p[0] - 0.5), rel=1e-7)
    return np.array([solid.p[0], solid.volumes()[0] / 1000])


@pytest.fixture(scope="module")
def exact(geometry):
    return beat(geometry, 0.5, 100)


@pytest.mark.parametrize(("r", "order"), [(None, 1.0), (0.5, 2.0)])
def test_a_ventricle_and_its_pressure_converge_with_the_order_of_the_scheme(geometry, exact, r, order):
    coarse, fine = (np.abs(beat(geometry, r, steps) - exact) for steps in (16, 32))
    assert np.log2(coarse / fine) == pytest.approx(order, abs=0.35)


def test_a_volume_that_begins_to_change_at_once_does_not_let_the_pressure_ring(geometry):
    """A heart at rest is filled at 100 mL/s from one moment to the next; the first pressure has the blow in it.

    From the third step on bends are those of the heart's own waves, some 2 % of the blow; a scheme that starts without
    history makes them three times the blow.
    """
    spec = MechanicsSpec(density=1.06, spectral_radius=0.5)
    solid = Solid(geometry, spec, MESH.fibres, {"lv": "lv_endo"}, 1.0)
    volume, pressures = solid.inflate({"lv": 1.0})[0], []
    for k in range(10):
        filled = np.array([volume + 100.0 * (k + 1)]), np.zeros((1, 1))
        solid.step(float(k), 1.0, lambda p, filled=filled: filled)
        pressures.append(solid.p[0])
    blow, bends = pressures[0] - 1.0, np.diff(pressures[2:], 2)
    assert np.abs(bends).max() < 0.1 * blow
