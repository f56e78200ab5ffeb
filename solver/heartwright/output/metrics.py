"""Metrics: the numbers a cardiologist reads off a beat, from the series of a run."""

import numpy as np

Series = dict[str, np.ndarray]
Metric = dict[str, float | str]

# Strains of the left ventricle, and the stretches they come from.
STRAINS = {"gls": "longitudinal", "gcs": "circumferential", "grs": "radial", "wall_thickening": "thickness"}


def of_last_beat(series: Series, period: float) -> dict[str, Metric]:
    """Volumes, pressures and rates of the last whole beat, or of all there is if that is less than one.

    `series` as written to series.csv (ms, mmHg, mL, mL/s). EDV and ESV are the extremes of the volume; dP/dt is the
    steepest central difference; the mean arterial pressure is the time average. The errors are the largest of the
    whole run: of the total blood volume against its first value, of 3D cavities against their 0D chambers.
    """
    if not len(series["time"]):
        return {}
    beat = last_beat(series, period)
    found: dict[str, Metric] = {}
    for side in ("lv", "rv"):
        if f"{side}_volume" in beat:
            found |= _ventricle(side, beat)
    if "arterial_pressure" in beat:
        found |= _arteries(beat, period)
    if leads := {name.removeprefix("ecg_"): beat[name] for name in beat if name.startswith("ecg_")}:
        found |= _ecg(beat["time"], leads)
    if "lv_twist" in beat:
        found |= _strains(beat)
    if "contact_force" in beat:
        found["contact_force_max"] = {"value": float(beat["contact_force"].max()), "unit": "N"}
        found["contact_depth_max"] = {"value": float(beat["contact_depth"].max()), "unit": "mm"}
    if "reentry_cycle_length" in series:
        found["reentry_cycle_length"] = {"value": float(series["reentry_cycle_length"][-1]), "unit": "ms"}
    if "blood_volume" in series:
        blood = series["blood_volume"]
        found["volume_error"] = {"value": float(np.max(abs(blood / blood[0] - 1))), "unit": "1"}
        found["cavity_error"] = {"value": float(np.max(series["cavity_error"])), "unit": "1"}
    return found


def qrs(times: np.ndarray, leads: np.ndarray, fraction: float = 0.05, pause: float = 60.0) -> tuple[float, float]:
    """Begin and duration [ms] of the QRS complex in leads (n_times, n_leads) over one cycle.

    The times around the steepest one at which the slope of the ECG (root mean square over the leads) exceeds `fraction`
    of its greatest value, with no pauses longer than `pause` [ms], as before the T wave; nan for a silent ECG.
    """
    if len(times) < 3:
        return float("nan"), float("nan")
    slope = np.sqrt(np.mean(np.gradient(leads, times, axis=0) ** 2, axis=1))
    steep = np.flatnonzero(slope > fraction * slope.max(initial=0.0))
    if len(steep) == 0:
        return float("nan"), float("nan")
    waves = np.split(steep, np.flatnonzero(np.diff(times[steep]) > pause) + 1)
    first, last = times[next(wave for wave in waves if slope.argmax() in wave)][[0, -1]]
    return float(first), float(last - first)


def t_wave(times: np.ndarray, leads: np.ndarray) -> tuple[float, float]:
    """Peak and end [ms] of the T wave in leads (n_times, n_leads) over one cycle; nan without one.

    The peak is that of the root mean square over the leads, 40 ms after the end of QRS at the earliest; the end is
    where the tangent to its steepest descent meets the level the cycle begins with (Lepeschkin & Surawicz 1952,
    doi:10.1161/01.CIR.6.3.378).
    """
    begin, duration = qrs(times, leads)
    after = times > begin + duration + 40 if np.isfinite(duration) else np.zeros(len(times), dtype=bool)
    if after.sum() < 3:
        return float("nan"), float("nan")
    power = np.sqrt(np.mean((leads[after] - leads[0]) ** 2, axis=1))
    t, peak = times[after], int(np.argmax(power))
    slope = np.gradient(power, t)[peak:]
    steepest = peak + int(np.argmin(slope))
    if slope.min() >= 0 or power[-1] > 0.2 * power[peak]:  # the wave has not ended within the record
        return float("nan"), float("nan")
    return float(t[peak]), float(t[steepest] - power[steepest] / slope.min())


def qrs_axis(times: np.ndarray, I: np.ndarray, aVF: np.ndarray, begin: float, duration: float) -> float:
    """Direction [deg] of the QRS complex in the frontal plane: 0 to the left, 90 to the feet.

    atan2(2/√3 A(aVF), A(I)), A the area of a lead over QRS above the level it has at its begin; the factor is that of
    Goldberger's lead, which is √3/2 as long as Einthoven's.
    """
    inside = (times >= begin) & (times <= begin + duration)
    if inside.sum() < 2:
        return float("nan")
    across, down = (np.trapezoid(lead[inside] - lead[inside][0], times[inside]) for lead in (I, aVF))
    return float(np.degrees(np.arctan2(2 / np.sqrt(3) * down, across)))


def _ecg(times: np.ndarray, leads: dict[str, np.ndarray]) -> dict[str, Metric]:
    """QRS and QT duration, J point to T peak, T peak to T end, and the axis of QRS."""
    together = np.array(list(leads.values())).T
    begin, duration = qrs(times, together)
    peak, end = t_wave(times, together)
    values = {"qrs": duration, "qt": end - begin, "jtp": peak - begin - duration, "tpe": end - peak}
    found: dict[str, Metric] = {name: {"value": value, "unit": "ms"} for name, value in values.items()}
    if leads.keys() >= {"I", "aVF"}:
        found["axis"] = {"value": qrs_axis(times, leads["I"], leads["aVF"], begin, duration), "unit": "deg"}
    return found


def valve_order(series: Series) -> list[str]:
    """The left heart's valve events in the order they happen, e.g. `mitral closes`."""
    events = []
    for valve in ("mitral", "aortic"):
        open_ = series[f"valve_{valve}"] > 0.5
        for index in np.flatnonzero(np.diff(open_.astype(int))):
            events.append((series["time"][index + 1], f"{valve} {'opens' if open_[index + 1] else 'closes'}"))
    return [name for _, name in sorted(events)]


def isovolumic_drift(series: Series, side: str = "lv") -> float:
    """Largest change of a ventricle's volume [mL] within a phase in which both its valves are closed."""
    inlet, outlet = ("mitral", "aortic") if side == "lv" else ("tricuspid", "pulmonary")
    closed = (series[f"valve_{inlet}"] < 0.5) & (series[f"valve_{outlet}"] < 0.5)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], closed.astype(int), [0]))))
    volume = series[f"{side}_volume"]
    return max((float(np.ptp(volume[a:b])) for a, b in edges.reshape(-1, 2)), default=0.0)


def last_beat(series: Series, period: float) -> Series:
    """The rows of the last `period` [ms]."""
    end = series["time"][-1]
    rows = series["time"] > end - period - 1e-6
    return {name: column[rows] for name, column in series.items()}


def _ventricle(side: str, beat: Series) -> dict[str, Metric]:
    volume, pressure = beat[f"{side}_volume"], beat[f"{side}_pressure"]
    edv, esv = float(volume.max()), float(volume.min())
    rate = np.gradient(pressure, beat["time"] * 1e-3) if len(pressure) > 2 else np.zeros(1)  # ms to s
    return {
        f"{side}_edv": {"value": edv, "unit": "mL"},
        f"{side}_esv": {"value": esv, "unit": "mL"},
        f"{side}_ef": {"value": 100 * (edv - esv) / edv, "unit": "%"},
        f"{side}_peak_pressure": {"value": float(pressure.max()), "unit": "mmHg"},
        f"{side}_dpdt_max": {"value": float(rate.max()), "unit": "mmHg/s"},
        f"{side}_dpdt_min": {"value": float(rate.min()), "unit": "mmHg/s"},
        f"{side}_stroke_work": {"value": _loop_area(volume, pressure), "unit": "J"},
    }


def _loop_area(volume: np.ndarray, pressure: np.ndarray) -> float:
    """Work done in one loop, ∮ p dV by the shoelace rule; 1 mmHg mL = 1.333e-4 J."""
    area = np.sum(pressure * (np.roll(volume, -1) - np.roll(volume, 1))) / 2
    return float(-area * 1.33322387415e-4)


def _strains(beat: Series) -> dict[str, Metric]:
    """Strains, thickening, twist and torsion of the left ventricle at end-systole, from end-diastole on."""
    diastole, systole = extremes(beat)
    found = {}
    for name, stretch in STRAINS.items():
        column = beat[f"lv_{stretch}_stretch"]
        found[name] = {"value": strain(column[diastole], column[systole]), "unit": "%"}
    twist = float(beat["lv_twist"][systole] - beat["lv_twist"][diastole])
    torsion = 10 * twist / float(beat["lv_slice_distance"][diastole])  # per mm to per cm
    return found | {"twist": {"value": twist, "unit": "deg"}, "torsion": {"value": torsion, "unit": "deg/cm"}}


def extremes(beat: Series) -> tuple[int, int]:
    """Rows of end-diastole, the largest volume of the left ventricle, and of end-systole.

    Systole ends where the aortic valve closes; the least volume, where it does not: what a closed valve leaks would
    move that to the end of relaxation.
    """
    diastole = int(beat["lv_volume"].argmax())
    is_open = beat["valve_aortic"] > 0.5
    closes = np.flatnonzero(is_open[:-1] & ~is_open[1:]) + 1
    return diastole, int(closes[-1]) if len(closes) else int(beat["lv_volume"].argmin())


def strain(before, after) -> float:
    """Change of length [%] between two stretches of the same muscle."""
    return 100 * (float(after / before) - 1)


def _arteries(beat: Series, period: float) -> dict[str, Metric]:
    p = beat["arterial_pressure"]
    ejected = np.trapezoid(beat["flow_aortic"], beat["time"] * 1e-3)  # mL
    return {
        "systolic_pressure": {"value": float(p.max()), "unit": "mmHg"},
        "diastolic_pressure": {"value": float(p.min()), "unit": "mmHg"},
        "mean_arterial_pressure": {"value": float(p.mean()), "unit": "mmHg"},
        "cardiac_output": {"value": float(ejected * 60 / period), "unit": "L/min"},
    }
