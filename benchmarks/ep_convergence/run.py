"""Orders of convergence of the monodomain solver in space, time and both, from a manufactured solution.

`python3 benchmarks/ep_convergence/run.py` (a minute); works under mpirun. Rewrites result.json and prints the table.
"""

import datetime
import json
import os
import platform
import subprocess
from pathlib import Path

import numpy as np
import ufl
from dolfinx import fem
from dolfinx import mesh as dmesh
from mpi4py import MPI

from heartwright.electrophysiology.spec import Cells, Conductivities, ElectrophysiologySpec
from heartwright.electrophysiology.tissue import Tissue
from heartwright.mesh.geometry import Geometry

HERE = Path(__file__).parent
SIZE, END = 2.0, 2.0  # mm, ms
SIGMA = (0.28, 0.14, 0.07)  # mS/mm
CAPACITY = 1.4  # uF/mm^3
K = np.pi / SIZE
AXES = tuple(ufl.as_vector(row) for row in np.eye(3).tolist())


def box(h: float) -> Geometry:
    counts = [round(SIZE / h)] * 3
    mesh = dmesh.create_box(
        MPI.COMM_WORLD, [[0.0] * 3, [SIZE] * 3], counts, dmesh.CellType.tetrahedron, ghost_mode=dmesh.GhostMode.none
    )
    mesh.topology.create_entities(2)
    nothing = np.zeros(0, dtype=np.int32)
    return Geometry(mesh, dmesh.meshtags(mesh, 2, nothing, nothing), {}, {}, np.arange(len(mesh.geometry.x)))


def amplitude(t: float) -> float:
    """a' = a (1 - a), a(0) = 0.1."""
    return 1 / (1 + 9 * np.exp(-t))


def solve(h: float, dt: float) -> tuple[Tissue, np.ndarray]:
    """The tissue at END and F at its owned nodes."""
    damping = sum(SIGMA) * K**2 / CAPACITY
    spec = ElectrophysiologySpec(
        cells=[Cells(model=str(HERE / "cell.mmt"), parameters={"cell.lambda": damping})],
        conduction=Conductivities(fibre=SIGMA[0], sheet=SIGMA[1], normal=SIGMA[2]),
        ecg=None,
        tolerance="1e-12 mV",
    )
    tissue = Tissue(box(h), spec, AXES, dt=dt, period=1e6)
    shape = 2 + np.cos(K * tissue.geometry.points[: tissue.n]).prod(axis=1)
    kernel = tissue.cells.kernels[0]
    kernel["cell.F"], kernel["cell.v"] = shape, amplitude(0) * shape
    tissue.v.x.array[: tissue.n] = amplitude(0) * shape
    tissue.v.x.scatter_forward()
    steps = round(END / (20 * dt)) or 1
    for k in range(steps):
        tissue._quiet[0] = 0  # no longer steps between waves: here nothing is a wave
        tissue.step(k * END / steps, END / steps)
    return tissue, shape


def error(h: float, dt: float) -> float:
    """L2 norm of v - exact over that of exact, at END."""
    tissue, shape = solve(h, dt)
    difference, exact = (fem.Function(tissue.geometry.V1) for _ in range(2))
    exact.x.array[: tissue.n] = amplitude(END) * shape
    difference.x.array[: tissue.n] = tissue.v.x.array[: tissue.n] - exact.x.array[: tissue.n]
    for function in (difference, exact):
        function.x.scatter_forward()
    squares = [fem.assemble_scalar(fem.form(f * f * tissue.geometry.dx)) for f in (difference, exact)]
    over, under = tissue.geometry.comm.allreduce(np.array(squares))
    return float((over / under) ** 0.5)


def table(what: str, cases: list[tuple[float, float]], ratio: float) -> list[dict]:
    """One row per refinement: the error, and the order from the case before."""
    errors = [error(h, dt) for h, dt in cases]
    rows = []
    for k, ((h, dt), value) in enumerate(zip(cases, errors, strict=True)):
        rows.append(row(f"{what}: error, h {h:g} mm, dt {dt:g} ms", value, None, None))
        if k:
            order = np.log(errors[k - 1] / value) / np.log(ratio)
            last = k == len(cases) - 1
            rows.append(row(f"{what}: order", order, 1.8 if last else None, 2.3 if last else None))
    return rows


def row(what: str, value: float, low: float | None, high: float | None) -> dict:
    ok = bool((low is None or value >= low) and (high is None or value <= high))
    value = float(f"{value:.4g}")
    return {"what": what, "value": value, "unit": "1", "low": low, "high": high, "ok": ok, "source": "second order"}


def main() -> None:
    found = table("space", [(1.0, 0.01), (0.5, 0.01), (0.25, 0.01), (0.125, 0.01)], 2)
    found += table("space and time", [(0.5, 0.2), (0.25, 0.1), (0.125, 0.05)], 2)
    if MPI.COMM_WORLD.rank:
        return
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True)  # noqa: S607
    result = {
        "name": "ep_convergence",
        "commit": commit.stdout.strip(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "date": datetime.date.today().isoformat(),
        "ranks": MPI.COMM_WORLD.size,
        "command": "python3 benchmarks/ep_convergence/run.py",
        "rows": found,
    }
    (HERE / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    for r in found:
        print(f"{'ok  ' if r['ok'] else 'FAIL'} {r['what']:50s} {r['value']:.4g}")


if __name__ == "__main__":
    main()
