"""Electrophysiology does not depend on the number of ranks."""

import numpy as np
import pytest

from mpi import answer

PROGRAM = """
import json

import numpy as np

from box import AXES, at, box
from heartwright.electrophysiology.spec import Cells, Conductivities, Ecg, ElectrophysiologySpec, Stimulus
from heartwright.electrophysiology.tissue import Tissue

around = {n: (20.0 * np.cos(k), 20.0 * np.sin(k), 9.0 * k) for k, n in enumerate(
    ["RA", "LA", "LL", "V1", "V2", "V3", "V4", "V5", "V6"])}
right = {"box": {"lower": (3.0, 0.0, 0.0), "upper": (6.0, 2.0, 1.0)}}
corner = {"box": {"lower": (0.0, 0.0, 0.0), "upper": (1.5, 1.5, 1.5)}}
spec = ElectrophysiologySpec(
    cells=[Cells(variant="epi"), Cells(where=right, variant="endo")],
    conduction=Conductivities(fibre=0.1334, sheet=0.0176, normal=0.0176),
    stimuli=[Stimulus(name="corner", where=corner, clock="absolute")],
    ecg=Ecg(electrodes=around),
)
geometry = box((6.0, 2.0, 1.0), 0.5)
tissue = Tissue(geometry, spec, AXES, dt=0.1)
ecg = []
for t in range(20):
    tissue.step(float(t), 1.0)
    ecg.append(list(tissue.ecg().values()))
points = np.array([(6.0, 2.0, 1.0), (3.0, 1.0, 0.5), (0.0, 2.0, 0.0)])
found = {name: at(geometry, values, points).tolist() for name, values in
         (("v", tissue.v.x.array), ("calcium", tissue.calcium()), ("activation", tissue.activation))}
found |= {"ecg": ecg, "summary": tissue.summary()}
if geometry.comm.rank == 0:
    print(json.dumps(found))
"""


OTHER_SOLVERS = """
import json

import numpy as np

from box import AXES, at, box
from heartwright.electrophysiology.spec import Bath, Conductivities, Domains, ElectrophysiologySpec, Stimulus
from heartwright.electrophysiology.tissue import Tissue
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import MeshSpec, Slab

corner = {"box": {"lower": (0.0, 0.0, 0.0), "upper": (1.5, 1.5, 1.5)}}
domains = Domains(
    intracellular={"fibre": 0.17, "sheet": 0.019, "normal": 0.019},
    extracellular={"fibre": 0.62, "sheet": 0.24, "normal": 0.24},
)
spec = ElectrophysiologySpec(
    conduction=domains, stimuli=[Stimulus(name="corner", where=corner, clock="absolute")], ecg=None, tolerance=1e-7
)
points = np.array([(4.0, 2.0, 1.0), (2.0, 1.0, 0.5), (0.0, 2.0, 0.0)])

geometry = box((4.0, 2.0, 1.0), 0.5)
bath = Bath(where={"box": {"lower": (3.0, 0.0, 0.0), "upper": (4.0, 2.0, 1.0)}})
wet = Tissue(geometry, spec.replace(equation="bidomain", bath=bath), AXES, dt=0.1)
for t in range(2):
    wet.step(float(t), 1.0)
found = {name: at(geometry, values, points).tolist() for name, values in wet.potentials().items()}

slab = build(MeshSpec(generate=Slab(lengths=(4.0, 2.0, 1.0), size=1.0)), geometry.comm).refined(1)
quadratic = Tissue(slab, spec.replace(element="P2"), AXES, dt=0.1)
for t in range(2):
    quadratic.step(float(t), 1.0)
found["v of quadratic elements"] = at(slab, quadratic.v.x.array, points).tolist()
if geometry.comm.rank == 0:
    print(json.dumps(found))
"""


@pytest.mark.parallel
def test_potential_calcium_activation_and_ecg_agree_on_one_two_and_three_ranks():
    one, *others = [answer(ranks, PROGRAM) for ranks in (1, 2, 3)]
    for other in others:
        for name in ("v", "calcium", "activation", "ecg"):
            a, b = np.array(one[name]), np.array(other[name])
            assert np.abs(a - b).max() <= 1e-6 * np.ptp(a), name
        assert other["summary"] == pytest.approx(one["summary"], rel=1e-6)


@pytest.mark.parallel
def test_bidomain_and_quadratic_elements_agree_on_one_two_and_three_ranks():
    one, *others = [answer(ranks, OTHER_SOLVERS) for ranks in (1, 2, 3)]
    for other in others:
        for name, values in one.items():
            assert np.ptp(values) > 1.0, name
            assert np.abs(np.array(values) - other[name]).max() <= 1e-6 * np.ptp(values), name
