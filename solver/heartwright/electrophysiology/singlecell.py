"""A cell alone: paced until it is used to its rhythm, its action potential measured, its restitution found."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from heartwright.errors import InputError
from heartwright.odes.kernel import Kernel
from heartwright.odes.model import Model

DT = 0.05  # ms, steps
SAMPLE = 0.5  # ms, records


@dataclasses.dataclass(frozen=True)
class Stimulus:
    """A rectangular current at the beginning of every beat."""

    amplitude: float = 53.0  # A/F
    duration: float = 1.0  # ms


STANDARD = Stimulus()


@dataclasses.dataclass(frozen=True)
class Record:
    """The last beat of a train: time [ms], potential [mV], and other variables by name."""

    time: np.ndarray
    v: np.ndarray
    others: dict[str, np.ndarray]


def currents(model: Model) -> tuple[str, ...]:
    """Qualified names of the currents whose sum the model calls `i_ion`."""
    if "i_ion" not in model.labels:
        raise InputError(f"{model.name}: no variable is labelled i_ion")
    found = {lhs.var() for lhs in model.variable("i_ion").rhs().references()}
    return tuple(sorted(v.qname() for v in found if v.unit() == model.variable("i_ion").unit()))


def pace(model: Model, period: float, beats: int, stimulus: Stimulus = STANDARD, names: Sequence[str] = ()) -> Record:
    """Pace from the initial state, `beats` times every `period` [ms]; returns the last beat, with variables `names`."""
    kernel = Kernel(model, 1, inputs=("stimulus_current",), outputs=tuple(names), scheme="rush_larsen_2")
    _train(kernel, period, beats - 1, stimulus)
    time = np.arange(0.0, period + SAMPLE / 2, SAMPLE)
    v, others = np.empty(len(time)), {name: np.empty(len(time)) for name in names}
    for i, t in enumerate(time):
        v[i] = kernel["membrane_potential"][0]
        on = t < stimulus.duration - 1e-9
        kernel.set("stimulus_current", stimulus.amplitude * on)
        for name, value in kernel.outputs(t).items():
            others[name][i] = value[0]
        _advance(kernel, t, t + SAMPLE, stimulus.amplitude * on)
    if not np.isfinite(v).all():
        raise InputError(f"{model.name}: the potential is not finite: is the stimulus too strong?")
    return Record(time, v, others)


def _train(kernel: Kernel, period: float, beats: int, stimulus: Stimulus) -> None:
    """Whole beats, of which nothing is recorded."""
    for _ in range(beats):
        _advance(kernel, 0.0, stimulus.duration, stimulus.amplitude)
        _advance(kernel, stimulus.duration, period, 0.0)


def _advance(kernel: Kernel, begin: float, end: float, current: float | np.ndarray) -> None:
    kernel.set("stimulus_current", current)
    kernel.step(begin, end - begin, max(1, round((end - begin) / DT)))


def duration(time: np.ndarray, v: np.ndarray, share: float = 0.9) -> float:
    """Action potential duration [ms]: from the steepest rise until `share` of the amplitude is lost; nan without one.

    The amplitude is that above the potential at the end of the record. Without a rise above -20 mV there is none.
    """
    peak = int(np.argmax(v))
    level = v[peak] - share * (v[peak] - v[-1])
    below = np.flatnonzero(v[peak:] < level)
    if v[peak] < -20 or not len(below):
        return np.nan
    k = peak + below[0]
    repolarised = time[k - 1] + (v[k - 1] - level) / (v[k - 1] - v[k]) * (time[k] - time[k - 1])
    rise = np.diff(v[: peak + 1])
    return float(repolarised - (time[int(np.argmax(rise))] if len(rise) else time[0]))


def measures(record: Record) -> dict[str, tuple[float, str]]:
    """Name -> (value, unit) of what is usually said about an action potential and its calcium transient."""
    time, v = record.time, record.v
    found = {
        "resting_potential": (float(v[-1]), "mV"),
        "peak": (float(v.max()), "mV"),
        "dvdt_max": (float(np.diff(v).max() / SAMPLE), "mV/ms"),
        "apd50": (duration(time, v, 0.5), "ms"),
        "apd90": (duration(time, v), "ms"),
    }
    if "calcium" in record.others:
        calcium = 1000 * record.others["calcium"]
        found |= {
            "calcium_diastolic": (float(calcium.min()), "uM"),
            "calcium_peak": (float(calcium.max()), "uM"),
            "calcium_time_to_peak": (float(time[np.argmax(calcium)]), "ms"),
        }
    return found


def restitution(
    model: Model, period: float, beats: int, intervals: np.ndarray, stimulus: Stimulus = STANDARD
) -> tuple[np.ndarray, np.ndarray]:
    """S1-S2: after `beats` at `period`, one stimulus each of `intervals` [ms] after the last, all at once in lanes.

    Returns the diastolic intervals before it and its APD90 [ms]; nan where it finds the cell refractory.
    """
    kernel = Kernel(model, len(intervals), inputs=("stimulus_current",), scheme="rush_larsen_2")
    _train(kernel, period, beats - 1, stimulus)
    time = np.arange(0.0, intervals.max() + period, SAMPLE)
    v = np.empty((len(time), len(intervals)))
    for i, t in enumerate(time):
        v[i] = kernel["membrane_potential"]
        since = np.where(t < intervals - 1e-9, t, t - intervals)
        _advance(kernel, t, t + SAMPLE, stimulus.amplitude * (since < stimulus.duration - 1e-9))
    last = int(np.argmax(intervals))
    first = duration(time[time < intervals[last]], v[time < intervals[last], last])
    responses = [duration(time[time >= t], v[time >= t, lane]) for lane, t in enumerate(intervals)]
    fresh = intervals > first  # an earlier one falls into the action potential before it
    return intervals - first, np.where(fresh, responses, np.nan)
