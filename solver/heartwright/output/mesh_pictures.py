"""Pictures of meshes: surfaces by name, the heart cut open, and the fibres and segments that a mesh carries."""

import sys
import tempfile
from pathlib import Path

import numpy as np

from heartwright.errors import HeartwrightError
from heartwright.mesh.formats import native
from heartwright.mesh.raw import RawMesh
from heartwright.output.pictures import SKIN, cut_open, look, offscreen, save

COLOURS = {"base": "#e0b040", "epi": "#d9c8bd", "lv_endo": "#b5332e", "rv_endo": "#2e6fb5"}
COLOURS |= {"lv": "#d98880", "rv": "#7fb3d5", "la": "#e6b0aa", "ra": "#a9cce3", "rings": "#f0e0a0"}
COLOURS |= {"la_endo": "#cb4335", "ra_endo": "#5499c7"}
OTHERS = ("#5a9e57", "#8a63a8", "#c77aa0", "#7f7f7f")
FIBRES = 2500  # drawn as lines; more of them hide each other


def draw(raw: RawMesh, path: Path) -> None:
    """Draw a mesh into a .png; HeartwrightError with the reason where it cannot be drawn."""
    path = path.absolute()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        native.write(Path(folder) / "mesh.h5", raw)
        path.unlink(missing_ok=True)
        offscreen("heartwright.output.mesh_pictures", Path(folder) / "mesh.h5", path, log=log)
        if not path.exists():
            reason = (log.read_text().strip().splitlines() or ["it took too long"])[-1]
            raise HeartwrightError(f"{path}: cannot be drawn: {reason}")


def _picture(mesh: Path, path: Path) -> None:
    import pyvista

    contents = native.read(mesh)
    turn = _upright(contents)
    points = contents.points @ turn.T
    heart = pyvista.UnstructuredGrid({pyvista.CellType.TETRA: contents.corners["tetra"]}, points)
    skin = pyvista.PolyData.from_regular_faces(points, contents.corners["triangle"])
    skin["surface"] = contents.data["triangle"]["tags"] - 1
    if contents.regions:
        heart["region"] = contents.data["tetra"]["tags"]
        heart.add_field_data(list(contents.regions.values()), "regions")
    panels = [_surfaces_panel, _cut_panel]
    fibres = contents.data["tetra"].get("f0")
    if fibres is not None:
        heart["f0"] = fibres @ turn.T
        panels.append(_fibres_panel)
    for name in ("aha", "transmural"):
        if name in contents.point_data:
            heart[name] = contents.point_data[name]
            panels.append({"aha": _segments_panel, "transmural": _depth_panel}[name])
    plotter = pyvista.Plotter(
        shape=(1, len(panels)), off_screen=True, border=False, window_size=(520 * len(panels), 560)
    )
    for column, panel in enumerate(panels):
        plotter.subplot(0, column)
        panel(plotter, heart, skin, list(contents.labels.values()))
    save(plotter, path)


def _upright(contents) -> np.ndarray:
    """Rows: towards the right ventricle, their normal, from the left apex to the base; without these names the axes."""
    named = dict(zip(contents.labels.values(), contents.labels, strict=True))
    tags, triangles, points = contents.data["triangle"]["tags"], contents.corners["triangle"], contents.points
    if not {"lv_endo", "base"} <= named.keys():
        return np.eye(3)
    left, base = (np.unique(triangles[tags == named[name]]) for name in ("lv_endo", "base"))
    mitral = points[np.intersect1d(left, base)].mean(axis=0)
    apex = points[left][np.argmax(np.linalg.norm(points[left] - mitral, axis=1))]
    axis = (mitral - apex) / np.linalg.norm(mitral - apex)
    right = points[np.unique(triangles[tags == named["rv_endo"]])].mean(axis=0) if "rv_endo" in named else mitral
    side = right - mitral if "rv_endo" in named else np.eye(3)[np.argmin(np.abs(axis))]
    side -= (side @ axis) * axis
    side /= np.linalg.norm(side)
    return np.stack([side, np.cross(axis, side), axis])


def _surfaces_panel(plotter, heart, skin, names: list[str]) -> None:
    for i, name in enumerate(names):
        part = skin.extract_cells(np.flatnonzero(skin["surface"] == i))
        plotter.add_mesh(
            part, color=COLOURS.get(name, OTHERS[i % len(OTHERS)]), label=name, show_edges=skin.n_cells < 20_000, **SKIN
        )
    plotter.add_legend(bcolor=None, size=(0.35, 0.045 * len(names)), loc="lower left", face="circle")
    look(plotter, heart, 60, "front")


def _cut_panel(plotter, heart, skin, names: list[str]) -> None:
    """Half of the tissue, its regions in colours of their own."""
    half = heart.clip(normal="y", origin=heart.center, crinkle=True)
    names = dict(enumerate(map(str, heart.field_data["regions"]), 1)) if "region" in heart.array_names else {}
    parts = [(COLOURS.get(name, OTHERS[i % len(OTHERS)]), name, i) for i, name in names.items()]
    for colour, name, i in parts or [("#e8c9b9", None, None)]:
        part = half if i is None else half.extract_cells(np.flatnonzero(half["region"] == i))
        if part.n_cells:
            plotter.add_mesh(
                part.extract_surface(),
                color=colour,
                label=name,
                show_edges=True,
                line_width=0.5,
                ambient=0.35,
                diffuse=0.65,
            )
    if parts:
        plotter.add_legend(bcolor=None, size=(0.25, 0.045 * len(parts)), loc="lower left", face="circle")
    look(plotter, heart, 90, f"cut open: {heart.n_cells} tetrahedra")


def _fibres_panel(plotter, heart, skin, names: list[str]) -> None:
    """Fibres on the surface, each coloured by its slope against the base."""
    layer = heart.extract_surface(pass_cellid=True)
    centres = layer.cell_centers()
    centres = centres.extract_points(np.linspace(0, layer.n_cells - 1, min(FIBRES, layer.n_cells)).astype(int))
    centres["slope [deg]"] = np.degrees(np.arcsin(np.clip(np.abs(centres["f0"][:, 2]), 0, 1)))
    length = 3.0 * np.sqrt(layer.area / FIBRES)
    lines = centres.glyph(orient="f0", scale=False, factor=length, geom=_segment())
    plotter.add_mesh(layer, color="white", ambient=0.5, diffuse=0.5)
    bar = {"title": "slope [deg]", "color": "black"}
    plotter.add_mesh(lines, scalars="slope [deg]", cmap="viridis", line_width=3, scalar_bar_args=bar)
    look(plotter, heart, 60, "fibres")


def _segment():
    import pyvista

    return pyvista.Line((-0.5, 0, 0), (0.5, 0, 0))


def _segments_panel(plotter, heart, skin, names: list[str]) -> None:
    """AHA segments; nodes of no segment are white."""
    half = heart.extract_surface()
    plotter.add_mesh(
        half,
        scalars="aha",
        cmap="tab20",
        clim=(-0.5, 19.5),
        n_colors=20,
        show_scalar_bar=False,
        interpolate_before_map=False,
    )
    look(plotter, heart, 240, "AHA segments, back")


def _depth_panel(plotter, heart, skin, names: list[str]) -> None:
    bar = {"title": "transmural", "color": "black"}
    plotter.add_mesh(
        cut_open(heart).extract_surface(), scalars="transmural", cmap="coolwarm", scalar_bar_args=bar, **SKIN
    )
    look(plotter, heart, 90, "depth in the wall")


if __name__ == "__main__":
    _picture(Path(sys.argv[1]), Path(sys.argv[2]))
