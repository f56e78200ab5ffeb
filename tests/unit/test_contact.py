"""Contact: a rigid plane that a block is pressed against, and a ball after Hertz."""

import numpy as np
import pytest
from dolfinx import mesh as dmesh
from mpi4py import MPI
from scipy.optimize import fsolve

from heartwright.errors import InputError
from heartwright.mechanics.energy import Energy
from heartwright.mechanics.passive import NeoHooke
from heartwright.mechanics.solid import Solid
from heartwright.mechanics.spec import Displacement, MechanicsSpec, Path, Plane, Robin
from heartwright.mechanics.wall import Wall
from heartwright.mesh.distribution import build
from heartwright.mesh.fibre_rules import FibresConstant
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.spec import MeshSpec, Slab

SLAB = MeshSpec(generate=Slab(lengths=(10, 4, 4), size=2), fibres=FibresConstant())
MU, KAPPA, BED = 20.0, 100.0, 30.0  # kPa, kPa, kPa/mm
ROLLERS = [Robin(where=side, stiffness=BED, direction="facet") for side in ("xmin", "ymin", "zmin")]
SOFT = MechanicsSpec(passive=NeoHooke(mu=MU), bulk_modulus=KAPPA, viscosity=0.0, boundaries=ROLLERS)
DOWN = Path(times=(0.0, 8.0, 16.0), values=((0.0, 0.0, 1.0), (0.0, 0.0, -1.0), (0.0, 0.0, 1.0)))


def nothing(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(0), np.zeros((0, 0))


@pytest.fixture(scope="module")
def slab():
    return build(SLAB, MPI.COMM_SELF)


def lid(**changes) -> Plane:
    """A plane on top of the slab."""
    return Plane(where="zmax", point=(0.0, 0.0, 4.0), normal=(0.0, 0.0, -2.0), **changes)


def block(slab, plane: Plane) -> Solid:
    """The slab on rollers on three sides, below a plane."""
    return Solid(slab, SOFT.replace(boundaries=[*ROLLERS, plane]), SLAB.fibres, {}, 1.0)


def phi(d: float, delta: float) -> float:
    return d**2 / (2 * delta) if d < delta else d - delta / 2


def squeezed(down: float, plane: Plane) -> np.ndarray:
    """Stretch along z and across it, and depth behind the plane, of a block that is pressed uniaxially.

    Nominal stress of psi = mu/2 (I1/J^(2/3) - 3) + kappa/4 (J^2 - 1 - 2 ln J); bed and plane bear it in series:
    down = depth + 4 (1 - z) + t/bed.
    """

    def unbalanced(state: np.ndarray) -> tuple[float, float, float]:
        z, a, d = state
        J, I1 = z * a**2, z**2 + 2 * a**2
        along, across = (MU * J ** (-2 / 3) * (x - I1 / (3 * x)) + KAPPA / 2 * (J**2 - 1) / x for x in (z, a))
        t = plane.stiffness * phi(d, plane.smoothing)
        return along + t, across, d + 4 * (1 - z) + t / BED - down

    return fsolve(unbalanced, (0.9, 1.04, plane.smoothing), xtol=1e-13)


@pytest.mark.parametrize("stiffness", [2.0, 100.0])
def test_a_block_is_squeezed_as_the_law_says_and_let_go(slab, stiffness):
    """The plane comes from 1 mm above, goes as far below in four steps, and back; rollers let the block widen."""
    plane = lid(stiffness=stiffness, motion=DOWN)
    body = block(slab, plane)
    found = []
    for t in range(16):
        body.step(float(t), 1.0, nothing)
        found.append((body.wall.contacts[0].depth(), body.wall.contacts[0].force()))
    assert found[1] == found[13] == (0.0, 0.0)
    for (depth, force), down in zip(found[5:10:2], (0.5, 1.0, 0.5), strict=True):
        _, _, expected = squeezed(down, plane)
        assert depth == pytest.approx(expected, rel=1e-4)
        assert force == pytest.approx(40.0 * stiffness * phi(expected, plane.smoothing), rel=1e-4)
    assert np.abs(body.u.x.array).max() < 1e-4


def test_its_force_is_the_derivative_of_its_energy_and_its_tangent_that_of_its_force(slab):
    """By differences along a random direction; the plane cuts through about half of a face that is not flat."""
    coming = Path(times=(0.0, 1.0), values=((0.0, 0.0, 0.0), (0.0, 2.0, 0.0)))
    spec = Plane(where="xmin", point=(0.0, 0.0, 0.0), normal=(1.0, 0.3, 0.0), motion=coming)
    walls = [Wall(slab, SOFT.replace(boundaries=boundaries), SLAB.fibres, []) for boundaries in ([], [spec])]
    walls[1].follow_curves(1.0)
    energies = [Energy(wall) for wall in walls]
    random = np.random.default_rng(2)
    start, d = (random.uniform(-0.1, 0.1, len(walls[0].u.x.array)) for _ in range(2))

    def at(move: float) -> tuple[float, np.ndarray]:
        """Energy and forces of the plane."""
        for wall in walls:
            wall.u.x.array[:] = start + move * d
            wall.residual(wall.r)
        return energies[1].elastic() - energies[0].elastic(), walls[1].r.array - walls[0].r.array

    h, products = 1e-5, []
    (E, forces), (E_up, up), (E_down, down) = at(0.0), at(h), at(-h)
    assert E > 0.0
    assert forces @ d == pytest.approx((E_up - E_down) / (2 * h), rel=1e-5)
    for wall in walls:
        wall.u.x.array[:] = start
        wall.tangent()
        x, y = wall.r.duplicate(), wall.r.duplicate()
        x.array[:] = d
        wall.K.mult(x, y)
        products.append(y.array.copy())
    difference = (up - down) / (2 * h)
    assert products[1] - products[0] == pytest.approx(difference, abs=1e-3 * np.abs(difference).max())


def test_a_wall_off_the_plane_feels_nothing(slab):
    residuals = []
    for boundaries in ([], [Plane(where="xmin", point=(-0.5, 0.0, 0.0), normal=(2.0, 0.0, 0.0))]):
        wall = Wall(slab, SOFT.replace(boundaries=boundaries), SLAB.fibres, [])
        wall.u.interpolate(lambda x: 0.2 * np.sin(x))
        wall.residual(wall.r)
        residuals.append(wall.r.array.copy())
    assert np.array_equal(*residuals)


def test_a_plane_must_not_cut_the_mesh(slab):
    with pytest.raises(InputError, match=r"the plane for 'zmax' cuts the shape of the mesh, 0\.3 mm deep"):
        block(slab, Plane(where="zmax", point=(0.0, 0.0, 3.7), normal=(0.0, 0.0, -1.0)))


def test_a_plane_needs_a_direction():
    with pytest.raises(ValueError, match="the normal of a plane is a direction"):
        Plane(where="xmin", point=(0.0, 0.0, 0.0), normal=(0.0, 0.0, 0.0))


RADIUS, SIZE = 20.0, 30.0  # mm


def quarter_of_a_ball() -> Geometry:
    """A block whose lower face is round about the z axis, cells growing from 0.3 mm there to 10 mm far away."""
    mesh = dmesh.create_box(MPI.COMM_SELF, [[0.0] * 3, [1.0] * 3], [8] * 3, dmesh.CellType.tetrahedron)
    faces = {"xmin": (0, 0.0), "ymin": (1, 0.0), "zmin": (2, 0.0), "zmax": (2, 1.0)}
    found = [
        dmesh.locate_entities_boundary(mesh, 2, lambda x, k=k, v=v: np.isclose(x[k], v)) for k, v in faces.values()
    ]
    facets, tags = np.concatenate(found), np.repeat(np.arange(4, dtype=np.int32), [len(one) for one in found])
    order = np.argsort(facets)
    x = mesh.geometry.x
    x[:] = SIZE * (1.7 ** (8 * x) - 1) / (1.7**8 - 1)
    x[:, 2] += (1 - x[:, 2] / SIZE) * np.minimum(x[:, 0] ** 2 + x[:, 1] ** 2, 16.0) / (2 * RADIUS)
    names = {name: tag for tag, name in enumerate(faces)}
    return Geometry(
        mesh, dmesh.meshtags(mesh, 2, facets[order], tags[order]), names, {}, mesh.geometry.input_global_indices
    )


def test_a_ball_on_a_plane_is_flattened_as_by_hertz():
    """F = 4/3 E* √(R d³), E* = E/(1 - ν²), d less how deep the plane lets the ball in.

    The radius of contact, √(R d) = 1 mm, is a thirtieth of the block and three cells; a half-space is Hertz's ball.
    """
    mu, kappa, d = 100.0, 200.0, 0.05
    E, nu = 9 * kappa * mu / (3 * kappa + mu), (3 * kappa - 2 * mu) / (6 * kappa + 2 * mu)
    symmetric = [Robin(where=side, stiffness=1e6, direction="facet") for side in ("xmin", "ymin")]
    plane = Plane(where="zmin", point=(0.0, 0.0, 0.0), normal=(0.0, 0.0, 1.0), stiffness=2e4, smoothing=1e-3)
    down = Path(times=(0.0, 2.0), values=((0.0, 0.0, 0.0), (0.0, 0.0, -d)))
    boundaries = [*symmetric, plane, Displacement(where="zmax", value=down)]
    spec = SOFT.replace(passive=NeoHooke(mu=mu), bulk_modulus=kappa, boundaries=boundaries)
    ball = Solid(quarter_of_a_ball(), spec, FibresConstant(), {}, 1.0)
    for t in range(2):
        ball.step(float(t), 1.0, nothing)
    plane_bears, gives_way = ball.wall.contacts[0].force(), ball.wall.contacts[0].depth()
    expected = 4 / 3 * E / (1 - nu**2) * np.sqrt(RADIUS * (d - gives_way) ** 3)
    print(4 * plane_bears / expected, gives_way, ball.newton.iterations, ball.newton.factorisations)
    assert gives_way < 0.04 * d
    assert 4 * plane_bears == pytest.approx(expected, rel=0.03)
