"""Scales: parameters of the law, the springs and the sarcomeres that differ from place to place."""

import numpy as np
import pytest
from mpi4py import MPI

from heartwright.errors import InputError
from heartwright.mechanics.active import Contraction
from heartwright.mechanics.passive import Guccione
from heartwright.mechanics.spec import ActiveSpec, MechanicsSpec, Robin
from heartwright.mechanics.wall import Wall
from heartwright.mesh.distribution import build
from heartwright.mesh.scale import ScaleCoordinate, ScaleRegion
from heartwright.mesh.spec import Ellipsoid, MeshSpec

MESH = MeshSpec(generate=Ellipsoid(size=16.0))


@pytest.fixture(scope="module")
def geometry():
    return build(MESH, MPI.COMM_SELF)


def residual(geometry, **spec) -> np.ndarray:
    """Of a wall in the middle of a movement."""
    wall = Wall(geometry, MechanicsSpec(**{"passive": Guccione(), "boundaries": []} | spec), MESH.fibres, [])
    wall.u.interpolate(lambda x: 0.5 * np.sin(x / 20.0))
    wall.residual(wall.r)
    return wall.r.array.copy()


def everywhere(parameter: str, factor: float) -> ScaleRegion:
    return ScaleRegion(parameter=parameter, where="all", factor=factor)


def test_a_parameter_scaled_everywhere_is_another_value_of_it(geometry):
    scaled = residual(geometry, scales=[everywhere("b_f", 2.0), everywhere("b_f", 1.5), everywhere("C", 0.5)])
    expected = residual(geometry, passive=Guccione(C=0.5 * 0.876, b_f=3 * 18.48))
    assert scaled == pytest.approx(expected, rel=1e-9, abs=1e-9 * np.abs(expected).max())


def test_a_coordinate_makes_the_wall_as_stiff_as_it_says_where_it_says(geometry):
    """C grows threefold from endo- to epicardium: forces at nodes whose cells all lie at the apex, and so on."""
    scale = ScaleCoordinate(parameter="C", along="transmural", at=[0.0, 1.0], factors=[1.0, 3.0])
    wall = Wall(geometry, MechanicsSpec(passive=Guccione(), scales=[scale]), MESH.fibres, [])
    found, depth = wall.varying["C"].x.array, geometry.coordinates.transmural
    assert found == pytest.approx(0.876 * (1 + 2 * depth))
    assert found.max() > 2.5 and found.min() < 1.0


def test_springs_scaled_everywhere_are_other_springs(geometry):
    def force(**spring) -> np.ndarray:
        springs = [Robin(where="epi", direction="full", **spring)]
        wall = Wall(geometry, MechanicsSpec(boundaries=springs), MESH.fibres, [])
        wall.slack.interpolate(lambda x: 0.1 * np.cos(x / 10.0))
        wall.residual(wall.r)
        return wall.r.array.copy()

    assert force(stiffness=0.2, scales=[everywhere("stiffness", 3.0)]) == pytest.approx(force(stiffness=0.6), abs=1e-12)


def test_sarcomeres_with_scaled_parameters_pull_harder_there(geometry):
    active = ActiveSpec(scales=[ScaleRegion(parameter="tension.T_ref", where="epi", factor=2.0)])
    tensions = []
    for spec in (MechanicsSpec(), MechanicsSpec(active=active)):
        contraction = Contraction(geometry, spec, 1.0)
        ones = np.ones_like(contraction.tension)
        for k in range(20):
            contraction.step(float(k), 1.0, {"calcium": 1e-3 * ones}, ones)
        tensions.append(contraction.tension.copy())
    ratio = tensions[1] / tensions[0]
    assert set(np.round(ratio, 9)) == {1.0, 2.0}


def test_scales_of_nothing_and_to_nothing_are_refused(geometry):
    with pytest.raises(ValueError, match="scales: no parameter 'a' here; there are: C, b_f, b_t, b_fs"):
        MechanicsSpec(passive=Guccione(), scales=[everywhere("a", 2.0)])
    with pytest.raises(ValueError, match="no parameter 'slack' here; there are: stiffness, damping"):
        Robin(where="epi", stiffness=1.0, scales=[everywhere("slack", 2.0)])
    with pytest.raises(InputError, match="scales: 'b_f' becomes 0 somewhere: Input should be greater than 0"):
        residual(geometry, scales=[ScaleRegion(parameter="b_f", where="epi", factor=0.0)])
