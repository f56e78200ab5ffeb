"""Cavities: the volume behind an endocardium and its lids, and its derivative."""

import numpy as np
import pytest
from dolfinx import fem
from mpi4py import MPI

from heartwright.mechanics.cavity import Cavity, Rim
from heartwright.mesh.distribution import build, distribute
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import Ellipsoid, MeshSpec

# The six tetrahedra around the diagonal of a cube, by its corners 4 i + 2 j + k.
KUHN = [(0, 4, 6, 7), (0, 6, 2, 7), (0, 2, 3, 7), (0, 3, 1, 7), (0, 1, 5, 7), (0, 5, 4, 7)]


def tube() -> RawMesh:
    """A square pipe 3 x 3 x 2 with the hole 1 x 1 along z: a cavity of volume 2 with two rims."""
    n = (4, 4, 3)
    node = np.arange(np.prod(n)).reshape(n)
    points = np.array(list(np.ndindex(*n)), dtype=float)
    cells = []
    for i, j, k in np.ndindex(3, 3, 2):
        if (i, j) != (1, 1):
            corner = node[i : i + 2, j : j + 2, k : k + 2].ravel()
            cells += [[corner[v] for v in tet] for tet in KUHN]
    cells = np.array(cells)
    faces = np.sort(cells[:, [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]].reshape(-1, 3), axis=1)
    faces, count = np.unique(faces, axis=0, return_counts=True)
    faces = faces[count == 1]
    xy = points[faces][:, :, :2]
    on_hole = np.all((xy >= 1.0) & (xy <= 2.0), axis=(1, 2))
    return RawMesh(points, cells, faces, np.where(on_hole, 1, 2).astype(np.int32), {"endo": (1,), "epi": (2,)})


@pytest.fixture(scope="module", params=[("ellipsoid", 2), ("tube", 2), ("ellipsoid", 1), ("tube", 1)])
def cavity(request):
    """(geometry, u, cavity, volume at rest); u is of degree 1 or 2."""
    shape, degree = request.param
    if shape == "tube":
        geometry, name = distribute(tube(), MPI.COMM_SELF), "endo"
    else:
        geometry, name = build(MeshSpec(generate=Ellipsoid(size=12.0)), MPI.COMM_SELF), "lv_endo"
    return _cavity(geometry, name, degree)


def _cavity(geometry: Geometry, name: str, degree: int):
    u = fem.Function(fem.functionspace(geometry.mesh, ("Lagrange", degree, (3,))))
    return geometry, u, Cavity(geometry, u, name), geometry.cavity_volume(name)


def place(u: fem.Function, at) -> None:
    X = u.function_space.tabulate_dof_coordinates()
    u.x.array[:] = (at(X) - X).ravel()


def random_matrix(seed: int, size: float) -> np.ndarray:
    return np.eye(3) + size * np.random.default_rng(seed).standard_normal((3, 3))


def wave(X: np.ndarray) -> np.ndarray:
    """A smooth deformation that is not affine."""
    X = X / np.ptp(X, axis=0).max()
    return X + 0.1 * np.sin(3 * X[:, [1, 2, 0]]) + 0.05 * X**2


def test_volume_at_rest_is_that_of_the_geometry(cavity):
    _, u, chamber, rest = cavity
    place(u, lambda X: X)
    assert chamber.volume() == pytest.approx(rest, rel=1e-12)


def test_pipe_with_two_lids_has_the_volume_of_its_hole():
    assert _cavity(distribute(tube(), MPI.COMM_SELF), "endo", 2)[3] == pytest.approx(2.0, rel=1e-12)


def test_affine_deformation_multiplies_the_volume_by_its_determinant(cavity):
    _, u, chamber, rest = cavity
    A = random_matrix(1, 0.2)
    place(u, lambda X: X @ A.T + [5.0, -40.0, 100.0])
    assert chamber.volume() == pytest.approx(np.linalg.det(A) * rest, rel=1e-10)


def test_rigid_motion_keeps_the_volume_of_a_deformed_cavity(cavity):
    _, u, chamber, _ = cavity
    place(u, wave)
    before = chamber.volume()
    Q = np.linalg.qr(random_matrix(2, 1.0))[0]
    Q *= np.sign(np.linalg.det(Q))
    place(u, lambda X: wave(X) @ Q.T + [3.0, 2.0, -1.0])
    assert chamber.volume() == pytest.approx(before, rel=1e-10)


def test_gradient_is_the_derivative_of_the_volume(cavity):
    _, u, chamber, _ = cavity
    place(u, wave)
    X = u.function_space.tabulate_dof_coordinates()
    # Large at the rims, where the lids' part of the derivative lives.
    w, h = np.cos(7 * X / np.ptp(X, axis=0).max() + [0.0, 1.0, 2.0]).ravel(), 1e-5
    slope = chamber.update_gradient().array @ w
    base = u.x.array.copy()
    volumes = []
    for step in (h, -h):
        u.x.array[:] = base + step * w
        volumes.append(chamber.volume())
    # The volume is a cubic polynomial of u, so the difference quotient is off by h^2 and round-off / h only.
    assert (volumes[0] - volumes[1]) / (2 * h) == pytest.approx(slope, rel=1e-7)


def test_pressure_has_no_resultant_force_and_no_moment(cavity):
    _, u, chamber, _ = cavity
    place(u, wave)
    force = chamber.update_gradient().array.reshape(-1, 3)
    x = u.function_space.tabulate_dof_coordinates() + u.x.array.reshape(-1, 3)
    size = np.abs(force).sum()
    assert force.sum(axis=0) == pytest.approx(0.0, abs=1e-12 * size)
    assert np.cross(x, force).sum(axis=0) == pytest.approx(0.0, abs=1e-12 * size * np.abs(x).max())


def test_vector_area_of_a_curved_rim_is_exact_for_parabolas():
    """Nodes of a rim on a parabola-bounded lens: area between y = ±(1 - x^2), 8/3, with quadratic edges."""
    rim = Rim.__new__(Rim)
    rim.n = 2
    # Two vertices (±1, 0), and the middles of the edges between them: first below, then above.
    x = np.array([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 1.0, 0.0]])
    assert rim.area(x) == pytest.approx([0.0, 0.0, 8.0 / 3.0], abs=1e-14)
