"""Report: one self-contained HTML page about a run, or about the differences between two."""

import base64
import io
import json
from importlib import resources
from pathlib import Path

import jinja2
from matplotlib.figure import Figure

from heartwright.errors import InputError
from heartwright.files import write_atomically
from heartwright.output import bullseye, pictures, plots, series

# What a healthy adult at rest shows; see docs/theory/normal_values.md for the sources.
NORMAL = {
    "lv_edv": (100, 180),
    "lv_esv": (35, 75),
    "lv_ef": (50, 70),
    "lv_peak_pressure": (100, 140),
    "lv_dpdt_max": (1000, 2500),
    "rv_peak_pressure": (18, 35),
    "rv_edv": (100, 220),
    "rv_ef": (45, 70),
    "systolic_pressure": (100, 140),
    "diastolic_pressure": (60, 90),
    "mean_arterial_pressure": (70, 105),
    "cardiac_output": (4, 8),
    "qrs": (70, 120),
    "axis": (-30, 90),
    "gls": (-22, -18),
    "gcs": (-30, -20),
    "wall_thickening": (30, 50),
    "twist": (10, 20),
}
NAMES = {
    "lv_edv": "LV end-diastolic volume",
    "lv_esv": "LV end-systolic volume",
    "lv_ef": "LV ejection fraction",
    "lv_peak_pressure": "LV peak pressure",
    "lv_dpdt_max": "LV dP/dt max",
    "lv_dpdt_min": "LV dP/dt min",
    "lv_stroke_work": "LV stroke work",
    "rv_edv": "RV end-diastolic volume",
    "rv_esv": "RV end-systolic volume",
    "rv_ef": "RV ejection fraction",
    "rv_peak_pressure": "RV peak pressure",
    "rv_dpdt_max": "RV dP/dt max",
    "rv_dpdt_min": "RV dP/dt min",
    "rv_stroke_work": "RV stroke work",
    "gls": "LV longitudinal strain (GLS)",
    "gcs": "LV circumferential strain (GCS)",
    "grs": "LV radial strain (GRS)",
    "wall_thickening": "LV wall thickening",
    "twist": "LV twist",
    "torsion": "LV torsion",
    "systolic_pressure": "arterial pressure, systolic",
    "diastolic_pressure": "arterial pressure, diastolic",
    "mean_arterial_pressure": "arterial pressure, mean",
    "cardiac_output": "cardiac output",
    "qrs": "QRS duration",
    "axis": "QRS axis",
    "qt": "QT interval",
    "jtp": "end of QRS to T peak",
    "tpe": "T peak to T end",
    "reentry_cycle_length": "cycle length of re-entry",
    "volume_error": "blood volume gained or lost, relative",
    "cavity_error": "3D against 0D cavity volume, relative",
    "steps": "time steps",
    "retries": "steps retried",
}


def write(folder: Path) -> Path:
    """Write `folder/report.html` and its pictures in `folder/plots` from what the run left there.

    Raises InputError when the folder holds no finished or stopped run.
    """
    run, trace = _load(folder)
    (folder / "plots").mkdir(exist_ok=True)
    figures = []
    if "lv_pressure" in trace:
        note = "Dashed lines: mitral and aortic valve."
        figures.append(_figure(folder, "Wiggers diagram", "wiggers", plots.wiggers(trace), note))
        figures.append(_figure(folder, "Pressure–volume loops", "pv_loops", plots.pv_loops({folder.name: trace})))
    if plots.leads_of(trace):
        note = "25 mm/s, 10 mm/mV: a small square is 40 ms and 0.1 mV."
        figures.append(_figure(folder, "ECG", "ecg", plots.ecg({folder.name: trace}), note))
    if "lv_twist" in trace:
        figures.append(_figure(folder, "Strain and twist of the left ventricle", "strain", plots.strain(trace)))
    if run["segments"]:
        note = "AHA segments 1–17 as seen from the apex; strains from end-diastole to end-systole. White: no cells."
        figures.append(_figure(folder, "Segments", "segments", bullseye.draw(run["segments"]), note))
    drawn = pictures.draw(folder)
    figures += [_picture(path) for path in drawn]
    notes = [] if drawn or not (folder / "fields.xdmf").exists() else ["No 3D pictures: see plots/pictures.log."]
    tables = [
        _table("The beat", ("", "value", "unit", "healthy adult"), _metric_rows(run["metrics"])),
        _table("The run", ("", "value", "unit"), _run_rows(run)),
    ]
    subtitle = f"{folder.name}: {run['outcome']}, {run['ranks']} ranks, {run['wall_s']:.0f} s"
    return _render(folder / "report.html", folder.name, subtitle, tables, figures, run["cite"], notes)


def compare(first: Path, second: Path, target: Path) -> Path:
    """Write one page with two runs laid over each other and the table of their differences."""
    (run_a, trace_a), (run_b, trace_b) = _load(first), _load(second)
    names = (first.name, second.name) if first.name != second.name else (str(first), str(second))
    runs = dict(zip(names, (trace_a, trace_b), strict=True))
    figures = []
    if "lv_pressure" in trace_a and "lv_pressure" in trace_b:
        figures.append({"title": "Pressure–volume loops", "png": _encode(plots.pv_loops(runs)), "note": ""})
        figures.append({"title": "Left ventricle over time", "png": _encode(plots.traces(runs)), "note": ""})
    if plots.leads_of(trace_a) and plots.leads_of(trace_a) == plots.leads_of(trace_b):
        figures.append({"title": "ECG", "png": _encode(plots.ecg(runs)), "note": ""})
    rows = list(differences(run_a["metrics"], run_b["metrics"]))
    tables = [_table("Differences", ("", *names, "unit", "change"), rows)]
    return _render(target, " against ".join(names), "two runs compared", tables, figures, [], [])


def differences(first: dict, second: dict):
    """Rows (name, first, second, unit, change in per cent) of the metrics both runs have."""
    for key in (key for key in NAMES if key in first and key in second):
        a, b = first[key]["value"], second[key]["value"]
        change = f"{100 * (b - a) / abs(a):+.1f} %" if a and b is not None else "–"
        yield NAMES[key], _number(a), _number(b), first[key]["unit"], change


def _load(folder: Path):
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        return run, series.read(folder / "series.csv")
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: no finished run here ({type(error).__name__} reading its results)") from None


def _metric_rows(metrics: dict):
    for key in (key for key in NAMES if key in metrics):
        value, unit = metrics[key]["value"], metrics[key]["unit"]
        low, high = NORMAL.get(key, (None, None))
        yield (
            NAMES[key],
            _number(value),
            unit,
            "" if low is None else f"{low}–{high}" if low >= 0 else f"{low} to {high}",
        )


def _run_rows(run: dict):
    yield from ((f"dofs, {name}", f"{count:,}", "") for name, count in run["dofs"].items())
    yield from ((f"time in {phase}", f"{seconds:.1f}", "s") for phase, seconds in run["phases"].items())
    yield "wall time", f"{run['wall_s']:.1f}", "s"
    yield "version", f"{run['version']} ({run['commit']})", ""


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" if abs(value) < 0.01 or abs(value) >= 1e5 else f"{value:,.1f}"


def _table(title: str, head: tuple[str, ...], rows) -> dict:
    return {"title": title, "head": head, "rows": list(rows)}


def _figure(folder: Path, title: str, name: str, figure: Figure, note: str = "") -> dict:
    path = folder / "plots" / f"{name}.png"
    figure.savefig(path, dpi=130)
    return {"title": title, "png": base64.b64encode(path.read_bytes()).decode(), "note": note}


def _picture(path: Path) -> dict:
    titles = {"activation": "Activation, isochrones every 10 ms", "beat": "End-diastole and end-systole"}
    titles["purkinje"] = "Purkinje network"
    return {"title": titles[path.stem], "png": base64.b64encode(path.read_bytes()).decode(), "note": ""}


def _encode(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=130, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def _render(path: Path, title: str, subtitle: str, tables: list, figures: list, cite: list, notes: list) -> Path:
    template = jinja2.Environment(autoescape=True).from_string(
        resources.files("heartwright.output").joinpath("report.html").read_text(encoding="utf-8")
    )
    page = template.render(title=title, subtitle=subtitle, tables=tables, figures=figures, cite=cite, notes=notes)
    write_atomically(path, page)
    return path
