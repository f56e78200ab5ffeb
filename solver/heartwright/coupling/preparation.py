"""Preparation: tissue alone, which neither contracts nor pumps, as what the time loop steps and the recorder reads."""

from collections.abc import Callable, Iterator

import numpy as np
from dolfinx import fem

from heartwright.electrophysiology.tissue import Tissue
from heartwright.electrophysiology.velocity import conduction_velocity
from heartwright.mesh import rows
from heartwright.mesh.geometry import Geometry
from heartwright.parts import Part, Rows, State
from heartwright.stopwatch import Stopwatch

Row = dict[str, tuple[float, str]]  # name -> (value, unit)
NodalFields = dict[str, Callable[[], np.ndarray]]


class Preparation:
    """Tissue in a dish: a slab, a wedge, or a heart whose contraction is not of interest.

    fibres: their direction in the cells of the tissue's mesh.
    """

    name = "preparation"

    def __init__(self, tissue: Tissue, fibres: fem.Function):
        self.tissue, self.fibres = tissue, fibres
        self.watch = Stopwatch()

    @property
    def geometry(self) -> Geometry:
        """The mesh as it was read."""
        return self.tissue.geometry

    @property
    def parts(self) -> Iterator[Part]:
        yield self.tissue

    def state(self) -> State:
        return {f"{part.name}.{key}": array for part in self.parts for key, array in part.state().items()}

    def rows(self) -> dict[str, Rows]:
        return {f"{part.name}.{key}": which for part in self.parts for key, which in part.rows().items()}

    def fill(self, say: Callable[[str], None] = lambda line: None) -> dict[str, float]:
        """Tissue alone begins as it is; it has no cavities to fill."""
        return {}

    def step(self, t: float, dt: float) -> None:
        """From t to t + dt; raises SolveFailed, after which the state must be restored."""
        with self.watch("tissue"):
            self.tissue.step(t, dt)

    def forget(self) -> None:
        """Drop what only speeds up the next step: without it, what follows is given by `state()` to the last digit."""

    def observe(self, t: float) -> Row:
        """The row of the series at time t. Collective."""
        row = self.observe_tissue()
        row["reentry_cycle_length"] = (self.tissue.upstrokes.reentry(t), "ms")
        row["filament_cells"] = (float(self.tissue.filament_cells()), "1")
        return row

    def observe_tissue(self) -> Row:
        """What the series says of the tissue of a beating heart, too. Collective."""
        row = {f"ecg_{lead}": (value, "mV") for lead, value in self.tissue.ecg().items()}
        return row | {"activated": (self.tissue.summary()["activated"], "1")}

    def observe_regions(self) -> Row:
        """The row of segments.csv: nothing moves."""
        return {}

    def progress(self, row: Row) -> str:
        """What the log says of a row."""
        return f"activated {100 * row['activated'][0]:.0f} %"

    def axes(self) -> np.ndarray:
        """The heart's directions in rows: to the right ventricle, their normal, to the base. Collective."""
        if "lv_endo" not in self.geometry.names:
            return np.eye(3)
        axes = self.tissue.geometry.coordinates.axes
        return np.array([axes.septal, axes.anterior, axes.axis])

    def grid(self) -> tuple[np.ndarray, Rows, np.ndarray]:
        """This rank's nodes (n, 3) of the undeformed fine mesh, what they are, and its cells (m, 4) in local nodes."""
        fine = self.tissue.geometry
        cells = fine.V1.dofmap.list[: fine.mesh.topology.index_map(3).size_local]
        return fine.points, rows.of_vertices(fine), cells

    def fields(self) -> NodalFields:
        """Nodal fields on the fine mesh, each made when called: (n,) or (n, 3) at this rank's nodes, ghosts included.

        Collective, as are the calls.
        """
        tissue = self.tissue

        def repolarisation() -> np.ndarray:
            return tissue.with_ghosts(tissue.repolarisation)

        return (
            {name: (lambda values=values: values) for name, values in tissue.potentials().items()}
            | ({"calcium": tissue.calcium} if tissue.cells.have("calcium") else {})
            | {
                "activation": lambda: tissue.activation,
                "repolarisation": repolarisation,
                "apd90": lambda: repolarisation() - tissue.activation,
                "phase": tissue.phase,
                "conduction_velocity": lambda: conduction_velocity(tissue.geometry, tissue.activation),
                "cycle_length": lambda: tissue.with_ghosts(tissue.upstrokes.cycle_length),
            }
        )

    def fibre_cells(self) -> np.ndarray:
        """Fibre direction (m, 3) of this rank's own cells of the fine mesh."""
        own = self.tissue.geometry.mesh.topology.index_map(3).size_local
        return self.fibres.x.array.reshape(-1, 3)[:own]

    def dofs(self) -> dict[str, int]:
        """Unknowns of each equation. The same on all ranks."""
        return {"tissue": self.tissue.geometry.V1.dofmap.index_map.size_global}
