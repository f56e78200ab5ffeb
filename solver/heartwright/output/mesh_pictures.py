"""Pictures of meshes: surfaces by name, the heart cut open, the fibres and segments that a mesh carries, its angles."""

import colorsys
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from heartwright.errors import HeartwrightError
from heartwright.mesh import surface
from heartwright.mesh.formats import native
from heartwright.mesh.formats.contents import Contents
from heartwright.mesh.quality import dihedral_angles
from heartwright.mesh.raw import RawMesh
from heartwright.output.pictures import SKIN, aim, offscreen

COLOURS = {"base": "#e0b040", "epi": "#d9c8bd", "lv_endo": "#b5332e", "rv_endo": "#2e6fb5"}
COLOURS |= {"la_endo": "#e57f5b", "ra_endo": "#6cb4dd", "wall": "#c0605a", "tissue": "#ecd3c6"}
COLOURS |= {"mitral": "#7b3f98", "aortic": "#2a9d55", "tricuspid": "#d152a0", "pulmonary": "#12808f"}
COLOURS |= {"lpv": "#8c5a2b", "rpv": "#93a62f", "svc": "#2f4f4f", "ivc": "#8a8a8a"}
COLOURS |= {"lv": "#eba8a0", "rv": "#a8c8ea", "la": "#f4cfa6", "ra": "#bfe3e8", "rings": "#f0e693"}
EDGES = 30_000  # triangles, from which on a picture shows nothing but their edges
FIBRES = 2500  # drawn as lines; more of them hide each other
COLUMNS = 4
PIXELS = (800, 800)  # of an image before its margins are cut off
FRONT, BACK, INSIDE = 60, 240, 90  # degrees about the long axis
NO_SEGMENT = (0.93, 0.91, 0.89)


@dataclass(frozen=True)
class Skin:
    """The faces (k, 3) around some cells, the cell of each (k,), and the surface it belongs to from 1, or 0 (k,)."""

    triangles: np.ndarray
    cell: np.ndarray
    named: np.ndarray


@dataclass(frozen=True)
class Panel:
    """An image (h, w, 3) under its title, and what its colours mean: names, or a quantity on a scale with ticks."""

    title: str
    image: np.ndarray
    names: dict[str, str | tuple] = field(default_factory=dict)
    scale: tuple[str, str, tuple[float, ...]] | None = None


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


def colours_of(names: Iterable[str]) -> dict[str, str | tuple]:
    """A colour for every name, no two alike: our names have their own, others hues a golden section apart."""
    names = list(dict.fromkeys(names))
    others = [name for name in names if name not in COLOURS]
    hues = {name: colorsys.hsv_to_rgb((0.3 + 0.618 * i) % 1.0, 0.55, 0.72) for i, name in enumerate(others)}
    return {name: COLOURS.get(name) or hues[name] for name in names}


def _picture(mesh: Path, path: Path) -> None:
    heart = _upright(native.read(mesh))
    whole = _skin(heart, np.arange(len(heart.corners["tetra"])))
    height = heart.points[heart.corners["tetra"], 1].mean(axis=1)
    half = _skin(heart, np.flatnonzero(height < (heart.points[:, 1].min() + heart.points[:, 1].max()) / 2))
    panels = _anatomy(heart, whole, half)
    if "f0" in heart.data["tetra"]:
        panels += [_fibres(heart, whole, "fibres, front", FRONT), _fibres(heart, half, "fibres, cut open", INSIDE)]
    if "aha" in heart.point_data:
        panels += [
            _segments(heart, whole, f"AHA segments, {side}", a) for side, a in (("front", FRONT), ("back", BACK))
        ]
    if "transmural" in heart.point_data:
        panels.append(_depth(heart, half))
    _figure(panels, dihedral_angles(heart.points, heart.corners["tetra"]), path)


def _upright(heart: Contents) -> Contents:
    """The mesh turned: x towards the right ventricle, z from the left apex to the base; as it is without such names."""
    named = dict(zip(heart.labels.values(), heart.labels, strict=True))
    tags, triangles, points = heart.data["triangle"]["tags"], heart.corners["triangle"], heart.points
    if not {"lv_endo", "base"} <= named.keys():
        return heart
    left, base = (np.unique(triangles[tags == named[name]]) for name in ("lv_endo", "base"))
    mitral = points[np.intersect1d(left, base)].mean(axis=0)
    apex = points[left][np.argmax(np.linalg.norm(points[left] - mitral, axis=1))]
    axis = (mitral - apex) / np.linalg.norm(mitral - apex)
    right = points[np.unique(triangles[tags == named["rv_endo"]])].mean(axis=0) if "rv_endo" in named else mitral
    side = right - mitral if "rv_endo" in named else np.eye(3)[np.argmin(np.abs(axis))]
    side -= (side @ axis) * axis
    side /= np.linalg.norm(side)
    turn = np.stack([side, np.cross(axis, side), axis])
    heart.points = points @ turn.T
    if "f0" in heart.data["tetra"]:
        heart.data["tetra"]["f0"] = heart.data["tetra"]["f0"] @ turn.T
    return heart


def _skin(heart: Contents, cells: np.ndarray) -> Skin:
    n = len(heart.points)
    faces = surface.faces_of(heart.corners["tetra"][cells])
    _, first, times = np.unique(surface.face_keys(faces, n), return_index=True, return_counts=True)
    outer = np.sort(first[times == 1])
    row, found = surface.find(faces[outer], heart.corners["triangle"], n)
    named = np.zeros(len(outer), dtype=np.int64)
    named[found] = heart.data["triangle"]["tags"][row[found]]
    return Skin(faces[outer], cells[outer // 4], named)


def _anatomy(heart: Contents, whole: Skin, half: Skin) -> list[Panel]:
    """Surfaces, and behind a cut the regions of the tissue, each in a colour of its own."""
    surfaces, tissues = list(heart.labels.values()), list(heart.regions.values())
    colours = colours_of([*surfaces, *tissues, "tissue"])
    region = heart.data["tetra"]["tags"] if heart.regions else np.zeros(len(heart.corners["tetra"]), dtype=np.int64)

    def tinted(skin: Skin) -> np.ndarray:
        of_tissue = np.where(region > 0, len(surfaces) + region - 1, -1)[skin.cell]
        return _rgb(colours.values())[np.where(skin.named > 0, skin.named - 1, of_tissue)]

    front, inside = (_coloured(heart, skin, tinted(skin), angle) for skin, angle in ((whole, FRONT), (half, INSIDE)))
    return [
        Panel("front", front, {name: colours[name] for name in surfaces}),
        Panel(f"cut open: {len(region)} tetrahedra", inside, {name: colours[name] for name in tissues}),
    ]


def _rgb(colours: Iterable[str | tuple]) -> np.ndarray:
    from matplotlib.colors import to_rgb

    return np.array([to_rgb(colour) for colour in colours])


def _coloured(heart: Contents, skin: Skin, rgb: np.ndarray, angle: float) -> np.ndarray:
    plotter, mesh = _plotter(), _polydata(heart, skin)
    mesh.cell_data["rgb"] = rgb
    edges = {"show_edges": len(skin.triangles) < EDGES, "line_width": 0.6, "edge_opacity": 0.5}
    plotter.add_mesh(mesh, scalars="rgb", rgb=True, ambient=0.35, diffuse=0.65, **edges)
    return _taken(plotter, heart, angle)


def _fibres(heart: Contents, skin: Skin, title: str, angle: float) -> Panel:
    """Fibres of the outermost cells by helix angle about the left ventricle: above 0 they climb anticlockwise."""
    import pyvista

    some = np.linspace(0, len(skin.triangles) - 1, min(FIBRES, len(skin.triangles))).astype(int)
    lines = pyvista.PolyData(heart.points[skin.triangles[some]].mean(axis=1))
    lines["fibre"] = fibre = heart.data["tetra"]["f0"][skin.cell[some]]
    around = np.cross((0.0, 0.0, 1.0), lines.points - _axis(heart))
    along = np.einsum("ij,ij->i", fibre, around) / np.maximum(np.linalg.norm(around, axis=1), 1e-300)
    lines["helix"] = np.degrees(np.arctan2(fibre[:, 2] * np.sign(along), np.abs(along)))
    mesh = _polydata(heart, skin)
    length = 3.0 * np.sqrt(mesh.area / FIBRES)
    segment = pyvista.Line((-0.5, 0, 0), (0.5, 0, 0))
    plotter = _plotter()
    plotter.add_mesh(mesh, color="white", ambient=0.5, diffuse=0.5)
    lines = lines.glyph(orient="fibre", scale=False, factor=length, geom=segment)
    plotter.add_mesh(lines, scalars="helix", cmap="coolwarm", clim=(-90, 90), line_width=4, show_scalar_bar=False)
    return Panel(title, _taken(plotter, heart, angle), scale=("helix angle [deg]", "coolwarm", (-90, -45, 0, 45, 90)))


def _axis(heart: Contents) -> np.ndarray:
    """A point on the long axis of the left ventricle, or of the whole mesh where there is none."""
    left = [tag for tag, name in heart.labels.items() if name == "lv_endo"]
    corners = heart.corners["triangle"][np.isin(heart.data["triangle"]["tags"], left)]
    return heart.points[corners].mean(axis=(0, 1)) if len(corners) else heart.points.mean(axis=0)


def _segments(heart: Contents, skin: Skin, title: str, angle: float) -> Panel:
    """AHA segments with their numbers."""
    from matplotlib import colormaps

    segment = np.sort(heart.point_data["aha"][skin.triangles], axis=1)[:, 1].astype(int)
    colours = np.vstack([NO_SEGMENT, colormaps["tab20"](np.arange(17))[:, :3]])
    plotter, mesh = _plotter(), _polydata(heart, skin)
    mesh.cell_data["rgb"] = colours[segment]
    plotter.add_mesh(mesh, scalars="rgb", rgb=True, ambient=0.45, diffuse=0.55)
    towards = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle)), 0.0])
    outside = skin.named == dict(zip(heart.labels.values(), heart.labels, strict=True)).get("epi", -1)
    middles = heart.points[skin.triangles].mean(axis=1)
    for number in np.unique(segment[(segment > 0) & outside]).tolist():
        own = (segment == number) & outside
        facing = np.asarray(mesh.cell_normals)[own] @ towards > 0.4
        if facing.mean() > 0.3:
            place = middles[own][facing].mean(axis=0) + 2.0 * towards
            plotter.add_point_labels(
                [place], [str(number)], shape=None, font_size=26, show_points=False, always_visible=True
            )
    return Panel(title, _taken(plotter, heart, angle))


def _depth(heart: Contents, skin: Skin) -> Panel:
    plotter, mesh = _plotter(), _polydata(heart, skin)
    mesh["transmural"] = heart.point_data["transmural"]
    plotter.add_mesh(mesh, scalars="transmural", cmap="coolwarm", clim=(0, 1), show_scalar_bar=False, **SKIN)
    scale = ("0 endocardium, 1 epicardium", "coolwarm", (0.0, 0.5, 1.0))
    return Panel("depth in the wall", _taken(plotter, heart, INSIDE), scale=scale)


def _polydata(heart: Contents, skin: Skin):
    import pyvista

    return pyvista.PolyData.from_regular_faces(heart.points, skin.triangles)


def _plotter():
    import pyvista

    return pyvista.Plotter(off_screen=True, window_size=PIXELS)


def _taken(plotter, heart: Contents, angle: float) -> np.ndarray:
    """What the plotter shows from an angle, without its margins."""
    low, high = heart.points.min(axis=0), heart.points.max(axis=0)
    aim(plotter, (low + high) / 2, float(np.linalg.norm(high - low)), angle)
    plotter.set_background("white")
    plotter.enable_anti_aliasing("ssaa")
    image = plotter.screenshot(return_img=True)
    plotter.close()
    ink = (image < 255).any(axis=2)
    rows, columns = (np.flatnonzero(ink.any(axis=side)) for side in (1, 0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if ink.any() else image


def _figure(panels: list[Panel], angles: np.ndarray, path: Path) -> None:
    """All panels, and last the histogram of the tetrahedra's smallest dihedral angles [deg]."""
    from matplotlib.figure import Figure

    columns = min(len(panels) + 1, COLUMNS)
    rows = -(-(len(panels) + 1) // columns)
    figure = Figure(figsize=(3.6 * columns, 4.2 * rows), dpi=130, layout="constrained")
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(places, panels, strict=False):
        _show(axes, panel)
    quality = places[len(panels)]
    quality.hist(angles, bins=np.arange(0, 74, 2), color="#8aa0b4")
    quality.set(title=f"smallest dihedral angle: worst {angles.min():.1f} deg", xlabel="[deg]", ylabel="tetrahedra")
    quality.title.set_fontsize(10)
    quality.set_box_aspect(0.8)
    for axes in (*places[: len(panels)], *places[len(panels) + 1 :]):
        axes.axis("off")
    figure.savefig(path, bbox_inches="tight")


def _show(axes, panel: Panel) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.patches import Patch

    axes.imshow(panel.image)
    axes.set_title(panel.title, fontsize=10)
    patches = [Patch(color=colour, label=name) for name, colour in panel.names.items()]
    if patches:
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.0), "ncols": min(len(patches), 4)}
        axes.legend(handles=patches, fontsize=8, frameon=False, handlelength=1.0, **place)
    if panel.scale:
        label, colours, ticks = panel.scale
        mapped = ScalarMappable(Normalize(ticks[0], ticks[-1]), colours)
        axes.figure.colorbar(mapped, ax=axes, orientation="horizontal", shrink=0.7, ticks=ticks, label=label)


if __name__ == "__main__":
    _picture(Path(sys.argv[1]), Path(sys.argv[2]))
