"""The monoventricle of Arostica et al. 2025 (doi:10.1016/j.cma.2024.117485): mesh, fibres, muscle, loads.

Units are Heartwright's: mm, ms, kPa, mg. The long axis is x, the apex at -x.
"""

from pathlib import Path

import basix
import h5py
import numpy as np
from dolfinx import fem
from dolfinx import geometry as search
from mpi4py import MPI
from scipy.integrate import solve_ivp

from heartwright.errors import SolveFailed
from heartwright.linalg import JIT
from heartwright.mechanics.passive import HolzapfelOgden
from heartwright.mechanics.solid import Solid
from heartwright.mechanics.spec import Curve, MechanicsSpec, Robin, SurfacePressure
from heartwright.mesh import surface
from heartwright.mesh.distribution import distribute
from heartwright.mesh.fibre_rules import FibresConstant
from heartwright.mesh.generate import collect, session
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.laplace import Laplace, space, surface_dofs
from heartwright.mesh.raw import RawMesh
from heartwright.parts import restore, snapshot

ENDO, EPI = (25.0, 90.0), (35.0, 97.0)  # short and long semi-axis [mm]
BASE = 5 / 17, 5 / 20  # cosine of the angle at which endo- and epicardium end
NAMES = {"lv_endo": (1,), "epi": (2,), "base": (3,)}
PROBES = {"p0": (25.0, 30.0, 0.0), "p1": (0.0, 30.0, 0.0)}
TIMES = np.arange(0.0, 1001.0)  # ms

MUSCLE = HolzapfelOgden(
    a=0.059, b=8.023, a_f=18.472, b_f=16.026, a_s=2.481, b_s=11.12, a_fs=0.216, b_fs=11.436, switch=100.0
)


def published_mesh(path: Path) -> RawMesh:
    """The mesh all teams got (`mono/ellipsoid_0.005.h5`, in m; half its cells are inverted)."""
    with h5py.File(path) as file:
        points, cells = 1000.0 * file["Mesh/mesh/geometry"][:], file["Mesh/mesh/topology"][:].astype(np.int64)
        facets = file["MeshFunction/0/mesh/topology"][:].astype(np.int64)
        tags = file["MeshFunction/0/values"][:].ravel()
    named = tags <= 3
    return upright(RawMesh(points, cells, facets[named], tags[named].astype(np.int64), NAMES, "ellipsoid"))


def upright(raw: RawMesh) -> RawMesh:
    """The mesh with its inverted cells turned."""
    cells = raw.cells.copy()
    inverted = surface.tet_volumes(raw.points, cells) < 0
    cells[inverted] = cells[inverted][:, [1, 0, 2, 3]]
    return raw.but(cells=cells)


def generated_mesh(size: float) -> RawMesh:
    """A mesh of the same shape with edges of about `size` [mm]: 5 mm gives some 9000 cells."""
    with session() as gmsh:
        geo = gmsh.model.geo

        def point(axes: tuple[float, float], cosine: float) -> int:
            return geo.addPoint(axes[1] * cosine, axes[0] * np.sqrt(1 - cosine**2), 0.0, size)

        centre = geo.addPoint(0.0, 0.0, 0.0, size)
        (inner, inner_end), (outer, outer_end) = (
            (point(axes, -1.0), point(axes, cosine)) for axes, cosine in zip((ENDO, EPI), BASE, strict=True)
        )
        apex, rim = geo.addLine(inner, outer), geo.addLine(inner_end, outer_end)
        endo, epi = (geo.addEllipseArc(a, centre, a, b) for a, b in ((inner, inner_end), (outer, outer_end)))
        sector = [(2, geo.addPlaneSurface([geo.addCurveLoop([apex, epi, -rim, -endo])]))]
        groups = {1: [], 2: [], 3: []}
        for _ in range(4):
            made = geo.revolve(sector, 0, 0, 0, 1, 0, 0, np.pi / 2)
            sector = [made[0]]
            for tag, (_, side) in zip((2, 3, 1), made[2:], strict=True):
                groups[tag].append(side)
        geo.synchronize()
        for tag, sides in groups.items():
            gmsh.model.addPhysicalGroup(2, sides, tag)
        gmsh.option.setNumber("Mesh.MeshSizeMin", size)
        gmsh.option.setNumber("Mesh.MeshSizeMax", size)
        gmsh.model.mesh.generate(3)
        gmsh.model.mesh.optimize("")
        return upright(collect(gmsh.model, NAMES, "ellipsoid"))


def _smooth(x: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(x / 5.0)) / 2


def tension(t: np.ndarray) -> np.ndarray:
    """tau(t) [kPa]: tau' = -|a| tau + 150 max(a, 0), a = 5 f - 30 (1 - f) per second."""

    def rate(t, tau):
        f = _smooth(t - 160.0) * _smooth(484.0 - t)
        a = (5.0 * f - 30.0 * (1 - f)) * 1e-3
        return -abs(a) * tau + 150.0 * max(a, 0.0)

    return solve_ivp(rate, (t[0], t[-1]), [0.0], t_eval=t, method="Radau", max_step=5.0, rtol=1e-8).y[0]


def pressure(t: np.ndarray, pre=(5.0, 7.0), mid=(1.0, 16.0)) -> np.ndarray:
    """p(t) [kPa]: p' = -|b| p + s_mid max(b, 0) + s_pre max(g, 0), b = 5 f - 30 (1 - f) + a_pre g + a_mid per second.

    pre, mid: (a, s) before and during systole, in 1/s and kPa.
    """

    def rate(t, p):
        g = _smooth(484.0 - t)
        f = _smooth(t - 170.0) * g
        b = (5.0 * f - 30.0 * (1 - f) + pre[0] * g + mid[0]) * 1e-3
        return -abs(b) * p + mid[1] * max(b, 0.0) + 1e-3 * pre[1] * max(g, 0.0)

    return solve_ivp(rate, (t[0], t[-1]), [0.0], t_eval=t, method="Radau", max_step=5.0, rtol=1e-8).y[0]


def spec(case: str) -> MechanicsSpec:
    """Case `0A`: active stress only, `0B`: pressure only, `1`: both."""
    boundaries = [
        Robin(where="epi", stiffness=100.0, damping=5.0, direction="facet"),
        Robin(where="base", stiffness=0.1, damping=5.0, direction="full"),
    ]
    if case != "0A":
        boundaries.append(SurfacePressure(where="lv_endo", value=curve(pressure(TIMES))))
    return muscle(boundaries, 0.0 if case == "0B" else curve(tension(TIMES)))


def muscle(boundaries: list, active_stress: float | Curve) -> MechanicsSpec:
    return MechanicsSpec(
        passive=MUSCLE,
        bulk_modulus=1000.0,
        viscosity=100.0,
        density=1.0,
        boundaries=boundaries,
        active_stress=active_stress,
    )


def curve(values: np.ndarray) -> Curve:
    return Curve(times=tuple(TIMES.tolist()), values=tuple(values.tolist()))


def solid(raw: RawMesh | None, case: str) -> Solid:
    """The ventricle of a case. Collective; `raw` on rank 0."""
    geometry = distribute(raw, MPI.COMM_WORLD)
    made = Solid(geometry, spec(case), FibresConstant(), {}, 1.0)
    frame = made.wall.frame
    frame.x.array.reshape(-1, 3, 3)[frame.function_space.dofmap.list] = _directions(geometry, made.spec)
    return made


def _directions(geometry: Geometry, spec: MechanicsSpec) -> np.ndarray:
    """[f0 s0 n0] (cells, points, 3, 3): helix from -60 degrees at the endocardium to 60, s0 tangent to the wall."""
    V = space(geometry, 2)
    problem = Laplace(V, [surface_dofs(geometry, V, name) for name in ("epi", "lv_endo")])
    depth = problem.solve([1.0, 0.0])
    problem.destroy()
    points, _ = basix.make_quadrature(basix.CellType.tetrahedron, spec.quadrature_degree)
    cells = np.arange(geometry.mesh.topology.index_map(3).size_local, dtype=np.int32)
    t = fem.Expression(depth, points, jit_options=JIT).eval(geometry.mesh, cells).clip(0.0, 1.0)
    corners = geometry.mesh.geometry.x[geometry.mesh.geometry.dofmap[cells]]
    linear = np.column_stack([1 - points.sum(axis=1), points])
    return _frames(np.einsum("qk,ckj->cqj", linear, corners), t)


def _frames(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    short, long = ((1 - t) * a + t * b for a, b in zip(ENDO, EPI, strict=True))
    mu = np.arctan2(np.hypot(x[..., 1], x[..., 2]) / short, x[..., 0] / long)
    theta = np.arctan2(x[..., 2], x[..., 1])
    e_mu = np.stack([-long * np.sin(mu), short * np.cos(mu) * np.cos(theta), short * np.cos(mu) * np.sin(theta)], -1)
    e_mu /= np.linalg.norm(e_mu, axis=-1, keepdims=True)
    e_theta = np.stack([0 * theta, -np.sin(theta), np.cos(theta)], -1)
    alpha = np.radians(-60.0 + 120.0 * t)[..., None]
    f, n = np.sin(alpha) * e_mu + np.cos(alpha) * e_theta, np.cross(e_mu, e_theta)
    return np.stack([f, np.cross(f, n), n], axis=-1)


class Probe:
    """The displacement at fixed points (mm), the same on all ranks."""

    def __init__(self, u: fem.Function, points):
        self.u, self.comm = u, u.function_space.mesh.comm
        points = np.array(points)
        tree = search.bb_tree(u.function_space.mesh, 3, padding=1e-6)
        near = search.compute_collisions_points(tree, points)
        cells = search.compute_colliding_cells(u.function_space.mesh, near, points)
        self.here = [i for i in range(len(points)) if len(cells.links(i))]
        self.cells = np.array([cells.links(i)[0] for i in self.here], dtype=np.int32)
        self.points = points
        self.found = self.comm.allreduce(np.bincount(self.here, minlength=len(points)))

    def __call__(self) -> np.ndarray:
        values = np.zeros(self.points.shape)
        if self.here:
            values[self.here] = self.u.eval(self.points[self.here], self.cells).reshape(-1, 3)
        return self.comm.allreduce(values) / self.found[:, None]


def step(ventricle: Solid, t: float, dt: float = 1.0) -> None:
    """From t to t + dt; where that fails, in two halves."""
    before = snapshot([ventricle])
    try:
        ventricle.step(t, dt, lambda p: (np.zeros(0), np.zeros((0, 0))))
    except SolveFailed:
        if dt < 0.1:
            raise
        restore([ventricle], before)
        for half in (t, t + dt / 2):
            step(ventricle, half, dt / 2)
