"""The solid gives the same beat on any number of ranks."""

import numpy as np
import pytest

from mpi import answer

BEAT = """
import json
import numpy as np
from mpi4py import MPI
from heartwright.mechanics.active import Contraction
from heartwright.mechanics.solid import Solid
from heartwright.mechanics.spec import MechanicsSpec
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import Ellipsoid, MeshSpec

mesh, spec = MeshSpec(generate=Ellipsoid(size=13.0)), MechanicsSpec(element="{element}")
geometry = build(mesh, MPI.COMM_WORLD)
solid = Solid(geometry, spec, mesh.fibres, {"lv": "lv_endo"}, 1.0)
contraction = Contraction(geometry, spec, 1.0)
volume = solid.inflate({"lv": 0.6})[0]
rows = []
for k in range(28):
    calcium = np.full_like(contraction.tension, 1e-4 + 9e-4 * (k / 20) * np.exp(1 - k / 20))
    contraction.step(float(k), 1.0, {"calcium": calcium}, solid.stretch())
    solid.tension(contraction.tension, contraction.stiffness)
    outflow = lambda p: (volume - 2000.0 * np.maximum(p - 3.0, 0.0), -2000.0 * np.diag((p > 3.0).astype(float)))
    solid.step(float(k), 1.0, outflow)
    rows.append([solid.p[0], solid.volumes()[0], contraction.mean_tension()])
if geometry.comm.rank == 0:
    print(json.dumps(rows))
"""


@pytest.mark.parallel
@pytest.mark.parametrize("element", ["P2", "P2P1", "P1P1"])
def test_pressure_volume_and_tension_agree_on_1_2_and_3_ranks(element):
    program = BEAT.replace("{element}", element)
    one = np.array(answer(1, program))
    assert one[-1, 0] > 3.0  # the valve has opened
    for ranks in (2, 3):
        difference = np.abs(answer(ranks, program) - one).max(axis=0) / np.ptp(one, axis=0)
        assert difference.max() < 1e-6, difference
