r"""Muscle: the volume term of the balance of forces, by a compiled kernel that is generated from the law's energy.

    r(w) = ∫ P : ∇w + ρ a.w dX,   P = 1/det G ∂Ψ(F G)/∂F,   a = ((u - u0) rate - v) rate

Ψ(C; C0, Ta, Ka, s, q) is the incremental potential of one step, a UFL expression in the muscle's own frame, where f0,
s0 and n0 are the unit vectors: C = Mᵀ Fᵀ F M with M = G [f0 s0 n0]. Its derivatives become C code once (`pointwise`);
what remains is the same for all laws (`element.c`).
"""

import ctypes
import dataclasses
from collections.abc import Callable, Sequence
from importlib import resources

import basix
import numpy as np
import ufl
from dolfinx import fem

from heartwright import native
from heartwright.mechanics.pointwise import Pointwise

LANES = 4  # cells per block: the tangents of more would not stay in the first-level cache
POINTER = ctypes.c_void_p
VOIGT = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])
FRAME = tuple(ufl.as_vector(row) for row in np.eye(3).tolist())  # f0, s0, n0 in the muscle's own frame


class _Struct(ctypes.Structure):
    _fields_ = (
        ("cells", ctypes.c_long),
        *((name, POINTER) for name in ("nodes", "corners", "inverse", "points")),
        *((name, POINTER) for name in ("u", "u0", "v", "Ta", "Ka", "stiffening", "q", "frame", "varying")),
    )


@dataclasses.dataclass(frozen=True)
class Fields:
    """What the muscle's balance depends on: u, u0, v, quadratic or linear; linear Ta, Ka, stiffening and q, the tension
    that resists change of volume where that is an unknown; and the frame M = G [f0 s0 n0] at quadrature points."""

    u: fem.Function
    u0: fem.Function
    v: fem.Function
    Ta: fem.Function
    Ka: fem.Function
    stiffening: fem.Function
    q: fem.Function
    frame: fem.Function


class Muscle:
    """Residual, tangent and least det F of the volume term on this rank's cells, and the stress in them.

    nodes, corners: of every cell, those of u (cells, 10 or 4) and the vertices (cells, 4); weights: of the quadrature
    points on the reference cell.
    potential: Ψ (kPa) as a function of (C, C0, Ta, Ka, s, q) and of the linear Functions `varying`, parameters of the
    law that differ from place to place; density in mg/mm³ and rate = 1/dt in 1/ms.
    """

    def __init__(
        self,
        geometry,
        fields: Fields,
        potential: Callable,
        density: float,
        rate: fem.Constant,
        degree: int,
        varying: Sequence[fem.Function] = (),
    ):
        self.fields, self.density, self.rate = fields, density, rate
        cells = geometry.mesh.topology.index_map(3).size_local
        self.nodes, corners, places = (
            np.ascontiguousarray(space.dofmap.list[:cells], dtype=np.int32)
            for space in (fields.u.function_space, geometry.V1, fields.frame.function_space)
        )
        self.corners = corners
        self._tables = {"nodes": self.nodes, "corners": corners, "points": places}
        self._tables["inverse"] = _inverse_jacobians(geometry.mesh, cells)
        arrays = {field.name: getattr(fields, field.name).x.array for field in dataclasses.fields(fields)}
        pointers = {name: array.ctypes.data for name, array in (self._tables | arrays).items()}
        self._varying = (POINTER * len(varying))(*(field.x.array.ctypes.data for field in varying))
        self._struct = _Struct(cells=cells, varying=ctypes.cast(self._varying, POINTER), **pointers)
        points, self.weights = basix.make_quadrature(basix.CellType.tetrahedron, degree)
        self._law, source = _law(geometry.mesh, potential, len(varying))
        sizes = {"W": LANES, "Q": len(points), "NODES": self.nodes.shape[1], "VARYING": len(varying)}
        head = "".join(f"enum {{ {name} = {size} }};\n" for name, size in sizes.items()) + "enum { N = Q * W };\n"
        self._library = _compile(geometry.comm, head + _tables(fields.u, points, self.weights) + source)

    def residual(self, r: np.ndarray) -> None:
        """Add to r, a local blocked array like u, with ghosts."""
        self._library.heartwright_residual(*self._arguments(), r.ctypes.data)

    def tangent(self, place: np.ndarray, values: np.ndarray) -> None:
        """Add to the blocks `values` (n, 3, 3): nodes a <= c of a cell to block place[cell, c (c + 1) / 2 + a], or
        where that is negative, transposed to block -1 - place."""
        self._library.heartwright_tangent(*self._arguments(), place.ctypes.data, values.ctypes.data)

    def least_determinant(self) -> tuple[float, int]:
        """The least det F at any quadrature point of this rank, nan if u is not finite, and its cell (-1: no cells)."""
        lowest, total, cell, _ = self._deformation(self._struct)
        return (lowest if np.isfinite(total) else np.nan), int(cell)

    def steepest(self, w: np.ndarray) -> float:
        """The greatest |∇w| at any quadrature point of this rank, nan if w, a local array like u, is not finite."""
        struct = _Struct.from_buffer_copy(self._struct)
        struct.u = w.ctypes.data
        _, total, _, steepest = self._deformation(struct)
        return steepest if np.isfinite(total) else np.nan

    def stress(self, before: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the muscle bears at the quadrature points of this rank's cells, at the end of a step from `before` to u.

        `before`: the displacement at its start, like u. Returns F_m = F M (cells, points, 3, 3), S = ∂Ψ/∂E in the
        muscle's own frame (cells, points, 3, 3; kPa), and the work S : Fᵀ(F - F_before) (cells, points; kPa). S and
        work are per volume of stress-free muscle.
        """
        struct, p = _Struct.from_buffer_copy(self._struct), self._law.values()
        struct.u0 = before.ctypes.data
        out = np.zeros((struct.cells, len(self.weights), 16))
        self._library.heartwright_stress(ctypes.byref(struct), p.ctypes.data, out.ctypes.data)
        return out[..., :9].reshape(*out.shape[:2], 3, 3), out[..., 9 + VOIGT], out[..., 15]

    def coupling(self) -> np.ndarray:
        """∫ φ_b cof(F) ∇w_a dX of every cell (cells, nodes, 4, 3) in mm²: nodes a of u, vertices b."""
        out = np.zeros((*self.nodes.shape, 4, 3))
        self._library.heartwright_coupling(ctypes.byref(self._struct), out.ctypes.data)
        return out

    def _deformation(self, struct: _Struct) -> list[float]:
        """The least det F, a sum that is finite if struct.u is, the cell of the least, and the greatest |∇u|."""
        out = np.zeros(4)
        self._library.heartwright_deformation(ctypes.byref(struct), out.ctypes.data)
        return out.tolist()

    def _arguments(self) -> tuple:
        p = self._law.values()
        return ctypes.byref(self._struct), p.ctypes.data_as(POINTER), self.density, float(self.rate.value)


def _law(mesh, potential: Callable, varying: int) -> tuple[Pointwise, str]:
    """Ψ as a graph, and the C functions `stress` (S, 6) and `stiffness` (S and dS/dE, 6 + 21).

    E in the order ff, fs, fn, ss, sn, nn with shears counted twice, so that S = dΨ/dE.
    """
    C, C0 = (ufl.Constant(mesh, shape=(6,)) for _ in range(2))
    nodal = [ufl.Constant(mesh) for _ in range(4 + varying)]  # Ta, Ka, s, q …
    law = Pointwise(potential(_symmetric(C), _symmetric(C0), *nodal), [C, C0, *nodal])
    g, scale = law.graph, (2.0, 1.0, 1.0, 2.0, 1.0, 2.0)  # dC/dE

    def d(y: int, k: int) -> int:
        return g.multiply(g.number(scale[k]), g.derivative(y, law.symbol(C, k)))

    S = [d(law.energy, i) for i in range(6)]
    D = [d(S[i], j) for i in range(6) for j in range(i, 6)]
    return law, law.function("stress", S) + law.function("stiffness", S + D)


def _symmetric(c: ufl.Constant):
    return ufl.as_matrix([[c[0], c[1], c[2]], [c[1], c[3], c[4]], [c[2], c[4], c[5]]])


def _inverse_jacobians(mesh, cells: int) -> np.ndarray:
    """J⁻¹ (9) and |det J| of every cell (cells, 10)."""
    x = mesh.geometry.x[mesh.geometry.dofmap[:cells]]
    J = (x[:, 1:] - x[:, :1]).transpose(0, 2, 1)
    return np.hstack([np.linalg.inv(J).reshape(-1, 9), np.abs(np.linalg.det(J))[:, None]])


def _tables(u: fem.Function, points: np.ndarray, weights: np.ndarray) -> str:
    """The constants of the element in C."""
    exact, by = basix.make_quadrature(basix.CellType.tetrahedron, 4)
    linear = basix.create_element(basix.ElementFamily.P, basix.CellType.tetrahedron, 1)
    element = u.function_space.element.basix_element
    values = element.tabulate(0, exact)[0, :, :, 0]
    tables = {
        "WEIGHT": weights,
        "PHI": linear.tabulate(0, points)[0, :, :, 0],
        "DPHI": element.tabulate(1, points)[1:, :, :, 0].transpose(1, 2, 0),
        "MASS": np.einsum("q,qa,qb->ab", by, values, values),
    }
    rows = [f"static const double {name}{_shape(table)} = {_braces(table)};\n" for name, table in tables.items()]
    return "".join(rows)


def _shape(table: np.ndarray) -> str:
    return "".join(f"[{n}]" for n in table.shape)


def _braces(table) -> str:
    return f"{{{', '.join(_braces(row) for row in table)}}}" if np.ndim(table) else repr(float(table))


def _compile(comm, generated: str) -> ctypes.CDLL:
    head = '#include <math.h>\n#include <string.h>\n#define EXPORT __attribute__((visibility("default")))\n'
    kernel = resources.files("heartwright.mechanics").joinpath("element.c").read_text()
    library = native.library_on(comm, head + generated + kernel, "muscle")
    real = ctypes.c_double
    library.heartwright_deformation.argtypes = [POINTER, POINTER]
    library.heartwright_stress.argtypes = [POINTER, POINTER, POINTER]
    library.heartwright_coupling.argtypes = [POINTER, POINTER]
    library.heartwright_residual.argtypes = [POINTER, POINTER, real, real, POINTER]
    library.heartwright_tangent.argtypes = [POINTER, POINTER, real, real, POINTER, POINTER]
    for name in ("deformation", "stress", "coupling", "residual", "tangent"):
        getattr(library, f"heartwright_{name}").restype = None
    return library
