r"""Prestress: a heart that was imaged under pressure bears it in the very shape it was imaged in.

Its stress-free shape is unknown, and need not exist: a real heart keeps residual stress when cut. So every quadrature
point has its own deformation G from a stress-free piece of muscle to the imaged wall, and

    F_e = F G,   P = 1/det G ∂Ψ(F_e)/∂F,   f0 = G⁻¹ f / |G⁻¹ f|

where F is the deformation from the imaged shape and f the fibre as it lies there. G is found by letting the imaged wall
creep under the pressures, and after each step taking its deformation over into G and the wall back to the imaged shape,
until it no longer moves (Gee, Förster and Wall 2010, doi:10.1002/cnm.1236). Where all pieces shall fit together without
load, see `unloading`.
"""

import basix
import numpy as np
import ufl
from dolfinx import fem

from heartwright.linalg import JIT


class Prestrain:
    """G at the quadrature points of a degree, and the frame M = G [f0 s0 n0] that goes with it.

    u: displacement from the imaged shape; frame: M, at first the fibre directions as imaged.
    """

    def __init__(self, u: fem.Function, frame: fem.Function, degree: int):
        self.frame, self.G = frame, fem.Function(frame.function_space, name="G")
        self.G.x.array.reshape(-1, 9)[:] = np.eye(3).ravel()
        self._points = basix.make_quadrature(basix.CellType.tetrahedron, degree)[0]
        self.imaged = frame.copy()
        self._joined = self._expression(self.joined(u))
        self._carried = self._expression(self.G * carried_back(ufl.inv(self.G), self.imaged))

    def joined(self, u: fem.Function):
        """G after a displacement u, in UFL."""
        return (ufl.Identity(3) + ufl.grad(u)) * self.G

    def follow(self) -> None:
        """Take the present deformation over: G <- (I + ∇u) G."""
        self.G.interpolate(self._joined)
        self.frame.interpolate(self._carried)

    def state(self) -> dict[str, np.ndarray]:
        """G and M, by name."""
        return {"G": self.G.x.array, "frame": self.frame.x.array}

    def _expression(self, value) -> fem.Expression:
        return fem.Expression(value, self._points, jit_options=JIT)


def carried_back(inverse, imaged):
    """Imaged directions [f s n] in stress-free muscle, [f0 s0 n0]: f0 along G⁻¹ f, s0 along G⁻¹ s but normal to f0."""
    fibre, sheet = (ufl.as_vector([imaged[i, k] for i in range(3)]) for k in (0, 1))
    f0 = inverse * fibre
    f0 = f0 / ufl.sqrt(ufl.inner(f0, f0))
    s0 = inverse * sheet
    s0 = s0 - ufl.inner(f0, s0) * f0
    s0 = s0 / ufl.sqrt(ufl.inner(s0, s0))
    return ufl.transpose(ufl.as_matrix([[v[i] for i in range(3)] for v in (f0, s0, ufl.cross(f0, s0))]))
