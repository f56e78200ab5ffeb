"""Generated hearts have the volumes of the formulas they are drawn from, closed cavities, and good cells."""

import math

import numpy as np
import pytest
from mpi4py import MPI
from pydantic import ValidationError

from heartwright.mesh import checks, quality, surface
from heartwright.mesh.distribution import distribute
from heartwright.mesh.spec import Biventricle, Ellipsoid, MeshSpec, Nozzle, Slab, Stenosis, Strip, Tube

generate = pytest.importorskip("heartwright.mesh.generate").generate
pytest.importorskip("gmsh")


def truncated_ellipsoid(radius: float, length: float, height: float) -> float:
    """Volume below a plane `height` above the centre: π r² ∫_{-l}^{h} (1 − z²/l²) dz."""
    return math.pi * radius**2 * (height - height**3 / (3.0 * length**2) + 2.0 * length / 3.0)


def cavity(raw, name):
    return surface.enclosed_volume(raw.points, raw.surface(name)[:, ::-1])


@pytest.fixture(scope="module")
def biventricle():
    return generate(Biventricle())


@pytest.fixture(scope="module", params=[Ellipsoid(), Biventricle(size=7.0), Slab(lengths=(20.0, 7.0, 3.0), size=1.5)])
def shape_and_mesh(request):
    shape = request.param
    return shape, checks.checked(generate(shape), MeshSpec(generate=shape))


def test_every_boundary_face_has_a_name(shape_and_mesh):
    _, raw = shape_and_mesh
    assert len(raw.facets) == len(surface.boundary_faces(raw.cells, len(raw.points)))


def test_no_slivers(shape_and_mesh):
    _, raw = shape_and_mesh
    angles = quality.dihedral_angles(raw.points, raw.cells)
    assert angles.min() > 8.0 and np.median(angles) > 40.0  # 70.5 degrees is a regular tetrahedron


def test_ellipsoid_volumes_follow_the_formula():
    shape = Ellipsoid(size=4.0)
    raw = checks.checked(generate(shape), MeshSpec(generate=shape))
    inner = truncated_ellipsoid(shape.radius, shape.length, shape.base_height)
    outer = truncated_ellipsoid(shape.radius + shape.wall, shape.length + shape.apex_wall, shape.base_height)
    wall = surface.tet_volumes(raw.points, raw.cells).sum()
    # flat facets of h = 4 mm lie h²/(12 r) = 0.06 mm inside a radius r of 22 mm: times area / volume this is 0.7 %
    assert cavity(raw, "lv_endo") == pytest.approx(inner, rel=0.01)
    assert wall == pytest.approx(outer - inner, rel=0.01)


def test_edges_grow_from_the_apex_to_the_base():
    shape = Ellipsoid(radius=7.0, length=17.0, wall=3.0, apex_wall=3.0, base_height=5.0, size=2.0, apex_size=1.0)
    raw = checks.checked(generate(shape), MeshSpec(generate=shape))
    corners = raw.points[raw.facets]
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).mean(axis=1)
    height = corners[:, :, 2].mean(axis=1)
    # size from 2 mm at z = 0 to 1 mm at z = -25 mm
    for low, high in ((-25.0, -22.0), (-14.0, -11.0), (-3.0, 0.0)):
        here = (height > low) & (height < high)
        assert edges[here].mean() == pytest.approx(2.0 + height[here].mean() / 25.0, rel=0.15)


def test_biventricle_has_the_left_ventricle_of_the_ellipsoid_and_a_right_one_of_its_formula():
    shape = Biventricle(size=4.5)
    raw = checks.checked(generate(shape), MeshSpec(generate=shape))
    inner = truncated_ellipsoid(shape.radius, shape.length, shape.base_height)
    assert cavity(raw, "lv_endo") == pytest.approx(inner, rel=0.01)
    # the right cavity by midpoint quadrature on 0.5 mm cubes: inside its ellipsoid, outside the left epicardium
    x, y, z = np.meshgrid(
        np.arange(-60, 70, 0.5), np.arange(-50, 50, 0.5), np.arange(-80, 0, 0.5) + 0.25, indexing="ij"
    )
    z = z + shape.base_height
    right = ((x - shape.rv_offset) / shape.rv_across) ** 2 + (y / shape.rv_along) ** 2 + (z / shape.rv_length) ** 2 < 1
    outer, apex = shape.radius + shape.wall, shape.length + shape.apex_wall
    left = (x / outer) ** 2 + (y / outer) ** 2 + (z / apex) ** 2 < 1
    assert cavity(raw, "rv_endo") == pytest.approx((right & ~left).sum() * 0.125, rel=0.01)


def test_default_biventricle_is_an_unloaded_adult_heart(biventricle):
    raw = biventricle
    assert 75e3 < cavity(raw, "lv_endo") < 90e3 and 90e3 < cavity(raw, "rv_endo") < 110e3  # uL
    assert 4500 < len(raw.cells) < 7500


def test_rims_lie_in_the_base_plane_and_run_counter_clockwise_seen_from_above(biventricle):
    for name, (rim,) in distribute(biventricle, MPI.COMM_SELF).rims.items():
        points = biventricle.points[rim]
        np.testing.assert_allclose(points[:, 2], 0.0, atol=1e-9)
        assert surface.vector_area(points)[2] > 0.0, name  # the lid's normal points up, out of the cavity


def test_two_runs_give_the_same_mesh(biventricle):
    again = generate(Biventricle())
    np.testing.assert_array_equal(again.points, biventricle.points)
    np.testing.assert_array_equal(again.cells, biventricle.cells)


def test_slab_has_its_faces_where_their_names_say():
    raw = generate(Slab(lengths=(20.0, 7.0, 3.0), size=2.0))
    assert surface.tet_volumes(raw.points, raw.cells).sum() == pytest.approx(420.0)
    for axis, (name, length) in enumerate(zip("xyz", (20.0, 7.0, 3.0), strict=True)):
        np.testing.assert_allclose(raw.points[raw.surface(f"{name}min")][..., axis], 0.0, atol=1e-9)
        np.testing.assert_allclose(raw.points[raw.surface(f"{name}max")][..., axis], length, atol=1e-9)


def test_a_strip_is_made_of_equal_bricks_of_six():
    raw = checks.checked(generate(Strip(length=10.0, width=2.0, thickness=1.0, size=0.5)), MeshSpec(generate=Strip()))
    assert len(raw.cells) == 20 * 4 * 2 * 6 and len(raw.points) == 21 * 5 * 3
    np.testing.assert_allclose(raw.points % 0.5 % 0.499999999, 0.0, atol=1e-6)
    np.testing.assert_allclose(surface.tet_volumes(raw.points, raw.cells), 0.5**3 / 6, rtol=1e-9)
    np.testing.assert_allclose(raw.points[raw.surface("xmax")][..., 0], 10.0)


NARROW = Stenosis(severity=0.5, at=50.0, length=30.0)


def lumen(shape, thickness=0.0):
    """π ∫ r² dz; for the narrowing r = R − a (1 + cos): ∫ r² = L ((R − a)² + a²/2)."""
    r, a = shape.radius + thickness, shape.radius * NARROW.severity / 2 if shape.stenosis else 0.0
    straight = shape.length - (NARROW.length if shape.stenosis else 0.0)
    return math.pi * (r**2 * straight + (shape.length - straight) * ((r - a) ** 2 + a**2 / 2))


@pytest.mark.parametrize("stenosis", [None, NARROW])
@pytest.mark.parametrize("wall", [None, 2.0])
def test_vessels_hold_what_their_formula_says(wall, stenosis):
    shape = Tube(wall=wall, stenosis=stenosis, size=3.0 if wall is None else 2.0)
    raw = checks.checked(generate(shape), MeshSpec(generate=shape))
    expected = lumen(shape, wall) - lumen(shape) if wall else lumen(shape)
    # chords of h = 3 mm lie h²/(8 r) = 0.1 mm inside a circle of r = 12 mm: of its area this is 1 %, less where h is 2
    assert surface.tet_volumes(raw.points, raw.cells).sum() == pytest.approx(expected, rel=0.025)
    assert not any("dropped" in note for note in raw.notes)
    assert set(raw.names) == ({"inlet", "outlet", "inner", "outer"} if wall else {"inlet", "outlet", "wall"})
    assert len(raw.facets) == len(surface.boundary_faces(raw.cells, len(raw.points)))
    radius = np.linalg.norm(raw.points[np.unique(raw.surface("inner" if wall else "wall"))][:, :2], axis=1)
    assert radius.max() == pytest.approx(12.0, rel=1e-6)
    assert radius.min() == pytest.approx(6.0 if stenosis else 12.0, rel=0.03)


def test_the_nozzle_has_the_sizes_of_the_study():
    shape = Nozzle()
    raw = checks.checked(generate(shape), MeshSpec(generate=shape))
    cone = math.pi * 22.685 / 3 * (36 + 12 + 4)
    expected = math.pi * (36 * (shape.inlet + shape.outlet) + 4 * 40) + cone
    assert surface.tet_volumes(raw.points, raw.cells).sum() == pytest.approx(expected, rel=0.01)
    inlet, outlet = (raw.points[raw.surface(name)][..., 2] for name in ("inlet", "outlet"))
    assert inlet.max() == pytest.approx(0.0, abs=1e-9) and outlet.min() == pytest.approx(182.685)
    step = abs(raw.points[np.unique(raw.surface("wall"))][:, 2] - 102.685) < 1e-6  # the sudden expansion is flat
    assert step.sum() > 50


@pytest.mark.parametrize(
    "wrong, expected",
    [
        ({"generate": Ellipsoid(), "file": "x.msh", "unit": "mm"}, "not both"),
        ({}, "either `file`"),
        ({"file": "x.msh"}, "needs its `unit`"),
        ({"generate": Ellipsoid(), "size": 3.0}, "generator has its own"),
        ({"generate": {"type": "ellipsoid", "base_height": 70.0}}, "has to cut the cavity"),
        ({"generate": {"type": "biventricle", "rv_across": 10.0}}, "inside the left wall"),
        ({"generate": {"type": "biventricle", "rv_across": 90.0}}, "swallows the left"),
        ({"generate": {"type": "tube", "stenosis": {"severity": 0.5, "at": 5.0, "length": 20.0}}}, "between the ends"),
        ({"generate": {"type": "slab", "lengths": [1.0, 1.0, 0.0], "size": 1.0}}, "greater than 0"),
    ],
)
def test_impossible_meshes_are_refused_by_the_spec(wrong, expected):
    with pytest.raises(ValidationError, match=expected):
        MeshSpec.model_validate(wrong)
