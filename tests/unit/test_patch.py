"""An irregular mesh bears a homogeneous deformation exactly (patch test), and its forces turn with the observer."""

import numpy as np
import pytest
from mpi4py import MPI

from heartwright.mechanics.boundary import fixed_nodes
from heartwright.mechanics.passive import HolzapfelOgden
from heartwright.mechanics.solid import Solid
from heartwright.mechanics.spec import Fixed, MechanicsSpec
from heartwright.mechanics.wall import Wall
from heartwright.mesh.distribution import build
from heartwright.mesh.fibre_rules import FibresConstant
from heartwright.mesh.spec import Ellipsoid, MeshSpec
from laws import LAWS

MESH = MeshSpec(generate=Ellipsoid(size=14.0))
HELD = [Fixed(where=name) for name in ("epi", "base", "lv_endo")]
H = np.array([[0.10, 0.06, -0.03], [0.02, -0.05, 0.04], [-0.04, 0.03, 0.02]])  # F - I, det F = 1.066
CASES = {name: (law, "P2") for name, law in LAWS.items()} | {"P2P1": (HolzapfelOgden(), "P2P1")}


@pytest.fixture(scope="module")
def geometry():
    return build(MESH, MPI.COMM_SELF)


@pytest.mark.parametrize(("law", "element"), CASES.values(), ids=CASES)
def test_a_homogeneous_deformation_of_the_surface_is_that_of_the_inside(geometry, law, element):
    """Equal fibres everywhere: the stress is the same at all points, so any mesh bears it without error."""
    spec = MechanicsSpec(passive=law, element=element, viscosity=0.0, bulk_modulus=50.0, boundaries=HELD)
    solid = Solid(geometry, spec, FibresConstant(), {}, 1.0)
    wall, u = solid.wall, solid.wall.u.x.array.reshape(-1, 3)
    exact = wall.V.tabulate_dof_coordinates() @ H.T
    surface = np.isin(np.arange(len(u)), fixed_nodes(geometry, HELD, wall.V))
    assert 0 < surface.sum() < len(u)
    u[surface] = exact[surface]
    u[~surface] = exact[~surface] + np.random.default_rng(0).uniform(-0.05, 0.05, exact[~surface].shape)
    solid.solve(0.0, 1.0, lambda p: (np.zeros(0), np.zeros((0, 0))))
    assert np.abs(solid.u.x.array.reshape(-1, 3) - exact).max() < 1e-4  # mm: what Newton's method may leave


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_forces_turn_with_the_observer(geometry, law):
    """Muscle with all it does inside a step but inertia, and pressure: seen from a frame that turns, r turns too."""
    wall = Wall(geometry, MechanicsSpec(passive=law, boundaries=[]), MESH.fibres, ["lv_endo"])
    random = np.random.default_rng(1)
    X, Q = wall.V.tabulate_dof_coordinates(), np.linalg.qr(random.standard_normal((3, 3)))[0]
    Q *= np.linalg.det(Q)
    wall.rate.value, wall.Ta.x.array[:], wall.Ka.x.array[:] = 1.0, 20.0, 50.0
    wall.load(np.array([5.0]))
    moves = [random.uniform(-0.2, 0.2, X.shape) for _ in range(2)]
    forces = []
    for R in (np.eye(3), Q):
        for u, move in zip((wall.u0, wall.u), moves, strict=True):
            u.x.array[:] = ((X + move) @ R.T - X).ravel()
        wall.residual(wall.r)
        forces.append(wall.r.array.reshape(-1, 3).copy())
    assert forces[1] == pytest.approx(forces[0] @ Q.T, abs=1e-9 * np.abs(forces[0]).max())
