"""Speed of electrophysiology: cells alone, and Niederer's slab until all of it is active, beside fenicsx-beat.

`python3 benchmarks/ep_speed/run.py [--peer PYTHON] [--repeats 3]`; PYTHON is an interpreter whose environment has
fenicsx-beat, gotranx and numba (see README.md); without it the peer's rows are left out. Medians of the repeats, all in
one go on one machine, codes taking turns. Works under mpirun without --peer. Rewrites result.json.
"""

import argparse
import ctypes
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from mpi4py import MPI

from heartwright import native
from heartwright.odes.codegen import generate
from heartwright.odes.kernel import TABLE, Kernel
from heartwright.odes.model import list_models, read

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "niederer2011")]
import run as niederer  # noqa: E402
from result import row, write  # noqa: E402

TOLERANCE = 1e-3  # mV, what the peer's relative tolerance of 1e-5 leaves of 85 mV
MODELS = {"ten Tusscher-Panfilov": "tentusscher_panfilov_2006", "ToR-ORd dynCl": "tomek_2020_dyncl"}
LANES, DT = 20_000, 0.02
BARRED = ("ten Tusscher-Panfilov", "rush_larsen")  # the bars are meant for a core with AVX-512

# Nanoseconds per element of what cells are made of, and of copying memory
OPERATIONS = r"""
#include <math.h>
#include <time.h>
#define EXPORT __attribute__((visibility("default")))
enum { N = 2048, REPEATS = 4000 };
EXPORT real x[N] __attribute__((aligned(64))), y[N] __attribute__((aligned(64)));
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e9 + t.tv_nsec; }
#define TIME(name, value)                                                                   \
  EXPORT double name(void) {                                                                \
    double best = 1e99;                                                                     \
    for (int i = 0; i < N; i++) x[i] = 1 + (real)i / N;                                     \
    for (int r = 0; r < REPEATS; r++) {                                                     \
      const double start = now();                                                           \
      _Pragma("omp simd") for (int i = 0; i < N; i++) y[i] = value;                         \
      const double spent = now() - start;                                                   \
      best = spent < best ? spent : best;                                                   \
    }                                                                                       \
    return best / N;                                                                        \
  }
TIME(time_exp, EXP(x[i]))
TIME(time_log, LOG(x[i]))
TIME(time_div, 1 / x[i])
TIME(time_mul, (((x[i] * 3 + 1) * x[i] + 2) * x[i] + 3) * x[i] + 4)
"""


def operation_times(precision: str) -> dict[str, float]:
    """Nanoseconds per element; `mul` is one fused multiplication and addition."""
    suffix, real = ("f", "float") if precision == "single" else ("", "double")
    text = f"typedef {real} real;\n#define EXP exp{suffix}\n#define LOG log{suffix}\n" + OPERATIONS
    library = native.library(text, f"operations_{precision}")
    times = {}
    for name in ("exp", "log", "div", "mul"):
        function = getattr(library, f"time_{name}")
        function.restype = ctypes.c_double
        times[name] = function() / (4 if name == "mul" else 1)
    return times


def limit(model: str, scheme: str, precision: str, times: dict[str, float]) -> float:
    """Nanoseconds per node and step that the operations of the generated rates take at full throughput."""
    text = generate(read(model).with_inputs("stimulus_current"), scheme, (), precision, TABLE)
    rates = text[text.index("void rates") : text.index("void outputs")]
    counts = {
        "exp": len(set(re.findall(r"\bexpf?\([^;]*?\)\)?", rates))),
        "log": len(set(re.findall(r"\blogf?\([^;]*?\)\)?", rates))),
        "div": rates.count("1 / "),
        "mul": len(re.findall(r" [-+*] ", rates)) / 2 + 1.5 * int(re.search(r"COLUMNS = (\d+)", text)[1]),
    }
    evaluations = 2 if scheme == "rush_larsen_2" else 1
    return evaluations * sum(count * times[name] for name, count in counts.items())


def kernel_time(model: str, scheme: str, precision: str) -> float:
    """Nanoseconds per node and step, median of 60, potentials spread from rest to peak."""
    kernel = Kernel(read(model), LANES, inputs=("stimulus_current",), scheme=scheme, precision=precision)
    kernel["membrane_potential"] = np.linspace(-85, 30, LANES)
    spent = []
    for _ in range(60):
        start = time.perf_counter()
        kernel.step(0.0, DT)
        spent.append(time.perf_counter() - start)
    return 1e9 * statistics.median(spent) / LANES


def kernel_rows() -> list[dict]:
    found = []
    for precision in ("double", "single"):
        times = operation_times(precision)
        for title, model in MODELS.items():
            for scheme in ("rush_larsen", "rush_larsen_2"):
                spent, least = kernel_time(model, scheme, precision), limit(model, scheme, precision, times)
                bytes_ = 2 * 8 * len(read(model).states)
                source = (
                    f"its operations at full throughput: {least:.0f} ns ({spent / least:.1f} times that); "
                    f"memory: {bytes_} bytes per node and step, {bytes_ / spent:.1f} GB/s"
                )
                bar = {"double": 50, "single": 20}[precision] if (title, scheme) == BARRED else None
                found.append(row(f"{title}, {scheme}, {precision}", spent, "ns", source, high=bar))
    return found


def slab(precision: str, h: float, dt: float) -> dict:
    """One run until all points are active: seconds, steps, activation of the far corner."""
    solver = niederer.tissue(h, dt, tolerance=TOLERANCE, precision=precision)
    MPI.COMM_WORLD.Barrier()
    start, busy = time.perf_counter(), time.process_time()
    for t in range(80):
        solver.step(float(t), 1.0)
        if solver.summary()["activated"] == 1.0:
            break
    wall, busy = time.perf_counter() - start, time.process_time() - busy
    return {"wall": wall, "cpu": busy, "steps": solver.diffusion.steps, "P8": niederer.at_points(solver)[7]}


def peer(python: str, h: float, dt: float) -> dict:
    """The same with fenicsx-beat and cells compiled by numba, in a process of its own."""
    cell = list_models()["tentusscher_panfilov_2006"]
    command = [python, str(HERE / "fenicsx_beat.py"), str(cell), str(h), str(dt), "numba", "hypre"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(answer.stdout.splitlines()[-1])


def slab_rows(python: str | None, repeats: int, h: float, dt: float) -> list[dict]:
    runs: dict[str, list[dict]] = {"double": [], "single": [], "fenicsx-beat": []}
    for _ in range(repeats):
        for precision in ("double", "single"):
            runs[precision].append(slab(precision, h, dt))
        if python:
            runs["fenicsx-beat"].append(peer(python, h, dt))
    fine = slab("double", h, dt / 4)["P8"]
    wall, cpu = (
        {name: statistics.median(run[kind] for run in done) for name, done in runs.items() if done}
        for kind in ("wall", "cpu")
    )
    what = f"Niederer slab, dx {h:g} mm, dt {dt:g} ms"
    found = []
    for name in wall:
        steps = runs[name][0]["steps"]
        found.append(row(f"{what}: {name}", wall[name], "s", f"{steps} steps, median of {repeats}"))
        busy = "says more on a machine shared with other work"
        found.append(row(f"{what}: {name}, processor time", cpu[name], "s", busy))
        found.append(row(f"{what}: P8, {name}", runs[name][0]["P8"], "ms", f"dt/4, ours: {fine:.3f} ms"))
        if python and name != "fenicsx-beat":
            ratio = wall["fenicsx-beat"] / wall[name]
            found.append(row(f"{what}: fenicsx-beat / {name}", ratio, "", "wall times above", low=10))
            ratio = cpu["fenicsx-beat"] / cpu[name]
            found.append(row(f"{what}: fenicsx-beat / {name}, processor time", ratio, "", "times above", low=10))
    error = abs(runs["double"][0]["P8"] - fine)
    found.append(row(f"{what}: |P8 - P8 at dt/4|", error, "ms", "our own value", high=0.3))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", metavar="PYTHON", help="interpreter with fenicsx-beat, gotranx and numba")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dx", type=float, default=0.2)
    parser.add_argument("--dt", type=float, default=0.05)
    given = parser.parse_args()
    found = kernel_rows() + slab_rows(given.peer, given.repeats, given.dx, given.dt)
    write(__file__, found, "--peer PYTHON" * bool(given.peer))


if __name__ == "__main__":
    main()
