"""Cells alone: nanoseconds per node and step, beside what their operations would take at full throughput."""

import ctypes
import re
import statistics
import time

import numpy as np

from heartwright import native
from heartwright.odes.codegen import generate
from heartwright.odes.kernel import TABLE, Kernel
from heartwright.odes.model import read

MODELS = {"ten Tusscher-Panfilov": "tentusscher_panfilov_2006", "ToR-ORd dynCl": "tomek_2020_dyncl"}
LANES, DT = 20_000, 0.02

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
