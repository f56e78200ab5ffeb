"""Arostica et al. 2025 (doi:10.1016/j.cma.2024.117485), monoventricle: cases 0A and 1 against all codes' curves.

`python3 run.py --data FOLDER`: FOLDER holds `mono/ellipsoid_0.005.h5` and `results/*.csv` of the benchmark's data;
`--size 5` takes a mesh of our own with edges of 5 mm instead of the published one.
Works under mpirun. Rewrites result.json and curves.png.
"""

import argparse
import sys
import time
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from monoventricle import PROBES, Probe, generated_mesh, published_mesh, solid, step
from mpi4py import MPI

matplotlib.use("Agg")
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from result import row, write  # noqa: E402

SAMPLES = np.arange(0.0, 1.0, 0.01)  # s: the times of the published curves


def beat(raw, case: str) -> tuple[np.ndarray, str]:
    """Displacements [m] (1001, 2, 3) of a beat, every ms, and what it cost."""
    ventricle = solid(raw, case)
    probe, start = Probe(ventricle.u, list(PROBES.values())), time.perf_counter()
    rows = [np.zeros((2, 3))]
    for t in range(1000):
        step(ventricle, float(t))
        rows.append(1e-3 * probe())
    newton = ventricle.newton
    cost = f"case {case}: {ventricle.wall.n_dofs} dofs, {time.perf_counter() - start:.0f} s, "
    cost += f"{newton.iterations / 1000:.2f} iterations per step, {newton.factorisations} factorisations"
    return np.array(rows), cost


def published(folder: Path, case: str) -> dict[str, np.ndarray]:
    """code -> displacements [m] (samples, 2, 3)."""
    curves = {}
    for path in sorted(folder.glob(f"monoventricular_nonblinded_step_{case}__*.csv")):
        table = np.loadtxt(path, delimiter=",", skiprows=1, usecols=range(7))
        sampled = [np.interp(SAMPLES, table[:, 0], column) for column in table[:, 1:].T]
        curves[path.stem.partition("__")[2]] = np.stack(sampled, axis=-1).reshape(-1, 2, 3)
    return curves


def rows(case: str, found: np.ndarray, curves: dict[str, np.ndarray]) -> list[dict]:
    """Distance from the mean curve in L2 over time, relative to it, at both points; and the extremes."""
    mean, source = np.mean(list(curves.values()), axis=0), "mean of all codes' published curves"
    made = []
    for i, point in enumerate(PROBES):
        error = np.linalg.norm(found[:, i] - mean[:, i]) / np.linalg.norm(mean[:, i])
        others = [np.linalg.norm(c[:, i] - mean[:, i]) / np.linalg.norm(mean[:, i]) for c in curves.values()]
        worst = f"{source}; the codes themselves: up to {max(others):.3f}"
        made.append(row(f"case {case}, {point}: relative L2 distance", error, "1", worst, 0.0, 0.05))
        lows = [1e3 * c[:, i, 0].min() for c in curves.values()]
        low, high = min(lows), max(lows)
        made.append(row(f"case {case}, {point}: least u_x", 1e3 * found[:, i, 0].min(), "mm", "all codes", low, high))
    return made


def draw(found: dict[str, np.ndarray], curves: dict[str, dict[str, np.ndarray]]) -> None:
    figure, axes = plt.subplots(2 * len(found), 3, figsize=(12, 5 * len(found)), sharex=True, layout="constrained")
    for n, (case, ours) in enumerate(found.items()):
        for i, point in enumerate(PROBES):
            for k, axis in enumerate(axes[2 * n + i]):
                for other in curves[case].values():
                    axis.plot(SAMPLES, 1e3 * other[:, i, k], color="0.7", lw=1)
                axis.plot(SAMPLES, 1e3 * np.mean(list(curves[case].values()), axis=0)[:, i, k], "k--", lw=1)
                axis.plot(SAMPLES, 1e3 * ours[:, i, k], "C3", lw=1.5)
                axis.set_title(f"case {case}, {point}: u_{'xyz'[k]} [mm]", fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel("time [s]")
    figure.savefig(HERE / "curves.png", dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with mono/ and results/")
    parser.add_argument("--size", type=float, help="edges in mm of a generated mesh, instead of the published one")
    parser.add_argument("--cases", nargs="+", default=["0A", "1"], choices=["0A", "0B", "1"])
    arguments = parser.parse_args()
    raw = None
    if MPI.COMM_WORLD.rank == 0:
        published_file = arguments.data / "mono/ellipsoid_0.005.h5"
        raw = generated_mesh(arguments.size) if arguments.size else published_mesh(published_file)
    found, curves, made = {}, {}, []
    for case in arguments.cases:
        displacement, cost = beat(raw, case)
        curves[case] = published(arguments.data / "results", case)
        found[case] = displacement[np.rint(SAMPLES * 1000).astype(int)]
        made += rows(case, found[case], curves[case])
        if MPI.COMM_WORLD.rank == 0:
            print(cost, flush=True)
    mesh = f" --size {arguments.size:g}" * bool(arguments.size)
    write(__file__, made, f"--data FOLDER{mesh} --cases {' '.join(arguments.cases)}")
    if MPI.COMM_WORLD.rank == 0:
        draw(found, curves)


if __name__ == "__main__":
    main()
