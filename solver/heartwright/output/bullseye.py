"""Bull's eyes: the 17 segments of the left ventricle in rings, apex in the middle, as Cerqueira et al. 2002 draw them.

doi:10.1161/hc0402.102975: seen from the apex, anterior above and the septum on the left.
"""

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Wedge

from heartwright.output.plots import INK, STYLE

PANELS = {
    "longitudinal_strain": "longitudinal strain",
    "circumferential_strain": "circumferential strain",
    "wall_thickening": "wall thickening",
    "fibre_stress_p50_ed": "fibre stress, end-diastole, median",
    "fibre_stress_p50_es": "fibre stress, end-systole, median",
    "work": "work",
}
# Segments of a ring anticlockwise, the first in the middle of the angle given (degrees from the right), and its radii.
RINGS = (
    ((1, 2, 3, 4, 5, 6), 90, (0.75, 1.0)),
    ((7, 8, 9, 10, 11, 12), 90, (0.5, 0.75)),
    ((13, 14, 15, 16), 90, (0.25, 0.5)),
    ((17,), 90, (0.0, 0.25)),
)


def draw(segments: dict[str, dict]) -> Figure:
    """Strains, stresses and work of a run's segments (run.json), one bull's eye each; white has no value."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 6.6), layout="constrained")
        for axes, (name, title) in zip(figure.subplots(2, 3).ravel(), PANELS.items(), strict=True):
            known = segments[name]["values"]
            bullseye(axes, {int(region): value for region, value in known.items() if region.isdigit()})
            axes.set_title(f"{title} [{segments[name]['unit']}]", fontsize=10)
        return figure


def bullseye(axes: Axes, values: dict[int, float | None]) -> None:
    """One bull's eye of the values by segment, with the number in every segment."""
    numbers = [value for value in values.values() if value is not None]
    shade = Normalize(min(numbers, default=0.0), max(numbers, default=1.0))
    colours = matplotlib.colormaps["viridis"]
    for ring, middle, (inner, outer) in RINGS:
        width = 360 / len(ring)
        for place, segment in enumerate(ring):
            value, angle = values.get(segment), middle + place * width
            colour = "white" if value is None else colours(shade(value))
            wedge = Wedge((0, 0), outer, angle - width / 2, angle + width / 2, width=outer - inner)
            wedge.set(facecolor=colour, edgecolor="white", linewidth=1.5)
            axes.add_patch(wedge)
            if value is not None:
                at = (
                    (inner + outer) / 2 * np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))]) * (inner > 0)
                )
                ink = INK if shade(value) > 0.6 else "white"
                axes.text(*at, f"{value:.3g}", ha="center", va="center", fontsize=8, color=ink)
    axes.set(xlim=(-1.02, 1.02), ylim=(-1.02, 1.02), aspect="equal")
    axes.set_axis_off()
