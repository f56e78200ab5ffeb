"""Unloading: the shape a heart has without load, and its passive filling against Klotz's curve."""

import numpy as np
import pytest
from mpi4py import MPI

from heartwright.errors import SolveFailed
from heartwright.mechanics import klotz
from heartwright.mechanics.passive import Guccione, HolzapfelOgden
from heartwright.mechanics.solid import Solid
from heartwright.mechanics.spec import MechanicsSpec, RegionSpec
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import Ellipsoid, MeshSpec
from heartwright.units import MMHG

MESH = MeshSpec(generate=Ellipsoid(size=16.0))
IMAGED = {"lv": 12 * MMHG}
ANNULUS = RegionSpec(where="base", passive_scale=20.0)


@pytest.fixture(scope="module")
def geometry():
    return build(MESH, MPI.COMM_SELF)


def heart(geometry, **changes) -> Solid:
    spec = MechanicsSpec(passive=Guccione(), prestress=IMAGED, unloading="shape", regions=[ANNULUS])
    return Solid(geometry, spec.replace(**changes), MESH.fibres, {"lv": "lv_endo"}, 1.0)


@pytest.fixture(scope="module", params=["shape", "inverse"])
def unloaded(geometry, request):
    """A heart that was imaged at 12 mmHg, unloaded and filled again."""
    solid = heart(geometry, unloading=request.param)
    solid.inflate(IMAGED)
    return solid


def unloaded_volume(solid: Solid) -> float:
    """That of the stress-free shape."""
    u = solid.u.x.array.copy()
    solid.u.x.array[:] = solid.wall.prestrain.U.x.array
    volume = solid.volumes()[0]
    solid.u.x.array[:] = u
    return volume


def test_the_unloaded_heart_filled_to_the_imaged_pressure_is_the_image(unloaded):
    """The issue's bars are 0.5 % of the volume and 0.3 mm."""
    assert unloaded.volumes()[0] == pytest.approx(unloaded.geometry.cavity_volume("lv_endo"), rel=1e-3)
    assert np.abs(unloaded.u.x.array).max() < 0.02
    assert unloaded.stretch().mean() > 1.03


def test_without_load_the_heart_has_the_shape_that_was_found_and_no_stress(unloaded):
    wall, U = unloaded.wall, unloaded.wall.prestrain.U
    u, slack, p = wall.u.x.array.copy(), wall.slack.x.array.copy(), unloaded.p.copy()
    wall.u.x.array[:], wall.slack.x.array[:] = U.x.array, U.x.array
    wall.load(np.zeros(1))
    wall.rate.value = 0.0
    wall.residual(wall.r)
    F, S, _ = wall.muscle.stress(U.x.array)
    assert wall.r.norm() < 1e-9 * wall.force
    assert np.abs(S).max() < 1e-9
    assert np.linalg.norm(F, axis=(2, 3)) == pytest.approx(np.sqrt(3.0), abs=1e-9)  # a rotation
    assert unloaded.volumes()[0] < 0.8 * unloaded.geometry.cavity_volume("lv_endo")
    wall.u.x.array[:], wall.slack.x.array[:] = u, slack
    wall.load(p)


def test_the_way_between_without_load_and_the_image_is_a_curve_like_klotz_s(unloaded):
    """The volumes of the passive curve rise with the pressure, from the unloaded shape's to the image's."""
    pressures = np.array([0.0, 0.25, 0.5, 0.75, 1.0]) * IMAGED["lv"]
    volumes = np.array([v[0] for v in unloaded.passive_curve([{"lv": p} for p in pressures])])
    assert (np.diff(volumes) > 0).all() and (np.diff(volumes, 2)[1:] < 0).all()  # ever stiffer, past the springs' start
    assert volumes[0] == pytest.approx(unloaded_volume(unloaded), rel=1e-6)
    assert volumes[-1] == pytest.approx(unloaded.geometry.cavity_volume("lv_endo"), rel=1e-3)
    V0 = klotz.unloaded_volume(volumes[-1], IMAGED["lv"])
    assert 0.9 < volumes[0] / V0 < 1.5  # Guccione's law of 1991 is stiffer than human hearts


ELEMENTS = [{"element": "P2"}, {"element": "P2P1"}, {"element": "P1P1", "stabilisation": 10.0, "quadrature_degree": 2}]


@pytest.mark.parametrize("element", ELEMENTS, ids=["P2", "P2P1", "P1P1"])
def test_inverse_elasticity_meets_the_image_with_every_element_and_the_softest_muscle(geometry, element):
    """The default law is 0.1 kPa soft without load, where fillings of one shape after another come no nearer."""
    solid = heart(geometry, passive=HolzapfelOgden(), unloading="inverse", **element)
    volume = solid.inflate(IMAGED)[0]
    assert volume == pytest.approx(geometry.cavity_volume("lv_endo"), rel=1e-6)
    assert np.abs(solid.u.x.array).max() < 1e-4
    assert np.abs(solid.wall.prestrain.U.x.array).max() > 5.0


def test_fixed_point_and_inverse_elasticity_find_the_same_shape(geometry):
    """The former to within 0.01 mm of the image, whose unloaded shape may be some times further off."""
    shapes = []
    for unloading in ("shape", "inverse"):
        solid = heart(geometry, unloading=unloading)
        solid.inflate(IMAGED)
        shapes.append(solid.wall.prestrain.U.x.array.copy())
    assert np.abs(shapes[1] - shapes[0]).max() < 0.1


def test_klotz_s_curve_goes_through_the_point_it_is_made_from_and_through_its_v0():
    """At 12 mmHg and 120 mL: V0 = 120 (0.6 - 0.072) = 63.4 mL; V30 = V0 + 56.6/(12/27.8)^0.362 = 140.2 mL."""
    volume, p = 120e3, 12 * MMHG
    assert klotz.unloaded_volume(volume, p) == pytest.approx(63.36e3, rel=1e-3)
    assert klotz.pressures(np.array([volume, 140.2e3]), volume, p) / MMHG == pytest.approx([12.0, 30.0], rel=5e-3)
    assert klotz.pressures(63.36e3, volume, p) / MMHG < 0.5


def test_a_heart_without_prestress_has_nothing_to_unload():
    with pytest.raises(ValueError, match="without `prestress` the mesh is free of stress already"):
        MechanicsSpec(unloading="shape")


@pytest.mark.slow
@pytest.mark.parametrize("unloading", ["shape", "inverse"])
def test_a_pressure_that_no_unloaded_muscle_could_bear_is_a_failure_in_words(geometry, unloading):
    with pytest.raises(SolveFailed, match="unloading"):
        heart(geometry, prestress={"lv": 20.0}, passive=Guccione(C=0.02), unloading=unloading).inflate({"lv": 20.0})
