"""The same beat on any number of ranks: `python3 benchmarks/reliability/ranks.py [--ranks 1 2 3 4]`.

Two small ventricles, excited and squeezing, with the default solvers. Traces and metrics on several ranks are compared
with those on the first number of ranks: ejection fraction, pressures and activation must agree to 1e-7. Rewrites its
rows of result.json.
"""

import argparse
import json
import tempfile
from pathlib import Path

import h5py
import numpy as np
from small import command, differences, heart, record, row, series

TRACES = {"pressures": "_pressure", "volumes": "_volume", "ECG": "ecg_"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 3, 4])
    asked = parser.parse_args()
    where = f"on {', '.join(map(str, asked.ranks))} ranks"
    with tempfile.TemporaryDirectory() as place:
        path = heart.scenario(Path(place), heart.TWO_VENTRICLES)
        for ranks in asked.ranks:
            command(ranks, "run", str(path), "-o", str(path.parent / f"{ranks}"))
        first, *others = [path.parent / f"{ranks}" for ranks in asked.ranks]
        apart = [differences(series(first), series(other)) for other in others]
        times = [activation(first) - activation(other) for other in others]
        fractions = {name: [metric(run, name) for run in (first, *others)] for name in ("lv_ef", "rv_ef")}
    rows = [row(f"activation times {where}", float(np.nanmax(np.abs(times))), "ms", high=1e-7)]
    for what, part in TRACES.items():
        largest = max(value for found in apart for name, value in found.items() if part in name)
        rows.append(row(f"{what} {where}, of their range", largest, "1", high=1e-7))
    for name, values in fractions.items():
        rows.append(row(f"{name} {where}, relative", (max(values) - min(values)) / max(values), "1", high=1e-7))
    record(*rows)


def activation(run: Path) -> np.ndarray:
    """When every node was activated [ms], in the order of the mesh, from the last checkpoint."""
    with h5py.File(sorted((run / "checkpoints").glob("ck-*"))[-1] / "state.h5") as file:
        return file["tissue/activation"][()]


def metric(run: Path, name: str) -> float:
    return json.loads((run / "run.json").read_text())["metrics"][name]["value"]


if __name__ == "__main__":
    main()
