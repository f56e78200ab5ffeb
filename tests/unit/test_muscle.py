"""Muscle: the compiled kernel computes what the weak form in UFL says, for every law."""

import basix
import numpy as np
import pytest
import ufl
from dolfinx import fem
from mpi4py import MPI

from heartwright.linalg import JIT
from heartwright.mechanics.boundary import fixed_nodes
from heartwright.mechanics.filling import Loaded
from heartwright.mechanics.passive import volumetric
from heartwright.mechanics.spec import Fixed, MechanicsSpec, RegionSpec, Robin, numbers
from heartwright.mechanics.storage import SymmetricMatrix
from heartwright.mechanics.wall import Wall
from heartwright.mesh.distribution import build
from heartwright.mesh.scale import ScaleRegion
from heartwright.mesh.spec import Ellipsoid, MeshSpec
from laws import LAWS

MESH = MeshSpec(generate=Ellipsoid(size=16.0))
QUICK = JIT | {"cffi_extra_compile_args": ["-O0"]}  # quick to compile: these forms are used once
SUPPORTS = [Fixed(where="base"), Robin(where="epi", stiffness=0.2, damping=5.0)]


@pytest.fixture(scope="module")
def geometry():
    return build(MESH, MPI.COMM_SELF)


@pytest.fixture(scope="module", params=LAWS.values(), ids=LAWS)
def wall(geometry, request):
    """A prestrained wall with everything a balance may contain, in the middle of a movement."""
    stiff = RegionSpec(where="epi", passive_scale=3.0)
    scales = [ScaleRegion(parameter=name, where="lv_endo", factor=2.0) for name in numbers(request.param)[:2]]
    spec = MechanicsSpec(
        passive=request.param,
        scales=scales,
        density=1.06e-3,
        boundaries=SUPPORTS,
        regions=[stiff],
        prestress={"lv": 1.0},
    )
    wall = Wall(geometry, spec, MESH.fibres, ["lv_endo"])
    random = np.random.default_rng(3)
    for field, size in ((wall.u, 0.2), (wall.u0, 0.2), (wall.v, 0.05), (wall.slack, 0.1)):
        field.x.array[:] = random.uniform(-size, size, len(field.x.array))
    wall.prestrain.follow()
    wall.u.x.array[:] = random.uniform(-0.2, 0.2, len(wall.u.x.array))
    base = fixed_nodes(geometry, SUPPORTS, wall.V)
    wall.u.x.array.reshape(-1, 3)[base] = 0.0
    wall.Ta.x.array[:] = random.uniform(0.0, 30.0, len(wall.Ta.x.array))
    wall.Ka.x.array[:] = random.uniform(0.0, 60.0, len(wall.Ka.x.array))
    wall.rate.value = 0.7
    wall.load(np.array([2.0]))
    return wall


def directions(wall):
    """G and f0, s0, n0 as UFL, from the state of the prestrain."""
    G = wall.prestrain.G
    Q = ufl.inv(G) * wall.frame
    return G, *(ufl.as_vector([Q[i, k] for i in range(3)]) for k in range(3))


def weak_form(wall):
    """r(w) as the module `wall` states it, in UFL, without the loads on surfaces."""
    w, (G, f0, s0, n0) = ufl.TestFunction(wall.V), directions(wall)
    F, F0 = ufl.variable(ufl.Identity(3) + ufl.grad(wall.u)), ufl.Identity(3) + ufl.grad(wall.u0)
    C, C0 = (G.T * A.T * A * G for A in (F, F0))
    stretch, stretch0 = (ufl.sqrt(ufl.inner(f0, A * f0)) for A in (C, C0))
    psi = wall.stiffening * wall.law.psi(C, f0, s0, n0) + volumetric(ufl.det(F * G), wall.bulk_modulus)
    active = (wall.Ta + wall.Ka * (stretch - stretch0)) / stretch * ufl.outer(F * G * f0, G * f0)
    viscous = F * G * (wall.viscosity * (C - C0) / 2 * wall.rate) * G.T
    P = (ufl.diff(psi, F) + active + viscous) / ufl.det(G)
    rho = fem.Constant(wall.geometry.mesh, wall.spec.density)
    acceleration = ((wall.u - wall.u0) * wall.rate - wall.v) * wall.rate
    dx = wall.geometry.dx(metadata={"quadrature_degree": 4})
    return ufl.inner(P, ufl.grad(w)) * dx + rho * ufl.inner(acceleration, w) * dx


def test_residual_and_tangent_are_those_of_the_weak_form(wall):
    r = weak_form(wall)
    expected, found = fem.assemble_vector(fem.form(r, jit_options=QUICK)).array, np.zeros(len(wall.u.x.array))
    wall.muscle.residual(found)
    assert np.abs(found - expected).max() < 1e-10 * np.abs(expected).max()
    K = fem.form(ufl.derivative(r, wall.u), jit_options=QUICK)
    dense = np.triu(fem.assemble_matrix(K).to_dense())
    matrix = SymmetricMatrix(wall.V, K, np.zeros(0, np.int32))
    wall.muscle.tangent(matrix.places(wall.muscle.nodes), matrix.values)
    assert np.abs(np.triu(matrix.csr.to_dense()) - dense).max() < 1e-10 * np.abs(dense).max()


def test_the_tangent_is_the_derivative_of_the_residual(wall):
    """All terms, and rows and columns of nodes that are fixed. The rim is: the pressure's part is symmetric."""
    start, h = wall.u.x.array.copy(), 1e-6
    d, differences, product = (wall.r.duplicate() for _ in range(3))
    d.array[:] = np.random.default_rng(5).uniform(-1.0, 1.0, len(start))
    wall.constrain(d)
    wall.tangent()
    wall.K.mult(d, product)
    for sign in (1.0, -1.0):
        wall.move(d, sign * h)
        wall.residual(wall.r)
        differences.axpy(sign / (2 * h), wall.r)
        wall.u.x.array[:] = start
    # h^2 times a third derivative, and round-off / h
    assert product.array == pytest.approx(differences.array, abs=1e-6 * np.abs(product.array).max())


def test_the_stress_in_the_cells_does_the_work_of_the_residual(wall):
    """r.(u - u0) is the integral of S : Fᵀ(F - F0), inertia apart; and S is that of the state u, u0."""
    muscle, (start, density) = wall.muscle, (wall.u0.x.array, wall.muscle.density)
    F, S, work = muscle.stress(start)
    muscle.density, r = 0.0, np.zeros(len(start))
    muscle.residual(r)
    muscle.density = density
    M = wall.frame.x.array.reshape(-1, 3, 3)[wall.frame.function_space.dofmap.list]
    np.testing.assert_allclose(work, np.einsum("cqij,cqjk,cqik->cq", F, S, F - _frames(wall, wall.u0, M)))
    volume = _determinants(wall)[:, None] * muscle.weights / np.abs(np.linalg.det(M))
    assert (work * volume).sum() == pytest.approx(r @ (wall.u.x.array - start), rel=1e-10)


def _determinants(wall):
    """6 times the volume of every cell."""
    corners = wall.geometry.points[wall.geometry.V1.dofmap.list]
    return np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]))


def _frames(wall, u, M):
    """(I + ∇u) M at the quadrature points."""
    points, _ = basix.make_quadrature(basix.CellType.tetrahedron, 4)
    F = fem.Expression(ufl.Identity(3) + ufl.grad(u), points, jit_options=QUICK)
    cells = np.arange(len(M), dtype=np.int32)
    return F.eval(wall.geometry.mesh, cells).reshape(M.shape) @ M


def test_the_least_determinant_is_that_of_the_deformation(wall):
    points, _ = basix.make_quadrature(basix.CellType.tetrahedron, 4)
    J = fem.Expression(ufl.det(ufl.Identity(3) + ufl.grad(wall.u)), points, jit_options=QUICK)
    values = J.eval(wall.geometry.mesh, np.arange(len(wall.muscle.nodes), dtype=np.int32))
    lowest, cell = wall.muscle.least_determinant()
    assert lowest == pytest.approx(values.min(), rel=1e-12) and values[cell].min() == values.min()


def test_the_steepest_gradient_is_that_of_the_step(wall):
    points, _ = basix.make_quadrature(basix.CellType.tetrahedron, 4)
    gradient = fem.Expression(ufl.grad(wall.u - wall.u0), points, jit_options=QUICK)
    values = gradient.eval(wall.geometry.mesh, np.arange(len(wall.muscle.nodes), dtype=np.int32)).reshape(-1, 9)
    assert Loaded(wall).deformed() == pytest.approx(np.linalg.norm(values, axis=1).max(), rel=1e-12)


def test_a_diagnosis_names_the_most_compressed_element_by_its_number_in_the_input(wall):
    lowest, cell = wall.muscle.least_determinant()
    corners = wall.geometry.points[wall.geometry.V1.dofmap.list[cell]]
    x, y, z = corners.mean(axis=0)
    number = wall.geometry.mesh.topology.original_cell_index[cell]
    assert wall.diagnosis() == (
        f"most compressed is element {number} at ({x:.1f}, {y:.1f}, {z:.1f}) mm, to {lowest:.2g} of its volume"
    )


def test_a_displacement_that_is_no_number_is_not_admissible(wall):
    before = wall.u.x.array[-1]
    wall.u.x.array[-1] = np.nan
    assert not wall.admissible()
    wall.u.x.array[-1] = before
