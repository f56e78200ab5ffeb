"""Multigrid for large hearts: the same beat as with factors, in iterations that hardly grow as cells shrink."""

import numpy as np
import pytest
from mpi4py import MPI

import contracting
from heartwright.linalg import Linear
from heartwright.mechanics import balance
from heartwright.mechanics.solid import Solid
from heartwright.mechanics.spec import MechanicsSpec
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import Ellipsoid, MeshSpec
from heartwright.mumps import Factors
from heartwright.parts import restore, snapshot
from heartwright.units import MMHG


def contract(solid: Solid) -> None:
    """Three steps of isovolumic contraction."""
    volume, nodes = solid.volumes()[0], len(solid.wall.Ta.x.array)
    for k in range(3):
        solid.tension(np.full(nodes, 4.0 * (k + 1)), np.full(nodes, 12.0 * (k + 1)))
        solid.step(float(k), 1.0, lambda p: (np.array([volume]), np.zeros((1, 1))))


def test_a_beat_is_the_same_with_multigrid_as_with_factors(monkeypatch):
    mesh = MeshSpec(generate=Ellipsoid(size=16.0))
    geometry = build(mesh, MPI.COMM_SELF)
    factors = Solid(geometry, MechanicsSpec(), mesh.fibres, {"lv": "lv_endo"}, 1.0)
    monkeypatch.setattr(balance, "FACTORED", 0)
    multigrid = Solid(geometry, MechanicsSpec(), mesh.fibres, {"lv": "lv_endo"}, 1.0)
    assert isinstance(factors.newton.linear, Factors) and multigrid.newton.linear.preset == "amg"
    factors.inflate({"lv": 4 * MMHG})
    restore([multigrid], snapshot([factors]))
    for solid in (factors, multigrid):
        contract(solid)
    assert multigrid.u.x.array == pytest.approx(factors.u.x.array, abs=10 * factors.spec.newton.increment)
    assert multigrid.p == pytest.approx(factors.p, rel=1e-5)


def iterations(size: float) -> int:
    """FGMRES iterations to 1e-6 of the true residual, for the tangent of a contracting wall in a step of 1 ms."""
    wall = contracting.wall(size)
    linear, x = Linear(wall.K, "amg", "test", rtol=1e-6), wall.r.duplicate()
    linear.renew()
    count = linear.solve(wall.r, x)
    wall.K.mult(x, wall.forces)
    wall.forces.axpy(-1.0, wall.r)
    assert wall.forces.norm() < 1.01e-6 * wall.r.norm()
    linear.destroy()
    return count


def test_iterations_hardly_grow_as_cells_shrink():
    """1.5 thousand unknowns, 5 and 11 thousand; down to 5 mm (25 thousand): see benchmarks/mechanics_multigrid."""
    counts = [iterations(size) for size in (20.0, 10.0, 7.0)]
    assert max(counts) < 1.5 * min(counts) and max(counts) < 80
