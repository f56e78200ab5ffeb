"""The balance of forces and its tangent are the same on any number of ranks."""

import pytest

from mpi import answer

ASSEMBLY = """
import json
import numpy as np
from mpi4py import MPI
from heartwright.mechanics.spec import Fixed, MechanicsSpec, Robin
from heartwright.mechanics.wall import Wall
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import Ellipsoid, MeshSpec

mesh = MeshSpec(generate=Ellipsoid(size=13.0))
geometry = build(mesh, MPI.COMM_WORLD)
boundaries = [Fixed(where="base"), Robin(where="epi", stiffness=0.2, damping=5.0)]
wall = Wall(geometry, MechanicsSpec(boundaries=boundaries, density=1.0), mesh.fibres, ["lv_endo"])
wall.u.interpolate(lambda x: 0.3 * np.sin(x / 20) * np.abs(x[2]) / 50)
wall.u0.interpolate(lambda x: 0.2 * np.sin(x / 15))
wall.Ta.x.array[:], wall.Ka.x.array[:], wall.rate.value = 20.0, 30.0, 1.0
wall.load(np.array([2.0]))
wall.residual(wall.r)
wall.tangent()
d, product = wall.r.duplicate(), wall.r.duplicate()
X = wall.V.tabulate_dof_coordinates()[: d.getLocalSize() // 3]
d.array[:] = np.sin(X * [0.3, 0.4, 0.5] + [1, 2, 3]).ravel()
wall.K.mult(d, product)
least = geometry.comm.allreduce(wall.muscle.least_determinant()[0], MPI.MIN)
found = [wall.r.norm(), wall.r.dot(d), wall.K.norm(), product.norm(), product.dot(d), least]
if geometry.comm.rank == 0:
    print(json.dumps(found))
"""


@pytest.mark.parallel
def test_residual_and_tangent_agree_on_1_2_and_3_ranks():
    one = answer(1, ASSEMBLY)
    for ranks in (2, 3):
        assert answer(ranks, ASSEMBLY) == pytest.approx(one, rel=1e-11)
