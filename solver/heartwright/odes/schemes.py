"""Time-stepping schemes: C written once for all models, around a generated `rates`.

The lanes of a batch are worked off in blocks of W = 8 (one cache line, one AVX-512 register of doubles). Inside a
block the arrays are `[position * W + lane]`; positions hold first the GATES (dy/dt = (inf - y)/tau), then the RELAXING
states (any f(y), with a = df/dy), then the explicit ones, so that each kind is one vector loop.

`rates(y, x, t, f, a)` fills, for gates, f = inf and a = -1/tau; for relaxing states f and a; for explicit ones f.
"""

HEAD = r"""
#include <math.h>

enum { W = 8 };
#define EXPORT __attribute__((visibility("default")))
#define ARRAY(name, count) __attribute__((aligned(64))) double name[((count) + 1) * W]
#define POW(n, result) static inline double pow##n(double x) { return result; }
POW(2, x * x)
POW(3, x * x * x)
POW(4, (x * x) * (x * x))
POW(5, (x * x) * (x * x) * x)
POW(6, (x * x * x) * (x * x * x))
POW(8, ((x * x) * (x * x)) * ((x * x) * (x * x)))
"""

RUNTIME = r"""
// (e^z - 1)/z with e^z by its Pade approximant (1,2): order 3, decays for every z < 0, has no pole for z > 0, and needs
// one division. States that are slow need no more; states that are stiff only have to decay.
static inline double phi1(double z) { return (1 - z / 6) / (1 - z * (2.0 / 3 - z / 6)); }

static void load(const double *y, long ld, double *s) {
  for (int i = 0; i < STATES; i++)
    for (int l = 0; l < W; l++) s[i * W + l] = y[ROW[i] * ld + l];
}

static void store(const double *s, long ld, double *y) {
  for (int i = 0; i < STATES; i++)
    for (int l = 0; l < W; l++) y[ROW[i] * ld + l] = s[i * W + l];
}

// Inputs run linearly from x0 to x1 over the whole step; theta in [0, 1] is the place in it.
static void inputs(const double *x0, const double *x1, long ld, double theta, double *x) {
  for (int i = 0; i < INPUTS; i++)
    for (int l = 0; l < W; l++) x[i * W + l] = x0[i * ld + l] + theta * (x1[i * ld + l] - x0[i * ld + l]);
}
"""

# out = y advanced by h with each equation linearised about m: gates exactly, relaxing states by
# y + h phi1(h a) (f(m) + a (y - m)), explicit ones by Euler. With m = y this is Rush-Larsen (order 1).
ADVANCE = r"""
static void advance(const double *y, const double *m, const double *f, const double *a, double h, double *out) {
#pragma omp simd aligned(y, m, f, a, out : 64)
  for (int i = 0; i < GATES * W; i++) out[i] = f[i] + (y[i] - f[i]) * exp(h * a[i]);
#pragma omp simd aligned(y, m, f, a, out : 64)
  for (int i = GATES * W; i < (GATES + RELAXING) * W; i++)
    out[i] = y[i] + h * phi1(h * a[i]) * (f[i] + a[i] * (y[i] - m[i]));
#pragma omp simd aligned(y, m, f, a, out : 64)
  for (int i = (GATES + RELAXING) * W; i < STATES * W; i++) out[i] = y[i] + h * f[i];
}
"""

RUSH_LARSEN = (
    ADVANCE
    + r"""
static void substep(double *y, const double *x0, const double *x1, long ld, double t, double h, double u, double du) {
  ARRAY(x, INPUTS); ARRAY(f, STATES); ARRAY(a, STATES);
  inputs(x0, x1, ld, u, x);
  rates(y, x, t, f, a);
  advance(y, y, f, a, h, y);
}
"""
)

# Half a step to the midpoint m, then the whole step with the equations linearised about m.
RUSH_LARSEN_2 = (
    ADVANCE
    + r"""
static void substep(double *y, const double *x0, const double *x1, long ld, double t, double h, double u, double du) {
  ARRAY(x, INPUTS); ARRAY(f, STATES); ARRAY(a, STATES); ARRAY(m, STATES);
  inputs(x0, x1, ld, u, x);
  rates(y, x, t, f, a);
  advance(y, y, f, a, h / 2, m);
  inputs(x0, x1, ld, u + du / 2, x);
  rates(m, x, t + h / 2, f, a);
  advance(y, m, f, a, h, y);
}
"""
)

RK4 = r"""
static void stage(const double *y, const double *f, double h, double *m, double *sum, double weight) {
#pragma omp simd aligned(y, f, m, sum : 64)
  for (int i = 0; i < STATES * W; i++) {
    sum[i] += weight * f[i];
    m[i] = y[i] + h * f[i];
  }
}

static void substep(double *y, const double *x0, const double *x1, long ld, double t, double h, double u, double du) {
  ARRAY(x, INPUTS); ARRAY(f, STATES); ARRAY(m, STATES); ARRAY(sum, STATES);
  for (int i = 0; i < STATES * W; i++) sum[i] = 0;
  inputs(x0, x1, ld, u, x);
  rates(y, x, t, f, f);
  stage(y, f, h / 2, m, sum, 1);
  inputs(x0, x1, ld, u + du / 2, x);
  rates(m, x, t + h / 2, f, f);
  stage(y, f, h / 2, m, sum, 2);
  rates(m, x, t + h / 2, f, f);
  stage(y, f, h, m, sum, 2);
  inputs(x0, x1, ld, u + du, x);
  rates(m, x, t + h, f, f);
  stage(y, f, 0, m, sum, 1);
  for (int i = 0; i < STATES * W; i++) y[i] += h / 6 * sum[i];
}
"""

# All substeps of a block are taken before the next block: its states stay in the first-level cache.
ENTRIES = r"""
EXPORT void heartwright_step(double *y, const double *x0, const double *x1, long n, long ld, double t, double dt,
                             long substeps) {
  ARRAY(s, STATES);
  const double h = dt / substeps, du = 1.0 / substeps;
  for (long b = 0; b < n; b += W) {
    load(y + b, ld, s);
    for (long k = 0; k < substeps; k++) substep(s, x0 + b, x1 + b, ld, t + k * h, h, k * du, du);
    store(s, ld, y + b);
  }
}

EXPORT void heartwright_outputs(const double *y, const double *x, long n, long ld, double t, double *out) {
  ARRAY(s, STATES); ARRAY(now, INPUTS); ARRAY(o, OUTPUTS);
  for (long b = 0; b < n; b += W) {
    load(y + b, ld, s);
    inputs(x + b, x + b, ld, 0, now);
    outputs(s, now, t, o);
    for (int i = 0; i < OUTPUTS; i++)
      for (int l = 0; l < W; l++) out[i * ld + b + l] = o[i * W + l];
  }
}
"""

SCHEMES = {"rush_larsen": RUSH_LARSEN, "rush_larsen_2": RUSH_LARSEN_2, "rk4": RK4}
EXPONENTIAL = ("rush_larsen", "rush_larsen_2")
