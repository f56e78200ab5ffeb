r"""Contact: a rigid plane, such as a device's ring lies in, that a surface of the wall may touch but not cross.

    d = -(x - y).n,  x = X + u        how deep a point of the surface is behind the plane through y; n points off it
    P N = k φ(d) n                    what presses on it there, without friction, per area of the reference shape
    φ(d) = 0 (d < 0),  d²/2δ (0 <= d < δ),  d - δ/2 (d >= δ)

Under a traction t > k δ/2 the wall goes in by t/k + δ/2. It is a penalty (Wriggers 2006, doi:10.1007/978-3-540-32609-0)
of energy ∫ k Φ(d) dS, Φ' = φ. φ has a continuous derivative, so that Newton's method, whose tangent has k φ'(d) n⊗n,
sees contact begin.
"""

import numpy as np
import ufl
from dolfinx import fem
from mpi4py import MPI

from heartwright.errors import InputError
from heartwright.linalg import JIT
from heartwright.mechanics.boundary import DEGREE, nodes_on
from heartwright.mechanics.spec import Plane

TOUCHING = 1e-6  # mm: so deep the mesh may be behind a plane it lies on, by round-off


class Contact:
    """A plane and the surface that it keeps back.

    u: the displacement; motion: that of the plane (mm), a Constant; energy: ∫ k Φ(d) dS (µJ) in UFL.
    """

    def __init__(self, geometry, spec: Plane, u: fem.Function):
        self.where = spec.where
        self.comm, self.u, self.motion = geometry.comm, u, fem.Constant(geometry.mesh, np.zeros(3))
        normal = np.array(spec.normal) / np.linalg.norm(spec.normal)
        y, n, k, delta = (fem.Constant(geometry.mesh, value) for value in _floats(spec, normal))
        ds = geometry.ds(geometry.tag(spec.where), metadata=DEGREE)
        d = ufl.variable(ufl.inner(y + self.motion - ufl.SpatialCoordinate(geometry.mesh) - u, n))
        Phi = potential(d, delta)
        self.energy = k * Phi * ds
        self._force = fem.form(k * ufl.diff(Phi, d) * ds, jit_options=JIT)
        self._normal, self._nodes = normal, nodes_on(geometry, spec.where, u.function_space)
        self._off = (u.function_space.tabulate_dof_coordinates()[self._nodes] - spec.point) @ normal

    def load(self, w) -> ufl.Form:
        """What the plane adds to the balance of forces: -∫ k φ(d) n . w dS."""
        return ufl.derivative(self.energy, self.u, w)

    def depth(self) -> float:
        """How deep the deepest node is behind the plane (mm); 0: none is. Collective."""
        moved = self.u.x.array.reshape(-1, 3)[self._nodes] - self.motion.value
        return self.comm.allreduce(float(np.max(-self._off - moved @ self._normal, initial=0.0)), MPI.MAX)

    def force(self) -> float:
        """∫ k φ(d) dS (mN). Collective."""
        return self.comm.allreduce(fem.assemble_scalar(self._force))

    def require_off(self) -> None:
        """InputError where the shape of the mesh is behind the plane already. Collective."""
        if (depth := self.depth()) > TOUCHING:
            raise InputError(
                f"mechanics.boundaries: the plane for '{self.where}' cuts the shape of the mesh, {depth:.3g} mm deep; "
                "its normal points to the side where the wall is, its point lies at or off the surface"
            )


def observables(contacts: list[Contact]) -> dict[str, tuple[float, str]]:
    """What the series say of all planes: name -> (value, unit). Collective."""
    return {
        "contact_force": (1e-3 * sum(contact.force() for contact in contacts), "N"),
        "contact_depth": (max(contact.depth() for contact in contacts), "mm"),
    }


def _floats(spec: Plane, normal: np.ndarray) -> tuple:
    return np.array(spec.point), normal, spec.stiffness, spec.smoothing


def potential(d, delta):
    """Φ(d) = ∫ φ: d³/6δ up to δ, a parabola beyond (mm²)."""
    within = ufl.min_value(ufl.max_value(d, 0.0), delta)
    beyond = ufl.max_value(d - delta, 0.0)
    return within**3 / (6 * delta) + beyond * delta / 2 + beyond**2 / 2
