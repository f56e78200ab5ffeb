"""Unloading: the stress-free shape of a heart that was imaged under pressure.

The balance is solved on the imaged shape x for the displacement u(x) from the reference X = x - u(x), the inverse
problem of Govindjee and Mihalic 1996, doi:10.1016/0045-7825(96)01069-6:

    ∫ σ(F) : ∇_x w dx = Σ_i p_i dV_i/du . w,    F = (I - ∇_x u)^-1,    σ = ∂ψ/∂F Fᵀ / J

with fibres as they lie in the imaged heart, and a creep like that of `filling`. Then the vertices of the mesh are moved
there, and the heart is loaded again. Its edges being straight, it misses the imaged one by a little, less on finer
meshes. Unloading is only as good as the passive law and the pressures: soft rims of valves may have no stress-free
shape at all, so give them the stiffness of the annulus, e.g. `regions: [{where: base, passive_scale: 20}]`.
"""

import numpy as np
import ufl
from dolfinx import fem
from mpi4py import MPI
from petsc4py import PETSc

from heartwright.errors import SolveFailed
from heartwright.linalg import JIT
from heartwright.mechanics import boundary
from heartwright.mechanics.balance import Balance
from heartwright.mechanics.cavity import EDGES
from heartwright.mechanics.filling import fill
from heartwright.mechanics.wall import Wall
from heartwright.mesh.surface import tet_volumes

FAR = 4.0  # mm between imaged and reloaded vertices: more is another heart
THINNEST = 0.05  # of its imaged volume: what an element must keep


def unload(wall: Wall, pressures: np.ndarray) -> float:
    """Move the mesh to its stress-free shape; u then leads back to the imaged one, in balance with `pressures` (kPa).

    Returns the largest distance (mm) between the imaged vertices and the reloaded ones. Raises SolveFailed when there
    is no stress-free shape without folded elements, or when it does not lead back. Collective.
    """
    imaged = Imaged(wall)
    imaged.shift_reference(-Inverse(wall).solve(pressures)[imaged.vertex_nodes])
    imaged.carry_fibres()
    for field in (wall.u, wall.u0):
        field.x.array[:] = 0.0
    fill(wall, np.zeros_like(pressures), pressures, fit_springs=False)
    distance = wall.comm.allreduce(float(np.linalg.norm(imaged.gap(), axis=1).max(initial=0.0)), MPI.MAX)
    if distance > FAR:
        raise SolveFailed("unloading", f"the reloaded heart is {distance:.2g} mm from the imaged one; refine the mesh")
    return distance


class Inverse(Balance):
    """The balance on the imaged shape; to `fill` it is a wall."""

    solver = "lu"  # unlike that of the wall, this tangent is not symmetric

    def __init__(self, wall: Wall):
        mesh, V = wall.geometry.mesh, wall.V
        self.spec, self.force = wall.spec, wall.force
        self.u, self.u0, self.slack = (fem.Function(V, name=name) for name in ("u", "u0", "slack"))
        self.rate, self.viscosity = fem.Constant(mesh, 0.0), fem.Constant(mesh, wall.spec.viscosity)
        self.loads = [gradient.copy() for gradient in wall.volume_gradients()]
        self.p = np.zeros(len(self.loads))
        f = ufl.Identity(3) - ufl.grad(self.u)
        fixed = boundary.fixed_nodes(wall.geometry, wall.spec.boundaries, V)
        super().__init__(wall.geometry, self.u, self._weak_form(wall, f), f, fixed, wall.spec.quadrature_degree)

    def _weak_form(self, wall: Wall, f):
        w, velocity = ufl.TestFunction(wall.V), (self.u - self.u0) * self.rate
        F = ufl.variable(ufl.inv(f))
        P = ufl.diff(wall.energy(F, *carried_back(f, wall.f0, wall.s0)), F)
        stress = P * F.T * ufl.det(f) + self.viscosity * ufl.sym(ufl.grad(velocity))
        return ufl.inner(stress, ufl.grad(w)) * wall.dx + wall.supports(self.u - self.slack, velocity, w)

    def load(self, p: np.ndarray) -> None:
        self.p = p

    def residual(self, r: PETSc.Vec) -> None:
        """The weak form, and the pressures on a shape that does not move."""
        super().residual(r)
        r.maxpy(-self.p, self.loads)

    def solve(self, pressures: np.ndarray) -> np.ndarray:
        """u (n, 3) in mm at the quadratic nodes."""
        try:
            fill(self, np.zeros_like(pressures), pressures)
        except SolveFailed as error:
            raise SolveFailed(
                "unloading", f"no stress-free shape found under these pressures ({error.reason})"
            ) from error
        return self.u.x.array.reshape(-1, 3)


def carried_back(f, fibre, sheet):
    """Imaged directions in the reference: f0 along f . fibre, s0 along f . sheet but normal to f0, and n0."""
    f0 = f * fibre
    f0 = f0 / ufl.sqrt(ufl.inner(f0, f0))
    s0 = f * sheet
    s0 = s0 - ufl.inner(f0, s0) * f0
    s0 = s0 / ufl.sqrt(ufl.inner(s0, s0))
    return f0, s0, ufl.cross(f0, s0)


class Imaged:
    """The shape and fibres the wall had when this was made, and the way back to them."""

    def __init__(self, wall: Wall):
        self.wall, self.geometry, self.comm = wall, wall.geometry, wall.comm
        self.x = self.geometry.points.copy()
        self.volumes = tet_volumes(self.x, self.geometry.V1.dofmap.list)
        self.vertex_nodes = np.zeros(self.geometry.n_vertices, dtype=np.int64)
        self.vertex_nodes[self.geometry.V1.dofmap.list] = wall.V.dofmap.list[:, :4]
        directions = carried_back(ufl.inv(wall.F), wall.f0.copy(), wall.s0.copy())
        self._directions = [fem.Expression(d, wall.quadrature_points, jit_options=JIT) for d in directions]

    def gap(self) -> np.ndarray:
        """x_imaged - x(X) (n_vertices, 3) at the local P1 dofs, in mm."""
        return self.x - self.geometry.points - self.wall.u.x.array.reshape(-1, 3)[self.vertex_nodes]

    def shift_reference(self, shift: np.ndarray) -> None:
        """Move the reference vertices; the shape x = X + u stays where it is. Collective."""
        cells = self.geometry.V1.dofmap.list
        after = tet_volumes(self.geometry.points + shift, cells) / self.volumes
        if self.comm.allreduce(float(after.min(initial=1.0)), MPI.MIN) < THINNEST:
            raise SolveFailed(
                "unloading", "an element would fold; is the imaged pressure too high for the passive law?"
            )
        self.geometry.move_vertices(shift)
        nodes, quadratic = self.wall.V.dofmap.list, np.zeros((len(self.wall.u.x.array) // 3, 3))
        quadratic[nodes[:, :4]] = shift[cells]
        quadratic[nodes[:, 4:]] = shift[cells[:, EDGES]].mean(axis=2)
        for field in (self.wall.u, self.wall.u0, self.wall.slack):
            field.x.array[:] -= quadratic.ravel()
        self.wall.follow_mesh()

    def carry_fibres(self) -> None:
        """Bring f0, s0, n0 of the wall to the present u."""
        for direction, expression in zip((self.wall.f0, self.wall.s0, self.wall.n0), self._directions, strict=True):
            direction.interpolate(expression)
