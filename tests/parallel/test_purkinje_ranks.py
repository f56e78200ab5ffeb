"""The Purkinje network grows alike on any number of ranks, and exchanges waves with its muscle alike."""

import json

import numpy as np
import pytest

from mpi import run

PROGRAM = """
import json

import numpy as np
from mpi4py import MPI

from heartwright.electrophysiology import eikonal
from heartwright.electrophysiology.purkinje.network import Network
from heartwright.electrophysiology.spec import ElectrophysiologySpec, GrownTree, Purkinje, Stimulus
from heartwright.mesh.fibres import directions
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import Biventricle, MeshSpec
from heartwright.mesh.fibre_rules import FibresConstant

geometry = build(MeshSpec(generate=Biventricle(size=14.0)), MPI.COMM_WORLD)
spec = ElectrophysiologySpec(
    purkinje=Purkinje(tree=GrownTree(generations=3), cut=["left"]), stimuli=[Stimulus(name="sinus", where="his")]
)
network = Network(geometry, spec.purkinje)
T = eikonal.activation(geometry, spec, directions(geometry, FibresConstant(), "DG0"), network)
arrival, muscle = network.waves.arrival, geometry.gathered_points(T)
if geometry.comm.rank == 0:
    print(json.dumps({"points": network.tree.points.tolist(), "arrival": arrival.tolist(), "muscle": muscle.tolist()}))
"""


@pytest.mark.parallel
def test_tree_and_waves_agree_on_one_two_and_three_ranks():
    answers = [run(n, PROGRAM, timeout=300) for n in (1, 2, 3)]
    assert [a.returncode for a in answers] == [0, 0, 0], answers[-1].stderr[-2000:]
    one, *others = [json.loads(a.stdout.splitlines()[-1]) for a in answers]
    for other in others:
        for name in ("points", "arrival", "muscle"):
            np.testing.assert_allclose(one[name], other[name], rtol=0, atol=1e-6, err_msg=name)
