"""The same beat on any number of ranks: `python3 benchmarks/reliability/ranks.py [--ranks 1 2 3 4]`.

Two small ventricles, excited and squeezing, with the default solvers. Traces and metrics on several ranks are compared
with those on the first number of ranks: ejection fraction, pressures and activation must agree to 1e-7. Rewrites its
rows of result.json.
"""

import argparse
import json
import tempfile
from pathlib import Path

from small import command, differences, heart, record, series

TRACES = {"pressures": "_pressure", "volumes": "_volume", "activation": "activated", "ECG": "ecg_"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 3, 4])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        path = heart.scenario(Path(place), heart.TWO_VENTRICLES)
        runs = [beat(path, ranks) for ranks in asked.ranks]
    numbers = ", ".join(map(str, asked.ranks))
    apart = [differences(runs[0][0], traces) for traces, _ in runs[1:]]
    for what, part in TRACES.items():
        largest = max(value for found in apart for name, value in found.items() if part in name)
        record(f"{what} on {numbers} ranks, of their range", largest, "1", high=1e-7)
    for name in ("lv_ef", "rv_ef"):
        values = [metrics[name]["value"] for _, metrics in runs]
        record(f"{name} on {numbers} ranks, relative", (max(values) - min(values)) / max(values), "1", high=1e-7)


def beat(path: Path, ranks: int) -> tuple[dict, dict]:
    """Traces and metrics of a run."""
    run = path.parent / f"{ranks}"
    command(ranks, "run", str(path), "-o", str(run))
    return series(run), json.loads((run / "run.json").read_text())["metrics"]


if __name__ == "__main__":
    main()
