"""Time-stepping schemes: C written once for all models, around a generated `rates`.

The lanes of a batch are worked off in blocks of W = 8 (one cache line, one AVX-512 register of doubles). Inside a
block the arrays are `[position * W + lane]`; positions hold first the GATES (dy/dt = (inf - y)/tau), then the RELAXING
states (any f(y), with a = df/dy), then the explicit ones, so that each kind is one vector loop.

`rates(y, x, c, h, t, f, a)` fills, for gates, f = inf and a = 1 - exp(-h/tau); for relaxing states f and a; for
explicit ones f. `c` is what `lookup` read from the table made for steps of h.

The scale of a state's changes is |y| + FLOOR, 1 for numbers and 0 for others.

States are kept in double precision whatever `real` is: single precision computes increments only, so that what changes
by less than 1e-7 of itself in a step is not lost.
"""

HEAD = r"""
#include <math.h>

enum { W = 8 };
#define EXPORT __attribute__((visibility("default")))
#define ARRAY(type, name, count) __attribute__((aligned(64))) type name[((count) + 1) * W]
#define POW(n, result)                                  \
  static inline double pow##n(double x) { return result; } \
  static inline float pow##n##f(float x) { return result; }
POW(2, x * x)
POW(3, x * x * x)
POW(4, (x * x) * (x * x))
POW(5, (x * x) * (x * x) * x)
POW(6, (x * x * x) * (x * x * x))
POW(8, ((x * x) * (x * x)) * ((x * x) * (x * x)))
"""

RUNTIME = r"""
static inline real magnitude(real z) { return z < 0 ? -z : z; }

// (e^z - 1)/z with e^z by its Pade approximant (1,2): order 3, decays for every z < 0, has no pole for z > 0, and needs
// one division. States that are slow need no more; states that are stiff only have to decay.
static inline real phi1(real z) {
  const real sixth = 1.0 / 6, two_thirds = 2.0 / 3;
  return (1 - z * sixth) / (1 - z * (two_thirds - z * sixth));
}

// Unless told so, gcc converts between double and single precision one by one
static inline void load(const double *y, long ld, real *s) {
  for (int i = 0; i < STATES; i++) {
    __builtin_prefetch(y + ROW[i] * ld + 3 * W);  // rows lie apart, and are more than a processor follows by itself
#pragma omp simd
    for (int l = 0; l < W; l++) s[i * W + l] = y[ROW[i] * ld + l];
  }
}

static inline void add(const real *change, long ld, double *y) {
  for (int i = 0; i < STATES; i++)
#pragma omp simd
    for (int l = 0; l < W; l++) y[ROW[i] * ld + l] += change[i * W + l];
}

// Inputs run linearly from x0 to x1 over the whole step; theta in [0, 1] is the place in it.
static inline void inputs(const double *x0, const double *x1, long ld, double theta, real *x) {
  for (int i = 0; i < INPUTS; i++)
#pragma omp simd
    for (int l = 0; l < W; l++) x[i * W + l] = x0[i * ld + l] + theta * (x1[i * ld + l] - x0[i * ld + l]);
}
"""

# change = what y advanced by h changes, with each equation linearised about m: gates exactly, relaxing states by
# h phi1(h a) (f(m) + a (y - m)), explicit ones by Euler. With m = y this is Rush-Larsen (order 1). The gates' a is that
# of one of `parts` equal parts of h, 1 or 2: after two of them what is left of their distance is squared.
ADVANCE = r"""
static inline void advance(const real *y, const real *m, const real *f, const real *a, real h, int parts,
                           real *change) {
#pragma omp simd aligned(y, f, a, change : 64)
  for (int i = 0; i < GATES * W; i++) change[i] = (f[i] - y[i]) * (parts == 2 ? a[i] * (2 - a[i]) : a[i]);
#pragma omp simd aligned(y, m, f, a, change : 64)
  for (int i = GATES * W; i < (GATES + RELAXING) * W; i++)
    change[i] = h * phi1(h * a[i]) * (f[i] + a[i] * (y[i] - m[i]));
#pragma omp simd aligned(y, m, f, a, change : 64)
  for (int i = (GATES + RELAXING) * W; i < STATES * W; i++) change[i] = h * f[i];
}
"""

RUSH_LARSEN = (
    ADVANCE
    + r"""
static void increment(const double *lanes, const double *x0, const double *x1, long ld, double t, double h, double u,
                      double du, const real *const *tables, real *change) {
  ARRAY(real, y, STATES); ARRAY(real, x, INPUTS); ARRAY(real, c, WIDTH); ARRAY(real, f, STATES); ARRAY(real, a, STATES);
  load(lanes, ld, y);
  inputs(x0, x1, ld, u, x);
  lookup(y, tables[0], c);
  rates(y, x, c, h, t, f, a);
  advance(y, y, f, a, h, 1, change);
}
"""
)

# The midpoint rule: half a step to the midpoint m, then the whole step with the equations linearised about m. Inputs
# and time are those of the midpoint in both evaluations of the rates.
#
# Most cells of a tissue rest, or hardly move. A lane is calm when in the first-order step no state changes by more than
# CALM h^2 of its scale; it keeps that step. The one about the midpoint, which differs from it by O(h) of what changes,
# would differ by O(h^3), so the scheme remains of second order. Each lane takes its own result, whatever its neighbours
# do; a block all of whose lanes are calm saves the second evaluation.
#
# With CALM 0.1 and steps of 0.05 ms calm means slower than 0.5 % per ms. Traces of the shipped cells differ by less
# than 0.1 % of the range of the potential from those that evaluate always, arrival times by less than 0.001 ms.
RUSH_LARSEN_2 = (
    ADVANCE
    + r"""
static const real CALM = 0.1;  // 1/ms^2

// beyond = by how much a state of each lane changed beyond what is calm, 0 of calm lanes; whether there are others
static inline int moving(const real *y, const real *change, real calm, real *beyond) {
#pragma omp simd aligned(y, change, beyond : 64)
  for (int l = 0; l < W; l++) {
    real gate = 0, other = 0;  // two chains of operations, neither waiting for the other
    for (int i = 0; i < GATES; i++) {
      const real size = magnitude(change[i * W + l]);
      gate = size > gate ? size : gate;
    }
    for (int i = GATES; i < STATES; i++) {
      const real excess = magnitude(change[i * W + l]) - calm * (FLOOR[i] + magnitude(y[i * W + l]));
      other = excess > other ? excess : other;
    }
    gate -= calm;
    beyond[l] = gate > other ? gate : other;
  }
  real most = 0;
  for (int l = 0; l < W; l++) most = beyond[l] > most ? beyond[l] : most;
  return most > 0;
}

static void increment(const double *lanes, const double *x0, const double *x1, long ld, double t, double h, double u,
                      double du, const real *const *tables, real *change) {
  ARRAY(real, y, STATES); ARRAY(real, m, STATES); ARRAY(real, x, INPUTS); ARRAY(real, c, WIDTH); ARRAY(real, f, STATES);
  ARRAY(real, a, STATES); ARRAY(real, beyond, 1); ARRAY(real, about_m, STATES);
  load(lanes, ld, y);
  inputs(x0, x1, ld, u + du / 2, x);
  lookup(y, tables[0], c);
  rates(y, x, c, h / 2, t + h / 2, f, a);
  advance(y, y, f, a, h, 2, change);
  if (!moving(y, change, CALM * h * h, beyond)) return;
  advance(y, y, f, a, h / 2, 1, m);
  for (int i = 0; i < STATES * W; i++) m[i] += y[i];
  lookup(m, tables[0], c);
  rates(m, x, c, h / 2, t + h / 2, f, a);
  advance(y, m, f, a, h, 2, about_m);
  for (int i = 0; i < STATES; i++)
#pragma omp simd aligned(change, about_m, beyond : 64)
    for (int l = 0; l < W; l++) change[i * W + l] = beyond[l] > 0 ? about_m[i * W + l] : change[i * W + l];
}
"""
)

RK4 = r"""
static inline void stage(const real *y, const real *f, real h, real *m, real *sum, real weight) {
#pragma omp simd aligned(y, f, m, sum : 64)
  for (int i = 0; i < STATES * W; i++) {
    sum[i] += weight * f[i];
    m[i] = y[i] + h * f[i];
  }
}

static void increment(const double *lanes, const double *x0, const double *x1, long ld, double t, double h, double u,
                      double du, const real *const *tables, real *sum) {
  ARRAY(real, y, STATES); ARRAY(real, m, STATES); ARRAY(real, x, INPUTS); ARRAY(real, f, STATES); ARRAY(real, none, 0);
  for (int i = 0; i < STATES * W; i++) sum[i] = 0;
  load(lanes, ld, y);
  inputs(x0, x1, ld, u, x);
  rates(y, x, none, h, t, f, none);
  stage(y, f, h / 2, m, sum, h / 6);
  inputs(x0, x1, ld, u + du / 2, x);
  rates(m, x, none, h, t + h / 2, f, none);
  stage(y, f, h / 2, m, sum, h / 3);
  rates(m, x, none, h, t + h / 2, f, none);
  stage(y, f, h, m, sum, h / 3);
  inputs(x0, x1, ld, u + du, x);
  rates(m, x, none, h, t + h, f, none);
  stage(y, f, 0, m, sum, h / 6);
}
"""

# All substeps of a block are taken before the next block: its states stay in the first-level cache.
ENTRIES = r"""
static void substep(double *lanes, const double *x0, const double *x1, long ld, double t, double h, double u,
                    double du, const real *const *tables) {
  ARRAY(real, change, STATES);
  increment(lanes, x0, x1, ld, t, h, u, du, tables, change);
  add(change, ld, lanes);
}

EXPORT void heartwright_step(double *y, const double *x0, const double *x1, long n, long ld, double t, double dt,
                             long substeps, const real *const *tables) {
  const double h = dt / substeps, du = 1.0 / substeps;
  for (long b = 0; b < n; b += W)
    for (long k = 0; k < substeps; k++) substep(y + b, x0 + b, x1 + b, ld, t + k * h, h, k * du, du, tables);
}

// Lanes that step twice, gathered from everywhere until they fill a block
typedef struct {
  __attribute__((aligned(64))) double y[(STATES + 1) * W], x0[(INPUTS + 1) * W], x1[(INPUTS + 1) * W];
  long lane[W];
  int count;
} Fast;

static void take(Fast *fast, const double *y, const double *x0, const double *x1, long ld, long lane) {
  const int l = fast->count++;
  fast->lane[l] = lane;
  for (int i = 0; i < STATES; i++) fast->y[i * W + l] = y[i * ld + lane];
  for (int i = 0; i < INPUTS; i++) {
    fast->x0[i * W + l] = x0[i * ld + lane];
    fast->x1[i * W + l] = x1[i * ld + lane];
  }
}

static void step_in_halves(Fast *fast, double *y, long ld, double t, double h, const real *const *halves) {
  const int count = fast->count;
  if (!count) return;
  while (fast->count < W) take(fast, fast->y, fast->x0, fast->x1, W, 0);
  substep(fast->y, fast->x0, fast->x1, W, t, h / 2, 0, 0.5, halves);
  substep(fast->y, fast->x0, fast->x1, W, t + h / 2, h / 2, 0.5, 0.5, halves);
  for (int i = 0; i < STATES; i++)
    for (int l = 0; l < count; l++) y[i * ld + fast->lane[l]] = fast->y[i * W + l];
  fast->count = 0;
}

// One step, in two halves for the lanes whose state in row `watched` would change by more than `most`. Each lane has
// what it would have alone.
EXPORT void heartwright_watched_step(double *y, const double *x0, const double *x1, long n, long ld, double t, double h,
                                     long watched, double most, const real *const *tables, const real *const *halves) {
  ARRAY(real, change, STATES);
  int position = 0;
  while (ROW[position] != watched) position++;
  Fast fast = {.count = 0};
  for (long b = 0; b < n; b += W) {
    increment(y + b, x0 + b, x1 + b, ld, t, h, 0, 1, tables, change);
    for (int l = 0; l < W; l++)
      if (fabs((double)change[position * W + l]) > most) {
        take(&fast, y, x0, x1, ld, b + l);
        for (int i = 0; i < STATES; i++) change[i * W + l] = 0;
        if (fast.count == W) step_in_halves(&fast, y, ld, t, h, halves);
      }
    add(change, ld, y + b);
  }
  step_in_halves(&fast, y, ld, t, h, halves);
}

EXPORT void heartwright_outputs(const double *y, const double *x, long n, long ld, double t, double *out) {
  ARRAY(double, s, STATES); ARRAY(double, now, INPUTS); ARRAY(double, o, OUTPUTS);
  for (long b = 0; b < n; b += W) {
    for (int i = 0; i < STATES; i++)
      for (int l = 0; l < W; l++) s[i * W + l] = y[ROW[i] * ld + b + l];
    for (int i = 0; i < INPUTS; i++)
      for (int l = 0; l < W; l++) now[i * W + l] = x[i * ld + b + l];
    outputs(s, now, t, o);
    for (int i = 0; i < OUTPUTS; i++)
      for (int l = 0; l < W; l++) out[i * ld + b + l] = o[i * W + l];
  }
}
"""

SCHEMES = {"rush_larsen": RUSH_LARSEN, "rush_larsen_2": RUSH_LARSEN_2, "rk4": RK4}
# The parts of a step, one table each, over which a scheme follows gates exactly; others have no gates.
EXPONENTIAL = {"rush_larsen": (1.0,), "rush_larsen_2": (0.5,)}
