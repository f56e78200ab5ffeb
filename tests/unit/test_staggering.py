"""Staggering: cross-bridges of RDQ20-MF, forty times stiffer than their tension, coupled step by step to a wall."""

import numpy as np
import pytest
from mpi4py import MPI

from heartwright.errors import SolveFailed
from heartwright.mechanics.active import Contraction
from heartwright.mechanics.solid import Solid
from heartwright.mechanics.spec import ActiveSpec, MechanicsSpec
from heartwright.mesh.distribution import build
from heartwright.mesh.spec import Ellipsoid, MeshSpec
from heartwright.units import MMHG

MESH = MeshSpec(generate=Ellipsoid(size=16.0))
SPEC = MechanicsSpec(active=ActiveSpec(model="rdq20_mf"))


@pytest.fixture(scope="module")
def filled():
    solid = Solid(build(MESH, MPI.COMM_SELF), SPEC, MESH.fibres, {"lv": "lv_endo"}, 1.0)
    solid.inflate({"lv": 8 * MMHG})
    return solid, {name: array.copy() for name, array in solid.state().items()}


def pressures(solid: Solid, stabilised: bool, steps: int = 50) -> np.ndarray:
    """Those of an isovolumic contraction, a value per step of 1 ms, as far as it can be solved."""
    contraction, volume = Contraction(solid.geometry, SPEC, 1.0), solid.volumes()
    found = []
    for k in range(steps):
        calcium = np.full_like(contraction.tension, 1e-4 + 9e-4 * (k / 40) * np.exp(1 - k / 40))
        contraction.step(float(k), 1.0, {"calcium": calcium}, solid.stretch())
        solid.tension(contraction.tension, contraction.stiffness * stabilised)
        try:
            solid.step(float(k), 1.0, lambda p: (volume, np.zeros((1, 1))))
        except SolveFailed:
            break
        found.append(float(solid.p[0]))
    return np.array(found)


def test_the_pressure_rises_without_oscillation_only_with_the_stiffness_inside_the_step(filled):
    """Second differences of a smooth rise are small and few change their sign."""
    solid, state = filled
    runs = {}
    for stabilised in (True, False):
        for name, array in solid.state().items():
            array[:] = state[name]
        solid.newton.stale = True
        runs[stabilised] = pressures(solid, stabilised)
    smooth, rough = runs[True], runs[False]
    assert len(smooth) == 50 and (np.diff(smooth)[5:] > 0).all()  # first, what calcium at rest made lets go
    assert smooth[-1] > 5.0  # kPa
    assert len(rough) < 50 or np.abs(np.diff(rough, 2)).max() > 10 * np.abs(np.diff(smooth, 2)).max()
