r"""Incompressible: the tension q in the muscle that keeps its volume, as a linear unknown beside the displacement.

    r_q(δq) = ∫ (J_e - 1 - q/κ) δq / det G dX - s(q, δq),   J_e = det F det G
    B(w, q) = ∫ q cof(F) : ∇w dX                  what q adds to the balance of forces, and the coupling

It makes the stationary point of Ψ + q (J_e - 1) - q²/2κ, of which `Wall.potential` holds the terms that depend on u.
With quadratic displacement this is the Taylor-Hood element: stable for any κ, 1/κ = 0 included, with s = 0. With linear
displacement q would oscillate from cell to cell, which the projection Π to the mean over each cell keeps it from,

    s(q, δq) = 1/μ ∫ (q - Πq) (δq - Πδq) dX

(Dohrmann and Bochev 2004, doi:10.1002/fld.752; of muscle Karabelas et al. 2022, doi:10.1016/j.cma.2022.114887). It
leaves the volume of the whole as it is, for s(q, 1) = 0.
"""

import numpy as np
import ufl
from dolfinx import fem, la

from heartwright.linalg import JIT
from heartwright.mechanics.muscle import Muscle
from heartwright.mechanics.storage import places


class Incompressible:
    """r_q and its derivatives.

    u, q: Functions (mm; kPa, positive in tension), q linear; muscle: that of u; frame: M = G R at quadrature points, R
    a rotation; spec: of which κ is the bulk modulus, None for infinite, and μ the stabilisation; fixed: nodes (ghosts
    included) at which u stays 0.
    """

    def __init__(self, u: fem.Function, q: fem.Function, muscle: Muscle, frame: fem.Function, spec, dx, fixed):
        V, Q = u.function_space, q.function_space
        self.q, self.own, self.muscle = q, Q.dofmap.index_map.size_local, muscle
        w, du, dq, trial = ufl.TestFunction(V), ufl.TrialFunction(V), ufl.TestFunction(Q), ufl.TrialFunction(Q)
        softness, G = fem.Constant(V.mesh, 1.0 / spec.bulk_modulus if spec.bulk_modulus else 0.0), ufl.det(frame)
        J = ufl.det(ufl.Identity(3) + ufl.grad(u))
        residual = (J - (1.0 + softness * q) / G) * dq * dx
        if spec.element == "P1P1":
            residual -= stabilisation(q, dq, spec.stabilisation)
        self._residual = fem.form(residual, jit_options=JIT)
        self._vector = fem.assemble_vector(self._residual)
        self._D = fem.form(ufl.derivative(residual, q, trial), jit_options=JIT)
        couplings = trial * ufl.div(w) * dx, dq * ufl.div(du) * dx
        self.B, self.Bt = (fem.create_matrix(fem.form(coupling, jit_options=JIT)) for coupling in couplings)
        self.D = fem.create_matrix(self._D)
        a, b = np.repeat(muscle.nodes, 4, axis=1), np.tile(muscle.corners, muscle.nodes.shape[1])
        self._places = places(self.B, a, b), places(self.Bt, b, a)
        self._moves = np.isin(muscle.nodes, fixed, invert=True)[:, :, None, None]

    def residual(self) -> np.ndarray:
        """r_q at the linear nodes this rank owns (mm³). Collective."""
        self._vector.array[:] = 0.0
        fem.assemble_vector(self._vector.array, self._residual)
        self._vector.scatter_reverse(la.InsertMode.add)
        return self._vector.array[: self.own]

    def assemble(self) -> None:
        """Bring B, its transpose Bt and D = dr_q/dq to the present state, rows and columns of fixed nodes zero.

        Collective.
        """
        element = (self.muscle.coupling() * self._moves).reshape(-1, 3)
        for matrix, place in zip((self.B, self.Bt), self._places, strict=True):
            blocks = matrix.data.reshape(-1, 3)
            for i in range(3):
                blocks[:, i] = np.bincount(place.ravel(), element[:, i], minlength=len(blocks))
            matrix.scatter_reverse()
        self.D.set_value(0.0)
        fem.assemble_matrix(self.D, self._D)
        self.D.scatter_reverse()

    def move(self, dq: np.ndarray) -> None:
        """q += dq at the nodes this rank owns. Collective."""
        self.q.x.array[: self.own] += dq
        self.q.x.scatter_forward()


def stabilisation(q, dq, mu: float):
    """s(q, δq) of linear q and δq: ∫ q δq less ∫ Πq Πδq, which is what the integral of q δq is by one point."""
    of = fem.Constant(dq.ufl_function_space().mesh, 1.0 / mu) * q * dq
    return of * ufl.dx(degree=2) - of * ufl.dx(degree=1)
