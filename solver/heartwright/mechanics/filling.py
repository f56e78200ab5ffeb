"""Filling: the balance of a resting wall under given cavity pressures, found by creeping towards it.

Pseudo-transient continuation (Kelley and Keyes 1998, doi:10.1137/S0036142996304796) with the muscle's own viscosity,
one Newton iteration per step:

    u <- u - (K + K_viscous / dt)^-1 r(u)

Viscosity is what makes this solvable: without load the muscle is four orders of magnitude softer in shear than in
compression, and Newton's method has next to no radius of convergence there. The step dt follows the movement: it
deforms no cell by much more than `DEFORM`, because a linearised rotation changes volume with its square, and is ever
longer towards rest. What is left there Newton's method does without viscosity, so that the balance does not depend on
the way. The springs of a heart that starts free of stress follow the wall for a share `FOLLOW` of its way. A wall that
is being prestressed goes back to its imaged shape after every step, its springs stretched as much as if it had been
filled to it.
"""

from collections.abc import Callable

import numpy as np

from heartwright.errors import SolveFailed
from heartwright.mechanics.balance import Balance
from heartwright.newton import LaggedNewton, Solver

START, RAMP = 5.0, 10  # ms: the first step; number of steps over which the pressure rises
SHORTEST = 1e-4  # ms: a wall that moves a millimetre in so short a step has nothing to hold it
DEFORM = 0.2  # per step: |∇δu|, strain and rotation
STILL = 0.02  # in the last step: Newton's method goes on from there
FASTER = 2.0  # than in the step before: not under a load that stays
AT_REST = 1e-4  # mm/ms: so slow that nothing moves within a heartbeat
LONG = 1e3  # ms: in such a step viscosity does not matter
FOLLOW = 0.5  # of the displacement: how far the surroundings have grown to fit the filled heart
LEAST_J = 0.5  # after one Newton step, at a quadrature point: a state further from incompressible leads nowhere
PATIENCE = 150  # steps
FINER = 0.02  # than the steps of a beat: what is left of the first balance stays in all that follow
LEAST_VISCOSITY = 20.0  # kPa ms


class Loaded:
    """The equations of a wall under given pressures, as `LaggedNewton` wants them: u alone is unknown."""

    def __init__(self, wall: Balance):
        self.wall = wall
        self.residual, self.size = wall.residual, wall.size

    def solver(self, equation: str) -> Solver:
        """One for increments."""
        return self.wall.solver(equation, at_rest=True)

    def tangent(self) -> None:
        self.wall.tangent()

    def admissible(self, least: float = 0.0) -> bool:
        return self.wall.admissible(least)

    def diagnosis(self) -> str:
        return self.wall.diagnosis()

    def border(self):
        return np.zeros(0), [], np.zeros((0, 0))

    def move(self, du, dp: np.ndarray, length: float) -> None:
        self.wall.move(du, length)

    def keep(self) -> None:
        """Here a step begins."""
        self.wall.u0.x.array[:], self._q = self.wall.u.x.array, self.wall.q.x.array.copy()

    def deformed(self) -> float:
        """How much the step deforms any cell, |∇δu|_inf. Collective."""
        return self.wall.steepest(self.wall.u.x.array - self.wall.u0.x.array)

    def undo(self) -> None:
        """Back to where the step began."""
        self.wall.u.x.array[:], self.wall.q.x.array[:] = self.wall.u0.x.array, self._q


class Creep:
    """A wall that creeps to its balance under slowly rising pressures (kPa, one per cavity); `say` hears how far.

    problem: the equations, if they are not those of the wall's displacement.
    """

    def __init__(self, wall: Balance, equation: str, say: Callable[[str], None], problem: Loaded | None = None):
        self.wall, self.equation, self.say, self.problem = wall, equation, say, problem or Loaded(wall)
        self.newton = LaggedNewton(self.problem.solver(equation), wall.r, 0)

    def __enter__(self):
        self._viscosity = float(self.wall.viscosity.value)
        self.wall.viscosity.value = max(self._viscosity, LEAST_VISCOSITY)
        return self

    def __exit__(self, *_):
        self.wall.viscosity.value, self.wall.rate.value = self._viscosity, 0.0
        self.newton.destroy()

    def towards(
        self, start: np.ndarray, target: np.ndarray, after: Callable[[], None] = lambda: None, last: float = 0.0
    ) -> None:
        """Step until the wall all but rests, at last in a step longer than `last` (ms); `after` ends every step.

        Raises SolveFailed when there is no balance to be found.
        """
        wall, done, dt, speed = self.wall, float(np.all(start == target)), START, np.inf
        for _ in range(PATIENCE):
            ahead = min(1.0, done + 1.0 / RAMP)
            wall.load(start + ahead * (target - start))
            self.problem.keep()
            try:
                speed, deformed = self._step(dt, FASTER * max(speed, AT_REST) if done == 1.0 else np.inf)
            except SolveFailed as failure:
                self.problem.undo()
                dt, speed = dt / 4.0, np.inf
                if dt < SHORTEST:
                    reason = f"the wall gives way under {100 * ahead:.0f} % of the pressure"
                    raise self._failed(reason, failure.reason) from None
                continue
            done = ahead
            self.say(f"{self.equation}: {100 * done:.0f} % of the pressure, the wall moves at {speed:.1e} mm/ms")
            after()
            if speed < AT_REST and done == 1.0 and dt > last and deformed < STILL:
                return
            longest = 5.0 if done == 1.0 else 1.0
            dt *= float(np.clip(DEFORM / max(deformed, 1e-12), 0.3, longest))
        reason = f"the wall still moves at {speed:.2g} mm/ms after {PATIENCE} steps"
        raise self._failed(reason, self.problem.diagnosis())

    def _step(self, dt: float, fastest: float) -> tuple[float, float]:
        """A step of dt (ms); returns the speed of the wall (mm/ms) and how much it deforms cells.

        Raises SolveFailed when that leads nowhere.
        """
        self.wall.rate.value = 1.0 / dt
        speed, deformed = self.newton.once(self.problem) / dt, self.problem.deformed()
        if not (deformed < 2 * DEFORM and speed < fastest and self.problem.admissible(LEAST_J)):
            raise SolveFailed(self.equation, self.problem.diagnosis())
        return speed, deformed

    def _failed(self, reason: str, where: str) -> SolveFailed:
        return SolveFailed(self.equation, f"{reason}; {where}")

    def settle(self) -> None:
        """The balance without viscosity, from close by."""
        wall, limit = self.wall, self.wall.spec.newton
        wall.rate.value = 0.0
        self.newton.stale = True
        increment, residual = FINER * limit.increment, FINER * limit.residual * wall.force
        self.newton.solve(self.problem, increment, residual, np.inf, limit.max_iterations)

    def rest(self) -> None:
        """Settle, or stay where the wall has crept to if muscle is too soft for more."""
        self.problem.keep()
        try:
            self.settle()
        except SolveFailed:
            self.problem.undo()


def fill(wall: Balance, start: np.ndarray, target: np.ndarray, say: Callable[[str], None]) -> None:
    """From balance under the pressures `start` to that under `target`; then u0 = u."""
    follow = 0.0 if wall.prestrain else FOLLOW
    if follow:
        wall.slack.x.array[:] = 0.0
    wall.follow.value = follow
    wall.put()
    with Creep(wall, "passive filling", say) as creep:
        creep.towards(start, target, last=LONG)
        creep.settle()
    wall.follow.value = 0.0
    wall.slack.x.array[:] += follow * wall.u.x.array
    wall.u0.x.array[:] = wall.u.x.array


def prestress(wall: Balance, pressures: np.ndarray, say: Callable[[str], None]) -> None:
    """Strain muscle and springs until the imaged shape, u = 0, bears the pressures; see the module `prestress`."""

    def back_to_imaged_shape() -> None:
        wall.prestrain.follow()
        wall.slack.x.array[:] -= (1.0 - FOLLOW) * wall.u.x.array
        wall.u.x.array[:] = 0.0

    with Creep(wall, "prestress", say) as creep:
        creep.towards(np.zeros_like(pressures), pressures, back_to_imaged_shape)
    wall.u0.x.array[:] = 0.0
