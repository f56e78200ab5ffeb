r"""Wall: the balance of forces in the muscle, discretised: find u with r(u, p) = 0.

    r(w) = ∫ P : ∇w dX + ∫ ρ a.w dX + springs and dashpots - Σ_i p_i dV_i/du . w
    P = 1/det G ∂Ψ(F G)/∂F
    Ψ = s ψ_passive(C) + U + Ta λ + Ka/2 (λ - λ0)² + Sa λ²/2 + η/(8 dt) |C - C0|²
    U = κ/4 (J² - 1 - 2 ln J), or q (J - 1) where q is an unknown, see `incompressible`
    C = GᵀFᵀF G,  λ² = f0.C f0;  C0, λ0: those of the last accepted step

Quadratic or linear displacement on the shape of the mesh; what goes on in time is told in `motion`. G is how the muscle
is deformed in that shape already, see `prestress`; unless the heart was imaged under pressure, G = I. ∂Ψ/∂F is the
stress of the law, an active one (Ta + Ka (λ - λ0)) F f0⊗f0/λ, a prescribed one Sa F f0⊗f0, and a viscous one F η Ė,
E = (C - I)/2. The term with Ka is the change of the tension with the stretch inside a step, without which a
tension model that is stepped before the solid oscillates (Regazzoni & Quarteroni 2021, doi:10.1016/j.cma.2020.113506).
"""

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from petsc4py import PETSc

from heartwright.linalg import JIT
from heartwright.mechanics import boundary
from heartwright.mechanics.balance import Balance
from heartwright.mechanics.cavity import Cavity
from heartwright.mechanics.incompressible import Incompressible
from heartwright.mechanics.muscle import FRAME, Fields, Muscle
from heartwright.mechanics.passive import volumetric
from heartwright.mechanics.prestress import Prestrain
from heartwright.mechanics.regions import scale_field
from heartwright.mechanics.spec import Curve, MechanicsSpec, Robin, SurfacePressure
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

    u, u0: displacement, now and at the last accepted step (mm); v: velocity of that step (mm/ms), see `motion`;
    slack: displacement at which springs bear nothing (mm), beside the share `follow` of u that they follow;
    p: cavity pressures (kPa) as Constants;
    q: tension in the muscle that keeps its volume (kPa), where that is an unknown;
    Ta, Ka: nodal active tension and its stretch derivative (kPa); Sa: prescribed active stress (kPa), a Constant;
    rate: 1/dt, zero for slow loading without viscosity, damping and inertia; force: what residuals are measured by.
    `body_force`: a UFL vector in mN/mm³, e.g. gravity.
    """

    def __init__(self, geometry, spec: MechanicsSpec, rule, surfaces: list[str], body_force=None):
        mesh, degree = geometry.mesh, spec.quadrature_degree
        V = fem.functionspace(mesh, ("Lagrange", spec.degree, (3,)))
        self.geometry, self.spec = geometry, spec
        self.u, self.u0, self.v, self.slack = (fem.Function(V, name=name) for name in ("u", "u0", "v", "slack"))
        self.Ta, self.Ka, self.q = (fem.Function(geometry.V1, name=name) for name in ("Ta", "Ka", "q"))
        self.frame = _frame(geometry, rule, degree)
        self.prestrain = Prestrain(self.u, self.frame, degree) if spec.prestress else None
        self.stiffening = scale_field(geometry, spec.regions, "passive_scale")
        self.rate, self.viscosity = fem.Constant(mesh, 0.0), fem.Constant(mesh, spec.viscosity)
        self.follow = fem.Constant(mesh, 0.0)
        self.bulk_modulus, self.Sa = fem.Constant(mesh, spec.bulk_modulus or np.inf), fem.Constant(mesh, 0.0)
        self.law = bind(spec.passive, mesh)
        fields = Fields(self.u, self.u0, self.v, self.Ta, self.Ka, self.stiffening, self.q, self.frame)
        muscle = Muscle(geometry, fields, self.potential, spec.density or 0.0, self.rate, degree)
        self._prescribed = [(self.Sa, spec.active_stress)]
        self.p = [fem.Constant(mesh, 0.0) for _ in surfaces]
        self.cavities = [Cavity(geometry, self.u, surface) for surface in surfaces]
        fixed = boundary.fixed_nodes(geometry, spec.boundaries, V)
        self.dx = geometry.dx(metadata={"quadrature_degree": degree, "quadrature_scheme": "default"})
        extra = None
        if spec.element != "P2":
            extra = Incompressible(self.u, self.q, muscle, self.frame, spec, self.dx, fixed)
        super().__init__(geometry, self.u, muscle, self._loads(body_force), fixed, extra)
        self._gradients = [self.r.duplicate() for _ in surfaces]
        self.force = self._unit_load()
        self.follow_curves(0.0)
        self.projected_stretch = Projection(geometry.V1, self.stretch(), self.dx)

    def potential(self, C, C0, Ta, Ka, s, q):
        """Ψ (kPa) in the muscle's own frame, where f0, s0 and n0 are the unit vectors."""
        stretch, stretch0 = ufl.sqrt(C[0, 0]), ufl.sqrt(C0[0, 0])
        J = ufl.sqrt(ufl.det(C))
        volume = volumetric(J, self.bulk_modulus) if self.spec.element == "P2" else q * (J - 1)
        at_rest = s * self.law.psi(C, *FRAME) + volume
        active = Ta * stretch + Ka / 2 * (stretch - stretch0) ** 2 + self.Sa / 2 * C[0, 0]
        return at_rest + active + self.viscosity * self.rate / 8 * ufl.inner(C - C0, C - C0)

    def stretch(self):
        """λ = |F G f0| in UFL."""
        fibre = (ufl.Identity(3) + ufl.grad(self.u)) * ufl.as_vector([self.frame[i, 0] for i in range(3)])
        return ufl.sqrt(ufl.inner(fibre, fibre))

    def follow_curves(self, t: float) -> None:
        """Set what is prescribed in time (ms): pressures on surfaces and the active stress Sa."""
        for constant, value in self._prescribed:
            constant.value = np.interp(t, value.times, value.values) if isinstance(value, Curve) else value

    def _loads(self, body_force) -> list[ufl.Form]:
        """All terms but the muscle and the pressure on the lids."""
        w, velocity = ufl.TestFunction(self.u.function_space), (self.u - self.u0) * self.rate
        loads = [p * cavity.pressed for p, cavity in zip(self.p, self.cavities, strict=True)]
        for spec in self.spec.boundaries:
            if isinstance(spec, Robin):
                loads.append(boundary.robin(self.geometry, spec, (1 - self.follow) * self.u - self.slack, velocity, w))
            if isinstance(spec, SurfacePressure):
                p = fem.Constant(self.geometry.mesh, 0.0)
                self._prescribed.append((p, spec.value))
                loads.append(boundary.pressure(self.geometry, spec, p, self.u, w))
        if body_force is not None:
            loads.append(-ufl.inner(body_force, w) * self.dx)
        return loads

    def load(self, p: np.ndarray) -> None:
        """Set the cavity pressures (kPa)."""
        for constant, value in zip(self.p, p, strict=True):
            constant.value = value

    def volumes(self) -> np.ndarray:
        """V_i (uL). Collective."""
        return np.array([cavity.volume() for cavity in self.cavities])

    def volume_gradients(self) -> list[PETSc.Vec]:
        """dV_i/du (mm²) in the rows that may move, zero in those of q. Collective."""
        for cavity, gradient in zip(self.cavities, self._gradients, strict=True):
            moved = cavity.update_gradient()
            self.constrain(moved)
            gradient.array[self.moving] = moved.array_r
        return self._gradients

    def assemble_forces(self, forces: PETSc.Vec) -> None:
        """r of the weak form and of the pressure on the lids. Collective."""
        super().assemble_forces(forces)
        for p, cavity in zip(self.p, self.cavities, strict=True):
            cavity.add_lids(forces, -float(p.value))

    def _unit_load(self) -> float:
        """|∫ N . w dS|_2 (mN): residuals are measured against that of 1 kPa on the whole surface. Collective."""
        N, w = ufl.FacetNormal(self.geometry.mesh), ufl.TestFunction(self.V)
        b = fem_petsc.assemble_vector(fem.form(ufl.inner(N, w) * ufl.ds(self.geometry.mesh), jit_options=JIT))
        b.ghostUpdate(PETSc.InsertMode.ADD, PETSc.ScatterMode.REVERSE)
        norm = b.norm()
        b.destroy()
        return norm


def _frame(geometry, rule, degree: int) -> fem.Function:
    """[f0 s0 n0] at the quadrature points."""
    directions = fibres.directions(geometry, rule, ("quadrature", degree))
    tensors = basix.ufl.quadrature_element("tetrahedron", value_shape=(3, 3), degree=degree)
    frame = fem.Function(fem.functionspace(geometry.mesh, tensors), name="frame")
    at_points = [d.x.array.reshape(-1, 3)[d.function_space.dofmap.list] for d in directions]
    frame.x.array.reshape(-1, 3, 3)[frame.function_space.dofmap.list] = np.stack(at_points, axis=-1)
    return frame
