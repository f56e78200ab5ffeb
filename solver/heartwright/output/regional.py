"""Regional: what every segment of the wall did in a beat, from the segments.csv of a run."""

from collections.abc import Callable

import numpy as np

from heartwright.output.metrics import Series, extremes, last_beat, strain

# Strains of segments, and the stretches they come from.
STRAINS = {f"{name}_strain": name for name in ("longitudinal", "circumferential", "radial")}
STRAINS["wall_thickening"] = "thickness"


def of_last_beat(segments: Series, series: Series, period: float) -> dict[str, dict]:
    """The last whole beat, or all there is if that is less: name -> {unit, values: {region: number}}.

    `segments` as written to segments.csv, `series` to series.csv. Strains and thickening [%] are those at end-systole
    of muscle at end-diastole, see `metrics.extremes`; stresses [kPa]
    those at either (`_ed`, `_es`); work [mJ/mL] what the muscle has given off. None: not to be measured.
    """
    if len(segments["time"]) < 2 or "lv_volume" not in series:
        return {}
    beat, whole = last_beat(segments, period), last_beat(series, period)
    diastole, systole = (int(np.abs(beat["time"] - whole["time"][row]).argmin()) for row in extremes(whole))

    def of(quantity: str, unit: str, value: Callable[[np.ndarray], float]) -> dict:
        columns = {name.removeprefix(f"{quantity}_"): x for name, x in beat.items() if name.startswith(f"{quantity}_")}
        return {"unit": unit, "values": {region: _known(value(x)) for region, x in columns.items()}}

    quantities = dict.fromkeys(name.rpartition("_")[0] for name in beat)
    found = {
        name: of(f"{stretch}_stretch", "%", lambda x: strain(x[diastole], x[systole]))
        for name, stretch in STRAINS.items()
    }
    for stress in (quantity for quantity in quantities if "_stress_" in quantity):
        found[f"{stress}_ed"] = of(stress, "kPa", lambda x: x[diastole])
        found[f"{stress}_es"] = of(stress, "kPa", lambda x: x[systole])
    return found | {"work": of("power", "mJ/mL", lambda x: 1e-3 * np.trapezoid(x, beat["time"]))}  # uJ to mJ


def _known(value: float) -> float | None:
    """A number as JSON has it: null for nan."""
    return float(value) if np.isfinite(value) else None
