r"""Prestress: a heart that was imaged under pressure bears it in the very shape it was imaged in.

Its stress-free shape is unknown, and need not exist: a real heart keeps residual stress when cut. So every quadrature
point has its own deformation G from a stress-free piece of muscle to the imaged wall, and

    F_e = F G,   P = 1/det G (∂ψ(F_e)/∂F + active part),   f0 = G⁻¹ f / |G⁻¹ f|

where F is the deformation from the imaged shape and f the fibre as it lies there. G is found by letting the imaged wall
creep under the pressures, and after each step taking its deformation over into G and the wall back to the imaged shape,
until it no longer moves (Gee, Förster and Wall 2010, doi:10.1002/cnm.1236).
"""

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem

from heartwright.linalg import JIT


class Prestrain:
    """G at the quadrature points of a degree, and the stress-free directions that go with it.

    u: displacement from the imaged shape; `directions`: f0, s0, n0 as imaged, which are turned, in place, into those of
    stress-free muscle.
    """

    def __init__(self, u: fem.Function, directions: tuple[fem.Function, ...], degree: int):
        tensors = basix.ufl.quadrature_element("tetrahedron", value_shape=(3, 3), degree=degree)
        self.G = fem.Function(fem.functionspace(u.function_space.mesh, tensors), name="G")
        self.G.x.array.reshape(-1, 9)[:] = np.eye(3).ravel()
        self._points = basix.make_quadrature(basix.CellType.tetrahedron, degree)[0]
        self._directions = directions
        f, s, _ = (direction.copy() for direction in directions)
        self._joined = self._expression((ufl.Identity(3) + ufl.grad(u)) * self.G)
        self._carried = [self._expression(d) for d in carried_back(ufl.inv(self.G), f, s)]

    def follow(self) -> None:
        """Take the present deformation over: G <- (I + ∇u) G."""
        self.G.interpolate(self._joined)
        for direction, expression in zip(self._directions, self._carried, strict=True):
            direction.interpolate(expression)

    def state(self) -> dict[str, np.ndarray]:
        """G and the directions, by name."""
        return {function.name: function.x.array for function in (self.G, *self._directions)}

    def _expression(self, value) -> fem.Expression:
        return fem.Expression(value, self._points, jit_options=JIT)


def carried_back(inverse, fibre, sheet):
    """Imaged directions in stress-free muscle: f0 along G⁻¹ fibre, s0 along G⁻¹ sheet but normal to f0, and n0."""
    f0 = inverse * fibre
    f0 = f0 / ufl.sqrt(ufl.inner(f0, f0))
    s0 = inverse * sheet
    s0 = s0 - ufl.inner(f0, s0) * f0
    s0 = s0 / ufl.sqrt(ufl.inner(s0, s0))
    return f0, s0, ufl.cross(f0, s0)
