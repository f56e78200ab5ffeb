"""Multigrid on several ranks: the same increment, in about as many iterations."""

import pytest

from mpi import answer

INCREMENT = """
import json
import numpy as np
from mpi4py import MPI
from heartwright.linalg import Linear
from heartwright.mechanics.spec import MechanicsSpec
from heartwright.mechanics.wall import Wall
from heartwright.mesh.geometry import build
from heartwright.mesh.spec import Ellipsoid, MeshSpec

mesh = MeshSpec(generate=Ellipsoid(size=20.0))
wall = Wall(build(mesh, MPI.COMM_WORLD), MechanicsSpec(), mesh.fibres, ["lv_endo"])
wall.rate.value = 1.0
wall.Ta.x.array[:], wall.Ka.x.array[:] = 30.0, 60.0
wall.load(np.array([5.0]))
wall.tangent()
wall.residual(wall.r)
linear, x = Linear(wall.K, "amg", "increment", rtol=1e-8), wall.r.duplicate()
linear.renew()
count = linear.solve(wall.r, x)
found = [count, x.norm(), x.dot(wall.r)]
if wall.comm.rank == 0:
    print(json.dumps(found))
"""


@pytest.mark.parallel
def test_the_increment_is_the_same_on_one_and_on_two_ranks():
    (alone, *one), (together, *two) = (answer(ranks, INCREMENT) for ranks in (1, 2))
    assert two == pytest.approx(one, rel=1e-4)  # 1e-8 of the residual, times the condition of soft muscle
    assert together < 1.5 * alone
