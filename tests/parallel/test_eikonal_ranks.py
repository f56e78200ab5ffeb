"""Arrival times do not depend on the number of ranks."""

import numpy as np
import pytest

from mpi import answer

PROGRAM = """
import json

import numpy as np

from box import AXES, at, box
from heartwright.electrophysiology.eikonal import Eikonal

geometry = box((8.0, 3.0, 2.0), 0.5)
speeds = np.tile([0.6, 0.3, 0.2], (len(geometry.V1.dofmap.list), 1))
source = np.linalg.norm(geometry.points - (8.0, 0.0, 0.0), axis=1) < 1e-9
T = Eikonal(geometry, speeds, AXES).solve(np.where(source, 0.0, np.inf))
points = np.array([(0.0, 3.0, 2.0), (4.0, 1.5, 1.0), (0.0, 0.0, 0.0), (6.0, 3.0, 0.0)])
found = at(geometry, T, points).tolist()
if geometry.comm.rank == 0:
    print(json.dumps(found))
"""


@pytest.mark.parallel
def test_arrival_agrees_on_one_two_and_three_ranks():
    one, *others = [np.array(answer(ranks, PROGRAM)) for ranks in (1, 2, 3)]
    for other in others:
        assert np.abs(one - other).max() < 1e-7
