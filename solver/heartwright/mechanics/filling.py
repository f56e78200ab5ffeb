"""Filling: a resting wall is loaded slowly to given cavity pressures, and creeps until it rests again.

Viscosity is what makes this solvable: without load the muscle is four orders of magnitude softer in shear than in
compression, and Newton's method has next to no radius of convergence there. So the pressure rises over `RAMP` steps of
a creeping wall, and then the steps grow until rates no longer matter. Meanwhile the springs, made weak, only keep the
heart from floating away; they are slack in the filled shape.
"""

import numpy as np
from mpi4py import MPI

from heartwright.errors import SolveFailed
from heartwright.linalg import LaggedNewton
from heartwright.mechanics.wall import Wall

CREEP, RAMP = 5.0, 10  # ms and number of the first steps, which raise the pressure
AT_REST = 1e5  # ms: a step at which viscosity is nothing
SETTLED = 5e-3  # mm moved in such a step: what the weak springs then bear is 1e-5 kPa
WEAK = 0.01  # of the springs' stiffness
PATIENCE = 100  # steps
LEAST_VISCOSITY = 20.0  # kPa ms


class Loaded:
    """The equations of a wall under given pressures, as `LaggedNewton` wants them: u alone is unknown."""

    def __init__(self, wall: Wall):
        self.wall = wall
        self.residual, self.tangent, self.admissible = wall.residual, wall.tangent, wall.admissible

    def border(self):
        return np.zeros(0), [], np.zeros((0, 0))

    def move(self, du, dp: np.ndarray, length: float) -> None:
        self.wall.move(du, length)

    def solve(self, newton: LaggedNewton, volume: float = np.inf, loose: float = 1.0) -> int:
        """Solve to the limits of the spec, those of u and r times `loose`; `volume` (uL): what the third refers to."""
        wall, limit = self.wall, self.wall.spec.newton
        increment, residual = loose * limit.increment, loose * limit.residual * wall.force
        return newton.solve(self, increment, residual, limit.volume * volume, limit.max_iterations)


def fill(wall: Wall, start: np.ndarray, target: np.ndarray, springs_follow: bool = True) -> None:
    """From the pressures `start` to `target` (kPa, one per cavity); afterwards u0 = u, in balance.

    Springs that do not follow stay slack where they are. A step that fails is halved. Raises SolveFailed when that does
    not help, or when the wall does not settle.
    """
    newton = LaggedNewton(wall.K, wall.r, 0, wall.solver, "passive filling")
    viscosity = float(wall.viscosity.value)
    wall.viscosity.value = max(viscosity, LEAST_VISCOSITY)
    wall.hold.value = WEAK if springs_follow else 1.0
    try:
        _creep(wall, start, target, newton, springs_follow)
    finally:
        wall.viscosity.value, wall.hold.value = viscosity, 1.0
        newton.destroy()


def _creep(wall: Wall, start: np.ndarray, target: np.ndarray, newton: LaggedNewton, springs_follow: bool) -> None:
    done, dt, moved = 0.0, CREEP, np.inf
    for _ in range(PATIENCE):
        ahead = min(1.0, done + dt / CREEP / RAMP)
        try:
            moved = _step(wall, start + ahead * (target - start), dt, newton, 1.0 if dt > AT_REST else 1e2)
        except SolveFailed:
            dt /= 2
            if dt < CREEP / 256:
                raise
            continue
        if springs_follow:
            wall.slack.x.array[:] = wall.u.x.array
        if dt > AT_REST and moved < SETTLED:
            return
        dt = min(dt * (3.0 if done == 1.0 else 1.25), 10 * AT_REST)
        done = ahead
    raise SolveFailed("passive filling", f"the wall still moves by {moved:.2g} mm after {PATIENCE} steps of creep")


def _step(wall: Wall, p: np.ndarray, dt: float, newton: LaggedNewton, loose: float) -> float:
    """One step of dt under the pressures p; on SolveFailed the shape is left as it was. Returns |u - u0|_inf."""
    wall.load(p)
    wall.rate.value = 1.0 / dt
    try:
        Loaded(wall).solve(newton, loose=loose)
    except SolveFailed:
        wall.u.x.array[:] = wall.u0.x.array
        raise
    moved = wall.comm.allreduce(np.abs(wall.u.x.array - wall.u0.x.array).max(initial=0.0), MPI.MAX)
    wall.u0.x.array[:] = wall.u.x.array
    return float(moved)
