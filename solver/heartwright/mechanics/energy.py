r"""Energy: what a moving wall holds, and what it turns into heat.

    kinetic    K = ∫ ρ/2 |v|² dX
    elastic    E = ∫ Ψ/det G dX + Σ_springs 1/2 ∫ k |e|² dS + Σ_planes ∫ k Φ dS
                                                              Ψ of muscle without tension, that does not move
    heat       D = ∫ η |Ė|²/det G dX + Σ_dashpots ∫ c |v|² dS

so that K + E changes by the work of pressures, body forces and tensions, less ∫ D dt and what the scheme takes out.
"""

import ufl
from dolfinx import fem

from heartwright.linalg import JIT
from heartwright.mechanics import boundary
from heartwright.mechanics.spec import Robin
from heartwright.mechanics.wall import Wall


class Energy:
    """K and E (µJ) and D (mW) of a wall, between its steps."""

    def __init__(self, wall: Wall):
        self.comm = wall.comm
        self._kinetic, self._elastic, self._heat = (
            fem.form(term, jit_options=JIT) for term in (_kinetic(wall), _elastic(wall), _heat(wall))
        )

    def kinetic(self) -> float:
        """Collective."""
        return self._sum(self._kinetic)

    def elastic(self) -> float:
        """Collective."""
        return self._sum(self._elastic)

    def heat(self) -> float:
        """Collective."""
        return self._sum(self._heat)

    def observables(self) -> dict[str, tuple[float, str]]:
        """What the series say of it: name -> (value, unit). Collective."""
        return {
            "kinetic_energy": (1e-3 * self.kinetic(), "mJ"),
            "elastic_energy": (1e-3 * self.elastic(), "mJ"),
            "dissipation": (self.heat(), "mW"),
        }

    def _sum(self, form: fem.Form) -> float:
        return self.comm.allreduce(fem.assemble_scalar(form))


def _kinetic(wall: Wall) -> ufl.Form:
    rho = fem.Constant(wall.geometry.mesh, wall.spec.density or 0.0)
    return rho / 2 * ufl.inner(wall.v, wall.v) * wall.dx


def _elastic(wall: Wall) -> ufl.Form:
    F, e = (ufl.Identity(3) + ufl.grad(wall.u)) * wall.frame, wall.u - wall.slack
    muscle = wall.potential(F.T * F, F.T * F, 0, 0, wall.stiffening, wall.q, *wall.varying.values())
    springs = [boundary.robin(wall.geometry, spec, e / 2, 0 * e, e) for spec in _robin(wall)]
    planes = [contact.energy for contact in wall.contacts]
    return sum(springs + planes, muscle / abs(ufl.det(wall.frame)) * wall.dx)


def _heat(wall: Wall) -> ufl.Form:
    F, v = (ufl.Identity(3) + ufl.grad(wall.u)) * wall.frame, wall.v
    E_dot = ufl.sym(F.T * ufl.grad(v) * wall.frame)
    dashpots = [boundary.robin(wall.geometry, spec, 0 * v, v, v) for spec in _robin(wall)]
    muscle = wall.viscosity * ufl.inner(E_dot, E_dot) / abs(ufl.det(wall.frame))
    return sum(dashpots, muscle * wall.dx)


def _robin(wall: Wall) -> list[Robin]:
    return [spec for spec in wall.spec.boundaries if isinstance(spec, Robin)]
