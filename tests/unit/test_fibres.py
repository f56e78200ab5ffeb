"""Fibres: angles, signs, orthogonality and the sheet conventions, against ellipsoids whose directions are known."""

import math

import basix
import numpy as np
import pytest
from mpi4py import MPI
from scipy.spatial.transform import Rotation, Slerp

from cup import cup
from heartwright.errors import InputError
from heartwright.mesh import distribution, fibres, fields, generate, rotations
from heartwright.mesh.fibre_rules import FibreAngles, FibresBayer, FibresConstant, FibresFile, FibresNone
from heartwright.mesh.spec import Biventricle, Ellipsoid, MeshSpec, Slab
from heartwright.mesh.where import Box, WhereAHA, WhereBox, WhereCoordinates

LEFT = Ellipsoid(size=4.0)
QUADRATURE = ("quadrature", 4)


@pytest.fixture(scope="module")
def left():
    return distribution.build(MeshSpec(generate=LEFT), MPI.COMM_SELF)


@pytest.fixture(scope="module")
def both():
    return distribution.build(MeshSpec(generate=Biventricle(size=6.0)), MPI.COMM_SELF)


def lay(geometry, rule, element):
    """f0, s0, n0 as arrays (cells x points, 3)."""
    return [
        v.x.array.reshape(-1, 3)[v.function_space.dofmap.list.ravel()]
        for v in fibres.directions(geometry, rule, element)
    ]


def places(geometry, element):
    """Where the values of an element lie (cells x points, 3)."""
    X = np.full((1, 3), 0.25) if element == "DG0" else basix.make_quadrature(basix.CellType.tetrahedron, element[1])[0]
    weights = np.hstack([1 - X.sum(axis=1, keepdims=True), X])
    return np.einsum("qk,ckd->cqd", weights, geometry.points[geometry.V1.dofmap.list]).reshape(-1, 3)


def ellipsoid_axes(x):
    """Depth in the wall (n,) and unit vectors (n, 3) around, up and out of it, for points of `LEFT`.

    The point lies on the ellipsoid of semi-axes (r, r, l) with r = radius + d wall, l = length + d apex_wall; its
    depth d is found by bisection and its normal is the gradient of the ellipsoid's level function.
    """
    x = x + np.array([0.0, 0.0, LEFT.base_height])
    low, high = np.zeros(len(x)), np.ones(len(x))
    for _ in range(50):
        d = (low + high) / 2
        r, l = LEFT.radius + d * LEFT.wall, LEFT.length + d * LEFT.apex_wall
        inside = (x[:, 0] ** 2 + x[:, 1] ** 2) / r**2 + x[:, 2] ** 2 / l**2 < 1
        low, high = np.where(inside, low, d), np.where(inside, d, high)
    out = x / np.stack([r, r, l], axis=1) ** 2
    around = np.stack([-x[:, 1], x[:, 0], 0 * d], axis=1)
    out, around = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (out, around))
    return d, around, np.cross(out, around), out


def degrees_between(a, b):
    """Angle between lines (n,)."""
    return np.degrees(np.arccos(np.minimum(np.abs(np.einsum("ni,ni->n", a, b)), 1.0)))


@pytest.mark.parametrize("element", ["DG0", QUADRATURE])
def test_the_helix_angle_of_an_ellipsoid_falls_evenly_from_endo_to_epi(left, element):
    # Flat facets of 4 mm lie up to 4²/(8·22) = 0.1 mm beside the ellipsoid, worth 1 degree at 12 degrees per mm of
    # wall; the cells, 2.5 across the wall, add another. Measured: 1.9 (DG0) and 1.7, falling with the size of cells.
    d, around, up, _ = ellipsoid_axes(places(left, element))
    angle = math.radians(60) * (1 - 2 * d)[:, None]
    exact = np.cos(angle) * around + np.sin(angle) * up
    f0 = lay(left, FibresBayer(), element)[0]
    assert degrees_between(f0, exact).mean() < 2.0
    found = np.degrees(np.arctan2(np.einsum("ni,ni->n", f0, up), np.einsum("ni,ni->n", f0, around)))
    slope, at_endo = np.polyfit(d, found, 1)
    assert slope == pytest.approx(-120, abs=3)
    assert at_endo == pytest.approx(60, abs=2)


def test_a_positive_helix_angle_is_a_right_handed_screw(left):
    x = places(left, "DG0")
    middle = np.abs(x[:, 2] + 20) < 10
    f0 = lay(left, FibresBayer(endo=math.radians(50), epi=math.radians(50)), "DG0")[0]
    counter_clockwise = np.einsum("ni,ni->n", f0, np.cross([0, 0, 1.0], x))
    assert np.all(counter_clockwise[middle] * f0[middle, 2] > 0)


@pytest.mark.parametrize("element", ["DG0", QUADRATURE])
@pytest.mark.parametrize("shape", ["left", "both"])
@pytest.mark.parametrize("sheet", ["across", "tangent"])
def test_directions_are_orthonormal_and_right_handed_everywhere(request, shape, sheet, element):
    rule = FibresBayer(sheet=sheet, rv_endo=math.radians(80), sheet_endo=math.radians(-45), sheet_epi=math.radians(45))
    Q = np.stack(lay(request.getfixturevalue(shape), rule, element), axis=2)
    assert np.isfinite(Q).all()
    assert np.abs(np.swapaxes(Q, 1, 2) @ Q - np.eye(3)).max() < 1e-12
    assert np.abs(np.linalg.det(Q) - 1).max() < 1e-12


def test_sheets_across_follow_the_wall_normal_and_tangent_ones_lie_in_the_wall(left):
    _, _, _, out = ellipsoid_axes(places(left, QUADRATURE))
    across, tangent = (lay(left, FibresBayer(sheet=s), QUADRATURE) for s in ("across", "tangent"))
    # Straight from face to face is not the normal of every ellipsoid in between: they differ by 2 degrees.
    assert degrees_between(across[1], out).mean() < 3
    assert np.abs(np.einsum("ni,ni->n", across[1], tangent[1])).max() < 1e-12
    assert np.einsum("ni,ni->n", across[1], out).min() > 0  # outwards
    assert tangent[1][:, 2].mean() > 0  # towards the base
    assert degrees_between(across[0], tangent[0]).max() < 1e-5


@pytest.mark.parametrize("sheet", ["across", "tangent"])
def test_the_sheet_angle_turns_sheets_about_the_fibre_right_handed(left, sheet):
    angle = math.radians(30)
    f0, s0, n0 = lay(left, FibresBayer(sheet=sheet), "DG0")
    turned = lay(left, FibresBayer(sheet=sheet, sheet_endo=angle, sheet_epi=angle), "DG0")
    assert np.allclose(turned[0], f0, atol=1e-12)
    off = degrees_between(turned[1], np.cos(angle) * s0 + np.sin(angle) * n0)
    assert off[places(left, "DG0")[:, 2] > -70].max() < 1e-5  # on the very apex the sign of the fibre is arbitrary


SECTIONS = FibresBayer(
    regions=(
        FibreAngles(where=WhereCoordinates(chamber="rv"), endo=math.radians(80), epi=math.radians(-20)),
        FibreAngles(where=WhereCoordinates(chamber="septum"), endo=math.radians(40), epi=math.radians(-30)),
        FibreAngles(where=WhereAHA(aha=(5, 6, 11, 12)), epi=math.radians(-45), sheet_endo=math.radians(20)),
    )
)


@pytest.mark.parametrize("rule", [FibresBayer(), SECTIONS], ids=["one rule", "rules of parts"])
def test_fibres_turn_with_the_heart(rule):
    # The two meshes differ by round-off, which the solver's tolerance of 1e-12 amplifies where gradients are small.
    raw = generate.generate(Biventricle(size=10.0))
    turn = Rotation.from_euler("xyz", [0.3, -1.1, 2.0]).as_matrix()
    turned = raw.but(points=raw.points @ turn.T + [5.0, -40.0, 12.0])
    here, there = (distribution.distribute(mesh, MPI.COMM_SELF) for mesh in (raw, turned))
    assert np.array_equal(here.mesh.topology.original_cell_index, there.mesh.topology.original_cell_index)
    for a, b in zip(lay(here, rule, "DG0"), lay(there, rule, "DG0"), strict=True):
        assert np.abs(a @ turn.T - b).max() < 1e-6


def test_a_part_of_the_wall_has_angles_of_its_own(left):
    """Above z = -20 -30 to 30 degrees, below the rule's own; within one cell of the border between them."""
    steep = WhereBox(box=Box(lower=(-99, -99, -20), upper=(99, 99, 99)))
    own = FibreAngles(where=steep, endo=math.radians(-30), epi=math.radians(30))
    x = places(left, QUADRATURE)
    d, around, up, _ = ellipsoid_axes(x)
    f0 = lay(left, FibresBayer(regions=(own,)), QUADRATURE)[0]
    for part, at_endo in ((x[:, 2] > -15, -30), (x[:, 2] < -26, 60)):
        angle = math.radians(at_endo) * (1 - 2 * d[part])[:, None]
        exact = np.cos(angle) * around[part] + np.sin(angle) * up[part]
        assert degrees_between(f0[part], exact).mean() < 2.0


def test_septum_and_right_ventricle_have_angles_of_their_own(both):
    """Half-way up, where neither apex nor insertions disturb: angles at the faces from a straight line in depth."""
    x = places(both, QUADRATURE)
    f0 = lay(both, SECTIONS, QUADRATURE)[0]
    around = np.cross([0, 0, 1.0], x)
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    helix = np.degrees(np.arctan2(f0[:, 2], np.einsum("ni,ni->n", f0, around)))
    belt, r = (np.abs(x[:, 1]) < 12) & (np.abs(x[:, 2] + 14) < 8), np.hypot(x[:, 0], x[:, 1])
    septum = belt & (x[:, 0] > 0) & (r < 32.1)
    slope, at_endo = np.polyfit((r[septum] - 22) / 10, helix[septum], 1)
    assert at_endo == pytest.approx(40, abs=5) and slope == pytest.approx(-70, abs=6)
    left = belt & (x[:, 0] < 0)  # the rule's own on the endocardium, -45 outside in these segments
    slope, at_endo = np.polyfit((r[left] - 22) / 10, helix[left], 1)
    assert at_endo == pytest.approx(60, abs=5) and slope == pytest.approx(-105, abs=6)


def test_the_septum_lies_between_the_ventricles(both):
    inside, x = both.coordinates.septum, both.points
    middle = np.abs(x[:, 2] + 20) < 10
    assert inside[middle & (np.abs(x[:, 1]) < 15) & (x[:, 0] > 0) & (x[:, 0] < 32.1)].all()
    assert not inside[middle & ((x[:, 0] < -15) | (x[:, 0] > 40))].any()  # it ends where the cavity does, x = -8


def test_right_ventricular_fibres_have_their_own_angles_and_join_those_of_the_septum(both):
    """Seen from its own cavity either ventricle has +60 degrees inside, so in the septum the angle changes sign."""
    x = places(both, QUADRATURE)
    f0 = lay(both, FibresBayer(), QUADRATURE)[0]
    around = np.cross([0, 0, 1.0], x)
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    helix = np.degrees(np.arctan2(f0[:, 2], np.einsum("ni,ni->n", f0, around)))
    belt, r = (np.abs(x[:, 1]) < 15) & (np.abs(x[:, 2] + 14) < 8), np.hypot(x[:, 0], x[:, 1])
    septum, right = belt & (x[:, 0] > 0) & (r < 32.1), belt & (x[:, 0] > 50)
    slope, at_endo = np.polyfit((r[septum] - 22) / 10, helix[septum], 1)
    assert at_endo == pytest.approx(60, abs=5)  # facets of 6 mm lie 0.2 mm beside the cylinder
    assert slope == pytest.approx(-120, abs=5)
    steeper = lay(both, FibresBayer(rv_endo=math.radians(85)), QUADRATURE)[0]
    moved = degrees_between(f0, steeper)
    assert moved[right].mean() > 5  # half of 25 degrees on average over the depth
    assert moved[x[:, 0] < -22].max() < 1  # the left free wall hardly notices


def test_constant_directions_are_normalised_and_orthogonal():
    slab = distribution.build(MeshSpec(generate=Slab(lengths=(4.0, 2.0, 2.0), size=2.0)), MPI.COMM_SELF)
    for element in ("DG0", QUADRATURE):
        f0, s0, n0 = lay(slab, FibresConstant(fibre=(0, 2, 0), sheet=(3, 1, 0)), element)
        assert np.allclose(f0, [0, 1, 0], atol=1e-15)
        assert np.allclose(s0, [1, 0, 0], atol=1e-15)
        assert np.allclose(n0, [0, 0, -1], atol=1e-15)
    with pytest.raises(InputError, match="needs fibres"):
        fibres.directions(slab, FibresNone(), "DG0")
    with pytest.raises(InputError, match="lv_endo"):
        fibres.directions(slab, FibresBayer(), "DG0")


def frames(seed, n=200):
    return Rotation.random(n, random_state=seed).as_matrix()


def test_blending_is_spherical_interpolation_of_the_nearest_equivalent_frame():
    a, b, w = frames(1), frames(2), np.linspace(0, 1, 200)
    blended = rotations.blended(a, b, w)
    for i in range(0, 200, 7):
        same = [Rotation.from_matrix(a[i] * signs) for signs in rotations.SAME_LINES]
        near = min(same, key=lambda q: (q.inv() * Rotation.from_matrix(b[i])).magnitude())
        expected = Slerp([0, 1], Rotation.concatenate([near, Rotation.from_matrix(b[i])]))(w[i]).as_matrix()
        assert np.allclose(blended[i], expected, atol=1e-12)
    assert np.allclose(np.abs(np.einsum("nij,nij->nj", rotations.blended(a, b, 0 * w), a)), 1, atol=1e-12)
    assert np.allclose(rotations.blended(a, a * [1, -1, -1], w), a * [1, -1, -1], atol=1e-12)


def test_a_frame_exists_where_gradients_vanish_or_are_parallel():
    up = np.array([[0, 0, 1.0], [0, 0, 1.0], [0, 0, 0], [1e-9, 0, 1.0], [1e-5, 0, 1.0]])
    out = np.array([[0, 0, -2.0], [0, 0, 0], [1.0, 0, 0], [0, 0, 3.0], [0, 0, 3.0]])
    Q = rotations.frame(up, out, np.eye(3))
    assert np.abs(np.swapaxes(Q, 1, 2) @ Q - np.eye(3)).max() < 1e-14
    assert np.allclose(Q[:, :, 2][[0, 2, 3]], out[[0, 2, 3]] / np.linalg.norm(out[[0, 2, 3]], axis=1)[:, None])


def test_nodal_fibres_are_interpolated_as_lines_whatever_their_signs():
    """Vectors at 20 and 40 degrees, one of them turned round, have 30 degrees half-way between."""
    angles = np.radians([20.0, 40.0])
    vectors = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(2)]) * [[1.0], [-1.0]]
    middle = fields.principal(fields.tensors(vectors).mean(axis=0, keepdims=True))[0]
    assert abs(middle @ [np.cos(np.radians(30)), np.sin(np.radians(30)), 0.0]) == pytest.approx(1.0)


@pytest.mark.parametrize("where", ["cell_fields", "point_fields"])
@pytest.mark.parametrize("levels", [0, 1])
def test_fibres_of_the_file_reach_cells_quadrature_points_and_refined_meshes(where, levels):
    raw = cup()
    n = len(raw.cells if where == "cell_fields" else raw.points)
    f, s = np.array([0.6, 0.8, 0.0]), np.array([0.1, 0.0, np.sqrt(0.99)])  # s is made normal to f
    stored = {"fiber": np.tile(f, (n, 1)), "sheet": np.tile(s, (n, 1))}
    heart = distribution.distribute(raw.but(**{where: stored}), MPI.COMM_SELF)
    rule = FibresFile(fibre="fiber", sheet="sheet")
    across = s - (s @ f) * f
    for element in ("DG0", ("quadrature", 3)):
        f0, s0, n0 = (v.x.array.reshape(-1, 3) for v in fibres.directions(heart.refined(levels), rule, element))
        np.testing.assert_allclose(abs(f0 @ f), 1.0, atol=1e-12)
        np.testing.assert_allclose(abs(s0 @ across), np.linalg.norm(across), atol=1e-12)
        np.testing.assert_allclose(n0, np.cross(f0, s0), atol=1e-12)
