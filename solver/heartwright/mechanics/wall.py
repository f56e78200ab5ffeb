r"""Wall: the balance of forces in the muscle, discretised: find u with r(u, p) = 0.

    r(w) = ∫ P : ∇w dX + ∫ ρ a.w dX + springs and dashpots - Σ_i p_i dV_i/du . w
    P = ∂ψ/∂F + (Ta + Ka (λ - λ0)) F f0⊗f0 / λ + F η Ė
    ψ = s ψ_passive(C) + κ/4 (J² - 1 - 2 ln J),   C = FᵀF,  E = (C - I)/2,  λ = |F f0|

Quadratic displacement on the reference shape, backward Euler in time. λ0 is the stretch of the last accepted step: the
term with Ka is the change of the tension with the stretch inside a step, without which a tension model that is stepped
before the solid oscillates (Regazzoni & Quarteroni 2021, doi:10.1016/j.cma.2020.113506).
"""

import basix
import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI
from petsc4py import PETSc

from heartwright.linalg import JIT
from heartwright.mechanics import boundary
from heartwright.mechanics.cavity import Cavity
from heartwright.mechanics.passive import volumetric
from heartwright.mechanics.regions import scale_field
from heartwright.mechanics.spec import MechanicsSpec, Robin
from heartwright.mesh import fibres
from heartwright.spec import Spec


def bind(law: Spec, mesh) -> Spec:
    """The same law with its numbers as Constants of the form, so that a new value needs no new compilation."""
    values = {name: getattr(law, name) for name in type(law).model_fields}
    constants = {name: fem.Constant(mesh, v) for name, v in values.items() if isinstance(v, float)}
    return law.model_construct(**(values | constants))


class Wall:
    """The discrete wall: unknowns, history, and the assembly of r and K = dr/du.

    u, u0: quadratic displacement, now and at the last accepted step (mm); v: velocity of that step (mm/ms);
    slack: displacement at which springs bear nothing (mm); p: cavity pressures (kPa) as Constants;
    Ta, Ka: nodal active tension and its stretch derivative (kPa);
    rate: 1/dt, zero for slow loading without viscosity, damping and inertia; force: what residuals are measured by.
    `body_force`: a UFL vector in mN/mm³, e.g. gravity.
    """

    def __init__(self, geometry, spec: MechanicsSpec, rule, surfaces: list[str], body_force=None):
        mesh = geometry.mesh
        self.geometry, self.spec, self.comm = geometry, spec, geometry.comm
        self.V = fem.functionspace(mesh, ("Lagrange", 2, (3,)))
        self.u, self.u0, self.v, self.slack = (fem.Function(self.V, name=n) for n in ("u", "u0", "v", "slack"))
        self.Ta, self.Ka = (fem.Function(geometry.V1, name=name) for name in ("Ta", "Ka"))
        self.f0, self.s0, self.n0 = fibres.directions(geometry, rule, ("quadrature", spec.quadrature_degree))
        self.stiffening = scale_field(geometry, spec.regions, "passive_scale")
        self.dx = geometry.dx(metadata={"quadrature_degree": spec.quadrature_degree, "quadrature_scheme": "default"})
        self.rate, self.viscosity = fem.Constant(mesh, 0.0), fem.Constant(mesh, spec.viscosity)
        self.p = [fem.Constant(mesh, 0.0) for _ in surfaces]
        self.cavities = [Cavity(geometry, self.u, surface) for surface in surfaces]
        self._compile(body_force)
        self.force = self._unit_load()
        self.fixed = boundary.fixed_nodes(geometry, spec.boundaries, self.V)
        self._bcs = [fem.dirichletbc(np.zeros(3), self.fixed, self.V)] if self._any_fixed() else []
        own = self.V.dofmap.index_map.size_local
        self._fixed_rows = (3 * self.fixed[self.fixed < own][:, None] + np.arange(3)).ravel()

    def _any_fixed(self) -> bool:
        return self.comm.allreduce(len(self.fixed)) > 0

    @property
    def n_dofs(self) -> int:
        return 3 * self.V.dofmap.index_map.size_global

    def _compile(self, body_force) -> None:
        """The forms of r, K and J, and the storage they are assembled into."""
        spec, mesh = self.spec, self.geometry.mesh
        dx = self.dx
        w = ufl.TestFunction(self.V)
        velocity = (self.u - self.u0) * self.rate
        r = ufl.inner(self.stress(), ufl.grad(w)) * dx
        if spec.density is not None:
            rho = fem.Constant(mesh, spec.density)
            r += rho * ufl.inner((velocity - self.v) * self.rate, w) * dx
        if body_force is not None:
            r -= ufl.inner(body_force, w) * dx
        for condition in spec.boundaries:
            if isinstance(condition, Robin):
                r += boundary.robin(self.geometry, condition, self.u - self.slack, velocity, w)
        for p, cavity in zip(self.p, self.cavities, strict=True):
            r += p * cavity.pressed
        self._r = fem.form(r, jit_options=JIT)
        self._K = fem.form(ufl.derivative(r, self.u, ufl.TrialFunction(self.V)), jit_options=JIT)
        self.r, self.K = fem_petsc.create_vector(self._r), fem_petsc.create_matrix(self._K)
        points, _ = basix.make_quadrature(basix.CellType.tetrahedron, spec.quadrature_degree)
        self._J = fem.Expression(ufl.det(self.F), points, jit_options=JIT)
        self._cells = np.arange(mesh.topology.index_map(3).size_local, dtype=np.int32)
        self._J_values = np.ones((len(self._cells), len(points)))

    def stress(self):
        """First Piola-Kirchhoff stress P (kPa)."""
        mesh, spec = self.geometry.mesh, self.spec
        F, F0 = self.F, ufl.Identity(3) + ufl.grad(self.u0)
        f0 = self.f0
        kappa, eta = fem.Constant(mesh, spec.bulk_modulus), self.viscosity
        G = ufl.variable(F)
        psi = self.stiffening * bind(spec.passive, mesh).psi(G.T * G, f0, self.s0, self.n0)
        passive = ufl.diff(psi + volumetric(ufl.det(G), kappa), G)
        stretch, stretch0 = self.stretch(F), self.stretch(F0)
        tension = self.Ta + self.Ka * (stretch - stretch0)
        E_rate = (F.T * F - F0.T * F0) / 2 * self.rate
        return passive + tension / stretch * ufl.outer(F * f0, f0) + F * (eta * E_rate)

    def stretch(self, F):
        """λ = |F f0|, of a deformation gradient."""
        return ufl.sqrt(ufl.inner(F * self.f0, F * self.f0))

    @property
    def F(self):
        """F = I + ∇u."""
        return ufl.Identity(3) + ufl.grad(self.u)

    def load(self, p: np.ndarray) -> None:
        """Set the cavity pressures (kPa)."""
        for constant, value in zip(self.p, p, strict=True):
            constant.value = value

    def volumes(self) -> np.ndarray:
        """V_i (uL). Collective."""
        return np.array([cavity.volume() for cavity in self.cavities])

    def volume_gradients(self) -> list[PETSc.Vec]:
        """dV_i/du (mm²) in the rows that may move. Collective."""
        gradients = [cavity.update_gradient() for cavity in self.cavities]
        for gradient in gradients:
            self.constrain(gradient)
        return gradients

    def residual(self, r: PETSc.Vec) -> None:
        with r.localForm() as local:
            local.set(0.0)
        fem_petsc.assemble_vector(r, self._r)
        r.ghostUpdate(PETSc.InsertMode.ADD, PETSc.ScatterMode.REVERSE)
        for p, cavity in zip(self.p, self.cavities, strict=True):
            cavity.add_lids(r, -float(p.value))
        self.constrain(r)

    def constrain(self, vector: PETSc.Vec) -> None:
        """Zero the rows of fixed nodes, which never move from u = 0."""
        if len(self._fixed_rows):
            vector.array[self._fixed_rows] = 0.0

    def tangent(self, K: PETSc.Mat) -> None:
        K.zeroEntries()
        fem_petsc.assemble_matrix(K, self._K, bcs=self._bcs)
        K.assemble()

    def move(self, du: PETSc.Vec, length: float) -> None:
        """u += length du."""
        self.u.x.array[: du.getLocalSize()] += length * du.array_r
        self.u.x.scatter_forward()

    def admissible(self) -> bool:
        """Whether u is finite and det F > 0 at every quadrature point of every rank. Collective."""
        self._J.eval(self.geometry.mesh, self._cells, self._J_values)
        lowest = self._J_values.min(initial=1.0)
        return bool(self.comm.allreduce(lowest if np.isfinite(lowest) else -1.0, MPI.MIN) > 0.0)

    def _unit_load(self) -> float:
        """|∫ N . w dS|_2 (mN): residuals are measured against that of 1 kPa on the whole surface. Collective."""
        N, w = ufl.FacetNormal(self.geometry.mesh), ufl.TestFunction(self.V)
        b = fem_petsc.assemble_vector(fem.form(ufl.inner(N, w) * ufl.ds(self.geometry.mesh), jit_options=JIT))
        b.ghostUpdate(PETSc.InsertMode.ADD, PETSc.ScatterMode.REVERSE)
        norm = b.norm()
        b.destroy()
        return norm
