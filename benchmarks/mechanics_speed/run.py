"""How fast the mechanics are: assembly per element, a beat, steps beside fenicsx-pulse, and the beat on several ranks.

`python3 run.py` times assembly and the beat of case 1 of Arostica et al. 2025 (doi:10.1016/j.cma.2024.117485) on a mesh
of 9000 quadratic tetrahedra; `--peer PYTHON` adds twenty systolic steps by fenicsx-pulse 0.5.3, which that interpreter
must be able to import; `--ranks 1 2 4` the beat on so many ranks. CPU times on one core, medians of three; wall times
on ranks. Rewrites result.json.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "arostica2025")]
import monoventricle as case  # noqa: E402
from result import row, write  # noqa: E402

SIZE = 4.8  # mm: edges
FIRST, STEPS = 170, 20  # ms: the steepest part of systole


def median(function: Callable[[], object], times: int = 3) -> float:
    """The median CPU time of some calls, in s."""
    seconds = []
    for _ in range(times):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return float(np.median(seconds))


def assembly(ventricle) -> list[dict]:
    """Time per tetrahedron of the volume terms and of everything, at the present state."""
    wall = ventricle.wall
    muscle, matrix = wall.muscle, wall.matrix
    n, r = len(muscle.nodes), np.zeros(len(wall.u.x.array))

    def stiffness() -> None:
        matrix.clear()
        muscle.tangent(wall.place, matrix.values)
        matrix.finish()

    residual, tangent = median(lambda: muscle.residual(r)), median(stiffness)
    parts = {
        "residual of the muscle": (residual, None),
        "tangent of the muscle, with insertion": (tangent, None),
        "residual and tangent of the muscle, with insertion": (residual + tangent, 12.0),
        "residual with surface terms": (median(lambda: wall.residual(wall.r)), None),
        "tangent with surface terms": (median(lambda: wall.tangent()), None),
    }
    bar = "12 us wanted; FFCx with native flags and PETSc AIJ: 33 + 16"
    return [row(f"{what}, per P2 tetrahedron", 1e6 * s / n, "us", bar, high=high) for what, (s, high) in parts.items()]


def beats(raw, times: int) -> tuple[list[dict], dict]:
    """CPU time of whole beats, and of the steps the peer takes too; the state these start from."""
    whole, part, state = [], [], {}
    for _ in range(times):
        ventricle = case.solid(raw, "1")
        marks = []
        for t in range(1000):
            if t == FIRST:
                state = {"u": ventricle.u.x.array.copy(), "v": ventricle.wall.v.x.array.copy()}
            start = time.process_time()
            case.step(ventricle, float(t))
            marks.append(time.process_time() - start)
            if t == FIRST + STEPS - 1:
                state["end"] = ventricle.u.x.array.copy()
        whole.append(sum(marks))
        part.append(sum(marks[FIRST : FIRST + STEPS]) / STEPS)
    newton, dofs = ventricle.newton, ventricle.wall.n_dofs
    how = f"{dofs} dofs, {newton.iterations / 1000:.2f} iterations a step, {newton.factorisations} factorisations"
    state["step"] = float(np.median(part))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / dofs
    return [
        row("a beat of 1000 steps of 1 ms, one core", float(np.median(whole)), "s", how, high=200.0),
        row(f"a step, {FIRST} to {FIRST + STEPS} ms", state["step"], "s", how),
        row("memory per degree of freedom, all of the process", memory, "kB", how),
    ], state


def beside(python: str, state: dict) -> list[dict]:
    """The peer's time per step over the same steps."""
    with tempfile.TemporaryDirectory() as folder:
        times = np.arange(FIRST + 1, FIRST + STEPS + 1)
        np.savez(Path(folder) / "state.npz", u=state["u"], v=state["v"], size=SIZE, times=times)
        environment = os.environ | {"ADIOS2_ALWAYS_USE_MPI": "1"}
        subprocess.run([python, str(HERE / "peer.py"), folder], check=True, env=environment)
        found = np.load(Path(folder) / "peer.npz")
        moved = np.abs(state["end"] - state["u"]).max()
        apart = np.abs(found["u"] - state["end"]).max() / moved
        theirs = float(np.median(found["seconds"]))
    what = "fenicsx-pulse 0.5.3 at its default tolerances, median step"
    return [
        row("a step of fenicsx-pulse 0.5.3, same mesh and steps", theirs, "s", what),
        row("its time over ours", theirs / state["step"], "1", what, low=10.0),
        row("largest difference of u after them, of the movement", apart, "1", "generalised-alpha, facet normals"),
    ]


def scaling(ranks: list[int]) -> list[dict]:
    """The beat on as many ranks: wall time, efficiency and phases."""
    rows, base = [], None
    for n in ranks:
        command = ["mpirun", "-n", str(n), sys.executable, str(HERE / "scaling.py"), str(SIZE), "1000"]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        wall, phases = found["wall"], found["phases"]
        base = base or n * wall
        counts = f"{found['iterations'] / 1000:.2f} iterations a step, {found['factorisations']} factorisations"
        how = f"{counts}; most cells on a rank over the mean: {found['imbalance']:.2f}"
        on = f"on {n} rank" + "s" * (n > 1)
        rows.append(row(f"a beat {on}, wall", wall, "s", how, high=60.0 if n == 4 else None))
        rows.append(row(f"a beat {on}, efficiency", base / (n * wall), "1", f"against {ranks[0]}"))
        rows += [row(f"a beat {on}: {phase}", seconds, "s", "wall") for phase, seconds in phases.items()]
        rows.append(row(f"memory per degree of freedom {on}", found["memory"], "kB", "all processes"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="a Python that can import fenicsx-pulse 0.5.3")
    parser.add_argument("--beats", type=int, default=3)
    parser.add_argument("--ranks", type=int, nargs="*", default=[], help="numbers of ranks to time the beat on")
    arguments = parser.parse_args()
    raw = case.generated_mesh(SIZE)
    found, state = beats(raw, arguments.beats)
    ventricle = case.solid(raw, "1")
    ventricle.u.x.array[:] = state["end"]
    ventricle.wall.rate.value = 1.0
    found = assembly(ventricle) + found
    if arguments.peer:
        found += beside(arguments.peer, state)
    found += scaling(arguments.ranks)
    options = ["--peer PYTHON"] * bool(arguments.peer) + ["--ranks", *map(str, arguments.ranks)] * bool(arguments.ranks)
    write(__file__, found, " ".join(options))


if __name__ == "__main__":
    main()
