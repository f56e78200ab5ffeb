"""Shortening: active strain takes a free body to the shape of its sarcomeres, without stress and at its volume."""

import numpy as np
import pytest
from mpi4py import MPI

from heartwright.mechanics.spec import ActiveSpec, MechanicsSpec
from heartwright.mechanics.wall import Wall
from heartwright.mesh.distribution import build
from heartwright.mesh.fibre_rules import FibresConstant
from heartwright.mesh.spec import MeshSpec, Slab

SLAB = MeshSpec(generate=Slab(lengths=(4, 4, 4), size=2), fibres=FibresConstant())
GAMMA = -0.15


def wall(slab, **active) -> Wall:
    spec = MechanicsSpec(active=ActiveSpec(model="rossi_2014", **active), boundaries=[])
    wall = Wall(slab, spec, SLAB.fibres, [])
    wall.Ta.x.array[:] = GAMMA
    return wall


@pytest.fixture(scope="module")
def slab():
    return build(SLAB, MPI.COMM_SELF)


@pytest.mark.parametrize("k", [1.0, 4.0])
def test_a_free_body_rests_where_its_sarcomeres_want_it(slab, k):
    """F = Fa: C_e = I, so that no law has any stress there; and not at F = I."""
    body = wall(slab, orthotropy=k)
    body.residual(body.r)
    held = body.r.norm()
    normal = 1 + k * (1 / np.sqrt(1 + GAMMA) - 1)
    Fa = np.array([1 + GAMMA, 1 / ((1 + GAMMA) * normal), normal])
    assert Fa.prod() == pytest.approx(1.0)
    assert (Fa[1] == pytest.approx(Fa[2])) == (k == 1.0)
    body.u.interpolate(lambda x: (Fa - 1)[:, None] * x)
    body.residual(body.r)
    assert held > 0.1 and body.r.norm() < 1e-10 * held


def test_muscle_that_is_held_pulls_along_its_fibres(slab):
    body = wall(slab)
    _, S, _ = body.muscle.stress(body.u.x.array)
    along, across = S[..., 0, 0], S[..., 1, 1]
    assert (along - across).min() > 1.0  # kPa
    body.Ta.x.array[:] = 0.0
    assert np.abs(body.muscle.stress(body.u.x.array)[1]).max() < 1e-9
