"""Boundaries: prescribed displacement, contact with a plane, springs across the normal."""

import numpy as np
import pytest
import ufl
from dolfinx import fem
from mpi4py import MPI

from heartwright.linalg import JIT
from heartwright.mechanics.boundary import ONSET
from heartwright.mechanics.passive import NeoHooke
from heartwright.mechanics.solid import Solid
from heartwright.mechanics.spec import Contact, Displacement, Fixed, MechanicsSpec, Path, Robin
from heartwright.mechanics.wall import Wall
from heartwright.mesh.geometry import build
from heartwright.mesh.spec import Ellipsoid, MeshSpec, Slab
from heartwright.mesh.where import FibresConstant

SLAB = MeshSpec(generate=Slab(lengths=(10, 4, 4), size=2), fibres=FibresConstant())
SOFT = MechanicsSpec(passive=NeoHooke(mu=20.0), viscosity=1.0, boundaries=[])


def nothing(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(0), np.zeros((0, 0))


@pytest.fixture(scope="module")
def slab():
    return build(SLAB, MPI.COMM_SELF)


def solid(slab, *boundaries) -> Solid:
    return Solid(slab, SOFT.replace(boundaries=list(boundaries)), SLAB.fibres, {}, 1.0)


def at(body: Solid, face: int, x: float) -> np.ndarray:
    """Displacements of the nodes on a face of the slab."""
    nodes = np.isclose(body.wall.V.tabulate_dof_coordinates()[:, face], x)
    return body.u.x.array.reshape(-1, 3)[nodes]


def test_a_surface_follows_its_path_and_draws_the_body_along(slab):
    """xmax moved by 0.05 mm per step, xmin held: the middle of the bar goes half as far."""
    path = Path(times=(0.0, 20.0), values=((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)))
    body = solid(slab, Fixed(where="xmin"), Displacement(where="xmax", value=path))
    for t in range(3):
        body.step(float(t), 1.0, nothing)
        assert at(body, 0, 10.0)[:, 0] == pytest.approx((t + 1) / 20, abs=1e-12)
    assert at(body, 0, 10.0)[:, 1:] == pytest.approx(0.0, abs=1e-12)
    assert at(body, 0, 0.0) == pytest.approx(0.0, abs=1e-12)
    middle = body.u.x.array.reshape(-1, 3)[np.isclose(body.wall.V.tabulate_dof_coordinates()[:, 0], 5.0)]
    assert middle[:, 0].mean() == pytest.approx(0.075, abs=0.005)


def test_a_wall_off_the_plane_feels_nothing(slab):
    residuals = []
    for boundaries in ([], [Contact(where="xmin", point=(-0.5, 0.0, 0.0), normal=(2.0, 0.0, 0.0))]):
        wall = Wall(slab, SOFT.replace(boundaries=boundaries), SLAB.fibres, [])
        wall.u.interpolate(lambda x: 0.2 * np.sin(x))
        wall.residual(wall.r)
        residuals.append(wall.r.array.copy())
    assert np.array_equal(*residuals)


def test_contact_has_an_energy_and_a_tangent(slab):
    """Its force is the derivative of ∫ ψ(-g) dS, and K that of the force; about half of a face is in contact."""
    spec = Contact(where="xmin", point=(0.05, 2.0, 2.0), normal=(1.0, 0.3, 0.0), stiffness=50.0)
    walls = [Wall(slab, SOFT.replace(boundaries=b), SLAB.fibres, []) for b in ([], [spec])]
    n = np.array(spec.normal) / np.linalg.norm(spec.normal)
    gap = ufl.inner(ufl.SpatialCoordinate(slab.mesh) + walls[1].u - ufl.as_vector(spec.point), ufl.as_vector(n))
    ds = slab.ds(slab.tag("xmin"), metadata={"quadrature_degree": 4})
    depth = ufl.max_value(-gap, 0.0)
    onset = ufl.min_value(depth, ONSET)
    beyond = depth - onset
    energy = 50.0 * (onset**3 / (6 * ONSET) + ONSET * beyond / 2 + beyond**2 / 2) * ds
    energy = fem.form(energy, jit_options=JIT)
    random = np.random.default_rng(2)
    start, d = (random.uniform(-0.05, 0.05, len(walls[1].u.x.array)) for _ in range(2))
    forces, energies, h = [], [], 1e-5
    for move in (0.0, h, -h):
        for wall in walls:
            wall.u.x.array[:] = start + move * d
            wall.residual(wall.r)
        forces.append(walls[1].r.array - walls[0].r.array)
        energies.append(fem.assemble_scalar(energy))
    assert energies[0] > 0.0
    assert forces[0] @ d == pytest.approx((energies[1] - energies[2]) / (2 * h), rel=1e-4)
    products = []
    for wall in walls:
        wall.u.x.array[:] = start
        wall.tangent()
        x, y = wall.r.duplicate(), wall.r.duplicate()
        x.array[:] = d
        wall.K.mult(x, y)
        products.append(y.array.copy())
    difference = (forces[1] - forces[2]) / (2 * h)
    assert products[1] - products[0] == pytest.approx(difference, abs=1e-3 * np.abs(difference).max())


def test_springs_along_and_across_the_normal_are_springs_in_all_directions():
    mesh = MeshSpec(generate=Ellipsoid(size=16.0))
    geometry, residuals = build(mesh, MPI.COMM_SELF), []
    for directions in (("normal", "tangential"), ("full",)):
        springs = [Robin(where="epi", stiffness=0.5, direction=direction) for direction in directions]
        wall = Wall(geometry, MechanicsSpec(boundaries=springs), mesh.fibres, [])
        wall.slack.interpolate(lambda x: 0.1 * np.cos(x / 10.0))
        wall.residual(wall.r)
        residuals.append(wall.r.array.copy())
    assert np.abs(residuals[1]).max() > 0.0
    assert residuals[0] == pytest.approx(residuals[1], abs=1e-12)


def test_a_plane_needs_a_direction():
    with pytest.raises(ValueError, match="normal must have a direction"):
        Contact(where="xmin", point=(0.0, 0.0, 0.0), normal=(0.0, 0.0, 0.0))
