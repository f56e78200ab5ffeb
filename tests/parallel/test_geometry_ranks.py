"""A heart is the same mesh on 1, 2 and 3 ranks, and so are its refined children."""

import pytest

from mpi import answer

pytestmark = pytest.mark.parallel

FACTS = """
import hashlib, json
import numpy as np
from dolfinx import fem
from mpi4py import MPI
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import Biventricle, MeshSpec
from heartwright.mesh.transfer import Transfer

comm = MPI.COMM_WORLD
parent = build(MeshSpec(generate=Biventricle(size=10.0)), comm)
facts = {}

def digest(rows):
    rows = np.unique(np.concatenate(comm.allgather(np.ascontiguousarray(rows))), axis=0)
    return hashlib.sha256(rows.tobytes()).hexdigest()

def quadratic(x):
    return np.array([x[0] ** 2 - x[1] * x[2], x[0] + x[1], x[2] ** 2 + 3.0 * x[0] * x[1]]) / 1e3

def area(g, name):
    a, b, c = g.points[g.local_triangles(name)].transpose(1, 0, 2)
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()

u = fem.Function(fem.functionspace(parent.mesh, ("Lagrange", 2, (3,))))
u.interpolate(quadratic)
for levels in (0, 1, 2):
    g = parent.refined(levels)
    error = 0.0
    if levels:
        transfer = Transfer(parent, g)
        up = transfer.restrict(g.points) - parent.points
        down = transfer.prolong(parent.points) - g.points
        curved = transfer.prolong_p2(u) - quadratic(g.points.T).T
        error = max(np.abs(x).max(initial=0.0) for x in (up, down, curved))
    facts[levels] = {
        "vertices": digest(np.column_stack([g.input_vertex, g.points])),
        "cells": digest(np.sort(g.input_vertex[g.V1.dofmap.list], axis=1)),
        "error": comm.allreduce(error, MPI.MAX),
        "cavities": [g.cavity_volume(name) for name in g.cavities],
        "areas": [comm.allreduce(area(g, name)) for name in g.names],
        "rims": [rim.tolist() for name in g.cavities for rim in g.rims[name]],
    }
if comm.rank == 0:
    print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def alone():
    return answer(1, FACTS)


@pytest.mark.parametrize("ranks", [2, 3])
def test_meshes_transfers_and_cavities_do_not_depend_on_the_ranks(alone, ranks):
    several = answer(ranks, FACTS)
    for level, expected in alone.items():
        found = several[level]
        assert found["vertices"] == expected["vertices"]  # the same numbers at bitwise the same places
        assert found["cells"] == expected["cells"]
        assert found["rims"] == expected["rims"]
        assert found["error"] < 1e-12 * 100.0  # round-off of coordinates up to 100 mm
        # sums of some thousand terms in another order
        assert found["cavities"] == pytest.approx(expected["cavities"], rel=1e-12)
        assert found["areas"] == pytest.approx(expected["areas"], rel=1e-12)
