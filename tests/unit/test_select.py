"""Select: each kind of place finds its nodes, and an empty one says what is nearest."""

import numpy as np
import pytest
from mpi4py import MPI
from pydantic import TypeAdapter

from heartwright.errors import InputError
from heartwright.mesh import distribution, generate
from heartwright.mesh.select import select, select_cells
from heartwright.mesh.spec import Biventricle, Ellipsoid, MeshSpec
from heartwright.mesh.where import Where

read = TypeAdapter(Where).validate_python


@pytest.fixture(scope="module")
def heart():
    return distribution.build(MeshSpec(generate=Biventricle(size=6.0)), MPI.COMM_SELF)


def test_all_and_surfaces(heart):
    assert select(heart, "all").all()
    base = select(heart, "base")
    assert np.array_equal(base, np.abs(heart.points[:, 2]) < 1e-9)


def test_spheres_and_boxes_hold_what_is_inside(heart):
    x = heart.points
    ball = read({"sphere": {"centre": ["-2.7 cm", "0 mm", "-20 mm"], "radius": "9 mm"}})
    assert np.array_equal(select(heart, ball), np.linalg.norm(x - [-27, 0, -20], axis=1) <= 9)
    box = read({"box": {"lower": ["-40 mm", "-10 mm", "-30 mm"], "upper": ["0 mm", "10 mm", "-10 mm"]}})
    assert np.array_equal(select(heart, box), np.all((x >= [-40, -10, -30]) & (x <= [0, 10, -10]), axis=1))


def test_regions_hold_their_cells_and_the_nodes_of_these():
    raw = generate.generate(Ellipsoid(size=10.0))
    low = raw.points[raw.cells].mean(axis=1)[:, 2] < -30.0
    raw = raw.but(regions=("apical", "basal"), region=np.where(low, 1, 2))
    heart = distribution.distribute(raw, MPI.COMM_SELF)
    corners = heart.points[heart.V1.dofmap.list]
    below = corners.mean(axis=1)[:, 2] < -30.0
    assert np.array_equal(select_cells(heart, read({"region": "apical"})), below)
    nodes = np.isin(np.arange(heart.n_vertices), heart.V1.dofmap.list[below])
    assert np.array_equal(select(heart, read({"region": "apical"})), nodes)
    assert select(heart, read({"region": ["apical", "basal"]})).all()
    with pytest.raises(InputError, match="no region 'atrium'; it has: apical, basal"):
        select(heart, read({"region": "atrium"}))
    with pytest.raises(InputError, match=r"no surface 'basal' \(the region is \{region: basal\}\)"):
        select(heart, "basal")


def test_near_a_surface_is_within_a_distance_of_its_nodes(heart):
    x, base = heart.points, select(heart, "base")
    distance = np.linalg.norm(x[:, None] - x[base], axis=2).min(axis=1)
    near = select(heart, read({"near": "base", "within": "9 mm"}))
    assert np.array_equal(near, distance <= 9)
    assert base.sum() < near.sum() < len(x)


def test_segments_and_layers(heart):
    c = heart.coordinates
    assert np.array_equal(select(heart, read({"aha": [7, 8]})), (c.aha == 7) | (c.aha == 8))
    inner = select(heart, read({"aha": [7], "layer": "endo"}))
    assert np.array_equal(inner, (c.aha == 7) & (c.transmural <= 1 / 3 + 1e-6))


def test_the_three_layers_cover_a_chamber(heart):
    layers = [select(heart, read({"chamber": "lv", "layer": layer})) for layer in ("endo", "mid", "epi")]
    assert np.array_equal(np.any(layers, axis=0), heart.coordinates.chamber == 0)


def test_a_range_of_rotation_may_run_through_the_lateral_wall(heart):
    lateral = select(heart, read({"chamber": "lv", "rotation": ["150 deg", "210 deg"]}))
    assert np.array_equal(lateral, np.abs(heart.coordinates.rotation) >= np.radians(150) - 1e-6)


def test_a_site_is_the_surrounding_of_its_nearest_node(heart):
    """Anterior endocardium at half height: on the ellipse of the endocardium, where rotation 90 degrees is +y."""
    site = {"chamber": "lv", "layer": "endo", "apicobasal": 0.5, "rotation": "90 deg", "radius": "8 mm"}
    nodes = heart.points[select(heart, read(site))]
    y = 22 * np.sqrt(1 - (26 / 58) ** 2)  # z = -40, 26 below the ellipsoid's centre
    assert len(nodes) > 3
    assert np.linalg.norm(nodes.mean(axis=0) - [0, y, -40]) < 6  # an edge
    assert np.linalg.norm(nodes - [0, y, -40], axis=1).min() < 6
    small = select(heart, read(site | {"radius": "0.001 mm"}))
    assert small.sum() == 1
    assert heart.coordinates.transmural[small] == 0


def test_a_site_of_the_right_ventricle_lies_in_its_free_wall(heart):
    site = {"chamber": "rv", "layer": "endo", "apicobasal": 0.6, "rotation": "0 deg", "radius": "0.001 mm"}
    node = select(heart, read(site))
    assert heart.coordinates.chamber[node] == 1
    assert heart.coordinates.transmural[node] == 0
    assert np.linalg.norm(heart.points[node][0, 1:] - [0, -32]) < 7  # an edge


def test_selected_cells_fill_the_volume_of_their_place(heart):
    corners = heart.points[heart.V1.dofmap.list]
    volume = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / 6
    cells = select_cells(heart, read({"box": {"lower": ["-99 mm", "-99 mm", "-30 mm"], "upper": ["99 mm"] * 3}}))
    above = volume[corners[:, :, 2].mean(axis=1) > -30].sum()
    assert volume[cells].sum() == pytest.approx(above, rel=0.05)
    assert select_cells(heart, "all").all()
    assert 0 < select_cells(heart, "lv_endo").sum() < len(cells)


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("endo", "no surface 'endo'; there are: all, base, epi, lv_endo, rv_endo"),
        ({"sphere": {"centre": ["0 mm", "0 mm", "9 cm"], "radius": "5 mm"}}, r"no node in .* is 8\d\.\d mm outside"),
        ({"box": {"lower": ["9 cm"] * 3, "upper": ["10 cm"] * 3}}, r"nearest, at \(.*\) mm, is .* mm outside"),
        ({"chamber": "rv", "rotation": ["170 deg", "190 deg"]}, r"nearest to its middle, at \(.*\) mm, is about"),
        ({"apicobasal": [0.5, 0.5001], "rotation": ["5 deg", "6 deg"]}, "nearest to its middle"),
    ],
)
def test_an_empty_place_is_refused_with_what_is_near(heart, where, reason):
    with pytest.raises(InputError, match=reason):
        select(heart, read(where))


def test_single_nodes_are_no_cells(heart):
    site = {"chamber": "lv", "layer": "epi", "apicobasal": 0.5, "rotation": "90 deg", "radius": "0.001 mm"}
    with pytest.raises(InputError, match="single nodes but no cell"):
        select_cells(heart, read(site))


def test_a_left_ventricle_alone_has_no_right_chamber():
    left = distribution.build(MeshSpec(generate=Ellipsoid(size=10.0)), MPI.COMM_SELF)
    with pytest.raises(InputError, match="no chamber 'rv'; its surfaces: base, epi, lv_endo"):
        select(left, read({"chamber": "rv"}))
