r"""Unloading: the stress-free shape of a heart that was imaged under pressure.

What the image shows at x lies at X = x + U(x) without load, so that G = (I + ∇U)⁻¹. The heart of a shape U, filled to
the imaged pressures, ends at x + u(x); where that is not x, the shape goes back as much (Sellier 2011,
doi:10.3970/cmes.2011.079.181):

    U <- U - u,   until |u| < CLOSE

Anderson mixing of the last steps (Walker and Ni 2011, doi:10.1137/10078356X) speeds this up, as Aitken's relaxation
does elsewhere (Rausch, Genet and Humphrey 2017, doi:10.1002/cnm.2826). Muscle that is very soft without load keeps it
from converging; `inverse` solves the equation for U instead.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import ufl
from dolfinx import fem
from mpi4py import MPI

from heartwright.errors import SolveFailed
from heartwright.mechanics.balance import Balance
from heartwright.mechanics.filling import FOLLOW, LONG, Creep
from heartwright.mechanics.prestress import Prestrain
from heartwright.newton import Mixing

CLOSE, ENOUGH = 0.01, 0.3  # mm between the filled heart and its image: wanted, and tolerated
PATIENCE, STUCK, MEMORY = 40, 8, 12  # fillings: at most, without coming nearer, and how many the mixing remembers
LEAST, SHORTEST = 0.2, 1 / 16  # det G and share of a step, below which a shape is no shape


class Unloading(Prestrain):
    """G and M of one stress-free shape; U: quadratic displacement from the imaged shape to it (mm)."""

    def __init__(self, u: fem.Function, frame: fem.Function, degree: int):
        self.U = fem.Function(u.function_space, name="U")
        super().__init__(u, frame, degree)

    def joined(self, u: fem.Function):
        """G = (I + ∇U)⁻¹, in UFL."""
        return ufl.inv(ufl.Identity(3) + ufl.grad(self.U))

    def take(self, U: np.ndarray) -> None:
        """Take another U (local array, of which the owned part counts), and G and M with it. Collective."""
        self.U.x.array[:] = U
        self.U.x.scatter_forward()
        self.follow()

    def possible(self, least: float) -> bool:
        """Whether 1/least > det G > least at all points. Collective."""
        d = np.linalg.det(self.G.x.array.reshape(-1, 3, 3))
        bad = not ((d > least) & (d * least < 1.0)).all()
        return not self.U.function_space.mesh.comm.allreduce(bad, MPI.LOR)

    def state(self) -> dict[str, np.ndarray]:
        """U, G and M, by name."""
        return {"U": self.U.x.array} | super().state()


def unload(wall: Balance, pressures: np.ndarray, say: Callable[[str], None]) -> None:
    """Find the shape from which the pressures (kPa) lead to the imaged one, u = 0 to within CLOSE.

    Where soft muscle lets it come no nearer, the nearest is taken if that is within ENOUGH; otherwise SolveFailed.
    """
    shape, own = wall.prestrain, wall.V.dofmap.index_map.size_local * 3
    mixing, start = Mixing(wall.comm, own, 0, MEMORY), np.zeros_like(pressures)
    nearest = Found(np.inf, 0, shape.U.x.array.copy(), wall.u.x.array.copy())
    with Creep(wall, "unloading", lambda line: None) as creep:
        for k in range(1, PATIENCE + 1):
            try:
                creep.towards(start, pressures, last=LONG)
                creep.rest()
            except SolveFailed as failure:
                reason = f"filling {k} fails: {failure.reason}"
                break
            start, u = pressures, wall.u.x.array
            far = wall.comm.allreduce(float(np.abs(u).max(initial=0.0)), MPI.MAX)
            say(f"unloading: filling {k} ends {far:.2g} mm from the image")
            nearest = min(nearest, Found(far, k, shape.U.x.array.copy(), u.copy()))
            if far < CLOSE:
                return
            if k >= nearest.k + STUCK:
                reason = f"{STUCK} fillings came no nearer"
                break
            step = np.zeros_like(u)
            step[:own] = mixing(-u[:own])
            if _move(wall, shape, step) < 1.0:
                mixing.forget()
        else:
            reason = f"{PATIENCE} fillings do not get there"
    if nearest.far > ENOUGH:
        raise SolveFailed("unloading", f"{reason}; the nearest ended {nearest.far:.2g} mm from the image")
    say(f"unloading: {reason}; the one that ended {nearest.far:.2g} mm from the image is taken")
    _put(wall, shape, nearest.U, nearest.u)


class Found(NamedTuple):
    """A stress-free shape U, and the displacement u of its k-th filled wall from the image, `far` at most (mm)."""

    far: float
    k: int
    U: np.ndarray
    u: np.ndarray


def _move(wall: Balance, shape: Unloading, step: np.ndarray) -> float:
    """Take as much of a step of the shape as keeps it one, the wall along; returns how much."""
    length, U, u = 1.0, shape.U.x.array.copy(), wall.u.x.array.copy()
    while not _put(wall, shape, U + length * step, u + length * step):
        length /= 2
        if length < SHORTEST:
            raise SolveFailed("unloading", "the muscle would turn inside out without load: is the pressure too high?")
    return length


def _put(wall: Balance, shape: Unloading, U: np.ndarray, u: np.ndarray) -> bool:
    """Give wall and springs another stress-free shape; returns whether it is one. Collective."""
    wall.u.x.array[:] = u
    wall.u.x.scatter_forward()
    shape.take(U)
    wall.slack.x.array[:] = (1.0 - FOLLOW) * shape.U.x.array
    return shape.possible(LEAST)
