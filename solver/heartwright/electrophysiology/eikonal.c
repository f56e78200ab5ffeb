// Anisotropic eikonal equation on tetrahedra: nodes take the least of what their cells offer until none changes.
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

// u . M w, M = (xx, yy, zz, yz, xz, xy)
static double dot(const double *M, const double *u, const double *w) {
  return M[0] * u[0] * w[0] + M[1] * u[1] * w[1] + M[2] * u[2] * w[2] + M[3] * (u[1] * w[2] + u[2] * w[1]) +
         M[4] * (u[0] * w[2] + u[2] * w[0]) + M[5] * (u[0] * w[1] + u[1] * w[0]);
}

// min over p in [0, 1] of T + p t + |d - p a|
static double over_edge(double T, double t, double aa, double ad, double dd) {
  const double steep = 1 - t * t / aa, h2 = dd - ad * ad / aa;
  double p = t < 0 ? 1 : 0;
  if (steep > 0) p = (ad - t * sqrt((h2 > 0 ? h2 : 0) / steep)) / aa;
  p = p < 0 ? 0 : p > 1 ? 1 : p;
  const double z2 = dd - 2 * p * ad + p * p * aa;
  return T + p * t + sqrt(z2 > 0 ? z2 : 0);
}

// min over p, q >= 0, p + q <= 1 of T[0] + p (T[1] - T[0]) + q (T[2] - T[0]) + |x - y(p, q)|: what the face of a cell
// offers to the node at x, lengths measured in travel time
static double over_face(const double *M, const double *x, const double *const y[3], const double T[3]) {
  double a[3], b[3], d[3];
  for (int i = 0; i < 3; i++) {
    a[i] = y[1][i] - y[0][i];
    b[i] = y[2][i] - y[0][i];
    d[i] = x[i] - y[0][i];
  }
  const double aa = dot(M, a, a), ab = dot(M, a, b), bb = dot(M, b, b), ad = dot(M, a, d), bd = dot(M, b, d);
  const double dd = dot(M, d, d), det = aa * bb - ab * ab, t = T[1] - T[0], u = T[2] - T[0];
  if (isfinite(t) && isfinite(u) && det > 0) {
    const double gp = (bb * t - ab * u) / det, gq = (aa * u - ab * t) / det;  // G^-1 t
    const double rp = (bb * ad - ab * bd) / det, rq = (aa * bd - ab * ad) / det;
    const double steep = 1 - (t * gp + u * gq), h2 = dd - (ad * rp + bd * rq);
    if (steep > 0) {
      const double z = sqrt((h2 > 0 ? h2 : 0) / steep), p = rp - z * gp, q = rq - z * gq;
      if (p >= 0 && q >= 0 && p + q <= 1) return T[0] + p * t + q * u + z;
    }
  }
  double best = INFINITY;
  const double cc = aa - 2 * ab + bb, dd1 = dd - 2 * ad + aa;  // the third edge, from y[1] to y[2]
  if (isfinite(T[0])) best = fmin(best, isfinite(T[1]) ? over_edge(T[0], t, aa, ad, dd) : T[0] + sqrt(dd));
  if (isfinite(T[0])) best = fmin(best, isfinite(T[2]) ? over_edge(T[0], u, bb, bd, dd) : T[0] + sqrt(dd));
  if (isfinite(T[1])) {
    const double ad1 = (bd - ab) - (ad - aa);  // (y2 - y1) . (x - y1)
    best = fmin(best, isfinite(T[2]) ? over_edge(T[1], T[2] - T[1], cc, ad1, dd1) : T[1] + sqrt(dd1));
  } else if (isfinite(T[2])) {
    best = fmin(best, T[2] + sqrt(dd - 2 * bd + bb));
  }
  return best;
}

static double offer(int64_t node, const double *x, const int32_t *cells, const double *metric, const int32_t *first,
                    const int32_t *around, const double *T) {
  double best = T[node];
  for (int32_t k = first[node]; k < first[node + 1]; k++) {
    const int32_t *cell = cells + 4 * around[k];
    const double *y[3];
    double known[3];
    int n = 0;
    for (int i = 0; i < 4; i++)
      if (cell[i] != node) {
        y[n] = x + 3 * cell[i];
        known[n++] = T[cell[i]];
      }
    best = fmin(best, over_face(metric + 6 * around[k], x + 3 * node, y, known));
  }
  return best;
}

// Lower T until no node with `active` set, or near one that was lowered, finds anything better by more than `tolerance`.
// first, around: the cells around each node (compressed rows). Clears `active`; returns how often a node was lowered.
EXPORT int64_t heartwright_eikonal(int64_t n, const double *x, const int32_t *cells, const double *metric,
                                   const int32_t *first, const int32_t *around, double tolerance, uint8_t *active,
                                   double *T) {
  int32_t *queue = malloc(n * sizeof *queue);
  int64_t head = 0, count = 0, lowered = 0;
  for (int64_t i = 0; i < n; i++)
    if (active[i]) queue[count++] = i;
  while (count) {
    const int32_t node = queue[head];
    head = (head + 1) % n;
    count--;
    active[node] = 0;
    const double before = T[node], now = offer(node, x, cells, metric, first, around, T);
    if (!(now < before - tolerance)) continue;
    T[node] = now;
    lowered++;
    for (int32_t k = first[node]; k < first[node + 1]; k++)
      for (int i = 0; i < 4; i++) {
        const int32_t other = cells[4 * around[k] + i];
        if (other != node && !active[other]) {
          active[other] = 1;
          queue[(head + count++) % n] = other;
        }
      }
  }
  free(queue);
  return lowered;
}
