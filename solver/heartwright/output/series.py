"""Series: the scalar traces of a run, one row per instant, as CSV with units in its header."""

import csv
import os
from pathlib import Path

import numpy as np

from heartwright.errors import StorageError
from heartwright.files import storing, write_atomically


class Series:
    """`series.csv`: first row `name [unit]`, then numbers; a row is on disk when `write` returns.

    `columns` maps names to units; numbers are given in those units. Written by one rank only.
    """

    def __init__(self, path: Path, columns: dict[str, str]):
        self.path, self.columns = path, columns
        if not path.exists():
            write_atomically(path, ",".join(f"{name} [{unit}]" for name, unit in columns.items()) + "\n")
        elif list(header(path)) != list(columns):
            raise StorageError(f"{path.name} has other columns than this run writes; use a new folder")
        self._open()

    def _open(self) -> None:
        self._file = open(self.path, "a", encoding="utf-8", newline="")  # noqa: SIM115 - open as long as the run lasts
        self._rows = csv.writer(self._file, lineterminator="\n")

    def write(self, row: dict[str, float]) -> None:
        """Append one row; the numbers are written with all their digits."""
        with storing(self.path):
            self._rows.writerow([repr(float(row[name])) for name in self.columns])
            self._file.flush()

    def truncate(self, t: float) -> None:
        """Drop rows after time `t` [ms], and a last row cut short by a crash: a restart writes them anew."""
        self._file.close()
        first, *rows = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [row for row in rows if row.endswith("\n") and row.count(",") == first.count(",")]
        kept = [row for row in whole if float(row.split(",", 1)[0]) <= t + 1e-9]
        write_atomically(self.path, first + "".join(kept))
        self._open()

    def close(self) -> None:
        with storing(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()


def header(path: Path) -> dict[str, str]:
    """Column names and units of a series."""
    with open(path, encoding="utf-8") as file:
        names = file.readline().rstrip("\n").split(",")
    return {name.rpartition(" [")[0]: name.rpartition(" [")[2].rstrip("]") for name in names}


def read(path: Path) -> dict[str, np.ndarray]:
    """All columns of a series by name; a last line cut short by a crash is passed over."""
    names = list(header(path))
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[1:]
    rows = [line.split(",") for line in lines if line.endswith("\n") and line.count(",") == len(names) - 1]
    table = np.array(rows, dtype=float).reshape(-1, len(names))
    return dict(zip(names, table.T, strict=True))
