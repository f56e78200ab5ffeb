"""Filling: the balance of a resting wall under given cavity pressures, found by creeping towards it.

Pseudo-transient continuation (Kelley and Keyes 1998, doi:10.1137/S0036142996304796) with the muscle's own viscosity,
one Newton iteration per step:

    u <- u - (K + K_viscous / dt)^-1 r(u)

Viscosity is what makes this solvable: without load the muscle is four orders of magnitude softer in shear than in
compression, and Newton's method has next to no radius of convergence there. The step dt follows the movement: about
`MOVE` per step on the way, then ever longer until Newton's method can do without, so that the balance does not depend
on the way there. Springs are slack in the filled shape, but for the little it moves in the last of `FOLLOW` rounds.
"""

import numpy as np

from heartwright.errors import SolveFailed
from heartwright.linalg import LaggedNewton
from heartwright.mechanics.balance import Balance

EQUATION = "passive filling"
START, RAMP = 5.0, 10  # ms: the first step; number of steps over which the pressure rises
MOVE = 1.0  # mm per step: well below the thickness of a wall
AT_REST, NEAR = 1e3, 0.05  # ms, mm: with such a step and movement the rest can be had at once
FOLLOW = 2  # rounds in which the springs follow the wall
LEAST_J = 0.5  # after one Newton step, at a quadrature point: a state further from incompressible leads nowhere
PATIENCE = 150  # steps
LEAST_VISCOSITY = 20.0  # kPa ms


class Loaded:
    """The equations of a wall under given pressures, as `LaggedNewton` wants them: u alone is unknown."""

    def __init__(self, wall: Balance):
        self.wall = wall
        self.residual, self.tangent, self.admissible = wall.residual, wall.tangent, wall.admissible

    def border(self):
        return np.zeros(0), [], np.zeros((0, 0))

    def move(self, du, dp: np.ndarray, length: float) -> None:
        self.wall.move(du, length)


def fill(wall: Balance, start: np.ndarray, target: np.ndarray, fit_springs: bool = True) -> None:
    """From the pressures `start` to `target` (kPa, one per cavity); afterwards u0 = u, in balance.

    Springs that are not fitted stay slack where they are. Raises SolveFailed when there is no balance to be found.
    """
    viscosity = float(wall.viscosity.value)
    wall.viscosity.value = max(viscosity, LEAST_VISCOSITY)
    newton = LaggedNewton(wall.K, wall.r, 0, wall.preset, EQUATION)
    try:
        _creep(wall, start, target, newton)
        for _ in range(FOLLOW if fit_springs else 0):
            wall.slack.x.array[:] = wall.u.x.array
            _creep(wall, target, target, newton)
    finally:
        wall.viscosity.value = viscosity
        newton.destroy()
    wall.u0.x.array[:] = wall.u.x.array


def _creep(wall: Balance, start: np.ndarray, target: np.ndarray, newton: LaggedNewton) -> None:
    """Steps of creep until the wall all but rests under `target`, then its balance."""
    done, dt, size = float(np.all(start == target)), START, np.inf
    for _ in range(PATIENCE):
        ahead = min(1.0, done + 1.0 / RAMP)
        wall.load(start + ahead * (target - start))
        wall.u0.x.array[:] = wall.u.x.array
        wall.rate.value = 1.0 / dt
        size = newton.once(Loaded(wall))
        if not (size < 2 * MOVE and wall.admissible(LEAST_J)):
            wall.u.x.array[:] = wall.u0.x.array
            dt /= 4.0
            continue
        done = ahead
        if dt > AT_REST and size < NEAR:
            return _settle(wall, newton)
        if done == 1.0:
            dt *= float(np.clip(MOVE / max(size, 1e-12), 0.3, 5.0))
    raise SolveFailed(EQUATION, f"the wall still moves by {size:.2g} mm after {PATIENCE} steps of creep")


def _settle(wall: Balance, newton: LaggedNewton) -> None:
    """The balance without viscosity, from close by."""
    wall.rate.value, limit = 0.0, wall.spec.newton
    newton.stale = True
    newton.solve(Loaded(wall), limit.increment, limit.residual * wall.force, np.inf, limit.max_iterations)
