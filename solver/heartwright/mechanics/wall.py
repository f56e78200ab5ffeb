r"""Wall: the balance of forces in the muscle, discretised: find u with r(u, p) = 0.

    r(w) = ∫ P : ∇w dX + ∫ ρ a.w dX + springs and dashpots - Σ_i p_i dV_i/du . w
    P = 1/det G ∂Ψ(F G)/∂F
    Ψ = s ψ_passive(C) + U + Ta λ + Ka/2 (λ - λ0)² + Sa λ²/2 + η/(8 dt) |C - C0|²
    U = κ/4 (J² - 1 - 2 ln J), or q (J - 1) where q is an unknown, see `incompressible`
    C = GᵀFᵀF G,  λ² = f0.C f0;  C0, λ0: those of the last accepted step

Quadratic or linear displacement on the shape of the mesh; what goes on in time is told in `motion`. G is how the muscle
is deformed in that shape already, see `prestress`; unless the heart was imaged under pressure, G = I. ∂Ψ/∂F is the
stress of the law, an active one (Ta + Ka (λ - λ0)) F f0⊗f0/λ, a prescribed one Sa F f0⊗f0, and a viscous one F η Ė,
E = (C - I)/2. Where the sarcomeres' model makes active strain, ψ is that of C_e, see `shortening`, without Ta and Ka.
The term with Ka is the change of the tension with the stretch inside a step, without which a tension model that is
stepped before the solid oscillates (Regazzoni & Quarteroni 2021, doi:10.1016/j.cma.2020.113506).
"""

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from petsc4py import PETSc

from heartwright.linalg import JIT
from heartwright.mechanics import active, boundary
from heartwright.mechanics.balance import Balance
from heartwright.mechanics.cavity import Cavity
from heartwright.mechanics.contact import Contact
from heartwright.mechanics.incompressible import Incompressible
from heartwright.mechanics.muscle import FRAME, Fields, Muscle
from heartwright.mechanics.passive import volumetric
from heartwright.mechanics.prestress import Prestrain
from heartwright.mechanics.regions import parameters, scale_field
from heartwright.mechanics.shortening import elastic
from heartwright.mechanics.spec import (
    Curve,
    Displacement,
    MechanicsSpec,
    Path,
    Plane,
    Robin,
    SurfacePressure,
    numbers,
)
from heartwright.mechanics.stretch import Projection
from heartwright.mechanics.unloading import Unloading
from heartwright.mesh import fibres


def bind(law, values: dict[str, object]):
    """The same law with some of its numbers replaced by what stands for them in a form."""
    return type(law).model_construct(**(vars(law) | values)) if values else law


class Wall(Balance):
    """The discrete wall: displacement, its history, and the loads.

    u, u0: displacement, now and at the last accepted step (mm); v: velocity of that step (mm/ms), see `motion`;
    slack: displacement at which springs bear nothing (mm), beside the share `follow` of u that they follow;
    p: cavity pressures (kPa) as Constants;
    q: tension in the muscle that keeps its volume (kPa), where that is an unknown;
    Ta, Ka: nodal active tension and its stretch derivative (kPa), or in Ta the active strain γ;
    Sa: prescribed active stress (kPa), a Constant;
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
        unloading = Prestrain if spec.unloading == "pointwise" else Unloading
        self.prestrain = unloading(self.u, self.frame, degree) if spec.prestress else None
        self.stiffening = scale_field(geometry, spec.regions, "passive_scale")
        self.rate, self.viscosity = fem.Constant(mesh, 0.0), fem.Constant(mesh, spec.viscosity)
        self.follow = fem.Constant(mesh, 0.0)
        self.bulk_modulus, self.Sa = fem.Constant(mesh, spec.bulk_modulus or np.inf), fem.Constant(mesh, 0.0)
        bound = parameters(geometry, spec.passive, numbers(spec.passive), spec.scales)
        self.law = bind(spec.passive, bound)
        self.varying = {name: value for name, value in bound.items() if isinstance(value, fem.Function)}
        self.shortens = active.makes(spec.active.read()) == active.STRAIN
        self.orthotropy = fem.Constant(mesh, spec.active.orthotropy)
        fields = Fields(self.u, self.u0, self.v, self.Ta, self.Ka, self.stiffening, self.q, self.frame)
        muscle = Muscle(
            geometry, fields, self.potential, spec.density or 0.0, self.rate, degree, [*self.varying.values()]
        )
        self._displaced = [
            (boundary.nodes_on(geometry, held.where, V), fem.Constant(mesh, np.zeros(3)), held.value)
            for held in spec.boundaries
            if isinstance(held, Displacement)
        ]
        self._prescribed = [(self.Sa, spec.active_stress), *((place, path) for _, place, path in self._displaced)]
        planes = [plane for plane in spec.boundaries if isinstance(plane, Plane)]
        self.contacts = [Contact(geometry, plane, self.u) for plane in planes]
        self._prescribed += [
            (contact.motion, plane.motion) for contact, plane in zip(self.contacts, planes, strict=True)
        ]
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
        for contact in self.contacts:
            contact.require_off()
        self.projected_stretch = Projection(geometry.V1, self.stretch(), self.dx)

    def potential(self, C, C0, Ta, Ka, s, q, *varying):
        """Ψ (kPa) in the muscle's own frame, where f0, s0 and n0 are the unit vectors; `varying`: values of those."""
        law = bind(self.law, dict(zip(self.varying, varying, strict=True)))
        stretch, stretch0 = ufl.sqrt(C[0, 0]), ufl.sqrt(C0[0, 0])
        if self.shortens:
            muscle = self.at_rest(law, elastic(C, Ta, self.orthotropy), s, q)
        else:
            muscle = self.at_rest(law, C, s, q) + Ta * stretch + Ka / 2 * (stretch - stretch0) ** 2
        viscous = self.viscosity * self.rate / 8 * ufl.inner(C - C0, C - C0)
        return muscle + self.Sa / 2 * C[0, 0] + viscous

    def at_rest(self, law, C, s, q):
        """The part of Ψ (kPa) that muscle at rest has."""
        J = ufl.sqrt(ufl.det(C))
        volume = volumetric(J, self.bulk_modulus) if self.spec.element == "P2" else q * (J - 1)
        return s * law.psi(C, *FRAME) + volume

    def stretch(self):
        """λ = |F G f0| in UFL."""
        fibre = (ufl.Identity(3) + ufl.grad(self.u)) * ufl.as_vector([self.frame[i, 0] for i in range(3)])
        return ufl.sqrt(ufl.inner(fibre, fibre))

    def follow_curves(self, t: float) -> None:
        """Set what is prescribed in time (ms): pressures on surfaces, the active stress Sa, and where nodes are put."""
        for constant, value in self._prescribed:
            constant.value = at(t, value)

    def put(self) -> None:
        """Move the nodes whose displacement is given to where they belong now."""
        for nodes, place, _ in self._displaced:
            self.u.x.array.reshape(-1, 3)[nodes] = place.value

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
        loads += [contact.load(w) for contact in self.contacts]
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


def at(t: float, value: float | tuple | Curve | Path) -> float | np.ndarray:
    """A prescribed number or vector at time t (ms)."""
    if not isinstance(value, Curve | Path):
        return np.array(value)
    components = np.atleast_2d(np.array(value.values).T)
    return np.squeeze([np.interp(t, value.times, component) for component in components])


def _frame(geometry, rule, degree: int) -> fem.Function:
    """[f0 s0 n0] at the quadrature points."""
    directions = fibres.directions(geometry, rule, ("quadrature", degree))
    tensors = basix.ufl.quadrature_element("tetrahedron", value_shape=(3, 3), degree=degree)
    frame = fem.Function(fem.functionspace(geometry.mesh, tensors), name="frame")
    at_points = [d.x.array.reshape(-1, 3)[d.function_space.dofmap.list] for d in directions]
    frame.x.array.reshape(-1, 3, 3)[frame.function_space.dofmap.list] = np.stack(at_points, axis=-1)
    return frame
