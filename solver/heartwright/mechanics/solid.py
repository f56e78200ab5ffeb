"""Solid: the beating wall and the pressures in its cavities, solved together.

    r(u, p) = 0                          the wall is in balance
    V_3D,i(u) - V_0D,i(p) = 0            each cavity holds the blood its chamber of the circulation holds

Isovolumic phases, ejection and filling need no special case: what the valves do is inside V_0D(p). Within a step the
wall is in balance at the instant and pressure that `motion` asks for; volumes agree at its end.
"""

from collections.abc import Callable

import numpy as np

from heartwright.errors import InputError
from heartwright.mechanics import inverse, klotz, support, unloading
from heartwright.mechanics.filling import FOLLOW, LONG, Creep, Loaded, fill, prestress
from heartwright.mechanics.motion import Motion, scheme
from heartwright.mechanics.spec import MechanicsSpec
from heartwright.mechanics.wall import Wall
from heartwright.mesh import rows
from heartwright.newton import LaggedNewton
from heartwright.parts import Rows

UNLOAD = {"pointwise": prestress, "shape": unloading.unload, "inverse": inverse.unload}
Volumes = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class Filled(Loaded):
    """The equations of a step of a wall, and of the pressures p (changed in place) at which V_3D(u) = V_0D(p).

    p0: those at its start. Increments are those of (u_αf, p_αf); they are 1/αf times larger at the end of the step.
    """

    def __init__(self, motion: Motion, p0: np.ndarray, p: np.ndarray, volumes: Volumes):
        super().__init__(motion.wall)
        self.motion, self.p0, self.p, self.volumes = motion, p0, p, volumes
        self.alpha = motion.present.alpha_f
        self.load()

    def load(self) -> None:
        """Bring p_αf to the wall."""
        self.wall.load(self.p0 + self.alpha * (self.p - self.p0))

    def border(self):
        V, dV_dp = self.volumes(self.p)
        return self.alpha * (self.motion.volumes() - V), self.wall.volume_gradients(), -dV_dp

    def move(self, du, dp: np.ndarray, length: float) -> None:
        self.wall.move(du, length)
        self.p += length / self.alpha * dp
        self.load()

    def solve(self, newton: LaggedNewton, volume: float) -> int:
        """Solve to the limits of the spec; `volume` (uL) is what the third refers to. Returns the iterations."""
        limit = self.wall.spec.newton
        residual = limit.residual * self.wall.force
        return newton.solve(self, limit.increment, residual, limit.volume * volume, limit.max_iterations)


class Solid:
    """The part that deforms. Cavities are given as name -> endocardial surface, e.g. {"lv": "lv_endo"}.

    u: displacement (mm) from the shape of the mesh; p: cavity pressures (kPa), in the order of `cavities`;
    iterations: those of the last step.
    """

    name = "solid"

    def __init__(self, geometry, spec: MechanicsSpec, rule, cavities: dict[str, str], dt: float, body_force=None):
        self.geometry, self.spec, self.cavities, self.dt = geometry, spec, dict(cavities), dt
        if spec.prestress and set(spec.prestress) != set(cavities):
            raise InputError(f"mechanics: prestress: give one pressure for each cavity: {', '.join(cavities)}")
        support.require(geometry, spec.boundaries)
        self.wall = Wall(geometry, spec, rule, list(cavities.values()), body_force)
        self.u = self.wall.u
        self.motion = Motion(self.wall, scheme(spec.spectral_radius))
        self.p, self.p_rate, self._p_rate_before, self._p0 = (np.zeros(len(cavities)) for _ in range(4))
        self.newton = LaggedNewton(self.wall.solver(self.name), self.wall.r, len(cavities))
        self.iterations, self._dt = 0, dt

    def tension(self, Ta: np.ndarray, Ka: np.ndarray) -> None:
        """Set nodal active tension and its stretch derivative (kPa; local P1 arrays, ghosts included)."""
        self.wall.Ta.x.array[:] = Ta
        self.wall.Ka.x.array[:] = Ka

    def solve(self, t: float, dt: float, volumes: Volumes) -> None:
        """Find (u, p) at t + dt; `volumes(p)` gives V_0D (n,) in uL and dV_0D/dp (n, n).

        Raises SolveFailed, after which `state()` must be restored.
        """
        self._p0[:], self._dt = self.p, dt
        self.wall.follow_curves(t + self.motion.present.alpha_f * dt)
        self.motion.begin(dt)
        self.p += dt * (2 * self.p_rate - self._p_rate_before)  # the parabola through the last three steps
        size = self.wall.volumes().min(initial=np.inf)
        self.iterations = Filled(self.motion, self._p0, self.p, volumes).solve(self.newton, size)

    def accept(self) -> None:
        """The step is good: make it the history of the next one."""
        self.motion.end()
        self._p_rate_before[:] = self.p_rate
        self.p_rate[:] = (self.p - self._p0) / self._dt

    def step(self, t: float, dt: float, volumes: Volumes) -> None:
        """Solve and accept."""
        self.solve(t, dt, volumes)
        self.accept()

    def inflate(self, pressures: dict[str, float], say: Callable[[str], None] = lambda line: None) -> np.ndarray:
        """Load the resting wall slowly to the given cavity pressures (kPa); returns the volumes (uL). See `filling`.

        A heart that was imaged under pressure is prestressed first, see `prestress`.
        """
        target = np.array([pressures[name] for name in self.cavities])
        if self.spec.prestress and not self.p.any():
            self.p[:] = [self.spec.prestress[name] for name in self.cavities]
            UNLOAD[self.spec.unloading](self.wall, self.p, say)
            if self.spec.unloading != "pointwise":
                self._compare_with_klotz(say)
        fill(self.wall, self.p.copy(), target, say)
        self.p[:] = target
        self.motion.rest()
        for rate in (self.p_rate, self._p_rate_before):
            rate[:] = 0.0
        self.newton.stale = True
        return self.volumes()

    def passive_curve(self, pressures: list[dict[str, float]]) -> list[np.ndarray]:
        """Volumes (uL) of the resting wall at cavity pressures (kPa), in balance or next to it; the state stays.

        The springs follow the wall like in a first filling, so that an unloaded heart comes back to its shape.
        """
        wall, kept = self.wall, {name: array.copy() for name, array in self.state().items()}
        wall.follow.value = 0.0 if self.spec.unloading == "pointwise" else FOLLOW
        volumes, start = [], self.p.copy()
        for at in pressures:
            target = np.array([at[name] for name in self.cavities])
            with Creep(wall, "passive curve", lambda line: None) as creep:
                creep.towards(start, target, last=LONG)
                creep.rest()
            volumes.append(self.volumes())
            start = target
        wall.follow.value = 0.0
        for name, array in self.state().items():
            array[:] = kept[name]
        wall.u0.x.array[:] = wall.u.x.array
        wall.load(self.p)
        self.newton.stale = True
        return volumes

    def stretch(self) -> np.ndarray:
        """Fibre stretch λ at the vertices (local P1 array, ghosts included). Collective."""
        return self.wall.projected_stretch.update()

    def volumes(self) -> np.ndarray:
        """Cavity volumes (uL), in the order of `cavities`. Collective."""
        return self.wall.volumes()

    def state(self) -> dict[str, np.ndarray]:
        """Displacements, rates and pressures, and how the muscle is prestressed."""
        wall = self.wall
        motion = {
            "slack": wall.slack.x.array,
            "u": wall.u.x.array,
            "v": wall.v.x.array,
            "u_dot": self.motion.u_dot,
            "v_dot": self.motion.v_dot,
            "starting": self.motion.starting,
        }
        prestrain = wall.prestrain.state() if wall.prestrain else {}
        pressure = {"q": wall.q.x.array} if wall.incompressible else {}
        return (
            motion | pressure | prestrain | {"p": self.p, "p_rate": self.p_rate, "p_rate_before": self._p_rate_before}
        )

    def rows(self) -> dict[str, Rows]:
        nodes = rows.of_nodes(self.geometry, self.wall.V)
        numbered = dict.fromkeys(("slack", "u", "v", "u_dot", "v_dot"), nodes)
        if self.wall.incompressible:
            numbered["q"] = rows.of_vertices(self.geometry)
        if self.wall.prestrain:
            points = rows.of_points(self.geometry, self.wall.frame.function_space)
            numbered |= {name: nodes if name == "U" else points for name in self.wall.prestrain.state()}
        return numbered

    def summary(self) -> dict[str, float]:
        """Counts since the start of the run."""
        newton = self.newton
        return {"newton_iterations": newton.iterations, "factorisations": newton.factorisations}

    def _compare_with_klotz(self, say: Callable[[str], None]) -> None:
        """Tell how the left ventricle fills up to the pressure it was imaged at, beside human hearts."""
        if "lv" not in self.cavities:
            return
        left = list(self.cavities).index("lv")
        imaged = dict(zip(self.cavities, self.p.tolist(), strict=True))
        curve = self.passive_curve([{name: share * p for name, p in imaged.items()} for share in klotz.SHARES])
        for line in klotz.compared(klotz.SHARES * imaged["lv"], np.array([volumes[left] for volumes in curve])):
            say(line)
