"""Atria: fibres go round valves and veins in the wall, and the crista terminalis runs from vein to vein."""

import numpy as np
import pytest
from mpi4py import MPI
from pydantic import TypeAdapter, ValidationError
from scipy.spatial.transform import Rotation

from heartwright.errors import InputError
from heartwright.mesh import atria, distribution, fibres, generate
from heartwright.mesh.fibre_rules import FibreRule, FibresBayer, FibresPiersanti
from heartwright.mesh.four_chambers import Plan
from heartwright.mesh.prepare import prepare
from heartwright.mesh.spec import FourChambers, MeshSpec

RULE = FibresPiersanti()
RADIUS, WALL, VEIN = 20.0, 3.0, 5.0  # mm
VEINS = {"lpv": np.array([-0.8, 0.0, 0.6]), "rpv": np.array([0.8, 0.0, 0.6])}
PARTS = TypeAdapter(FibreRule).validate_python(
    {
        "type": "parts",
        "parts": [
            {"region": ["lv", "rv"], "fibres": {"type": "doste"}},
            {"region": ["la", "ra"], "fibres": {"type": "piersanti"}},
            {"region": "rings", "fibres": {"type": "constant"}},
        ],
    }
)


def half_sphere(size=3.5):
    """A left atrium: half of a spherical shell on its mitral ring in z = 0, with two veins."""
    with generate.session() as gmsh:
        occ, model = gmsh.model.occ, gmsh.model
        wall = (3, occ.addSphere(0, 0, 0, RADIUS + WALL, -1, 0, np.pi / 2))
        tools = [(3, occ.addSphere(0, 0, 0, RADIUS, -1, 0, np.pi / 2))]
        tools += [(3, occ.addCylinder(*(10 * d), *(20 * d), VEIN)) for d in VEINS.values()]
        occ.cut([wall], tools)
        occ.synchronize()

        def name_of(point):
            r = np.linalg.norm(point)
            if abs(point[2]) < 1e-6:
                return "mitral"
            if min(abs(r - RADIUS), abs(r - RADIUS - WALL)) > 1e-3:
                return "lpv" if point[0] < 0 else "rpv"
            return "la_endo" if r < RADIUS + WALL / 2 else "epi"

        names = generate._tag_surfaces(model, name_of)
        for option in ("Mesh.MeshSizeMin", "Mesh.MeshSizeMax"):
            gmsh.option.setNumber(option, size)
        model.mesh.generate(3)
        return generate.collect(model, names, "half a sphere")


@pytest.fixture(scope="module")
def raw():
    pytest.importorskip("gmsh")
    return half_sphere()


@pytest.fixture(scope="module")
def atrium(raw):
    return distribution.distribute(raw, MPI.COMM_SELF)


@pytest.fixture(scope="module")
def heart():
    """20 s of gmsh, kept by the cache of meshes."""
    pytest.importorskip("gmsh")
    return distribution.distribute(prepare(MeshSpec(generate=FourChambers())), MPI.COMM_SELF)


def lay(heart, rule):
    return [v.x.array.reshape(-1, 3) for v in fibres.directions(heart, rule, "DG0")]


def places(heart):
    return heart.points[heart.V1.dofmap.list].mean(axis=1)


def unit(v):
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def degrees_between(a, b):
    return np.degrees(np.arccos(np.minimum(np.abs(np.einsum("ni,ni->n", a, b)), 1.0)))


def test_fibres_lie_in_the_wall_and_are_orthonormal(atrium):
    f0, s0, n0 = lay(atrium, RULE)
    Q = np.stack([f0, s0, n0], axis=2)
    assert np.abs(np.swapaxes(Q, 1, 2) @ Q - np.eye(3)).max() < 1e-12
    out = unit(places(atrium))
    # flat facets of 3.5 mm on a radius of 20 mm are up to 5 degrees off it, and cells reach through half the wall
    assert degrees_between(s0, out).mean() < 10
    assert (90 - degrees_between(f0, out)).mean() < 6


def test_fibres_go_round_the_mitral_ring_and_round_the_veins(atrium):
    f0, x = lay(atrium, RULE)[0], places(atrium)
    round_the_ring = unit(np.cross([0, 0, 1.0], x))
    assert degrees_between(f0, round_the_ring)[x[:, 2] < 3].mean() < 10
    for d in VEINS.values():
        arm = x - np.outer(x @ d, d)
        near = (np.linalg.norm(arm, axis=1) < VEIN + 2.5) & (x @ d > 0)
        assert degrees_between(f0, unit(np.cross(d, arm)))[near].mean() < 20


def test_on_the_roof_fibres_run_across_the_way_between_the_veins(atrium):
    """Half-way between the veins ab falls along x, so fibres run in the plane x = 0."""
    f0, x = lay(atrium, FibresPiersanti(lpv=0.1, rpv=0.9))[0], places(atrium)
    roof = (x[:, 2] > 15) & (np.abs(x[:, 0]) < 4)
    assert np.abs(f0[roof, 0]).mean() < np.sin(np.radians(10))


def test_sheets_may_be_tangent_to_the_wall(atrium):
    across, tangent = lay(atrium, RULE), lay(atrium, FibresPiersanti(sheet="tangent"))
    np.testing.assert_allclose(across[0], tangent[0], atol=1e-12)
    assert np.abs(np.einsum("ni,ni->n", across[1], tangent[1])).max() < 1e-12


def test_atrial_fibres_turn_with_the_heart(raw, atrium):
    turn = Rotation.from_euler("xyz", [1.0, -0.2, 2.1]).as_matrix()
    there = distribution.distribute(raw.but(points=raw.points @ turn.T + [3.0, 50.0, -7.0]), MPI.COMM_SELF)
    for a, b in zip(lay(atrium, RULE), lay(there, RULE), strict=True):
        assert np.abs(a @ turn.T - b).max() < 1e-6


def test_what_an_atrium_lacks_is_told(raw):
    half = raw.but(names={name: tags for name, tags in raw.names.items() if name not in ("lpv", "mitral")})
    with pytest.raises(InputError, match=r"surfaces la_endo, epi, mitral, lpv and rpv; missing: mitral, lpv"):
        fibres.directions(distribution.distribute(half, MPI.COMM_SELF), RULE, "DG0")


@pytest.mark.parametrize(
    "wrong, expected",
    [
        ({"crista": [0.2, 0.3]}, "on w the bundles follow each other"),
        ({"lpv": 0.7}, "lpv before rpv"),
        ({"wall": 0.95}, "wall before tricuspid"),
    ],
)
def test_bundles_that_overlap_are_refused(wrong, expected):
    with pytest.raises(ValidationError, match=expected):
        FibresPiersanti.model_validate(wrong)


def test_a_region_with_two_rules_is_refused():
    part = {"region": "la", "fibres": {"type": "piersanti"}}
    with pytest.raises(ValidationError, match="each region has one rule: la has more"):
        TypeAdapter(FibreRule).validate_python({"type": "parts", "parts": [part, part]})


@pytest.mark.slow
def test_the_crista_terminalis_runs_in_the_plane_of_the_venae_cavae(heart):
    """The plane of the three openings halves the right atrium; w < 0 on its lateral half, where the crista lies."""
    right = heart.part(["ra"])
    f0 = lay(right, RULE)[0]
    fields = atria._fields(right, right.V1, "ra")
    r, w = (fields[name].x.array[right.V1.dofmap.list].mean(axis=1) for name in ("r", "w"))
    crista = (r < RULE.wall) & (w >= RULE.crista[0]) & (w <= RULE.crista[1])
    plan = Plan(FourChambers())
    svc, ivc = (vein.direction for vein in plan.veins if vein.name in ("svc", "ivc"))
    normal = np.cross(svc, ivc) / np.linalg.norm(np.cross(svc, ivc))
    assert crista.sum() > 10
    # it runs over the roof in the plane of the two veins; w = -0.14 lies a little beside it
    assert (90 - degrees_between(f0[crista], np.broadcast_to(normal, f0[crista].shape))).mean() < 25
    x = places(right)
    lateral, septal = w < -0.5, w > 0.5
    assert x[lateral, 0].mean() > x[septal, 0].mean() + 15  # the left atrium lies at smaller x


@pytest.mark.slow
def test_a_whole_heart_has_fibres_part_by_part(heart):
    f0, s0, n0 = lay(heart, PARTS)
    Q = np.stack([f0, s0, n0], axis=2)
    assert np.abs(np.swapaxes(Q, 1, 2) @ Q - np.eye(3)).max() < 1e-12
    rings = heart.region == heart.regions["rings"]
    np.testing.assert_allclose(f0[rings], np.broadcast_to([1.0, 0, 0], f0[rings].shape))
    left = heart.part(["la"])
    np.testing.assert_array_equal(f0[left.parent_cells], lay(left, RULE)[0])
    x, plan = places(heart), Plan(FourChambers())
    ring = (heart.region == heart.regions["la"]) & (x[:, 2] < plan.top + 3)
    around = unit(np.cross([0, 0, 1.0], (x - plan.la.centre) / plan.la.axes**2))
    assert degrees_between(f0[ring], around[ring]).mean() < 15


@pytest.mark.slow
def test_ventricular_rules_refuse_atria_and_parts_must_be_whole(heart):
    with pytest.raises(
        InputError, match=r"`type: bayer` is for ventricles, and this mesh has rings, la, ra too: .*parts"
    ):
        fibres.directions(heart, FibresBayer(), "DG0")
    few = PARTS.replace(parts=PARTS.parts[:1])
    with pytest.raises(InputError, match=r"mesh.fibres.parts: no rule for rings, la, ra"):
        fibres.directions(heart, few, "DG0")


@pytest.mark.slow
def test_heart_coordinates_are_those_of_the_ventricles(heart):
    c, x = heart.coordinates, heart.points
    above = x[:, 2] > 0.01
    assert (c.chamber[above] == -1).all() and np.isnan(c.transmural[above]).all() and (c.aha[above] == 0).all()
    assert (c.chamber[x[:, 2] < -0.01] >= 0).all()
    assert set(np.unique(c.aha)) == set(range(18))
