"""Orders of convergence of the monodomain solver in space, time and both, from a manufactured solution.

`python3 benchmarks/ep_convergence/run.py` (a minute); works under mpirun. Rewrites result.json and prints the table.
"""

import sys
from pathlib import Path

import numpy as np
from dolfinx import fem

from heartwright.electrophysiology.spec import Cells, Conductivities, ElectrophysiologySpec
from heartwright.electrophysiology.tissue import Tissue

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "tests")]
from result import row, write  # noqa: E402

from box import AXES, box  # noqa: E402

SIZE, END = 2.0, 2.0  # mm, ms
SIGMA = (0.28, 0.14, 0.07)  # mS/mm
CAPACITY = 1.4  # uF/mm^3
K = np.pi / SIZE


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
    tissue = Tissue(box((SIZE,) * 3, h), spec, AXES, dt=dt, period=1e6)
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
        rows.append(row(f"{what}: error, h {h:g} mm, dt {dt:g} ms", value, "1", "second order"))
        if k:
            order = np.log(errors[k - 1] / value) / np.log(ratio)
            bar = (1.8, 2.3) if k == len(cases) - 1 else (None, None)
            rows.append(row(f"{what}: order", order, "1", "second order", *bar))
    return rows


def main() -> None:
    found = table("space", [(1.0, 0.01), (0.5, 0.01), (0.25, 0.01), (0.125, 0.01)], 2)
    found += table("space and time", [(0.5, 0.2), (0.25, 0.1), (0.125, 0.05)], 2)
    write(__file__, found)


if __name__ == "__main__":
    main()
