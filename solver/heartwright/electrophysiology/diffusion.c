// Conjugate gradients with the inverse diagonal, one pass over memory for all that can be done in it. Rows are those this
// rank owns; columns are local nodes, ghosts included. Every function returns its share of a dot product. Memory is what
// limits it, so entries are floats: a relative error of 1e-7 in what multiplies an increment of the potential.

#define EXPORT __attribute__((visibility("default")))

static inline double row(const int *columns, const float *A, int begin, int end, const double *x) {
  double sum = 0;
  for (int k = begin; k < end; k++) sum += A[k] * x[columns[k]];
  return sum;
}

// y_i = scale sum_j K_ij (x_j - x_i), which is scale K x for rows that sum to zero, and nothing where x is uniform
EXPORT void product(int n, const int *rows, const int *columns, const float *K, double scale, const double *x,
                    double *y) {
  for (int i = 0; i < n; i++) {
    double sum = 0;
    for (int k = rows[i]; k < rows[i + 1]; k++) sum += K[k] * (x[columns[k]] - x[i]);
    y[i] = scale * sum;
  }
}

// x = h (2 rate - earlier): what the last two steps let expect of one of h
EXPORT void guess(int n, double h, const double *rate, const double *earlier, double *x) {
  for (int i = 0; i < n; i++) x[i] = h * (2 * rate[i] - earlier[i]);
}

// v += x, and remember its rate
EXPORT void accept(int n, double h, const double *x, double *rate, double *earlier, double *v) {
  for (int i = 0; i < n; i++) {
    v[i] += x[i];
    earlier[i] = rate[i];
    rate[i] = x[i] / h;
  }
}

// r = b - A x, p = d r; r . d r
EXPORT double residual(int n, const int *rows, const int *columns, const float *A, const double *d, const double *b,
                       const double *x, double *r, double *p) {
  double sum = 0;
  for (int i = 0; i < n; i++) {
    r[i] = b[i] - row(columns, A, rows[i], rows[i + 1], x);
    p[i] = d[i] * r[i];
    sum += r[i] * p[i];
  }
  return sum;
}

// q = A p; p . q
EXPORT double curvature(int n, const int *rows, const int *columns, const float *A, const double *p, double *q) {
  double sum = 0;
  for (int i = 0; i < n; i++) {
    q[i] = row(columns, A, rows[i], rows[i + 1], p);
    sum += p[i] * q[i];
  }
  return sum;
}

// x += alpha p, r -= alpha q; r . d r
EXPORT double advance(int n, double alpha, const double *p, const double *q, const double *d, double *x, double *r) {
  double sum = 0;
  for (int i = 0; i < n; i++) {
    x[i] += alpha * p[i];
    r[i] -= alpha * q[i];
    sum += r[i] * r[i] * d[i];
  }
  return sum;
}

// p = d r + beta p
EXPORT void turn(int n, double beta, const double *r, const double *d, double *p) {
  for (int i = 0; i < n; i++) p[i] = d[i] * r[i] + beta * p[i];
}
