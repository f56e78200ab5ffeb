"""Electrophysiology does not depend on the number of ranks."""

import numpy as np
import pytest

from mpi import answer

PROGRAM = """
import json

import numpy as np

from box import AXES, at, box
from heartwright.electrophysiology.spec import (
    Bath, Cells, Conductivities, Domains, Ecg, ElectrophysiologySpec, Stimulus)
from heartwright.electrophysiology.tissue import Tissue
from heartwright.mesh.geometry import build
from heartwright.mesh.spec import MeshSpec, Slab

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

domains = Domains(
    intracellular={"fibre": 0.17, "sheet": 0.019, "normal": 0.019},
    extracellular={"fibre": 0.62, "sheet": 0.24, "normal": 0.24},
)
bath = Bath(where={"box": {"lower": (4.0, 0.0, 0.0), "upper": (6.0, 2.0, 1.0)}})
wet = Tissue(
    geometry,
    spec.replace(equation="bidomain", conduction=domains, bath=bath, ecg=None, tolerance=1e-7),
    AXES,
    dt=0.1,
)
for t in range(2):
    wet.step(float(t), 1.0)
slab = build(MeshSpec(generate=Slab(lengths=(6.0, 2.0, 2.0), size=1.0)), geometry.comm).refined(1)
quadratic = Tissue(slab, spec.replace(element="P2", ecg=None), AXES, dt=0.1)
for t in range(4):
    quadratic.step(float(t), 1.0)
found["quadratic v"] = at(slab, quadratic.v.x.array, points).tolist()
found |= {f"bidomain {n}": at(geometry, values, points).tolist() for n, values in wet.potentials().items()}
if geometry.comm.rank == 0:
    print(json.dumps(found))
"""


@pytest.mark.parallel
def test_potentials_calcium_activation_and_ecg_agree_on_one_two_and_three_ranks():
    one, *others = [answer(ranks, PROGRAM) for ranks in (1, 2, 3)]
    for other in others:
        for name in sorted(one.keys() - {"summary"}):
            a, b = np.array(one[name]), np.array(other[name])
            assert np.abs(a - b).max() <= 1e-6 * np.ptp(a), name
        assert other["summary"] == pytest.approx(one["summary"], rel=1e-6)
