"""Four chambers: everything fits, cavities have the volumes of their formulas, names are where they say."""

import math

import numpy as np
import pytest
from mpi4py import MPI
from pydantic import ValidationError

from heartwright.mesh import quality, surface
from heartwright.mesh.distribution import distribute
from heartwright.mesh.four_chambers import Plan
from heartwright.mesh.prepare import prepare
from heartwright.mesh.spec import FourChambers, MeshSpec

SHAPE = FourChambers()
ML = 1000.0  # uL


@pytest.fixture(scope="module")
def heart():
    """20 s of gmsh, kept by the cache of meshes."""
    pytest.importorskip("gmsh")
    return prepare(MeshSpec(generate=SHAPE))


def cavity(raw, name):
    return surface.enclosed_volume(raw.points, raw.surface(name)[:, ::-1]) / ML


def test_the_default_heart_has_room_for_everything():
    assert Plan(SHAPE).crowded() is None
    valves = {valve.name: valve.start for valve in Plan(SHAPE).valves}
    assert valves["aortic"][1] > valves["mitral"][1]  # anterior
    assert valves["pulmonary"][1] > valves["tricuspid"][1] and valves["tricuspid"][0] > 30  # right


@pytest.mark.parametrize(
    "wrong, expected",
    [
        ({"base_height": "70 mm"}, "has to cut both cavities"),
        ({"mitral": "20 mm"}, "mitral and the aortic valve overlap|mitral valve does not fit"),
        ({"tricuspid": "20 mm"}, "tricuspid valve does not fit into its ventricle"),
        ({"ra_across": "14 mm", "ra_along": "14 mm"}, "does not open into its atrium"),
        ({"la_across": "60 mm"}, "covers the tricuspid valve"),
        ({"la_across": "14 mm", "ra_across": "13 mm"}, "do not touch|does not open"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_drawn(wrong, expected):
    with pytest.raises(ValidationError, match=expected):
        FourChambers.model_validate(wrong)


@pytest.mark.slow
def test_cavities_have_the_volumes_of_their_formulas(heart):
    r, l, h = SHAPE.radius, SHAPE.length, SHAPE.base_height
    left = math.pi * r**2 * (h - h**3 / (3 * l**2) + 2 * l / 3) / ML
    # flat facets of 6 mm lie up to 6²/(12·25) = 0.12 mm inside a radius of 25 mm: of the volume this is 1 %
    assert cavity(heart, "lv_endo") == pytest.approx(left, rel=0.015)
    dome = 2 / 3 * math.pi * SHAPE.la_across * SHAPE.la_along * SHAPE.la_height / ML
    assert cavity(heart, "la_endo") == pytest.approx(dome, rel=0.02)  # lids cut off what bulges into four veins
    # right cavities by midpoint quadrature on 0.5 mm cubes: inside their ellipsoid, outside the left wall
    plan = Plan(SHAPE)
    for name, own, wall, above in (
        ("rv_endo", plan.rv, plan.lv_wall, False),
        ("ra_endo", plan.ra, plan.la_wall, True),
    ):
        axis = np.arange(-80, 80, 0.5) + 0.25
        x = np.stack(np.meshgrid(axis + 30, axis, axis + (SHAPE.ring_height if above else 0), indexing="ij"), axis=-1)

        def level(e, x=x):
            return (((x - e.centre) / e.axes) ** 2).sum(axis=-1)

        half = x[..., 2] > plan.top if above else x[..., 2] < 0
        inside = (level(own) < 1) & (level(wall) > 1) & half
        assert cavity(heart, name) == pytest.approx(inside.sum() * 0.125 / ML, rel=0.02), name
    # volumes at rest of an adult: ventricles at the end of diastole 65 to 155 (left) and 80 to 200 mL, atria 30 to 80
    assert 65 < cavity(heart, "lv_endo") < 155 and 80 < cavity(heart, "rv_endo") < 200
    assert 30 < cavity(heart, "la_endo") < 80 and 30 < cavity(heart, "ra_endo") < 80


@pytest.mark.slow
def test_every_face_has_a_name_every_cell_a_region_and_no_cell_is_flat(heart):
    assert len(heart.facets) == len(surface.boundary_faces(heart.cells, len(heart.points)))
    assert heart.regions == ("lv", "rv", "rings", "la", "ra") and (heart.region > 0).all()
    assert quality.dihedral_angles(heart.points, heart.cells).min() > 8.0
    volume = surface.tet_volumes(heart.points, heart.cells)
    la = volume[heart.region == 4].sum()
    outer = (SHAPE.la_across + 2.5) * (SHAPE.la_along + 2.5) * (SHAPE.la_height + 2.5)
    shell = 2 / 3 * math.pi * (outer - SHAPE.la_across * SHAPE.la_along * SHAPE.la_height)
    assert la == pytest.approx(shell - 4 * math.pi * 5**2 * 2.5, rel=0.05)  # without the openings of the veins


@pytest.mark.slow
def test_cavities_open_at_their_valves_and_veins(heart):
    rims = distribute(heart, MPI.COMM_SELF).rims
    assert {name: len(loops) for name, loops in rims.items()} == {
        **{"lv_endo": 2, "rv_endo": 2},  # inflow and outflow
        **{"la_endo": 5, "ra_endo": 3},  # four pulmonary veins, two venae cavae, and the valve
    }
    for ring, radius in (("mitral", 12.0), ("aortic", 8.5), ("tricuspid", 12.0), ("pulmonary", 9.5)):
        points = heart.points[np.unique(heart.surface(ring))]
        centre = next(valve.start for valve in Plan(SHAPE).valves if valve.name == ring)
        np.testing.assert_allclose(np.linalg.norm(points[:, :2] - centre[:2], axis=1), radius, atol=0.01)
        assert points[:, 2].min() == pytest.approx(0, abs=1e-6) and points[:, 2].max() == pytest.approx(4.0)
