r"""Motion: how displacement and velocity go on in time, the generalised-α method for equations of first order.

    u' = v,  ρ v' = f(u, v, t);   of a step from t to t + dt, with x_α = x + α (x_next - x):

    u'_αm = v_αf,   ρ v'_αm = f(u_αf, v_αf, t + αf dt),   x_next = x + dt ((1 - γ) x' + γ x'_next)  of x = u and v

(Jansen, Whiting and Hulbert 2000, doi:10.1016/S0045-7825(00)00203-6; of solids Kadapa, Dettmer and Peric 2017,
doi:10.1016/j.compstruc.2017.08.013). With αm = (3 - r)/(2 + 2 r) and αf = γ = 1/(1 + r) it is of second order, and r is
what a step leaves of the fastest oscillations: 1 keeps all (the midpoint rule), 0 none. Unlike the method of Chung and
Hulbert it does not overshoot, and it has backward Euler in its family: αm = αf = γ = 1.

Everything is linear in u_αf, which is what the balance of forces is solved for:

    v_αf = (u_αf - u*) rate,  v'_αm = (v_αf - v*) rate,  rate = αm/(αf γ dt),  x* = x - (1 - αm/γ) x'/rate  of u and v
"""

from dataclasses import dataclass

import numpy as np

from heartwright.mechanics.wall import Wall


@dataclass(frozen=True)
class Scheme:
    """The parameters of the method."""

    alpha_m: float = 1.0
    alpha_f: float = 1.0
    gamma: float = 1.0

    def rate(self, dt: float) -> float:
        """1/ms."""
        return self.alpha_m / (self.alpha_f * self.gamma * dt)


def scheme(spectral_radius: float | None) -> Scheme:
    """The one of second order with a spectral radius r at infinite frequency; backward Euler without one."""
    if spectral_radius is None:
        return Scheme()
    r = spectral_radius
    return Scheme((3 - r) / (2 + 2 * r), 1 / (1 + r), 1 / (1 + r))


class Motion:
    """The steps of a wall.

    Between steps the wall's u is the displacement and v the velocity; within one, u is u_αf, and u0 and v are u* and
    v*. u_dot, v_dot: the rates u' and v' (mm/ms, mm/ms²).
    """

    def __init__(self, wall: Wall, scheme: Scheme):
        self.wall, self.scheme = wall, scheme
        self.u_dot, self.v_dot, self._u, self._v = (np.zeros_like(wall.u.x.array) for _ in range(4))

    def begin(self, dt: float) -> None:
        """Set rate, u* and v* of a step, and guess u from a v' that stays, unless that turns an element inside out.

        Collective.
        """
        wall, a = self.wall, self.scheme
        wall.rate.value = rate = a.rate(dt)
        self._u[:], self._v[:] = wall.u.x.array, wall.v.x.array
        lag = (1 - a.alpha_m / a.gamma) / rate
        wall.u0.x.array[:] = self._u - lag * self.u_dot
        wall.v.x.array[:] = self._v - lag * self.v_dot
        wall.u.x.array[:] = wall.u0.x.array + (self._v + a.alpha_f * dt * self.v_dot) / rate
        wall.put()
        if not wall.admissible():
            wall.u.x.array[:] = self._u
            wall.put()

    def volumes(self) -> np.ndarray:
        """Cavity volumes (uL) at the end of the step. Collective."""
        u = self.wall.u.x.array
        now = u.copy()
        u[:] = _end(self._u, now, self.scheme.alpha_f)
        found = self.wall.volumes()
        u[:] = now
        return found

    def end(self) -> None:
        """The step is good: go on to its end."""
        wall, a = self.wall, self.scheme
        u, v, rate = wall.u.x.array, wall.v.x.array, wall.rate.value
        v_now = (u - wall.u0.x.array) * rate
        self.u_dot[:] = _end(self.u_dot, v_now, a.alpha_m)
        self.v_dot[:] = _end(self.v_dot, (v_now - v) * rate, a.alpha_m)
        u[:], v[:] = _end(self._u, u, a.alpha_f), _end(self._v, v_now, a.alpha_f)
        wall.u0.x.array[:] = u

    def rest(self) -> None:
        """Forget all movement."""
        for rate in (self.wall.v.x.array, self.u_dot, self.v_dot):
            rate[:] = 0.0


def _end(before: np.ndarray, within: np.ndarray, alpha: float) -> np.ndarray:
    """x_next, from x and x_α."""
    return within + (1 / alpha - 1) * (within - before)
