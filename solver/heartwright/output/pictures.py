"""Pictures: the heart in three dimensions, drawn off screen from a run's fields.

A process of its own (`python -m heartwright.output.pictures RUN`), because drawing needs a display that a compute node
does not have: where there is none it runs under Xvfb.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from heartwright.output import fields, series
from heartwright.output.metrics import extremes

BAR = {"color": "black", "vertical": True, "height": 0.6, "width": 0.4, "position_x": 0.3, "position_y": 0.2}
BAR |= {"label_font_size": 14, "title_font_size": 13, "fmt": "%.0f"}
SKIN = {"ambient": 0.35, "diffuse": 0.65, "smooth_shading": True, "split_sharp_edges": True}


def draw(folder: Path) -> list[Path]:
    """Draw what the fields of the run in `folder` allow into `folder/plots`; returns the pictures made.

    None are made where drawing fails, or takes minutes; `plots/pictures.log` then says why. The process is started
    without the MPI variables of the run, so that it stands alone.
    """
    if not (folder / "fields.xdmf").exists():
        return []
    offscreen("heartwright.output.pictures", folder, log=folder / "plots" / "pictures.log")
    return [path for path in (activation_path(folder), network_path(folder), beat_path(folder)) if path.exists()]


def offscreen(module: str, *arguments: Path, log: Path) -> None:
    """Run a module that draws, under Xvfb where there is no display; `log` has what it says, or why it cannot run."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    if not os.environ.get("DISPLAY"):
        xvfb = shutil.which("xvfb-run")
        if xvfb is None:
            log.write_text("no display, and xvfb-run was not found\n")
            return
        command = [xvfb, "-a", *command]
    alone = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_", "PMIX_", "PRTE_", "PMI_", "SLURM_"))}
    with open(log, "w", encoding="utf-8") as out, contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, env=alone, stdout=out, stderr=out, timeout=300, check=False)


def activation_path(folder: Path) -> Path:
    return folder / "plots" / "activation.png"


def network_path(folder: Path) -> Path:
    return folder / "plots" / "purkinje.png"


def beat_path(folder: Path) -> Path:
    return folder / "plots" / "beat.png"


def activation_map(folder: Path) -> None:
    """Activation times on the heart from two sides and cut open, isochrones every 10 ms."""
    heart = _heart(fields.read(folder / "fields", -1))
    times = heart["activation"]
    heart["activation [ms]"] = times - np.nanmin(times)
    span = max(10.0, 10 * np.ceil(np.nanmax(heart["activation [ms]"]) / 10))
    style = {
        "scalars": "activation [ms]",
        "clim": (0, span),
        "cmap": "turbo_r",
        "n_colors": int(span / 10),
        "nan_color": "#5a5a5a",
    }
    plotter = panels(3)
    for column, (shape, angle, title) in enumerate(
        ((heart, 60, "front"), (heart, 240, "back"), (cut_open(heart), 90, "cut open"))
    ):
        plotter.subplot(0, column)
        plotter.add_mesh(shape.extract_surface(), show_scalar_bar=False, **style, **SKIN)
        look(plotter, heart, angle, title)
    legend(plotter, 3, "activation [ms]")
    save(plotter, activation_path(folder))


def network(folder: Path) -> None:
    """The Purkinje network within the heart, with the times of its latest wave, from two sides."""
    import pyvista

    frame = fields.read(folder / "fields", -1)
    heart, tree = _heart(frame), pyvista.read(folder / "purkinje.vtu")
    tree.points = tree.points @ frame["axes"].T
    tree["time after His [ms]"] = tree["activation"] - np.nanmin(tree["activation"])
    plotter = panels(2)
    for column, (angle, title) in enumerate(((60, "front"), (240, "back"))):
        plotter.subplot(0, column)
        plotter.add_mesh(heart.extract_surface(), color="#e8d8d0", opacity=0.25)
        plotter.add_mesh(tree, scalars="time after His [ms]", cmap="turbo_r", line_width=2, show_scalar_bar=False)
        look(plotter, heart, angle, title)
    legend(plotter, 2, "time after His [ms]")
    save(plotter, network_path(folder))


def beat(folder: Path) -> None:
    """The heart at end-diastole and end-systole, whole and cut open, coloured by its active tension."""
    trace, times = series.read(folder / "series.csv"), fields.times(folder / "fields")
    instants = dict(zip(("end-diastole", "end-systole"), trace["time"][list(extremes(trace))], strict=True))
    frames = {name: fields.read(folder / "fields", int(np.argmin(abs(times - t)))) for name, t in instants.items()}
    top = max(1.0, *(float(np.percentile(frame["active_tension"], 99)) for frame in frames.values()))
    plotter = panels(4)
    whole = _heart(next(iter(frames.values())))
    for pair, (name, frame) in enumerate(frames.items()):
        heart = _heart(frame)
        heart["active tension [kPa]"] = frame["active_tension"]
        moved = heart.warp_by_vector("u")
        for side, (shape, view) in enumerate(((moved, "front"), (cut_open(heart).warp_by_vector("u"), "cut open"))):
            plotter.subplot(0, 2 * pair + side)
            plotter.add_mesh(
                shape.extract_surface(),
                scalars="active tension [kPa]",
                clim=(0, top),
                cmap="OrRd",
                show_scalar_bar=False,
                **SKIN,
            )
            look(plotter, whole, 60 if side == 0 else 90, f"{name}, {view} ({frame['time']:.0f} ms)")
    legend(plotter, 4, "active tension [kPa]")
    save(plotter, beat_path(folder))


def panels(number: int):
    """A plotter of so many pictures side by side, and a narrow place behind them for what their colours mean."""
    import pyvista

    weights, size = [1.0] * number + [0.35], (int(500 * (number + 0.35)), 560)
    return pyvista.Plotter(shape=(1, number + 1), col_weights=weights, off_screen=True, window_size=size, border=False)


def legend(plotter, column: int, title: str) -> None:
    """The colours of the mesh drawn last, in a column of their own."""
    plotter.subplot(0, column)
    plotter.add_scalar_bar(title, mapper=plotter.mapper, **BAR)


def _heart(frame: dict[str, np.ndarray]):
    """The mesh of a frame turned upright: long axis along z with the base on top, right ventricle towards x."""
    import pyvista

    turn = frame["axes"].T
    grid = pyvista.UnstructuredGrid({pyvista.CellType.TETRA: frame["cells"]}, frame["points"] @ turn)
    for name in ("v", "activation", "active_tension"):
        if name in frame:
            grid[name] = frame[name]
    if "u" in frame:
        grid["u"] = frame["u"] @ turn
    return grid


def cut_open(heart):
    """The posterior half, behind the plane through the long axis and the line between the ventricles."""
    return heart.clip(normal="y", origin=heart.center, crinkle=False)


def look(plotter, heart, angle: float, title: str) -> None:
    """A view of the heart from an angle, under a title."""
    plotter.add_text(title, font_size=11, color="black")
    aim(plotter, np.array(heart.center), heart.length, angle)


def aim(plotter, centre: np.ndarray, length: float, angle: float) -> None:
    """Look at `centre` from `angle` degrees about the long axis, from the right over anterior, a little from above."""
    away = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle)), 0.35])
    plotter.camera_position = [centre + 4.0 * length * away, centre, (0.0, 0.0, 1.0)]
    plotter.camera.view_angle = 12.5


def save(plotter, path: Path) -> None:
    plotter.set_background("white")
    plotter.screenshot(str(path))
    plotter.close()


if __name__ == "__main__":
    run = Path(sys.argv[1])
    written = fields.read(run / "fields", -1)
    if "activation" in written:
        activation_map(run)
    if (run / "purkinje.vtu").exists():
        network(run)
    if "u" in written and "active_tension" in written:
        beat(run)
