r"""Wall: the balance of forces in the muscle, discretised: find u with r(u, p) = 0.

    r(w) = ∫ P : ∇w dX + ∫ ρ a.w dX + springs and dashpots - Σ_i p_i dV_i/du . w
    P = 1/det G [∂ψ(F G)/∂F + (Ta + Ka (λ - λ0)) F g⊗g / λ] + F η Ė,   g = G f0,  λ = |F g|
    ψ(F) = s ψ_passive(C) + κ/4 (J² - 1 - 2 ln J),   C = FᵀF,  E = (C - I)/2

Quadratic displacement on the shape of the mesh, backward Euler in time. G is how the muscle is deformed in that shape
already, see `prestress`; unless the heart was imaged under pressure, G = I. λ0 is the stretch of the last accepted
step: the term with Ka is the change of the tension with the stretch inside a step, without which a tension model that
is stepped before the solid oscillates (Regazzoni & Quarteroni 2021, doi:10.1016/j.cma.2020.113506).
"""

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from petsc4py import PETSc

from heartwright.linalg import JIT
from heartwright.mechanics import boundary
from heartwright.mechanics.balance import Balance
from heartwright.mechanics.cavity import Cavity
from heartwright.mechanics.passive import volumetric
from heartwright.mechanics.prestress import Prestrain
from heartwright.mechanics.regions import scale_field
from heartwright.mechanics.spec import MechanicsSpec, Robin
from heartwright.mechanics.stretch import Projection
from heartwright.mesh import fibres
from heartwright.spec import Spec


def bind(law: Spec, mesh) -> Spec:
    """The same law with its numbers as Constants of the form, so that a new value needs no new compilation."""
    values = {name: getattr(law, name) for name in type(law).model_fields}
    constants = {name: fem.Constant(mesh, v) for name, v in values.items() if isinstance(v, float)}
    return law.model_construct(**(values | constants))


class Wall(Balance):
    """The discrete wall: displacement, its history, and the loads.

    u, u0: quadratic displacement, now and at the last accepted step (mm); v: velocity of that step (mm/ms);
    slack: displacement at which springs bear nothing (mm), beside the share `follow` of u that they follow;
    p: cavity pressures (kPa) as Constants;
    Ta, Ka: nodal active tension and its stretch derivative (kPa);
    rate: 1/dt, zero for slow loading without viscosity, damping and inertia; force: what residuals are measured by.
    `body_force`: a UFL vector in mN/mm³, e.g. gravity.
    """

    solver = "ldl"  # every term but the pressure on the rims is the derivative of an incremental potential

    def __init__(self, geometry, spec: MechanicsSpec, rule, surfaces: list[str], body_force=None):
        mesh, degree = geometry.mesh, spec.quadrature_degree
        V = fem.functionspace(mesh, ("Lagrange", 2, (3,)))
        self.geometry, self.spec = geometry, spec
        self.u, self.u0, self.v, self.slack = (fem.Function(V, name=name) for name in ("u", "u0", "v", "slack"))
        self.Ta, self.Ka = (fem.Function(geometry.V1, name=name) for name in ("Ta", "Ka"))
        self.f0, self.s0, self.n0 = fibres.directions(geometry, rule, ("quadrature", degree))
        self.prestrain = Prestrain(self.u, (self.f0, self.s0, self.n0), degree) if spec.prestress else None
        self.stiffening = scale_field(geometry, spec.regions, "passive_scale")
        self.dx = geometry.dx(metadata={"quadrature_degree": degree, "quadrature_scheme": "default"})
        self.rate, self.viscosity = fem.Constant(mesh, 0.0), fem.Constant(mesh, spec.viscosity)
        self.follow = fem.Constant(mesh, 0.0)
        self.p = [fem.Constant(mesh, 0.0) for _ in surfaces]
        self.cavities = [Cavity(geometry, self.u, surface) for surface in surfaces]
        fixed = boundary.fixed_nodes(geometry, spec.boundaries, V)
        super().__init__(geometry, self.u, self._weak_form(V, body_force), self.F, fixed, degree)
        self.force = self._unit_load()
        self.projected_stretch = Projection(geometry.V1, self.stretch(self.F), self.dx)

    @property
    def F(self):
        """F = I + ∇u."""
        return ufl.Identity(3) + ufl.grad(self.u)

    def _weak_form(self, V: fem.FunctionSpace, body_force):
        """r(w) but for the pressure on the lids."""
        w, velocity = ufl.TestFunction(V), (self.u - self.u0) * self.rate
        r = ufl.inner(self.stress(), ufl.grad(w)) * self.dx + self.supports(
            (1 - self.follow) * self.u - self.slack, velocity, w
        )
        if self.spec.density is not None:
            rho = fem.Constant(self.geometry.mesh, self.spec.density)
            r += rho * ufl.inner((velocity - self.v) * self.rate, w) * self.dx
        if body_force is not None:
            r -= ufl.inner(body_force, w) * self.dx
        return r + sum(p * cavity.pressed for p, cavity in zip(self.p, self.cavities, strict=True))

    @property
    def G(self):
        """Deformation of the muscle in the shape of the mesh."""
        return self.prestrain.G if self.prestrain else ufl.Identity(3)

    def energy(self, F):
        """ψ of muscle at rest (kPa), F from its stress-free state."""
        mesh, spec = self.geometry.mesh, self.spec
        passive = bind(spec.passive, mesh).psi(F.T * F, self.f0, self.s0, self.n0)
        return self.stiffening * passive + volumetric(ufl.det(F), fem.Constant(mesh, spec.bulk_modulus))

    def stress(self):
        """First Piola-Kirchhoff stress P (kPa)."""
        F, F0, fibre = ufl.variable(self.F), ufl.Identity(3) + ufl.grad(self.u0), self.G * self.f0
        passive = ufl.diff(self.energy(F * self.G), F)
        stretch, stretch0 = self.stretch(F), self.stretch(F0)
        active = (self.Ta + self.Ka * (stretch - stretch0)) / stretch * ufl.outer(F * fibre, fibre)
        E_rate = (F.T * F - F0.T * F0) / 2 * self.rate
        return (passive + active) / ufl.det(self.G) + F * (self.viscosity * E_rate)

    def stretch(self, F):
        """λ = |F G f0|, of a deformation from the shape of the mesh."""
        fibre = F * self.G * self.f0
        return ufl.sqrt(ufl.inner(fibre, fibre))

    def supports(self, extension, velocity, w):
        """Springs and dashpots of all Robin boundaries."""
        robins = [condition for condition in self.spec.boundaries if isinstance(condition, Robin)]
        return sum(boundary.robin(self.geometry, condition, extension, velocity, w) for condition in robins)

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
        """r of the weak form and of the pressure on the lids."""
        super().residual(r)
        for p, cavity in zip(self.p, self.cavities, strict=True):
            cavity.add_lids(r, -float(p.value))
        self.constrain(r)

    def _unit_load(self) -> float:
        """|∫ N . w dS|_2 (mN): residuals are measured against that of 1 kPa on the whole surface. Collective."""
        N, w = ufl.FacetNormal(self.geometry.mesh), ufl.TestFunction(self.V)
        b = fem_petsc.assemble_vector(fem.form(ufl.inner(N, w) * ufl.ds(self.geometry.mesh), jit_options=JIT))
        b.ghostUpdate(PETSc.InsertMode.ADD, PETSc.ScatterMode.REVERSE)
        norm = b.norm()
        b.destroy()
        return norm
