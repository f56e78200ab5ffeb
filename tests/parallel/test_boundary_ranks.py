"""Contact with a plane and the unloaded shape of an imaged heart are the same on any number of ranks."""

import numpy as np
import pytest

from mpi import answer

CONTACT = """
import json
import numpy as np
from mpi4py import MPI
from heartwright.mechanics.passive import NeoHooke
from heartwright.mechanics.solid import Solid
from heartwright.mechanics.spec import Fixed, MechanicsSpec, Path, Plane
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import MeshSpec, Slab
from heartwright.mesh.fibre_rules import FibresConstant

slab = MeshSpec(generate=Slab(lengths=(10, 4, 4), size=2), fibres=FibresConstant())
down = Path(times=(0.0, 4.0), values=((0.0, 0.0, 0.5), (0.0, 0.0, -1.5)))
plane = Plane(where="zmax", point=(0.0, 0.0, 4.0), normal=(0.1, 0.0, -1.0), motion=down)
spec = MechanicsSpec(passive=NeoHooke(mu=20.0), boundaries=[Fixed(where="zmin"), plane.replace(point=(10.0, 0.0, 5.0))])
solid = Solid(build(slab, MPI.COMM_WORLD), spec, slab.fibres, {}, 1.0)
rows = []
for t in range(4):
    solid.step(float(t), 1.0, lambda p: (np.zeros(0), np.zeros((0, 0))))
    rows.append([solid.wall.contacts[0].force(), solid.wall.contacts[0].depth()])
if solid.geometry.comm.rank == 0:
    print(json.dumps(rows))
"""

UNLOADED = """
import json
import numpy as np
from mpi4py import MPI
from heartwright.mechanics.solid import Solid
from heartwright.mechanics.spec import MechanicsSpec
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import Ellipsoid, MeshSpec

mesh = MeshSpec(generate=Ellipsoid(size=16.0))
spec = MechanicsSpec(element="{element}", prestress={"lv": 1.5}, unloading="inverse")
geometry = build(mesh, MPI.COMM_WORLD)
solid = Solid(geometry, spec, mesh.fibres, {"lv": "lv_endo"}, 1.0)
imaged = solid.inflate({"lv": 1.5})[0]
unloaded = solid.passive_curve([{"lv": 0.0}])[0][0]
if geometry.comm.rank == 0:
    print(json.dumps([imaged, unloaded]))
"""


@pytest.mark.parallel
def test_a_plane_presses_alike_on_1_and_2_ranks():
    one, two = (np.array(answer(ranks, CONTACT)) for ranks in (1, 2))
    assert one[0, 0] == 0.0
    assert one[-1, 0] > 100.0  # mN
    assert two == pytest.approx(one, rel=1e-5, abs=1e-6)


@pytest.mark.parallel
@pytest.mark.parametrize("element", ["P2", "P2P1"])
def test_the_unloaded_shape_is_the_same_on_1_and_2_ranks(element):
    program = UNLOADED.replace("{element}", element)
    one, two = (np.array(answer(ranks, program)) for ranks in (1, 2))
    assert one[1] < 0.8 * one[0]
    assert two == pytest.approx(one, rel=1e-6)
