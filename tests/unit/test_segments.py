"""What the segments of the wall do: strains under known motions, stresses under known loads, power against balance."""

import numpy as np
import pytest
from dolfinx import fem
from mpi4py import MPI

from box import box
from heartwright.mechanics.passive import NeoHooke
from heartwright.mechanics.solid import Solid
from heartwright.mechanics.spec import Fixed, MechanicsSpec
from heartwright.mechanics.strain import Strain
from heartwright.mechanics.stress import PERCENTILES, Stress, _percentiles
from heartwright.mechanics.wall import Wall
from heartwright.mesh import segments
from heartwright.mesh.distribution import build
from heartwright.mesh.fibre_rules import FibresConstant
from heartwright.mesh.spec import Biventricle, Ellipsoid, MeshSpec

FIXED = [Fixed(where="base")]
MESH = MeshSpec(generate=Ellipsoid(size=11.0))


@pytest.fixture(scope="module")
def geometry():
    return build(MESH, MPI.COMM_SELF)


@pytest.fixture(scope="module")
def known(geometry):
    return segments.compute(geometry)


@pytest.fixture(scope="module")
def solid(geometry):
    return Solid(geometry, MechanicsSpec(boundaries=FIXED), MESH.fibres, {"lv": "lv_endo"}, 1.0)


@pytest.fixture(params=[1, 2], ids=["linear", "quadratic"])
def strain(geometry, known, request):
    u = fem.Function(fem.functionspace(geometry.mesh, ("Lagrange", request.param, (3,))))
    return Strain(geometry, u, known, known.regions(geometry.comm))


def move(strain: Strain, motion) -> None:
    """u = motion(x) - x, points in rows."""
    strain.u.interpolate(lambda x: motion(x.T).T - x)


def turn(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Right-handed rotations (n, 3, 3) about an axis by angles (n,)."""
    x, y, z = axis
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle)[:, None, None] * K + (1 - np.cos(angle))[:, None, None] * (K @ K)


def test_directions_are_those_of_the_wall(known):
    """In an ellipsoid of revolution: outwards, around and towards the base."""
    e, axes = known.directions, known.axes
    np.testing.assert_allclose(np.einsum("cij,ckj->cik", e, e), np.tile(np.eye(3), (len(e), 1, 1)), atol=1e-12)
    side = (known.aha <= 12) & (known.aha > 0)
    arm = known.centre[side] - axes.base
    arm -= np.outer(arm @ axes.axis, axes.axis)
    arm /= np.linalg.norm(arm, axis=1, keepdims=True)
    assert np.median((e[side, 0] * arm).sum(axis=1)) > 0.95
    assert np.median((e[side, 1] * np.cross(axes.axis, arm)).sum(axis=1)) > 0.99
    assert (e[side, 2] @ axes.axis).min() > 0.5


def test_segments_are_those_of_the_coordinates(geometry, known):
    at_vertices = geometry.coordinates.aha
    assert set(np.unique(known.aha)) == set(np.unique(at_vertices)) == set(range(1, 18))
    assert known.volume.sum() == pytest.approx(known.volume[known.aha > 0].sum())


def test_the_right_free_wall_is_a_region_of_its_own():
    heart = build(MeshSpec(generate=Biventricle(size=16.0)), MPI.COMM_SELF)
    found = segments.compute(heart)
    regions = found.regions(heart.comm)
    right, chamber = regions["rv"], heart.coordinates.chamber[heart.V1.dofmap.list].mean(axis=1)
    np.testing.assert_array_equal(right, chamber > 0.5)
    assert not (regions["lv"] & right).any() and (regions["lv"] | right).all()
    away = found.centre[right] - found.axes.base
    assert np.median((found.directions[right, 0] * away).sum(axis=1)) > 0  # outwards from the heart


def test_a_rigid_motion_has_no_strain_and_no_twist(strain):
    R = turn(np.array([0.6, 0.0, 0.8]), np.array([0.7]))[0]
    move(strain, lambda x: x @ R.T + [3.0, -2.0, 1.0])
    for stretch in strain.stretches().values():
        np.testing.assert_allclose(stretch, 1.0, atol=1e-12)
    turned = turn(strain.segments.axes.axis, np.array([0.7]))[0]
    move(strain, lambda x: x @ turned.T)
    assert strain.twist()[0] == pytest.approx(0.0, abs=1e-10)


def test_stretches_of_an_affine_motion_are_exact(strain):
    A = np.array([[1.1, 0.2, 0.0], [0.0, 0.9, 0.1], [0.05, 0.0, 1.02]])
    move(strain, lambda x: x @ A.T)
    found, cells = strain.stretches(), strain.regions["5"]
    e, volume = strain.segments.directions[cells], strain.segments.volume[cells]
    place = list(strain.regions).index("5")
    for k, name in enumerate(segments.DIRECTIONS):
        assert found[name][place] == pytest.approx(np.average(np.linalg.norm(e[:, k] @ A.T, axis=1), weights=volume))
    normal = np.linalg.norm(e[:, 0] @ np.linalg.inv(A), axis=1)  # layers come apart along their common normal
    assert found["thickness"][place] == pytest.approx(np.average(1 / normal, weights=volume))


def test_twist_is_positive_where_the_apex_turns_anticlockwise_seen_from_the_apex(strain):
    """2 degrees per cm: anticlockwise from below is left-handed about the axis, which points to the base."""
    axes = strain.segments.axes

    def wring(x):
        height = (x - axes.base) @ axes.axis
        arm = x - axes.base
        return axes.base + np.einsum("nij,nj->ni", turn(axes.axis, np.radians(0.2 * height)), arm)

    move(strain, wring)
    twist, distance = strain.twist()
    assert twist == pytest.approx(0.2 * distance, rel=0.1)  # turned parts count by the square of their arm
    assert 20 < distance < 80


@pytest.fixture(scope="module")
def stretched():
    """A slab with fibres along x, pulled to 1.2 of its length and turned as a whole."""
    slab = box((4.0, 2.0, 2.0), 2.0)
    spec = MechanicsSpec(passive=NeoHooke(mu=2.0), bulk_modulus=30.0, viscosity=0.0, boundaries=[])
    wall = Wall(slab, spec, FibresConstant(), [])
    R = turn(np.array([0.0, 0.6, 0.8]), np.array([0.5]))[0]
    A = R @ np.diag([1.2, 0.95, 0.9])
    wall.u.interpolate(lambda x: A @ x - x)
    wall.Ta.x.array[:] = 5.0
    cells = slab.mesh.topology.index_map(3).size_local
    aha, volume = np.ones(cells, dtype=int), np.full(cells, 16.0 / cells)
    # The layers of the wall lie across z: cross-fibre is y.
    e = np.tile(np.eye(3)[[2, 1, 0]], (cells, 1, 1))
    where = segments.Segments(aha, e, volume, np.zeros((cells, 3)), np.zeros((cells, 4, 3)), None)
    return Stress(wall, where, where.regions(slab.comm))


def test_cauchy_stress_of_a_stretched_slab_is_that_of_the_law(stretched):
    """σ = μ J^(-5/3) (B - tr B / 3) + κ/2 (J - 1/J) + Ta λ / J f⊗f, whatever the slab is turned by."""
    B, J = np.array([1.2, 0.95, 0.9]) ** 2, 1.2 * 0.95 * 0.9
    sigma = 2.0 * J ** (-5 / 3) * (B - B.sum() / 3) + 15.0 * (J - 1 / J) + np.array([5.0 * 1.2 / J, 0, 0])
    fibre, across, power = stretched.in_cells()
    np.testing.assert_allclose(fibre, sigma[0], rtol=1e-10)
    np.testing.assert_allclose(across, sigma[1], rtol=1e-10)
    assert not power.any()
    np.testing.assert_allclose(stretched.percentiles(fibre), sigma[0], rtol=1e-10)


def test_percentiles_are_by_volume():
    values, volumes = np.array([3.0, 1.0, 2.0]), np.array([1.0, 98.0, 1.0])
    found = dict(zip(PERCENTILES, _percentiles(values, volumes), strict=True))
    assert found[50] == pytest.approx(1.0, abs=0.05) and found[99] == pytest.approx(2.5)


def test_the_power_of_the_muscle_is_what_the_blood_receives(geometry, known, solid):
    """r.v = 0 in a step without springs: -∫ P : Ḟ dX = -p dV/du.v, to the tolerance of the solver."""
    regions = known.regions(geometry.comm)
    stress = Stress(solid.wall, known, regions)
    for array in solid.state().values():
        array[:] = 0.0
    nodes, full = len(solid.wall.Ta.x.array), solid.volumes()
    for k in range(6):
        solid.tension(np.full(nodes, 2.0 * (k + 1)), np.full(nodes, 6.0 * (k + 1)))
        solid.step(float(k), 1.0, lambda p: (full - 3000.0 * p, np.full((1, 1), -3000.0)))
    power = stress.per_volume(stress.in_cells()[2])
    gradient = solid.wall.volume_gradients()[0].array
    received = -solid.p[0] * gradient @ solid.wall.v.x.array[: len(gradient)]
    volume = np.array([known.volume[cells].sum() for cells in regions.values()]) / 1000  # mL
    left = list(regions).index("lv")
    assert abs(received) > 100.0  # mW
    assert (power * volume)[left] == pytest.approx(received, rel=1e-3)
    assert (power * volume)[:left].sum() == pytest.approx(received, rel=1e-3)
