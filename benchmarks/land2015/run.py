"""Land et al. 2015 (doi:10.1098/rspa.2015.0641), problems 1 to 3: a bent beam, an inflated and a contracting ventricle.

`python3 run.py` runs each problem on two meshes (half an hour). Works under mpirun. Rewrites result.json.
"""

import json
import sys
import time
from pathlib import Path

import basix
import numpy as np
from dolfinx import mesh as dmesh
from mpi4py import MPI

from heartwright.mechanics.filling import LONG, Creep, Loaded
from heartwright.mechanics.passive import Guccione
from heartwright.mechanics.spec import Curve, Fixed, MechanicsSpec, SurfacePressure
from heartwright.mechanics.wall import Wall
from heartwright.mesh.distribution import build
from heartwright.mesh.fibre_rules import FibresConstant
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.spec import Ellipsoid, MeshSpec
from heartwright.newton import LaggedNewton

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from result import row, write  # noqa: E402

COMM = MPI.COMM_WORLD
ENDO, EPI, BASE = (7.0, 17.0), (10.0, 20.0), 5.0  # semi-axes and height of the base [mm]
BEAM = (4, 6)  # cells across
VENTRICLE = (1.8, 0.6), (1.3, 0.6)  # edges at base and apex [mm]
INCOMPRESSIBLE, NEARLY = {"element": "P2P1", "bulk_modulus": None}, {"bulk_modulus": 1e4}  # kPa


def spec(law: Guccione, volume: dict, *boundaries) -> MechanicsSpec:
    """A wall without rates."""
    return MechanicsSpec(passive=law, viscosity=0.0, boundaries=list(boundaries), **volume)


def place(wall: Wall, point) -> np.ndarray:
    """Where the node nearest to a reference point is now. Collective."""
    V = wall.u.function_space
    own = V.dofmap.index_map.size_local
    X = V.tabulate_dof_coordinates()[:own]
    distance = np.linalg.norm(X - np.asarray(point), axis=1)
    nearest = distance.argmin() if own else 0
    here = (distance[nearest], (X[nearest] + wall.u.x.array.reshape(-1, 3)[nearest]).tolist()) if own else (np.inf, [])
    return np.array(min(COMM.allgather(here))[1])


def beam(across: int) -> Wall:
    """Problem 1: 10 x 1 x 1 mm, held at x = 0, 4 Pa from below along the deformed normals, in twenty parts.

    The tangent is taken as symmetric, which that of a pressure is not; the iteration makes up for it.
    """
    ends = [[0.0, 0.0, 0.0], [10.0, 1.0, 1.0]]
    counts = [5 * across, across, across]
    mesh = dmesh.create_box(COMM, ends, counts, dmesh.CellType.tetrahedron, ghost_mode=dmesh.GhostMode.none)
    mesh.topology.create_connectivity(2, 3)
    sides = [dmesh.locate_entities_boundary(mesh, 2, lambda x, k=k: x[k] < 1e-9) for k in (0, 2)]
    facets, tags = np.concatenate(sides), np.repeat(np.array([1, 2], np.int32), [len(side) for side in sides])
    order = np.argsort(facets)
    marked = dmesh.meshtags(mesh, 2, facets[order], tags[order])
    geometry = Geometry(mesh, marked, {"held": 1, "below": 2}, {}, np.arange(len(mesh.geometry.x)))
    law, load = Guccione(C=2.0, b_f=8.0, b_t=2.0, b_fs=4.0), Curve(times=(0.0, 20.0), values=(0.0, 0.004))
    push = SurfacePressure(where="below", value=load)
    wall = Wall(geometry, spec(law, INCOMPRESSIBLE, Fixed(where="held"), push), FibresConstant(), [])
    newton = LaggedNewton(wall.solver("Land 2015"), wall.r, 0)
    for part in range(1, 21):
        wall.follow_curves(float(part))
        newton.stale = True
        newton.solve(Loaded(wall), 1e-5, 1e-5 * wall.force, np.inf, 50)
    return wall


def ventricle(sizes: tuple[float, float], law: Guccione, pressure: float, active: float) -> Wall:
    """Problems 2 and 3: a truncated ellipsoid, its base held (so that lids over the cavity load nothing that moves)."""
    size, apex = sizes
    axes = {"radius": ENDO[0], "length": ENDO[1], "wall": 3.0, "apex_wall": 3.0, "base_height": BASE}
    shape = Ellipsoid(**axes, size=size, apex_size=apex)
    geometry = build(MeshSpec(generate=shape), COMM)
    wall = Wall(geometry, spec(law, NEARLY, Fixed(where="base")), FibresConstant(), ["lv_endo"])
    frame = wall.frame
    frame.x.array.reshape(-1, 3, 3)[frame.function_space.dofmap.list] = directions(geometry, wall.spec)
    contracted = 0.0

    def contract() -> float:
        """A twentieth of the active stress per step of creep; returns what was added."""
        nonlocal contracted
        before, contracted = contracted, min(active, contracted + active / 20)
        wall.Sa.value = contracted
        return contracted - before

    with Creep(wall, "Land 2015", lambda line: None) as creep:
        creep.towards(np.zeros(1), np.array([pressure]), contract, last=LONG)
        creep.settle()
    return wall


def directions(geometry: Geometry, spec: MechanicsSpec) -> np.ndarray:
    """[f0 s0 n0] (cells, points, 3, 3): helix from 90 degrees at the endocardium to -90."""
    points, _ = basix.make_quadrature(basix.CellType.tetrahedron, spec.quadrature_degree)
    linear = np.column_stack([1 - points.sum(axis=1), points])
    corners = geometry.mesh.geometry.x[geometry.mesh.geometry.dofmap] + [0.0, 0.0, BASE]
    x = np.einsum("qk,ckj->cqj", linear, corners)
    t = depth(x)
    short, long = (a + t * (b - a) for a, b in zip(ENDO, EPI, strict=True))
    u, v = -np.arctan2(np.hypot(x[..., 0], x[..., 1]) / short, x[..., 2] / long), np.arctan2(-x[..., 1], -x[..., 0])
    e_u = np.stack([short * np.cos(u) * np.cos(v), short * np.cos(u) * np.sin(v), -long * np.sin(u)], -1)
    e_u /= np.linalg.norm(e_u, axis=-1, keepdims=True)
    e_v = np.stack([np.sin(v), -np.cos(v), 0 * v], -1)
    alpha = np.radians(90.0 - 180.0 * t)[..., None]
    f, n = np.sin(alpha) * e_u + np.cos(alpha) * e_v, np.cross(e_u, e_v)
    return np.stack([f, np.cross(n, f), n], axis=-1)


def depth(x: np.ndarray) -> np.ndarray:
    """t in [0, 1] of the ellipsoid with semi-axes ENDO + t (EPI - ENDO) through every point, by bisection."""
    low, high = np.zeros(x.shape[:-1]), np.ones(x.shape[:-1])
    for _ in range(50):
        t = (low + high) / 2
        short, long = (a + t * (b - a) for a, b in zip(ENDO, EPI, strict=True))
        outside = (x[..., 0] ** 2 + x[..., 1] ** 2) / short**2 + x[..., 2] ** 2 / long**2 > 1
        low, high = np.where(outside, t, low), np.where(outside, high, t)
    return t


def rows(bars: dict) -> list[dict]:
    found = []
    for across in BEAM:
        tip = place(beam(across), (10.0, 0.5, 1.0))[2]
        found.append(row(f"problem 1, {across} cells across: z of the tip", tip, "mm", **bars["tip"]))
    soft, stiff = Guccione(C=2.0, b_f=8.0, b_t=2.0, b_fs=4.0), Guccione(C=10.0, b_f=1.0, b_t=1.0, b_fs=1.0)
    for problem, law, pressure, active in ((2, stiff, 10.0, 0.0), (3, soft, 15.0, 60.0)):
        for sizes in VENTRICLE:
            wall = ventricle(sizes, law, pressure, active)
            for face, (_, long) in (("endo", ENDO), ("epi", EPI)):
                z = place(wall, (0.0, 0.0, -long - BASE))[2] + BASE
                what = f"problem {problem}, edges {sizes[0]:g} to {sizes[1]:g} mm: z of the {face}cardial apex"
                found.append(row(what, z, "mm", **bars[f"{problem} {face}"]))
    return found


def main() -> None:
    start = time.perf_counter()
    found = rows(json.loads((HERE / "reference.json").read_text()))
    write(__file__, found)
    if COMM.rank == 0:
        print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
