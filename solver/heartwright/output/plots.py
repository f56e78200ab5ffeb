"""Plots: the Wiggers diagram, pressure-volume loops and ECG of one run or of several laid over each other."""

from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from heartwright.output.metrics import STRAINS, Series, extremes

matplotlib.use("Agg")

INK, GRID = "#22303c", "#d9dfe4"
LEFT, RIGHT, ARTERY, ATRIUM = "#b3242b", "#1f5fa8", "#e08a1e", "#3a8f5c"
RUNS = ("#b3242b", "#1f5fa8", "#3a8f5c", "#e08a1e", "#7a4fa3", "#5d6b75")
STYLE = {
    "font.size": 9,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}


def wiggers(series: Series) -> Figure:
    """Pressures, volumes, valve flows and ECG of the left heart under each other, valve events as vertical lines."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 8.5), layout="constrained")
        pressure, volume, flow, ecg = figure.subplots(4, 1, sharex=True, height_ratios=(3, 2, 1.6, 1.2))
        t = series["time"]
        for name, colour, label in (
            ("lv_pressure", LEFT, "left ventricle"),
            ("arterial_pressure", ARTERY, "aorta"),
            ("la_pressure", ATRIUM, "left atrium"),
            ("rv_pressure", RIGHT, "right ventricle"),
        ):
            pressure.plot(t, series[name], color=colour, label=label)
        pressure.set_ylabel("pressure [mmHg]")
        for name, colour, label in (("lv_volume", LEFT, "left ventricle"), ("rv_volume", RIGHT, "right ventricle")):
            volume.plot(t, series[name], color=colour, label=label)
        volume.set_ylabel("volume [mL]")
        for name, colour, label in (("flow_aortic", ARTERY, "aortic valve"), ("flow_mitral", ATRIUM, "mitral valve")):
            flow.plot(t, series[name], color=colour, label=label)
        flow.set_ylabel("flow [mL/s]")
        _draw_leads(ecg, series, ("II", "V2"))
        ecg.set_xlabel("time [ms]")
        for axes in (pressure, volume, flow, ecg):
            axes.legend(loc="upper right", ncols=2, fontsize=8)
            _mark_valves(axes, series)
        return figure


def pv_loops(runs: Mapping[str, Series]) -> Figure:
    """Pressure against volume of the left and the right ventricle, one colour per run."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 4), layout="constrained")
        for axes, side, title in zip(figure.subplots(1, 2), ("lv", "rv"), ("left", "right"), strict=True):
            for (name, series), colour in zip(runs.items(), RUNS, strict=False):
                axes.plot(series[f"{side}_volume"], series[f"{side}_pressure"], color=colour, label=name)
            axes.set(xlabel="volume [mL]", ylabel="pressure [mmHg]", title=f"{title} ventricle")
            axes.set_ylim(bottom=0)
            if len(runs) > 1:
                axes.legend(fontsize=8)
        return figure


def ecg(runs: Mapping[str, Series]) -> Figure:
    """The leads on ECG paper: 25 mm/s and 10 mm/mV, so a small square is 40 ms and 0.1 mV."""
    leads = leads_of(next(iter(runs.values())))
    rows = -(-len(leads) // 3)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 1.7 * rows + 0.4), layout="constrained")
        panels = np.atleast_1d(figure.subplots(rows, min(3, len(leads)), sharex=True, sharey=True)).ravel()
        for axes, lead in zip(panels, leads, strict=False):
            for (name, series), colour in zip(runs.items(), RUNS if len(runs) > 1 else (INK,), strict=False):
                axes.plot(series["time"], series[f"ecg_{lead}"], color=colour, linewidth=1.1, label=name)
            axes.set_title(lead, loc="left", fontsize=9, fontweight="bold")
            _ecg_paper(axes)
        for axes in panels[len(leads) :]:
            axes.set_visible(False)
        if len(runs) > 1:
            panels[0].legend(fontsize=7)
        return figure


def traces(runs: Mapping[str, Series]) -> Figure:
    """Left-ventricular pressure, volume and dP/dt over time, one colour per run."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 6.5), layout="constrained")
        pressure, volume, rate = figure.subplots(3, 1, sharex=True)
        for (name, series), colour in zip(runs.items(), RUNS, strict=False):
            t = series["time"]
            pressure.plot(t, series["lv_pressure"], color=colour, label=name)
            volume.plot(t, series["lv_volume"], color=colour)
            rate.plot(t, np.gradient(series["lv_pressure"], t * 1e-3), color=colour)
        pressure.set_ylabel("LV pressure [mmHg]")
        pressure.legend(fontsize=8)
        volume.set_ylabel("LV volume [mL]")
        rate.set(ylabel="LV dP/dt [mmHg/s]", xlabel="time [ms]")
        return figure


def strain(series: Series) -> Figure:
    """Strains of the left ventricle from end-diastole on, and its twist, over time."""
    diastole, _ = extremes(series)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 5), layout="constrained")
        strains, twist = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        for (name, stretch), colour in zip(STRAINS.items(), (LEFT, RIGHT, ATRIUM, ARTERY), strict=True):
            column = series[f"lv_{stretch}_stretch"]
            label = "wall thickening" if stretch == "thickness" else f"{stretch} ({name.upper()})"
            strains.plot(series["time"], 100 * (column / column[diastole] - 1), color=colour, label=label)
        strains.set_ylabel("strain [%]")
        strains.legend(ncols=2, fontsize=8)
        twist.plot(series["time"], series["lv_twist"] - series["lv_twist"][diastole], color=INK)
        twist.set(ylabel="twist [deg]", xlabel="time [ms]")
        for axes in (strains, twist):
            _mark_valves(axes, series)
        return figure


def action_potential(
    name: str, time: np.ndarray, v: np.ndarray, others: Mapping[str, np.ndarray], curve: tuple[np.ndarray, np.ndarray]
) -> Figure:
    """A cell alone: potential, calcium, the six largest currents, and APD90 against the diastolic interval before."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 6), layout="constrained")
        (potential, calcium), (current, restitution) = figure.subplots(2, 2)
        potential.plot(time, v, color=LEFT)
        potential.set(ylabel="potential [mV]", xlabel="time [ms]", title=name)
        if "calcium" in others:
            calcium.plot(time, 1000 * others["calcium"], color=RIGHT)
        calcium.set(ylabel="calcium [µM]", xlabel="time [ms]")
        largest = sorted((n for n in others if n != "calcium"), key=lambda n: -float(np.abs(others[n][5:]).max()))[:6]
        for label, colour in zip(largest, RUNS, strict=False):
            current.plot(time, others[label], color=colour, label=label, linewidth=1.1)
        reach = 1.1 * max((float(np.abs(others[label][10:]).max()) for label in largest), default=1.0)
        current.set(ylabel="currents [A/F]", xlabel="time [ms]", ylim=(-reach, reach))
        current.legend(fontsize=7)
        restitution.plot(*curve, color=INK, marker="o", markersize=3)
        restitution.set(xlabel="diastolic interval [ms]", ylabel="APD90 [ms]")
        return figure


def leads_of(series: Series) -> list[str]:
    """The ECG leads a series holds, in its own order."""
    return [name.removeprefix("ecg_") for name in series if name.startswith("ecg_")]


def _draw_leads(axes: Axes, series: Series, wanted: tuple[str, ...]) -> None:
    for lead, colour in zip([lead for lead in wanted if lead in leads_of(series)], (INK, "#8a97a3"), strict=False):
        axes.plot(series["time"], series[f"ecg_{lead}"], color=colour, label=f"lead {lead}")
    axes.set_ylabel("ECG [mV]")


def _mark_valves(axes: Axes, series: Series) -> None:
    for valve, colour in (("mitral", ATRIUM), ("aortic", ARTERY)):
        for index in np.flatnonzero(np.diff((series[f"valve_{valve}"] > 0.5).astype(int))):
            axes.axvline(series["time"][index + 1], color=colour, linewidth=0.7, linestyle=(0, (4, 3)))


def _ecg_paper(axes: Axes) -> None:
    axes.xaxis.set_major_locator(matplotlib.ticker.MultipleLocator(200))
    axes.xaxis.set_minor_locator(matplotlib.ticker.MultipleLocator(40))
    axes.yaxis.set_major_locator(matplotlib.ticker.MultipleLocator(0.5))
    axes.yaxis.set_minor_locator(matplotlib.ticker.MultipleLocator(0.1))
    axes.grid(which="major", color="#f0a9a0", linewidth=0.7)
    axes.grid(which="minor", color="#f9ddd9", linewidth=0.4)
    axes.tick_params(labelbottom=False, labelleft=False, length=0, which="both")
