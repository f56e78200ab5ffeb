"""Niederer et al. 2011 (doi:10.1098/rsta.2011.0139): activation times of a slab stimulated at a corner.

`python3 run.py` runs dx 0.5 and 0.2 mm at dt 0.05 ms (about a minute); `--fine` the whole table, dx 0.5, 0.2 and 0.1 mm
at dt 0.05, 0.01 and 0.005 ms (ten minutes on four cores). Works under mpirun. Rewrites result.json.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from mpi4py import MPI

from heartwright.electrophysiology.conductivity import Bundle
from heartwright.electrophysiology.spec import LUMPED, Cells, Conductivities, ElectrophysiologySpec, Stimulus
from heartwright.electrophysiology.tissue import Tissue

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "tests")]
from result import row, write  # noqa: E402

from box import AXES, box  # noqa: E402

SLAB = (20.0, 7.0, 3.0)  # mm
FIBRE = 0.17 * 0.62 / (0.17 + 0.62)  # mS/mm, half the harmonic mean of intra- and extracellular conductivity
CROSS = 0.019 * 0.24 / (0.019 + 0.24)
AMPLITUDE = 50.0 / 1.4  # uA/uF: 50 000 uA/cm^3 over chi Cm
POINTS = np.array([(x, y, z) for z in (0, 3) for x in (0, 20) for y in (0, 7)] + [(10, 3.5, 1.5)], dtype=float)
NAMES = [f"P{i}" for i in range(1, 10)]

# The initial state the benchmark prescribes
RESTING = {
    "membrane.V": -85.23, "ikr.xr1": 0.00621, "ikr.xr2": 0.4712, "iks.xs": 0.0095, "ina.m": 0.00172, "ina.h": 0.7444,
    "ina.j": 0.7045, "ical.d": 3.373e-5, "ical.f": 0.7888, "ical.f2": 0.9755, "ical.fcass": 0.9953, "ito.s": 0.999998,
    "ito.r": 2.42e-8, "calcium.R_bar": 0.9073, "calcium.Ca_i": 1.26e-4, "calcium.Ca_sr": 3.64,
    "calcium.Ca_ss": 3.6e-4, "sodium.Na_i": 8.604, "potassium.K_i": 136.89,
}  # fmt: skip
EPI = Cells(variant="epi", parameters=RESTING)

COARSE = [(0.5, 0.05), (0.2, 0.05)]
TABLE = [(h, dt) for h in (0.5, 0.2, 0.1) for dt in (0.05, 0.01, 0.005)]

# Our own limit dt -> 0 at dx 0.5 mm, from dt 0.025 and 0.0125 ms by Richardson's extrapolation (second order)
LIMIT_AT_HALF_A_MILLIMETRE = np.array([1.220, 48.975, 33.380, 56.205, 12.049, 47.374, 32.452, 53.957, 23.946])


def tissue(h: float, dt: float, **numerics: float | str) -> Tissue:
    cube = {"box": {"lower": (0.0, 0.0, 0.0), "upper": (1.5, 1.5, 1.5)}}
    spec = ElectrophysiologySpec(
        cells=[EPI],
        conduction=Conductivities(fibre=FIBRE, sheet=CROSS, normal=CROSS),
        stimuli=[Stimulus(name="corner", where=cube, duration=2.0, amplitude=AMPLITUDE, clock="absolute")],
        **numerics,
    )
    return Tissue(box(SLAB, h), spec, AXES, dt=dt)


def solve(h: float, dt: float) -> tuple[np.ndarray, Tissue]:
    """Activation times [ms] at P1 .. P9, and the tissue when all of it is activated."""
    solver = tissue(h, dt)
    for t in range(80):
        solver.step(float(t), 1.0)
        if solver.summary()["activated"] == 1.0:
            break
    return at_points(solver), solver


def at_points(solver: Tissue) -> np.ndarray:
    """Activation at the points, by linear interpolation between the nodes around each (P9 is no node at 0.2 mm)."""
    owned = solver.geometry.V1.dofmap.index_map.size_local
    points, values = solver.geometry.points[:owned], solver.activation[:owned]
    distance = np.linalg.norm(points[:, None] - POINTS[None], axis=2)
    lowest = distance.min(axis=0, initial=np.inf)
    solver.geometry.comm.Allreduce(MPI.IN_PLACE, lowest, op=MPI.MIN)
    nearest = distance <= lowest + 1e-6
    sums = solver.geometry.comm.allreduce(np.array([values @ nearest, nearest.sum(axis=0)]))
    return sums[0] / sums[1]


def rows(reference: dict, fine: bool) -> list[dict]:
    """Result rows with their bars; prints what each run cost."""
    found = []
    for h, dt in TABLE if fine else COARSE:
        start = time.perf_counter()
        times, solver = solve(h, dt)
        wall = time.perf_counter() - start
        if solver.geometry.comm.rank == 0:
            print(cost(solver, h, dt, wall), *(f"{n} {v:.2f}" for n, v in zip(NAMES, times, strict=True)), flush=True)
        for name, value in zip(NAMES, times, strict=True):
            bar = reference["activation"][f"dx {h:g} mm"].get(name)
            if bar:
                what = f"activation of {name}, dx {h:g} mm, dt {dt:g} ms"
                found.append(row(what, value, "ms", bar["source"], bar["low"], bar["high"]))
    return found + plane_waves(reference["speed"])


def plane_waves(reference: dict) -> list[dict]:
    """Speeds along and across fibres on ever finer elements, for each way to lump the mass; bars on the finest."""
    found = []
    for mass, lumped in LUMPED.items():
        for h in (0.2, 0.1, 0.05, 0.025):
            speeds = Bundle(EPI, h, 0.01, [FIBRE / 1.4, CROSS / 1.4], lumped).speeds(0.1)
            for name, speed in zip(("along", "across"), speeds, strict=True):
                bar, what = reference[name], f"plane wave {name} fibres, {mass} mass, {h:g} mm, dt 0.01 ms"
                ends = (bar["low"], bar["high"]) if h == 0.025 else (None, None)
                found.append(row(what, speed, "m/s", bar["source"], *ends))
    return found


def cost(solver: Tissue, h: float, dt: float, wall: float) -> str:
    """What one step of the tissue costs, by phase."""
    steps = solver.diffusion.steps
    phases = "  ".join(f"{name[3:]} {1e3 * s / steps:.2f}" for name, s in sorted(solver.watch.seconds.items()))
    nodes = solver.geometry.V1.dofmap.index_map.size_global
    iterations = solver.diffusion.iterations / steps
    return (
        f"dx {h:g} mm, dt {dt:g} ms: {nodes} nodes, {steps} steps, {wall:.1f} s, "
        f"per step {1e3 * wall / steps:.2f} ms ({phases}), CG {iterations:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fine", action="store_true", help="the whole table, down to dx 0.1 mm")
    arguments = parser.parse_args()
    found = rows(json.loads((HERE / "reference.json").read_text()), arguments.fine)
    write(__file__, found, "--fine" * arguments.fine)


if __name__ == "__main__":
    main()
