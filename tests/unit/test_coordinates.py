"""Heart coordinates on idealised hearts, whose axis is z (base up, at z = 0) and whose right ventricle lies at +x."""

import numpy as np
import pytest
from mpi4py import MPI
from scipy.spatial.transform import Rotation

from heartwright.errors import InputError
from heartwright.mesh import coordinates, distribution, generate
from heartwright.mesh.laplace import Laplace, surface_dofs
from heartwright.mesh.spec import Biventricle, Ellipsoid, MeshSpec, Slab


@pytest.fixture(scope="module")
def both():
    return distribution.build(MeshSpec(generate=Biventricle(size=6.0)), MPI.COMM_SELF)


@pytest.fixture(scope="module")
def left():
    return distribution.build(MeshSpec(generate=Ellipsoid(size=6.0)), MPI.COMM_SELF)


def on(geometry, name):
    return surface_dofs(geometry, geometry.V1, name)


def test_a_harmonic_field_between_two_faces_of_a_slab_is_linear():
    slab = distribution.build(MeshSpec(generate=Slab(lengths=(4.0, 2.0, 2.0), size=1.0)), MPI.COMM_SELF)
    phi = Laplace(slab.V1, [on(slab, "xmin"), on(slab, "xmax")]).solve([2.0, 6.0])
    assert np.allclose(phi.x.array, 2.0 + slab.points[:, 0], atol=1e-10)


def test_depth_is_even_across_the_wall_of_an_ellipsoid(left):
    """Between the radii 22 and 32 mm a harmonic field would be ln(27/22)/ln(32/22) = 0.55 in the middle."""
    shape, x = Ellipsoid(), left.points
    belt = np.abs(x[:, 2] + shape.base_height) < 12
    squash = np.sqrt(1 - ((x[belt, 2] + shape.base_height) / (shape.length + shape.apex_wall / 2)) ** 2)
    depth = (np.hypot(x[belt, 0], x[belt, 1]) / squash - shape.radius) / shape.wall
    assert np.abs(left.coordinates.transmural[belt] - depth).mean() < 0.02


def test_depth_is_zero_inside_and_one_outside_each_chamber(both):
    c = both.coordinates
    assert np.all(c.transmural[np.setdiff1d(on(both, "lv_endo"), on(both, "epi"))] == 0)
    assert np.all(c.transmural[np.setdiff1d(on(both, "epi"), on(both, "lv_endo"))] == 1)
    right = on(both, "rv_endo")
    assert np.all(c.transmural[right[c.chamber[right] == coordinates.RV]] == 0)
    assert np.all(c.transmural[right[c.chamber[right] == coordinates.LV]] == 1)  # right face of the septum


def test_the_septum_belongs_to_the_left_ventricle(both):
    x, chamber = both.points, both.coordinates.chamber
    near_lv = np.hypot(x[:, 0], x[:, 1]) < 33
    middle = np.abs(x[:, 1]) < 15
    assert np.all(chamber[near_lv & middle & (x[:, 2] > -50)] == coordinates.LV)
    assert np.all(chamber[(x[:, 0] > 40)] == coordinates.RV)
    assert np.all(chamber[x[:, 0] < -20] == coordinates.LV)


def test_height_is_linear_from_the_apex_to_the_base(both):
    assert np.allclose(both.coordinates.apicobasal, np.clip((both.points[:, 2] + 80) / 80, 0, 1), atol=1e-6)
    assert both.coordinates.axes.length == pytest.approx(80, abs=1e-6)


def test_rotation_starts_in_the_septum_and_runs_right_handed_about_apex_to_base(both):
    x, theta = both.points, both.coordinates.rotation
    away = np.hypot(x[:, 0], x[:, 1]) > 5
    turn = np.angle(np.exp(1j * (theta - np.arctan2(x[:, 1], x[:, 0]))))
    assert np.abs(turn[away]).max() < 1e-2  # the mesh's own centroid of the right endocardium is not exactly on x
    assert theta.min() > -np.pi
    assert theta.max() <= np.pi


@pytest.mark.parametrize(
    ("height", "degrees", "segment"),
    [(0.9, d, s) for d, s in ((90, 1), (30, 2), (-30, 3), (-90, 4), (-150, 5), (150, 6))]
    + [(0.5, d, s) for d, s in ((90, 7), (30, 8), (-30, 9), (-90, 10), (-150, 11), (150, 12))]
    + [(0.1, d, s) for d, s in ((90, 13), (0, 14), (-90, 15), (180, 16), (-170, 16))]
    + [(-0.1, 10, 17), (0.9, 0, 2), (0.9, 59.9, 2), (0.9, 60.1, 1), (0.9, -60.1, 4), (1 / 3, 90, 7), (2 / 3, 90, 1)],
)
def test_segments_are_those_of_the_american_heart_association(height, degrees, segment):
    """Seen from the apex with the septum on the left and anterior up: 1 on top, then on counter-clockwise."""
    assert coordinates.segments(np.array([height]), np.radians([degrees])) == [segment]


def test_all_segments_are_found_and_only_in_the_left_ventricle(both):
    c = both.coordinates
    assert set(c.aha) == set(range(18))
    assert np.array_equal(c.aha == 0, c.chamber == coordinates.RV)


def test_a_left_ventricle_alone_counts_rotation_from_x(left):
    c, x = left.coordinates, left.points
    assert not c.chamber.any()
    assert set(c.aha) == set(range(1, 18))
    assert np.abs(c.rotation[(x[:, 0] > 5) & (np.abs(x[:, 1]) < 1e-6)]).max() < 1e-6


def test_coordinates_move_with_the_heart():
    raw = generate.generate(Biventricle(size=8.0))
    turn = Rotation.from_euler("xyz", [1.3, 0.4, -2.0]).as_matrix()
    meshes = raw, raw.but(points=raw.points @ turn.T + [50.0, 4.0, -120.0])
    here, there = (distribution.distribute(mesh, MPI.COMM_SELF) for mesh in meshes)
    a, b = here.coordinates, there.coordinates
    for name in ("transmural", "apicobasal", "chamber"):
        assert np.allclose(getattr(a, name), getattr(b, name), atol=1e-8), name
    away = a.axes.radius(here.points) > 1e-3
    assert np.abs(np.exp(1j * a.rotation) - np.exp(1j * b.rotation))[away].max() < 1e-8
    assert np.array_equal(a.aha[away], b.aha[away])


def test_on_the_long_axis_rotation_is_zero(both):
    """As at the endocardial apex, where the angle of what round-off leaves would differ between numbers of ranks."""
    axes = both.coordinates.axes
    assert (axes.rotation(np.stack([axes.endo_apex, axes.base, axes.base - 3.0 * axes.axis])) == 0.0).all()


def test_what_has_no_left_ventricle_has_no_coordinates():
    slab = distribution.build(MeshSpec(generate=Slab(lengths=(4.0, 2.0, 2.0), size=2.0)), MPI.COMM_SELF)
    with pytest.raises(InputError, match="lv_endo"):
        _ = slab.coordinates
