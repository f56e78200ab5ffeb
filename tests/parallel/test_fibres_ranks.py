"""Fibres, coordinates and selections do not depend on the number of ranks, and all ranks hear of an empty place."""

import numpy as np
import pytest

from mpi import run

PROGRAM = """
import sys

import numpy as np
from mpi4py import MPI

from heartwright.errors import InputError
from heartwright.mesh import distribution, fibres
from heartwright.mesh.select import select
from heartwright.mesh.spec import Biventricle, MeshSpec
from heartwright.mesh.fibre_rules import FibreAngles, FibresBayer
from heartwright.mesh.where import Sphere, WhereAHA, WhereCoordinates, WhereSphere

comm = MPI.COMM_WORLD
septum = FibreAngles(where=WhereCoordinates(chamber="septum"), endo=0.6, sheet_epi=0.4)
rule = FibresBayer(regions=(septum,))
heart = distribution.build(MeshSpec(generate=Biventricle(size=8.0)), comm)
child = heart.refined(1)


def directions(g, element):
    points = g.points[g.V1.dofmap.list].mean(axis=1)
    vectors = [v.x.array[v.function_space.dofmap.list.ravel()[:, None] * 3 + range(3)]
               for v in fibres.directions(g, rule, element)]
    return np.hstack([points, np.hstack(vectors).reshape(len(points), -1)])


def at_nodes(g):
    c = g.coordinates
    site = WhereCoordinates(chamber="rv", layer="endo", apicobasal=0.4, rotation=0.2, radius=9.0)
    ball = WhereSphere(sphere=Sphere(centre=(0, 27, -30), radius=9))
    places = "base", site, WhereAHA(aha=(7, 14), layer="endo"), ball
    columns = [c.transmural, c.apicobasal, np.cos(c.rotation), np.sin(c.rotation), c.chamber, c.aha]
    return np.column_stack([g.points, *columns, *(select(g, place) for place in places)])


try:
    select(heart, WhereSphere(sphere=Sphere(centre=(0, 0, 500), radius=1)))
except InputError as error:
    heard = comm.gather(str(error))
tables = {
    "cells": directions(heart, "DG0"),
    "points": directions(heart, ("quadrature", 2)),
    "child_cells": directions(child, "DG0"),
    "nodes": at_nodes(heart),
    "child_nodes": at_nodes(child),
}
tables = {name: comm.gather(table) for name, table in tables.items()}
if comm.rank == 0:
    assert len(set(heard)) == 1 and len(heard) == comm.size, heard
    np.savez(sys.argv[1], **{name: np.vstack(parts) for name, parts in tables.items()})
"""


def in_order(table: np.ndarray) -> np.ndarray:
    """Rows sorted by their first three columns, each place once (shared nodes come from several ranks)."""
    _, first = np.unique(np.round(table[:, :3], 5), axis=0, return_index=True)
    return table[first]


@pytest.mark.parallel
def test_two_ranks_lay_the_same_fibres_and_coordinates_as_one(tmp_path):
    (tmp_path / "lay.py").write_text(PROGRAM)
    tables = []
    for ranks in (1, 2):
        done = run(ranks, [str(tmp_path / "lay.py"), str(tmp_path / f"{ranks}.npz")])
        assert done.returncode == 0, done.stderr
        tables.append(np.load(tmp_path / f"{ranks}.npz"))
    for name in ("cells", "child_cells", "nodes", "child_nodes"):
        one, two = (in_order(table[name]) for table in tables)
        assert one.shape == two.shape, name
        assert np.abs(one - two).max() < 1e-8, name
    one, two = (in_order(table["points"]) for table in tables)
    # Quadrature points are numbered by the order of a cell's vertices, which the partition changes: compare means.
    one, two = (table[:, 3:].reshape(len(table), 3, -1, 3).mean(axis=2) for table in (one, two))
    assert np.abs(one - two).max() < 1e-7
