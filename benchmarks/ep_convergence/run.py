"""Orders of convergence of the mono- and bidomain solvers in space and in time, from manufactured solutions.

`python3 benchmarks/ep_convergence/run.py` (two minutes); works under mpirun. Rewrites result.json and prints the
table.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
from dolfinx import fem

from heartwright.electrophysiology.spec import Bath, Cells, Conductivities, Domains, ElectrophysiologySpec
from heartwright.electrophysiology.tissue import Tissue
from heartwright.mesh.geometry import Geometry

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "tests")]
from result import row, write  # noqa: E402

from box import AXES, box  # noqa: E402

SIZE, END = 2.0, 2.0  # mm, ms
BATH = 1.0  # mm, beyond x = SIZE
CAPACITY = 1.4  # uF/mm^3
K = np.pi / SIZE
AXIS_NAMES = ("fibre", "sheet", "normal")
SIGMA = (0.28, 0.14, 0.07)  # mS/mm
INTRACELLULAR, EXTRACELLULAR = (0.28, 0.14, 0.07), (0.3, 0.25, 0.2)


@dataclasses.dataclass(frozen=True)
class Problem:
    """v = a(t) (2 + F) with a' = a (1 - a) and F = prod cos(K x_i) over `waves`; phi_e = share a F up to a constant.

    Diffusion damps F at the rate `damping`, which the cells make good.
    """

    spec: dict
    waves: tuple[int, ...]
    damping: float
    share: float | None = None
    length: float = SIZE
    orders: tuple[float, float] = (1.8, 2.3)  # in space

    def cosines(self, points: np.ndarray) -> np.ndarray:
        x = np.minimum(points, SIZE)  # in the bath F is what it is at the muscle's border
        return np.cos(K * x[:, self.waves]).prod(axis=1)


def monodomain(element: str = "P1", **more) -> Problem:
    spec = {"conduction": Conductivities(**dict(zip(AXIS_NAMES, SIGMA, strict=True))), "element": element}
    return Problem(spec, (0, 1, 2), sum(SIGMA) * K**2 / CAPACITY, **more)


def bidomain(waves: tuple[int, ...] = (0, 1, 2), bath: Bath | None = None) -> Problem:
    """sigma_i F'' + (sigma_i + sigma_e) phi'' = 0 with phi = share F, so that sigma_i (1 + share) F'' damps v."""
    inside, outside = (dict(zip(AXIS_NAMES, s, strict=True)) for s in (INTRACELLULAR, EXTRACELLULAR))
    spec = {"equation": "bidomain", "conduction": Domains(intracellular=inside, extracellular=outside), "bath": bath}
    intracellular, extracellular = (sum(s[i] for i in waves) for s in (INTRACELLULAR, EXTRACELLULAR))
    share = -intracellular / (intracellular + extracellular)
    damping = intracellular * (1 + share) * K**2 / CAPACITY
    return Problem(spec, waves, damping, share, SIZE + BATH if bath else SIZE)


def bidomain_with_bath() -> Problem:
    """A wave along x alone: its flux of phi_e ends at the border, and the bath's potential is uniform."""
    beyond = {"box": {"lower": (SIZE, -1.0, -1.0), "upper": (SIZE + 2 * BATH, 2 * SIZE, 2 * SIZE)}}
    return bidomain((0,), Bath(where=beyond, conductivity=0.6))


PROBLEMS = {
    "monodomain": monodomain(),
    "monodomain, P2": monodomain("P2", orders=(2.8, 4.3)),  # nodes of a regular mesh may be of fourth order
    "bidomain": bidomain(),
    "bidomain, bath": bidomain_with_bath(),
}


def amplitude(t: float) -> float:
    """a' = a (1 - a), a(0) = 0.1."""
    return 1 / (1 + 9 * np.exp(-t))


def solve(problem: Problem, h: float, dt: float) -> Tissue:
    """The tissue at END."""
    spec = ElectrophysiologySpec(
        cells=[Cells(model=str(HERE / "cell.mmt"), parameters={"cell.lambda": problem.damping})],
        ecg=None,
        tolerance="1e-11 mV",
        **problem.spec,
    )
    tissue = Tissue(box((problem.length, SIZE, SIZE), h).refined(spec.halvings), spec, AXES, dt=dt, period=1e6)
    shape = 2 + problem.cosines(tissue.geometry.points[: tissue.n])
    kernel = tissue.cells.kernels[0]
    kernel["cell.F"] = shape[tissue.muscle]
    kernel["cell.v"] = tissue.v.x.array[: tissue.n][tissue.muscle] = amplitude(0) * shape[tissue.muscle]
    tissue.v.x.scatter_forward()
    steps = round(END / (20 * dt)) or 1
    for k in range(steps):
        tissue._quiet[0] = 0  # no longer steps between waves: here nothing is a wave
        tissue.step(k * END / steps, END / steps)
    return tissue


def potentials(tissue: Tissue) -> list[np.ndarray]:
    """v, and of the bidomain phi_e, at local nodes."""
    return list(tissue.potentials().values())


def exact(problem: Problem, tissue: Tissue) -> list[np.ndarray]:
    F = problem.cosines(tissue.geometry.points)
    v = amplitude(END) * (2 + F) * tissue.with_ghosts(tissue.muscle)
    if not problem.share:
        return [v]
    phi = problem.share * amplitude(END) * F
    return [v, phi - mean(tissue.geometry, phi)]


def mean(geometry: Geometry, values: np.ndarray) -> float:
    return integral(geometry, values, 1) / integral(geometry, np.ones_like(values), 1)


def distance(geometry: Geometry, values: np.ndarray, others: np.ndarray) -> float:
    """L2 norm of the difference over that of the others."""
    return float((integral(geometry, values - others, 2) / integral(geometry, others, 2)) ** 0.5)


def integral(geometry: Geometry, values: np.ndarray, power: int) -> float:
    f = fem.Function(geometry.V1)
    f.x.array[:] = values
    return geometry.comm.allreduce(fem.assemble_scalar(fem.form(f**power * geometry.dx)))


def errors_in_space(problem: Problem, cases: list[tuple[float, float]]) -> np.ndarray:
    """Of v (and phi_e) against the exact solution, a row for each (h, dt)."""
    found = []
    for h, dt in cases:
        tissue = solve(problem, h, dt)
        pairs = zip(potentials(tissue), exact(problem, tissue), strict=True)
        found.append([distance(tissue.geometry, *pair) for pair in pairs])
    return np.array(found)


def errors_in_time(problem: Problem, h: float, steps: list[float], finest: float) -> np.ndarray:
    """Of v (and phi_e) against the limit dt -> 0 on the same mesh, extrapolated from steps of `finest` and twice it."""
    fine, finer = (potentials(solve(problem, h, dt)) for dt in (2 * finest, finest))
    limit = [b + (b - a) / 3 for a, b in zip(fine, finer, strict=True)]
    found = []
    for dt in steps:
        tissue = solve(problem, h, dt)
        pairs = zip(potentials(tissue), limit, strict=True)
        found.append([distance(tissue.geometry, *pair) for pair in pairs])
    return np.array(found)


def table(what: str, cases: list[str], errors: np.ndarray, orders: tuple[float, float]) -> list[dict]:
    """One row per refinement by two: the error, and the order from the case before; the last within `orders`."""
    rows = []
    for column, name in zip(errors.T, ("v", "phi_e"), strict=False):
        for k, value in enumerate(column):
            rows.append(row(f"{what}: error of {name}, {cases[k]}", value, "1", "L2 norm"))
            if k:
                bar = orders if k == len(column) - 1 else (None, None)
                order = np.log2(column[k - 1] / value)
                rows.append(row(f"{what}: order of {name}", order, "1", "theory", *bar))
    return rows


SPACE = [(1.0, 0.01), (0.5, 0.01), (0.25, 0.01), (0.125, 0.01)]
TIME = [0.4, 0.2, 0.1]
BOTH = [(0.5, 0.2), (0.25, 0.1), (0.125, 0.05)]


def rows_of(name: str, problem: Problem) -> list[dict]:
    steps = [f"h {h:g} mm, dt {dt:g} ms" for h, dt in SPACE]
    found = table(f"{name}, space", steps, errors_in_space(problem, SPACE), problem.orders)
    steps = [f"dt {dt:g} ms, h 0.25 mm" for dt in TIME]
    found += table(f"{name}, time", steps, errors_in_time(problem, 0.25, TIME, 0.0125), (1.8, 2.3))
    both = [f"h {h:g} mm, dt {dt:g} ms" for h, dt in BOTH]
    return found + table(f"{name}, space and time", both, errors_in_space(problem, BOTH), (1.8, problem.orders[1]))


def main() -> None:
    write(__file__, [r for name, problem in PROBLEMS.items() for r in rows_of(name, problem)])


if __name__ == "__main__":
    main()
