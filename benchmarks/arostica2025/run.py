"""Arostica et al. 2025 (doi:10.1016/j.cma.2024.117485): the monoventricle against all codes' curves, the biventricle.

`python3 run.py --data FOLDER --cases 0A 0B 1 biventricle`: FOLDER holds `mono/ellipsoid_0.005.h5`, `biv_coarse_p1/` and
`results/*.csv` of the benchmark's data; `--size 5` takes a mesh of our own with edges of 5 mm for the monoventricle.
Every case leaves its curves in `ours_CASE.csv`; result.json and curves.png are made from all of these. Without
`--cases` nothing is computed anew. Works under mpirun.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import biventricle
import matplotlib
import matplotlib.pyplot as plt
import monoventricle
import numpy as np
from mpi4py import MPI

from heartwright.mechanics.cavity import Cavity
from heartwright.mechanics.solid import Solid

matplotlib.use("Agg")
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from result import row, write  # noqa: E402

CASES = ("0A", "0B", "1", "biventricle")
SAMPLES = np.arange(0.0, 1.0, 0.01)  # s: the times of the published curves


def ventricle(case: str, folder: Path, size: float | None) -> tuple[Solid, dict[str, tuple]]:
    """The solid of a case and the points at which it is watched. Collective."""
    if case == "biventricle":
        return biventricle.solid(folder / "biv_coarse_p1"), biventricle.PROBES
    raw = None
    if MPI.COMM_WORLD.rank == 0:
        file = folder / "mono/ellipsoid_0.005.h5"
        raw = monoventricle.generated_mesh(size) if size else monoventricle.published_mesh(file)
    return monoventricle.solid(raw, case), monoventricle.PROBES


def beat(solid: Solid, points: dict[str, tuple]) -> tuple[np.ndarray, list[str], str]:
    """Time [s], displacements [mm] and volumes [mL] every 10 ms of a beat, the names of these columns, and the cost."""
    probe, start = monoventricle.Probe(solid.u, list(points.values())), time.process_time()
    cavities = {name: Cavity(solid.geometry, solid.u, name) for name in solid.geometry.rims}
    names = ["time [s]", *(f"{p} u_{k} [mm]" for p in points for k in "xyz"), *(f"{name} [mL]" for name in cavities)]
    table = []
    for t in range(1000):
        if t % 10 == 0:
            volumes = [1e-3 * cavity.volume() for cavity in cavities.values()]
            table.append([1e-3 * t, *probe().ravel(), *volumes])
        monoventricle.step(solid, float(t))
    cells, newton = solid.geometry.mesh.topology.index_map(3).size_global, solid.newton
    cost = f"{cells} cells, {solid.wall.n_dofs} dofs; {time.process_time() - start:.0f} s of CPU on each of "
    cost += f"{MPI.COMM_WORLD.size} ranks, {newton.iterations / 1000:.2f} iterations per step, "
    return np.array(table), names, cost + f"{newton.factorisations} factorisations"


def published(folder: Path, case: str) -> dict[str, np.ndarray]:
    """code -> displacements [mm] (samples, points, 3)."""
    curves = {}
    for path in sorted(folder.glob(f"monoventricular_nonblinded_step_{case}__*.csv")):
        table = np.loadtxt(path, delimiter=",", skiprows=1, usecols=range(7))
        sampled = [np.interp(SAMPLES, table[:, 0], 1e3 * column) for column in table[:, 1:].T]
        curves[path.stem.partition("__")[2]] = np.stack(sampled, axis=-1).reshape(len(SAMPLES), -1, 3)
    return curves


def ours(case: str) -> tuple[np.ndarray, list[str], str]:
    """The stored table of a case, the names of its columns, and what it was computed with."""
    with (HERE / f"ours_{case}.csv").open() as file:
        cost, names = (file.readline().strip() for _ in range(2))
    return np.loadtxt(HERE / f"ours_{case}.csv", delimiter=",", skiprows=2), names.split(","), cost.removeprefix("# ")


def rows(case: str, others: dict[str, np.ndarray]) -> list[dict]:
    """What is asked of a case: how far it is from the others' mean or envelope; and extremes."""
    table, names, cost = ours(case)
    if not others:
        return [
            row(f"{case}, {name[:-5]}: {which}", value, name[-3:-1], cost)
            for name, column in zip(names[1:], table[:, 1:].T, strict=True)
            for which, value in (("least", column.min()), ("greatest", column.max()))
        ]
    everyone = np.array(list(others.values()))
    mean, low, high = everyone.mean(axis=0), everyone.min(axis=0), everyone.max(axis=0)
    found, made = displacements(table, mean.shape[1]), []
    for i, point in enumerate(monoventricle.PROBES):
        size, least = np.linalg.norm(mean[:, i]), everyone[:, :, i, 0].min(axis=1)
        nearest = np.clip(found[:, i], low[:, i], high[:, i]) if case == "0B" else mean[:, i]
        distance = np.linalg.norm(found[:, i] - nearest) / size
        apart = (np.linalg.norm(everyone[:, :, i] - mean[:, i], axis=(1, 2)) / size).max()
        what, bar = ("envelope", 0.01) if case == "0B" else ("mean", 0.05)
        source = f"{cost}; the codes from their mean: up to {apart:.3f}"
        made += [
            row(f"case {case}, {point}: L2 distance from all codes' {what}", distance, "1", source, high=bar),
            row(f"case {case}, {point}: least u_x", found[:, i, 0].min(), "mm", "all codes", least.min(), least.max()),
        ]
    return made


def displacements(table: np.ndarray, points: int) -> np.ndarray:
    """(samples, points, 3) in mm."""
    return table[:, 1 : 1 + 3 * points].reshape(-1, points, 3)


def draw(cases: list[str], published_curves: dict[str, dict[str, np.ndarray]]) -> None:
    """All codes' curves in grey, their mean dashed, ours in red."""
    points = [(case, i) for case in cases for i in range(3 if case == "biventricle" else 2)]
    figure, axes = plt.subplots(len(points), 3, figsize=(12, 2.5 * len(points)), sharex=True, layout="constrained")
    for (case, i), line in zip(points, axes, strict=True):
        table, names, _ = ours(case)
        others = published_curves[case]
        for k, axis in enumerate(line):
            for other in others.values():
                axis.plot(SAMPLES, other[:, i, k], color="0.7", lw=1)
            if others:
                axis.plot(SAMPLES, np.mean(list(others.values()), axis=0)[:, i, k], "k--", lw=1)
            axis.plot(table[:, 0], table[:, 1 + 3 * i + k], "C3", lw=1.5)
            axis.set_title(f"case {case}, {names[1 + 3 * i + k]}", fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel("time [s]")
    figure.savefig(HERE / "curves.png", dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with mono/, biv_coarse_p1/ and results/")
    parser.add_argument("--size", type=float, help="edges in mm of a generated mesh, instead of the published one")
    parser.add_argument("--cases", nargs="*", default=[], choices=CASES, help="what to compute anew")
    arguments = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True)  # noqa: S607
    for case in arguments.cases:
        table, names, cost = beat(*ventricle(case, arguments.data, arguments.size))
        if MPI.COMM_WORLD.rank == 0:
            header = f"# {cost}; commit {commit.stdout.strip()}\n{','.join(names)}"
            np.savetxt(HERE / f"ours_{case}.csv", table, "%.5g", ",", header=header, comments="")
    if MPI.COMM_WORLD.rank:
        return
    cases = [case for case in CASES if (HERE / f"ours_{case}.csv").is_file()]
    others = {case: published(arguments.data / "results", case) for case in cases}
    found = [r for case in cases for r in rows(case, others[case])]
    write(__file__, found, f"--data FOLDER --cases {' '.join(cases)}")
    draw(cases, others)


if __name__ == "__main__":
    main()
