"""Eikonal beside monodomain: activation of two ventricles, the mean shape of 1093 hearts.

`python3 benchmarks/eikonal_geo1/run.py MESH` with `derived_cobiveco_geo1.msh` (see README.md). Works under mpirun.
Rewrites result.json.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from mpi4py import MPI

from heartwright.electrophysiology import eikonal
from heartwright.electrophysiology.spec import ElectrophysiologySpec, FastEndocardium, Speeds, Stimulus
from heartwright.electrophysiology.tissue import Tissue
from heartwright.mesh.distribution import build
from heartwright.mesh.fibres import directions
from heartwright.mesh.spec import FibresBayer, MeshSpec

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from result import row, write  # noqa: E402

REGIONS = {"lv_endo": 13, "rv_endo": 14, "epi": 12, "base": 11}


def spec(fast: bool) -> ElectrophysiologySpec:
    """One stimulus at the septum's left side, or everywhere under a fast endocardium."""
    place = {"aha": [9], "layer": "endo"}
    return ElectrophysiologySpec(
        conduction=Speeds(fibre="0.6 m/s", cross="0.3 m/s"),
        fast_endocardium=FastEndocardium() if fast else None,
        stimuli=[Stimulus(name="septum", where=place, clock="absolute")],
        ecg=None,
    )


def monodomain(geometry, described: ElectrophysiologySpec, fibres) -> np.ndarray:
    """Activation times [ms] at the owned nodes."""
    tissue = Tissue(geometry, described, fibres, dt=0.05, period=1e6)
    for t in range(400):
        tissue.step(float(t), 1.0)
        if tissue.summary()["activated"] == 1.0:
            break
    return tissue.activation[: tissue.n].copy()


def compare(geometry, fibres, fast: bool) -> tuple[float, float, float, float]:
    """Mean difference [% of the total activation time], the total [ms], and the seconds both took. Collective."""
    described = spec(fast)
    start = time.perf_counter()
    arrival = eikonal.activation(geometry, described, fibres)
    middle = time.perf_counter()
    activation = monodomain(geometry, described, fibres)
    end = time.perf_counter()
    difference = np.abs(arrival[: len(activation)] - activation)
    comm = geometry.comm
    total = comm.allreduce(activation.max(initial=0.0), op=MPI.MAX)
    mean = comm.allreduce(difference.sum()) / comm.allreduce(len(difference))
    return 100 * mean / total, total, middle - start, end - middle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mesh", type=Path)
    parser.add_argument("--refine", type=int, default=0)
    given = parser.parse_args()
    geometry = build(MeshSpec(file=str(given.mesh), unit="mm", regions=REGIONS), MPI.COMM_WORLD)
    geometry = geometry.refined(given.refine) if given.refine else geometry
    fibres = directions(geometry, FibresBayer(), "DG0")
    rows = []
    for title, fast in (("septal stimulus", False), ("septal stimulus, fast endocardium", True)):
        mean, total, quick, slow = compare(geometry, fibres, fast)
        source = f"total {total:.1f} ms; eikonal {quick:.2f} s, monodomain {slow:.0f} s"
        rows.append(row(f"{title}: mean difference of total activation time", mean, "%", source, high=5))
    write(__file__, rows, "MESH" + f" --refine {given.refine}" * bool(given.refine))


if __name__ == "__main__":
    main()
