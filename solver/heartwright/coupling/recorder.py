"""Recorder: what a run writes while it goes on, each output by its own schedule."""

from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from heartwright import memory
from heartwright.coupling.clock import Clock
from heartwright.coupling.preparation import Preparation, Row
from heartwright.errors import InputError
from heartwright.output import layout
from heartwright.output.checkpoint import Checkpoints
from heartwright.output.fields import Fields
from heartwright.output.series import Series
from heartwright.output.spec import OutputSpec
from heartwright.parallel import together

WIDTHS = {"u": 3}  # numbers per node of the fields that are vectors
MESH_NUMBERS = 70  # of four bytes, per node: its place, about six cells and their fibres
NETWORK = "purkinje.vtu"  # the Purkinje network and its latest wave
DIGITS = 20  # bytes of a number in the series


class Recorder:
    """Series (of the heart and of its segments), fields and checkpoints of one heart in one run folder. All methods are
    collective.

    `described` is the scenario as plain values; checkpoints carry it, so that a restart knows what has changed.
    """

    def __init__(
        self, folder: Path, spec: OutputSpec, described: Any, heart: Preparation, clock: Clock, comm: MPI.Comm
    ):
        self.folder, self.spec, self.heart, self.clock, self.comm = folder, spec, heart, clock, comm
        identity = {"mesh": heart.geometry.digest}
        self.checkpoints = Checkpoints(folder / "checkpoints", (clock, *heart.parts), identity, described, comm)
        self.row: Row = {}
        self.series: Series | None = None
        self.segments: Series | None = None
        self.fields: Fields | None = None
        self._saved = -1, Path()  # step and place of the newest checkpoint of this process

    def begin(self) -> None:
        """The state at the start of the run: first row, first frame, first checkpoint."""
        self._open()
        self._truncate(-np.inf)
        self._write_row()
        self._write_segments()
        self._write_frame()
        self.save()

    def resume(self) -> list[str]:
        """Put the newest good checkpoint back and drop what was written after it; returns notes for the log.

        Raises InputError, with all files as they were, when no checkpoint fits this heart or its end lies before it.
        """
        notes = self.checkpoints.load()
        if self.clock.n > self.clock.steps:
            raise InputError(
                f"time: the run has come to {self.clock.t:g} ms already; it cannot end at {self.clock.end:g} ms"
            )
        self._open()
        self._truncate(self.clock.t)
        return notes

    def when_due(self) -> None:
        """Write everything that is due at the clock's present step."""
        if self.clock.due(self.spec.series.every):
            self.row = self.heart.observe(self.clock.t)
            self._write_row()
        if self.clock.due(self.spec.segments.every):
            self._write_segments()
        if self.clock.due(self.spec.fields.every):
            self._write_frame()
        if self.clock.due(self.spec.checkpoint.every):
            self.save()

    def save(self) -> Path:
        """A checkpoint of the present step, written once. The run goes on from it as a restart would."""
        if self._saved[0] != self.clock.n:
            self._saved = self.clock.n, self.checkpoints.save(self.clock.n)
            self.heart.forget()
            memory.give_back()
        return self._saved[1]

    def show_last_state(self) -> None:
        """All fields at the present state, in last_state.xdmf."""
        with together(self.comm):
            if self.comm.rank == 0:
                for kind in (".xdmf", ".h5"):
                    (self.folder / f"last_state{kind}").unlink(missing_ok=True)
        fields = self._fields("last_state", tuple(self.heart.fields()), frames=1)
        self._write_values(fields)
        fields.close()

    def close(self) -> None:
        with together(self.comm):
            for table in (self.series, self.segments):
                if table:
                    table.close()
        if self.fields:
            self.fields.close()
        with together(self.comm):
            if self.heart.tissue.network and self.comm.rank == 0:
                self.heart.tissue.network.write(self.folder / NETWORK)

    def _open(self) -> None:
        self.row, regions = self.heart.observe(self.clock.t), self.heart.observe_regions()
        self._numbers = self.clock.end * sum(
            len(row) / every for row, every in ((self.row, self.spec.series.every), (regions, self.spec.segments.every))
        )
        with together(self.comm):
            if self.comm.rank == 0:
                self.series = _table(self.folder / "series.csv", self.row)
                self.segments = _table(self.folder / "segments.csv", regions) if regions else None
        layout.require_space(self.folder, self.bytes, self.comm)
        self.fields = self._fields("fields", self.spec.fields.of, self._frames) if self.spec.fields.of else None

    def _truncate(self, t: float) -> None:
        """Drop what was written after time t [ms]."""
        with together(self.comm):
            for table in (self.series, self.segments):
                if table:
                    table.truncate(t)
        if self.fields:
            self.fields.truncate(t)

    @property
    def bytes(self) -> int:
        """What the whole run will take on disk."""
        nodes, width = self.heart.dofs()["tissue"], sum(WIDTHS.get(name, 1) for name in self.spec.fields.of)
        fields = 4 * nodes * (self._frames * width + MESH_NUMBERS)
        return int(fields + self._numbers * DIGITS) + self.checkpoints.bytes

    @property
    def _frames(self) -> int:
        return 2 + self.clock.steps // max(1, round(self.spec.fields.every / self.clock.dt))

    def _fields(self, name: str, of: tuple[str, ...], frames: int) -> Fields:
        return Fields(
            self.folder / name,
            self.comm,
            *self.heart.grid(),
            components={name: WIDTHS.get(name, 1) for name in of},
            cell_vectors={"f0": self.heart.fibre_cells()},
            axes=self.heart.axes(),
            frames=frames,
        )

    def _write_row(self) -> None:
        self._append(self.series, self.row)

    def _write_segments(self) -> None:
        self._append(self.segments, self.heart.observe_regions())

    def _append(self, table: Series | None, row: Row) -> None:
        with together(self.comm):
            if table:
                table.write({"time": self.clock.t} | {name: value for name, (value, _) in row.items()})

    def _write_frame(self) -> None:
        if self.fields:
            self._write_values(self.fields)

    def _write_values(self, fields: Fields) -> None:
        made = self.heart.fields()
        fields.write(self.clock.t, {name: made[name]() for name in fields.components})


def _table(path: Path, row: Row) -> Series:
    return Series(path, {"time": "ms"} | {name: unit for name, (_, unit) in row.items()})
