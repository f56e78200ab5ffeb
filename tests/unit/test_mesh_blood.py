"""Blood of a cavity: its wall is the endocardium to the last digit, lids close every rim, its volume is the cavity."""

import numpy as np
import pytest

from heartwright.errors import InputError
from heartwright.mesh import checks, quality, surface
from heartwright.mesh.blood import _lid, blood
from heartwright.mesh.prepare import prepare
from heartwright.mesh.spec import Biventricle, MeshSpec

pytest.importorskip("gmsh")


@pytest.fixture(scope="module")
def heart():
    return prepare(MeshSpec(generate=Biventricle(size=7.0)))


def volume(raw):
    return abs(surface.tet_volumes(raw.points, raw.cells)).sum()


@pytest.mark.parametrize("name", ["lv_endo", "rv_endo"])
def test_blood_fills_a_ventricle_and_conforms_to_it(heart, name):
    inside = checks.checked(blood(heart, name), MeshSpec(file="x.msh", unit="mm"))
    # flat rims: cone lids and soap films are the same
    assert volume(inside) == pytest.approx(
        surface.enclosed_volume(heart.points, heart.surface(name)[:, ::-1]), rel=1e-6
    )
    assert quality.dihedral_angles(inside.points, inside.cells).min() > 8.0
    ours, theirs = (
        np.unique(mesh.points[np.unique(mesh.surface(own))], axis=0) for mesh, own in ((heart, name), (inside, "wall"))
    )
    np.testing.assert_array_equal(ours, theirs)
    assert len(inside.facets) == len(surface.boundary_faces(inside.cells, len(inside.points)))


def test_a_lid_spans_its_rim_like_a_film():
    """Over a rim bent like a saddle the film lies between its heights, in the middle at their mean."""
    angle = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)
    rim = np.column_stack([15.0 * np.cos(angle), 15.0 * np.sin(angle), 2.0 * np.cos(2.0 * angle)])
    inside, triangles = _lid(rim)
    # x² − y² is harmonic and has these heights on the rim; neighbours' means find it to a fraction of the edge length
    exact = 2.0 * (inside[:, 0] ** 2 - inside[:, 1] ** 2) / 15.0**2
    np.testing.assert_allclose(inside[:, 2], exact, atol=0.15)
    assert len(surface.loops(surface.rim_edges(triangles))[0]) == len(rim)


def test_a_surface_that_is_not_there_is_named(heart):
    with pytest.raises(InputError, match="there is no surface 'la_endo'; it has: base, epi, lv_endo, rv_endo"):
        blood(heart, "la_endo")


def test_every_valve_of_a_patient_gets_a_lid(shared_data):
    regions = {"base": 11, "epi": 12, "lv_endo": 13, "rv_endo": 14}
    file = str(shared_data / "bivme_patient1/derived_ED_remeshed.msh")
    raw = prepare(MeshSpec(file=file, unit="mm", regions=regions))
    for name, expected in (("lv_endo", 174.2), ("rv_endo", 170.0)):
        inside = blood(raw, name)
        assert set(inside.names) == {"wall", "lid_1", "lid_2"}
        assert volume(inside) / 1000.0 == pytest.approx(expected, rel=5e-3)  # valves are not flat
