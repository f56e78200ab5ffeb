"""Solid: the beating wall and the pressures in its cavities, solved together.

    r(u, p) = 0                          the wall is in balance
    V_3D,i(u) - V_0D,i(p) = 0            each cavity holds the blood its chamber of the circulation holds

Isovolumic phases, ejection and filling need no special case: what the valves do is inside V_0D(p).
"""

from collections.abc import Callable

import numpy as np
from mpi4py import MPI

from heartwright.errors import InputError
from heartwright.linalg import LaggedNewton
from heartwright.mechanics.filling import Loaded, fill
from heartwright.mechanics.spec import MechanicsSpec
from heartwright.mechanics.unloading import unload
from heartwright.mechanics.wall import Wall
from heartwright.mesh import rows
from heartwright.parts import Rows

Volumes = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class Filled(Loaded):
    """The equations of a wall and the pressures p (changed in place) at which V_3D(u) = V_0D(p)."""

    def __init__(self, wall: Wall, p: np.ndarray, volumes: Volumes):
        super().__init__(wall)
        self.p, self.volumes = p, volumes

    def border(self):
        V, dV_dp = self.volumes(self.p)
        return self.wall.volumes() - V, self.wall.volume_gradients(), -dV_dp

    def move(self, du, dp: np.ndarray, length: float) -> None:
        self.wall.move(du, length)
        self.p += length * dp
        self.wall.load(self.p)

    def solve(self, newton: LaggedNewton, volume: float) -> int:
        """Solve to the limits of the spec; `volume` (uL) is what the third refers to. Returns the iterations."""
        limit = self.wall.spec.newton
        residual = limit.residual * self.wall.force
        return newton.solve(self, limit.increment, residual, limit.volume * volume, limit.max_iterations)


class Solid:
    """The part that deforms. Cavities are given as name -> endocardial surface, e.g. {"lv": "lv_endo"}.

    u: quadratic displacement (mm) from the stress-free shape; p: cavity pressures (kPa), in the order of `cavities`;
    iterations: those of the last step.
    """

    name = "solid"

    def __init__(self, geometry, spec: MechanicsSpec, rule, cavities: dict[str, str], dt: float, body_force=None):
        self.geometry, self.spec, self.cavities, self.dt = geometry, spec, dict(cavities), dt
        if spec.unloaded is not None and set(spec.unloaded) != set(cavities):
            raise InputError(f"mechanics: unloaded: give one pressure for each cavity: {', '.join(cavities)}")
        self.wall = Wall(geometry, spec, rule, list(cavities.values()), body_force)
        self.u = self.wall.u
        self._v_before = np.zeros_like(self.wall.v.x.array)  # velocity of the step before the last, for the first guess
        self.p, self.p_rate, self._p_rate_before, self._p0 = (np.zeros(len(cavities)) for _ in range(4))
        self.newton = LaggedNewton(self.wall.K, self.wall.r, len(cavities), self.wall.preset, self.name)
        self.iterations = 0
        self._X = geometry.mesh.geometry.x.copy()  # the reference as last seen; see state()

    def tension(self, Ta: np.ndarray, Ka: np.ndarray) -> None:
        """Set nodal active tension and its stretch derivative (kPa; local P1 arrays, ghosts included)."""
        self.wall.Ta.x.array[:] = Ta
        self.wall.Ka.x.array[:] = Ka

    def solve(self, t: float, dt: float, volumes: Volumes) -> None:
        """Find (u, p) at t + dt; `volumes(p)` gives V_0D (n,) in uL and dV_0D/dp (n, n).

        Raises SolveFailed, after which `state()` must be restored.
        """
        self._follow_mesh()
        self._p0[:] = self.p
        self._predict(dt)
        size = self.wall.volumes().min(initial=np.inf)
        self.iterations = Filled(self.wall, self.p, volumes).solve(self.newton, size)

    def accept(self) -> None:
        """The step is good: make it the history of the next one."""
        wall = self.wall
        self._v_before[:] = wall.v.x.array
        self._p_rate_before[:] = self.p_rate
        wall.v.x.array[:] = (wall.u.x.array - wall.u0.x.array) * wall.rate.value
        wall.u0.x.array[:] = wall.u.x.array
        self.p_rate[:] = (self.p - self._p0) * wall.rate.value

    def step(self, t: float, dt: float, volumes: Volumes) -> None:
        """Solve and accept."""
        self.solve(t, dt, volumes)
        self.accept()

    def inflate(self, pressures: dict[str, float]) -> np.ndarray:
        """Load the resting wall slowly to the given cavity pressures (kPa); returns the volumes (uL). See `filling`.

        A heart that was imaged under pressure is unloaded first, see `unloading`.
        """
        target = np.array([pressures[name] for name in self.cavities])
        if self.spec.unloaded is not None and not self.p.any():
            self.p[:] = [self.spec.unloaded[name] for name in self.cavities]
            unload(self.wall, self.p)
            self._X[:] = self.geometry.mesh.geometry.x
        self.wall.u0.x.array[:] = self.wall.u.x.array
        fill(self.wall, self.p.copy(), target)
        self.p[:] = target
        for rate in (self.wall.v.x.array, self._v_before, self.p_rate, self._p_rate_before):
            rate[:] = 0.0
        self.newton.stale = True
        return self.volumes()

    def stretch(self) -> np.ndarray:
        """Fibre stretch λ at the vertices (local P1 array, ghosts included). Collective."""
        self._follow_mesh()
        return self.wall.projected_stretch.update()

    def volumes(self) -> np.ndarray:
        """Cavity volumes (uL), in the order of `cavities`. Collective."""
        self._follow_mesh()
        return self.wall.volumes()

    def state(self) -> dict[str, np.ndarray]:
        """Displacements, rates and pressures; of an unloaded heart also the reference shape and its fibres."""
        wall = self.wall
        motion = {
            "slack": wall.slack.x.array,
            "u": wall.u.x.array,
            "u0": wall.u0.x.array,
            "v": wall.v.x.array,
            "v_before": self._v_before,
        }
        if self.spec.unloaded is not None:
            motion["X"] = self.geometry.mesh.geometry.x
            motion |= {f.name: f.x.array for f in (wall.f0, wall.s0, wall.n0)}
        return motion | {"p": self.p, "p_rate": self.p_rate, "p_rate_before": self._p_rate_before}

    def rows(self) -> dict[str, Rows]:
        nodes = rows.of_quadratic_nodes(self.geometry, self.u.function_space)
        numbered = dict.fromkeys(("slack", "u", "u0", "v", "v_before"), nodes)
        if self.spec.unloaded is not None:
            points = rows.of_points(self.geometry, self.wall.f0.function_space)
            numbered |= dict.fromkeys(("f0", "s0", "n0"), points) | {"X": rows.of_mesh_nodes(self.geometry)}
        return numbered

    def summary(self) -> dict[str, float]:
        """Counts since the start of the run."""
        newton = self.newton
        return {"newton_iterations": newton.iterations, "factorisations": newton.factorisations}

    def _follow_mesh(self) -> None:
        """Notice a reference shape that was put back by way of `state()`, and pass it on. Collective."""
        if self.spec.unloaded is None:
            return
        X = self.geometry.mesh.geometry.x
        if self.geometry.comm.allreduce(not np.array_equal(X, self._X), MPI.LOR):
            restored = self.geometry.points.copy()
            X[:] = self._X
            self.geometry.move_vertices(restored - self.geometry.points)
            self._X[:] = X
            self.wall.follow_mesh()
            self.newton.stale = True

    def _predict(self, dt: float) -> None:
        """First guess: the parabola through the last three steps, unless it turns an element inside out."""
        wall = self.wall
        wall.rate.value = 1.0 / dt
        wall.u.x.array[:] = wall.u0.x.array + dt * (2 * wall.v.x.array - self._v_before)
        if not wall.admissible():
            wall.u.x.array[:] = wall.u0.x.array
        self.p += dt * (2 * self.p_rate - self._p_rate_before)
        wall.load(self.p)
