"""Boundaries: prescribed displacement, springs across the normal."""

import numpy as np
import pytest
from mpi4py import MPI

from heartwright.mechanics.passive import NeoHooke
from heartwright.mechanics.solid import Solid
from heartwright.mechanics.spec import Displacement, Fixed, MechanicsSpec, Path, Robin
from heartwright.mechanics.wall import Wall
from heartwright.mesh.distribution import build
from heartwright.mesh.fibre_rules import FibresConstant
from heartwright.mesh.spec import Ellipsoid, MeshSpec, Slab

SLAB = MeshSpec(generate=Slab(lengths=(10, 4, 4), size=2), fibres=FibresConstant())
SOFT = MechanicsSpec(passive=NeoHooke(mu=20.0), viscosity=1.0, boundaries=[])


def nothing(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(0), np.zeros((0, 0))


@pytest.fixture(scope="module")
def slab():
    return build(SLAB, MPI.COMM_SELF)


def solid(slab, *boundaries) -> Solid:
    return Solid(slab, SOFT.replace(boundaries=list(boundaries)), SLAB.fibres, {}, 1.0)


def at(body: Solid, face: int, x: float) -> np.ndarray:
    """Displacements of the nodes on a face of the slab."""
    nodes = np.isclose(body.wall.V.tabulate_dof_coordinates()[:, face], x)
    return body.u.x.array.reshape(-1, 3)[nodes]


def test_a_surface_follows_its_path_and_draws_the_body_along(slab):
    """xmax moved by 0.05 mm per step, xmin held: the middle of the bar goes half as far."""
    path = Path(times=(0.0, 20.0), values=((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)))
    body = solid(slab, Fixed(where="xmin"), Displacement(where="xmax", value=path))
    for t in range(3):
        body.step(float(t), 1.0, nothing)
        assert at(body, 0, 10.0)[:, 0] == pytest.approx((t + 1) / 20, abs=1e-12)
    assert at(body, 0, 10.0)[:, 1:] == pytest.approx(0.0, abs=1e-12)
    assert at(body, 0, 0.0) == pytest.approx(0.0, abs=1e-12)
    middle = body.u.x.array.reshape(-1, 3)[np.isclose(body.wall.V.tabulate_dof_coordinates()[:, 0], 5.0)]
    assert middle[:, 0].mean() == pytest.approx(0.075, abs=0.005)


def test_springs_along_and_across_the_normal_are_springs_in_all_directions():
    mesh = MeshSpec(generate=Ellipsoid(size=16.0))
    geometry, residuals = build(mesh, MPI.COMM_SELF), []
    for directions in (("normal", "tangential"), ("full",)):
        springs = [Robin(where="epi", stiffness=0.5, direction=direction) for direction in directions]
        wall = Wall(geometry, MechanicsSpec(boundaries=springs), mesh.fibres, [])
        wall.slack.interpolate(lambda x: 0.1 * np.cos(x / 10.0))
        wall.residual(wall.r)
        residuals.append(wall.r.array.copy())
    assert np.abs(residuals[1]).max() > 0.0
    assert residuals[0] == pytest.approx(residuals[1], abs=1e-12)
