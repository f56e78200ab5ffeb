"""Circulation: the body seen by the 3D heart, V(p) and dV/dp of its cavities over one step."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from heartwright.body.spec import CirculationSpec
from heartwright.errors import InputError, SolveFailed
from heartwright.odes.kernel import Kernel
from heartwright.odes.model import Model, read
from heartwright.parts import Rows

SUBSTEP = 0.25  # ms, the longest step of the Runge-Kutta method; valves and elastances are resolved to 1e-6 by it
DRIFT = 1e-8  # of the blood volume per chamber and beat: what counts as periodic
PROBE = 1e-5  # kPa: far below the width of a valve (0.01 kPa), far above the rounding of a volume
RHYTHM = ("cycle_length", "av_delay")
OBSERVABLE = re.compile("^flow_|_pressure$|_volume$")
VALVES = ("mitral", "aortic", "tricuspid", "pulmonary")


class Beat(NamedTuple):
    """One cycle of the loop alone: times (n,) [ms], traces label -> (n,), and the valves' states 0 or 1 among them."""

    t: np.ndarray
    traces: dict[str, np.ndarray]


class Circulation:
    """A closed loop dy/dt = f(y, p, t) in which the pressures p of some chambers come from outside.

    `cavities` are those chambers, in the order of all arrays: the volume of chamber i after a step is a function
    V_i(p) of the pressures [kPa] at its end, between which and the last accepted ones they run linearly. Where no
    cavity is given the loop beats alone, every chamber an elastance. Time 0 is the onset of atrial contraction.
    `cycle_length` and `av_delay` in ms.

    Raises InputError for unknown chambers and parameters.
    """

    name = "circulation"

    def __init__(
        self, spec: CirculationSpec, cycle_length: float, av_delay: float, cavities: Sequence[str] = ("lv", "rv")
    ):
        model = _model(spec)
        self.spec, self.cycle_length, self.av_delay = spec, cycle_length, av_delay
        self.cavities = tuple(cavities)
        self._pressures = tuple(f"{name}_pressure" for name in self.cavities)
        self._volumes = tuple(f"{name}_volume" for name in self.cavities)
        self._labels = tuple(filter(OBSERVABLE.search, model.labels))
        rhythm = dict(zip(RHYTHM, (cycle_length, av_delay), strict=True))
        self._alone = _kernel(model, 1, (), self._labels, rhythm)
        # Lanes: the state itself, then each pressure raised by PROBE, then each lowered.
        self._kernel = _kernel(model, 1 + 2 * len(self.cavities), self._pressures, self._labels, rhythm)
        stores = {model.variable(label).qname() for label in self._labels if label.endswith("_volume")}
        self._stores = [row for row, name in enumerate(model.states) if name in stores]
        self._y = self._alone.y[:, 0].copy()
        self._p = self._elastance_pressures()

    def warm_up(self) -> None:
        """Beat alone, all chambers elastances, until a beat ends where it began; leaves the state at the onset of
        atrial contraction. Raises SolveFailed if that does not happen within the spec's number of beats."""
        drift, beats = np.inf, 0
        while drift > DRIFT and beats < self.spec.warm_up_beats:
            drift, beats = self._beat_alone(), beats + 1
        if beats and not drift <= DRIFT:
            raise SolveFailed(
                self.name, f"not periodic after {beats} beats alone (drift {drift:.0e}); check its parameters"
            )
        self._p[:] = self._elastance_pressures()

    def preload(self) -> dict[str, float]:
        """The pressures [kPa] of the cavities at the state's time."""
        return dict(zip(self.cavities, self._p.tolist(), strict=True))

    def set_volumes(self, volumes: Mapping[str, float]) -> None:
        """Put the cavities' own volumes [uL] in place of the elastances', at unchanged pressures.

        The rest of the loop keeps its blood, so that its pressures do not jump: the total changes, once.
        """
        for name, volume in volumes.items():
            self._y[self._row(f"{name}_volume")] = volume

    def volumes(self, t: float, dt: float, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """V (n,) [uL] and dV/dp (n, n) [uL/kPa] at t + dt, if the pressures there are p (n,) [kPa].

        A trial: the state stays. dV_i/dp_j = (V_i(p + e_j PROBE) - V_i(p - e_j PROBE)) / (2 PROBE), of error
        (PROBE / valve width)^2 ~ 1e-6 where a valve is just switching, and of rounding elsewhere.
        """
        self._advance(t, dt, np.asarray(p, dtype=float))
        n = len(self.cavities)
        V = np.array([self._kernel[label] for label in self._volumes]).reshape(n, -1)
        if not np.isfinite(V).all():
            raise SolveFailed(self.name, f"no finite volumes at t = {t + dt:g} ms for pressures {p} kPa")
        return V[:, 0], (V[:, 1 : n + 1] - V[:, n + 1 :]) / (2 * PROBE)

    def accept(self, t: float, dt: float, p: np.ndarray) -> None:
        """Take the step to t + dt, at whose end the pressures are p [kPa]."""
        p = np.array(p, dtype=float)
        self._advance(t, dt, p)
        self._y[:] = self._kernel.y[:, 0]
        self._p[:] = p

    def step(self, t: float, dt: float) -> None:
        """A step with the cavities held at their pressures; without cavities, the loop alone."""
        self.accept(t, dt, self._p)

    def cavity_volumes(self) -> np.ndarray:
        """The volumes (n,) [uL] of the cavities."""
        return np.array([self._y[self._row(label)] for label in self._volumes])

    def observables(self, t: float) -> dict[str, float]:
        """All pressures [kPa], volumes [uL] and flows [mL/s] at the state's time, and `valve_...`: 1 open, 0 closed."""
        self._kernel.y[:] = self._y[:, None]
        for label, p in zip(self._pressures, self._p, strict=True):
            self._kernel.set(label, p)
        row = {label: float(values[0]) for label, values in self._kernel.outputs(t).items()}
        return row | {f"valve_{valve}": float(row[f"flow_{valve}"] > 0) for valve in VALVES}

    def beat(self, dt: float = 1.0) -> Beat:
        """Traces of one cycle of the loop alone, sampled about every `dt`, from the present state, which stays."""
        count = max(1, round(self.cycle_length / dt))
        times = np.arange(count) * self.cycle_length / count
        self._alone.y[:, 0] = self._y
        rows = []
        for t in times:
            rows.append([values[0] for values in self._alone.outputs(t).values()])
            self._alone.step(t, self.cycle_length / count, _substeps(self.cycle_length / count))
        traces = dict(zip(self._labels, np.array(rows).T, strict=True))
        traces |= {f"valve_{valve}": (traces[f"flow_{valve}"] > 0).astype(float) for valve in VALVES}
        return Beat(times, traces)

    def state(self) -> dict[str, np.ndarray]:
        """Live: the loop's states and the cavities' last accepted pressures."""
        return {"y": self._y, "p": self._p}

    def rows(self) -> dict[str, Rows]:
        """None: every rank beats the whole loop."""
        return {}

    def _advance(self, t: float, dt: float, p: np.ndarray) -> None:
        """All lanes from the state to t + dt."""
        self._kernel.y[:] = self._y[:, None]
        lanes = np.arange(self._kernel.n)
        for i, label in enumerate(self._pressures):
            raised, lowered = lanes == 1 + i, lanes == 1 + len(p) + i
            self._kernel.ramp(label, self._p[i], p[i] + PROBE * (raised.astype(float) - lowered))
        self._kernel.step(t, dt, _substeps(dt))

    def _beat_alone(self) -> float:
        """One cycle as elastances; returns the largest change of a store of blood over it, relative to all blood."""
        before = self._y.copy()
        self._alone.y[:, 0] = before
        self._alone.step(0.0, self.cycle_length, _substeps(self.cycle_length))
        self._y[:] = self._alone.y[:, 0]
        return float(np.abs(self._y - before)[self._stores].max() / self._y[self._stores].sum())

    def _elastance_pressures(self) -> np.ndarray:
        """The pressures the cavities have at time 0 while they are elastances."""
        self._alone.y[:, 0] = self._y
        now = self._alone.outputs(0.0)
        return np.array([now[label][0] for label in self._pressures])

    def _row(self, label: str) -> int:
        return self._alone.states.index(self._alone.model.variable(label).qname())


def _model(spec: CirculationSpec) -> Model:
    """The spec's model with its parameters and its blood volume."""
    model, before = read(spec.model, parameters=spec.parameters), read(spec.model)
    wrong = [name for name in spec.parameters if before.value(name) > 0 >= model.value(name)]
    if wrong:
        raise InputError(*(f"circulation.parameters: {name} is {spec.parameters[name]}; must be > 0" for name in wrong))
    if spec.blood_volume is None:
        return model
    veins = model.initial_state()[model.states.index(model.variable("venous_volume").qname())]
    return model.with_parameters({"venous_volume": veins + spec.blood_volume - model.value("blood_volume")})


def _kernel(
    model: Model, lanes: int, inputs: tuple[str, ...], outputs: tuple[str, ...], rhythm: dict[str, float]
) -> Kernel:
    kernel = Kernel(model, lanes, inputs=(*inputs, *rhythm), outputs=outputs, scheme="rk4")
    for label, value in rhythm.items():
        kernel.set(label, value)
    return kernel


def _substeps(dt: float) -> int:
    return max(1, int(np.ceil(dt / SUBSTEP - 1e-9)))
