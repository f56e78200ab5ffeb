"""Resting values: what a clinician would read off one beat of the loop alone."""

import numpy as np

from heartwright.body.circulation import Beat, Circulation
from heartwright.units import ML, MMHG

Values = dict[str, tuple[float, str]]


def resting_values(circulation: Circulation) -> Values:
    """Name -> (value, unit) over one cycle of a loop that has been warmed up.

    End-diastolic pressures are those at the onset of ventricular contraction. Cardiac output is the
    left ventricle's.
    """
    beat = circulation.beat()
    onset = int(np.argmin(np.abs(beat.t - circulation.av_delay)))
    values: Values = {}
    for chamber in ("lv", "rv"):
        values |= _ventricle(chamber, beat, onset)
    for chamber in ("la", "ra"):
        values |= _pressures(f"{chamber}_pressure", beat, ("mean", "max"))
        values |= _volumes(chamber, beat)
    values |= _pressures("arterial_pressure", beat, ("max", "min", "mean"))
    values |= _pressures("pulmonary_arterial_pressure", beat, ("max", "min", "mean"))
    values |= _pressures("venous_pressure", beat, ("mean",))
    stroke = values["lv_edv"][0] - values["lv_esv"][0]
    values["cardiac_output"] = stroke / circulation.cycle_length * 60, "L/min"  # mL/ms = L/s
    values["blood_volume"] = beat.traces["blood_volume"][0] / ML / 1000, "L"
    return values


def table(values: Values) -> str:
    """The values as aligned lines of text."""
    width = max(map(len, values))
    return "\n".join(f"{name:{width}}  {value:8.2f} {unit}" for name, (value, unit) in values.items())


def _ventricle(chamber: str, beat: Beat, onset: int) -> Values:
    V, p = beat.traces[f"{chamber}_volume"] / ML, beat.traces[f"{chamber}_pressure"] / MMHG
    return {
        f"{chamber}_edv": (V.max(), "mL"),
        f"{chamber}_esv": (V.min(), "mL"),
        f"{chamber}_ef": (100 * (1 - V.min() / V.max()), "%"),
        f"{chamber}_peak_pressure": (p.max(), "mmHg"),
        f"{chamber}_edp": (p[onset], "mmHg"),
        f"{chamber}_dpdt_max": (1000 * np.gradient(p, beat.t).max(), "mmHg/s"),
    }


def _volumes(chamber: str, beat: Beat) -> Values:
    V = beat.traces[f"{chamber}_volume"] / ML
    return {f"{chamber}_volume_max": (V.max(), "mL"), f"{chamber}_volume_min": (V.min(), "mL")}


def _pressures(label: str, beat: Beat, which: tuple[str, ...]) -> Values:
    p = beat.traces[label] / MMHG
    return {f"{label}_{name}": (float(getattr(np, name)(p)), "mmHg") for name in which}
