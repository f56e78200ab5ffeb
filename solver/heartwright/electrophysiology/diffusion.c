// Conjugate gradients for the matrix scaled to a diagonal of ones, one pass over memory for all that can be done in it.
// Rows are those this rank owns, in slices of W (see slices.py); columns are local nodes, ghosts included. Functions that
// return a number return this rank's share of a dot product. Memory is what limits it, so the entries of the matrix, which
// multiply an increment of the potential, are floats: a relative error of 1e-7. Before this text stands what `real` is.

#include <math.h>

#define EXPORT __attribute__((visibility("default")))
enum { W = 8, V = 4 };  // rows of a slice, and of a vector: two sums of four doubles stay in registers, one of eight not
typedef float entries __attribute__((vector_size(4 * V), aligned(4)));
typedef real vector __attribute__((vector_size(V * sizeof(real)), aligned(sizeof(real))));

static inline int rows_of(int slice, int n) { return n - slice * W < W ? n - slice * W : W; }

// Entry by entry: on most processors as fast as an instruction that gathers, or faster
static inline vector gathered(const real *x, const int *at) { return (vector){x[at[0]], x[at[1]], x[at[2]], x[at[3]]}; }

static inline vector loaded(const float *A) { return __builtin_convertvector(*(const entries *)A, vector); }

// A_i . x of the rows of one slice
static inline void products(const int *columns, const float *A, int begin, int end, const real *x, real *sum) {
  vector low = {0}, high = {0};
  for (int k = begin; k < end; k += W) {
    low += loaded(A + k) * gathered(x, columns + k);
    high += loaded(A + k + V) * gathered(x, columns + k + V);
  }
  *(vector *)sum = low;
  *(vector *)(sum + V) = high;
}

// sum_j K_ij (v_j - v_i) of the rows of one slice
static inline void fluxes(const int *columns, const float *K, int begin, int end, const real *v, const real *own,
                          real *sum) {
  const vector own_low = *(const vector *)own, own_high = *(const vector *)(own + V);
  vector low = {0}, high = {0};
  for (int k = begin; k < end; k += W) {
    low += loaded(K + k) * (gathered(v, columns + k) - own_low);
    high += loaded(K + k + V) * (gathered(v, columns + k + V) - own_high);
  }
  *(vector *)sum = low;
  *(vector *)(sum + V) = high;
}

// s_i = 1 / sqrt(M_ii + theta K_ii)
EXPORT void scaling(int n, const int *begin, const int *columns, const float *M, const float *K, double theta, double *s) {
  for (int i = 0; i < n; i++) {
    double diagonal = 0;
    for (int k = begin[i / W] + i % W; k < begin[i / W + 1]; k += W)
      if (columns[k] == i) diagonal += M[k] + theta * K[k];
    s[i] = 1 / sqrt(diagonal);
  }
}

// A_ij = s_i (M_ij + theta K_ij) s_j
EXPORT void system_matrix(int n, const int *begin, const int *columns, const float *M, const float *K, double theta,
                          const double *s, float *A) {
  for (int b = 0; b * W < n; b++)
    for (int k = begin[b]; k < begin[b + 1]; k += W)
      for (int l = 0; l < rows_of(b, n); l++)
        A[k + l] = s[b * W + l] * (M[k + l] + theta * K[k + l]) * s[columns[k + l]];
}

// x = h (2 rate - earlier) / s: what the last two steps let expect of one of h
EXPORT void guess(int n, double h, const double *s, const double *rate, const double *earlier, real *x) {
  for (int i = 0; i < n; i++) x[i] = h * (2 * rate[i] - earlier[i]) / s[i];
}

// p = r = -h s K v - A x, where K v = sum_j K_ij (v_j - v_i) as rows sum to zero: nothing where v is uniform; r . r
EXPORT double residual(int n, const int *begin, const int *columns, const float *A, const float *K, double h,
                       const double *s, const real *v, const real *x, real *r, real *p) {
  double square = 0;
  for (int b = 0; b * W < n; b++) {
    real own[W] = {0}, flux[W], image[W];
    for (int l = 0; l < rows_of(b, n); l++) own[l] = v[b * W + l];
    fluxes(columns, K, begin[b], begin[b + 1], v, own, flux);
    products(columns, A, begin[b], begin[b + 1], x, image);
    for (int l = 0; l < rows_of(b, n); l++) {
      const int i = b * W + l;
      p[i] = r[i] = -h * s[i] * flux[l] - image[l];
      square += (double)r[i] * r[i];
    }
  }
  return square;
}

// q = A p; p . q
EXPORT double curvature(int n, const int *begin, const int *columns, const float *A, const real *p, real *q) {
  double sum = 0;
  for (int b = 0; b * W < n; b++) {
    real image[W];
    products(columns, A, begin[b], begin[b + 1], p, image);
    for (int l = 0; l < rows_of(b, n); l++) {
      q[b * W + l] = image[l];
      sum += (double)p[b * W + l] * image[l];
    }
  }
  return sum;
}

// x += alpha p, r -= alpha q; r . r
EXPORT double advance(int n, double alpha, const real *p, const real *q, real *x, real *r) {
  const real a = alpha;
  double square = 0;
#pragma omp simd reduction(+ : square)
  for (int i = 0; i < n; i++) {
    x[i] += a * p[i];
    r[i] -= a * q[i];
    square += (double)r[i] * r[i];
  }
  return square;
}

// p = r + beta p
EXPORT void turn(int n, double beta, const real *r, real *p) {
  const real b = beta;
  for (int i = 0; i < n; i++) p[i] = r[i] + b * p[i];
}

// v += s x, and remember its rate
EXPORT void accept(int n, double h, const double *s, const real *x, double *rate, double *earlier, double *v) {
  for (int i = 0; i < n; i++) {
    const double change = s[i] * x[i];
    v[i] += change;
    earlier[i] = rate[i];
    rate[i] = change / h;
  }
}
