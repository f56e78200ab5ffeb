"""Recorder: what a run writes while it goes on, each output by its own schedule."""

from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from heartwright.coupling.clock import Clock
from heartwright.coupling.electromechanics import Heart
from heartwright.output.checkpoint import Checkpoints
from heartwright.output.fields import Fields
from heartwright.output.series import Series
from heartwright.output.spec import OutputSpec
from heartwright.parallel import together


class Recorder:
    """Series, fields and checkpoints of one heart in one run folder. All methods are collective.

    `described` is the scenario as plain values; checkpoints carry it, so that a restart knows what has changed.
    """

    def __init__(self, folder: Path, spec: OutputSpec, described: Any, heart: Heart, clock: Clock, comm: MPI.Comm):
        self.folder, self.spec, self.heart, self.clock, self.comm = folder, spec, heart, clock, comm
        identity = {"mesh": heart.solid.geometry.digest}
        self.checkpoints = Checkpoints(folder / "checkpoints", (clock, *heart.parts), identity, described, comm)
        self.row: dict[str, tuple[float, str]] = {}
        self.series: Series | None = None
        self.fields: Fields | None = None
        self._saved = -1, Path()  # step and place of the newest checkpoint of this process

    def begin(self) -> None:
        """The state at the start of the run: first row, first frame, first checkpoint."""
        self._open()
        self._truncate(-np.inf)
        self._write_row()
        self._write_frame()
        self.save()

    def resume(self) -> list[str]:
        """Put the newest good checkpoint back and drop what was written after it; returns notes for the log.

        Raises InputError, with all files as they were, when no checkpoint fits this heart.
        """
        notes = self.checkpoints.load()
        self._open()
        self._truncate(self.clock.t)
        return notes

    def when_due(self) -> None:
        """Write everything that is due at the clock's present step."""
        if self.clock.due(self.spec.series.every):
            self.row = self.heart.observe(self.clock.t)
            self._write_row()
        if self.clock.due(self.spec.fields.every):
            self._write_frame()
        if self.clock.due(self.spec.checkpoint.every):
            self.save()

    def save(self) -> Path:
        """A checkpoint of the present step, written once. The run goes on from it as a restart would."""
        if self._saved[0] != self.clock.n:
            self._saved = self.clock.n, self.checkpoints.save(self.clock.n)
            self.heart.forget()
        return self._saved[1]

    def close(self) -> None:
        if self.series:
            self.series.close()
        if self.fields:
            self.fields.close()

    def _open(self) -> None:
        self.row = self.heart.observe(self.clock.t)
        columns = {"time": "ms"} | {name: unit for name, (_, unit) in self.row.items()}
        with together(self.comm):
            self.series = Series(self.folder / "series.csv", columns) if self.comm.rank == 0 else None
        self.fields = self._open_fields()

    def _truncate(self, t: float) -> None:
        """Drop what was written after time t [ms]."""
        with together(self.comm):
            if self.series:
                self.series.truncate(t)
        if self.fields:
            self.fields.truncate(t)

    def _open_fields(self) -> Fields | None:
        names = self.spec.fields.of
        if not names:
            return None
        values = self.heart.fields()
        axes = self.heart.tissue.geometry.coordinates.axes
        return Fields(
            self.folder / "fields",
            self.comm,
            *self.heart.grid(),
            components={name: 1 if values[name].ndim == 1 else 3 for name in names},
            cell_vectors={"f0": self.heart.fibre_cells()},
            axes=np.array([axes.septal, axes.anterior, axes.axis]),
            frames=2 + self.clock.steps // max(1, round(self.spec.fields.every / self.clock.dt)),
        )

    def _write_row(self) -> None:
        with together(self.comm):
            if self.series:
                self.series.write({"time": self.clock.t} | {name: value for name, (value, _) in self.row.items()})

    def _write_frame(self) -> None:
        if self.fields:
            self.fields.write(self.clock.t, self.heart.fields())
