/* One kernel for all laws: residual and tangent of the muscle on tetrahedra, W cells at a time, one per lane.

   Before this text stand W, Q (quadrature points), N = Q W, VARYING (how many parameters are nodal fields), NODES (of the
   displacement in a cell, 4 or 10), WEIGHT[Q], PHI[Q][4] (linear) and DPHI[Q][NODES][3] (of the displacement: its basis on the reference cell), MASS[NODES][NODES],
   and the two functions of the law, `stress` and `stiffness`.

   Everything is written in the muscle's own frame M = G [f0 s0 n0] at each point:
       F_m = (I + grad u) M,  C_m = F_m^T F_m,  grad_m w = (grad w) M,  dX_m = dX / |det M|
   so that law and kernel need neither fibres nor prestress. */

typedef double lanes __attribute__((vector_size(8 * W)));

enum { FIXED = 16, ROWS = FIXED + VARYING, PAIRS = NODES * (NODES + 1) / 2 };
/* rows of x: C (6), C0 (6), Ta, Ka, s, q, varying */
static const int VOIGT[3][3] = {{0, 1, 2}, {1, 3, 4}, {2, 4, 5}};

struct muscle {
  long cells;
  const int *nodes;       /* cells x NODES */
  const int *corners;     /* cells x 4, vertices of the nodal fields */
  const double *inverse;  /* cells x 10: inverse of the Jacobian, |its determinant| */
  const int *points;      /* cells x Q, places of the fields at quadrature points */
  const double *u, *u0, *v, *Ta, *Ka, *stiffening, *q, *frame;  /* frame: M, at quadrature points */
  const double *const *varying;
};

struct block {
  int cell[W];
  lanes u[NODES][3], u0[NODES][3], inverse[9], volume;
  lanes B[Q][3][3], F[Q][3][3], weight[Q];  /* B = J^-1 M: grad_m = DPHI B */
  double x[ROWS * N] __attribute__((aligned(64)));
};

/* Values of a nodal field with 3 components at the nodes of every lane. */
static void gather(const struct muscle *m, const struct block *b, const double *field, lanes out[NODES][3]) {
  for (int l = 0; l < W; l++)
    for (int a = 0; a < NODES; a++)
      for (int i = 0; i < 3; i++) out[a][i][l] = field[3 * (long)m->nodes[NODES * (long)b->cell[l] + a] + i];
}

static void load(const struct muscle *m, long first, struct block *b) {
  for (int l = 0; l < W; l++) {
    b->cell[l] = first + l < m->cells ? first + l : m->cells - 1;  /* lanes too many repeat the last cell, in vain */
    const double *inverse = m->inverse + 10 * (long)b->cell[l];
    for (int k = 0; k < 9; k++) b->inverse[k][l] = inverse[k];
    b->volume[l] = inverse[9];
  }
  gather(m, b, m->u, b->u);
}

/* F = M + (sum_a u_a DPHI_a) B at a point. */
static inline void deformation(const lanes u[NODES][3], int q, const lanes B[3][3], const lanes *M, lanes F[3][3]) {
  for (int i = 0; i < 3; i++) {
    lanes H[3] = {{0}};
    for (int a = 0; a < NODES; a++)
      for (int k = 0; k < 3; k++) H[k] += u[a][i] * DPHI[q][a][k];
    for (int j = 0; j < 3; j++) F[i][j] = M[3 * i + j] + H[0] * B[0][j] + H[1] * B[1][j] + H[2] * B[2][j];
  }
}

static inline lanes determinant(const lanes *A) {
  return A[0] * (A[4] * A[8] - A[5] * A[7]) - A[1] * (A[3] * A[8] - A[5] * A[6]) + A[2] * (A[3] * A[7] - A[4] * A[6]);
}

static inline void metric(const lanes F[3][3], double *x, int q) {
  for (int i = 0; i < 3; i++)
    for (int j = i; j < 3; j++)
      *(lanes *)(x + VOIGT[i][j] * N + q * W) = F[0][i] * F[0][j] + F[1][i] * F[1][j] + F[2][i] * F[2][j];
}

static inline void orientation(const struct muscle *m, const struct block *b, int q, lanes M[9]) {
  for (int l = 0; l < W; l++)
    for (int k = 0; k < 9; k++) M[k][l] = m->frame[9 * (long)m->points[Q * (long)b->cell[l] + q] + k];
}

static inline void basis(const struct block *b, const lanes *M, lanes B[3][3]) {
  for (int k = 0; k < 3; k++)
    for (int j = 0; j < 3; j++)
      B[k][j] = b->inverse[3 * k] * M[j] + b->inverse[3 * k + 1] * M[3 + j] + b->inverse[3 * k + 2] * M[6 + j];
}

/* A nodal field at all points of the block, into a row of x. */
static void interpolate(const struct muscle *m, const struct block *b, const double *field, double *row) {
  lanes at[4];
  for (int l = 0; l < W; l++)
    for (int c = 0; c < 4; c++) at[c][l] = field[m->corners[4 * (long)b->cell[l] + c]];
  for (int q = 0; q < Q; q++)
    *(lanes *)(row + q * W) = PHI[q][0] * at[0] + PHI[q][1] * at[1] + PHI[q][2] * at[2] + PHI[q][3] * at[3];
}

/* What the law wants to know, and what its answer is multiplied with. */
static void kinematics(const struct muscle *m, long first, struct block *b) {
  load(m, first, b);
  gather(m, b, m->u0, b->u0);
  for (int q = 0; q < Q; q++) {
    lanes M[9], F0[3][3];
    orientation(m, b, q, M);
    const lanes d = determinant(M);
    basis(b, M, b->B[q]);
    deformation(b->u, q, b->B[q], M, b->F[q]);
    deformation(b->u0, q, b->B[q], M, F0);
    metric(b->F[q], b->x, q);
    metric(F0, b->x + 6 * N, q);
    for (int l = 0; l < W; l++) b->weight[q][l] = WEIGHT[q] * b->volume[l] / fabs(d[l]);
  }
  interpolate(m, b, m->Ta, b->x + 12 * N);
  interpolate(m, b, m->Ka, b->x + 13 * N);
  interpolate(m, b, m->stiffening, b->x + 14 * N);
  interpolate(m, b, m->q, b->x + 15 * N);
  for (int k = 0; k < VARYING; k++) interpolate(m, b, m->varying[k], b->x + (FIXED + k) * N);
}

/* out: the least det(I + grad u) at any point (huge where there are no cells), the sum of all, which is not finite if one
   of them is not, the cell of the least, and the greatest |grad u|. */
void EXPORT heartwright_deformation(const struct muscle *m, double *out) {
  double low = 1e300, sum = 0.0, cell = -1.0, steep = 0.0;
  lanes one[9] = {{0}};
  for (int k = 0; k < 3; k++) one[4 * k] += 1.0;
  for (long first = 0; first < m->cells; first += W) {
    struct block b;
    lanes B[3][3], F[3][3];
    load(m, first, &b);
    basis(&b, one, B);
    for (int q = 0; q < Q; q++) {
      deformation(b.u, q, B, one, F);
      const lanes d = determinant(&F[0][0]);
      lanes square = {0};
      for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) square += (F[i][j] - one[3 * i + j]) * (F[i][j] - one[3 * i + j]);
      for (int l = 0; l < W; l++) {
        if (d[l] < low) low = d[l], cell = b.cell[l];
        if (square[l] > steep) steep = square[l];
        sum += d[l];
      }
    }
  }
  out[0] = low;
  out[1] = sum;
  out[2] = cell;
  out[3] = sqrt(steep);
}

/* out: at every point of every cell F_m (9), S (6), and the work S : (F_m^T (F_m - F0_m)) of the step from u0 to u, all per
   volume of stress-free muscle. */
void EXPORT heartwright_stress(const struct muscle *m, const double *p, double *out) {
  for (long first = 0; first < m->cells; first += W) {
    struct block b;
    double y[6 * N] __attribute__((aligned(64)));
    kinematics(m, first, &b);
    stress(b.x, p, y);
    for (int q = 0; q < Q; q++) {
      const lanes *S = (const lanes *)(y + q * W);
      lanes M[9], F0[3][3], work = {0};
      orientation(m, &b, q, M);
      deformation(b.u0, q, b.B[q], M, F0);
      for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
          for (int k = 0; k < 3; k++) work += S[VOIGT[j][k] * Q] * b.F[q][i][j] * (b.F[q][i][k] - F0[i][k]);
      for (int l = 0; l < W && first + l < m->cells; l++) {
        double *to = out + 16 * (Q * (first + l) + q);
        for (int k = 0; k < 9; k++) to[k] = b.F[q][k / 3][k % 3][l];
        for (int k = 0; k < 6; k++) to[9 + k] = S[k * Q][l];
        to[15] = work[l];
      }
    }
  }
}

/* out: cells x NODES x 4 x 3, the integrals of PHI_b cof(F) grad phi_a: what a linear tension q against change of volume adds
   to the forces, and what a displacement adds to that change. */
void EXPORT heartwright_coupling(const struct muscle *m, double *out) {
  static const int NEXT[3] = {1, 2, 0}, LAST[3] = {2, 0, 1};
  for (long first = 0; first < m->cells; first += W) {
    struct block b;
    lanes K[NODES][4][3] = {{{{0}}}}, one[9] = {{0}};
    for (int k = 0; k < 3; k++) one[4 * k] += 1.0;
    load(m, first, &b);
    for (int q = 0; q < Q; q++) {
      lanes B[3][3], F[3][3], T[3][3] = {{{0}}};  /* T = cof(F) J^-T */
      basis(&b, one, B);
      deformation(b.u, q, B, one, F);
      for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
          const lanes cofactor = F[NEXT[i]][NEXT[j]] * F[LAST[i]][LAST[j]] - F[NEXT[i]][LAST[j]] * F[LAST[i]][NEXT[j]];
          for (int k = 0; k < 3; k++) T[i][k] += WEIGHT[q] * b.volume * cofactor * B[k][j];
        }
      for (int a = 0; a < NODES; a++)
        for (int c = 0; c < 4; c++)
          for (int i = 0; i < 3; i++)
            K[a][c][i] += PHI[q][c] * (T[i][0] * DPHI[q][a][0] + T[i][1] * DPHI[q][a][1] + T[i][2] * DPHI[q][a][2]);
    }
    for (int l = 0; l < W && first + l < m->cells; l++)
      for (int k = 0; k < 12 * NODES; k++) out[12 * NODES * (first + l) + k] = K[k / 12][k / 3 % 4][k % 3][l];
  }
}

/* r += int P : grad w + rho a . w,  a = ((u - u0) rate - v) rate. */
void EXPORT heartwright_residual(const struct muscle *m, const double *p, double rho, double rate, double *r) {
  for (long first = 0; first < m->cells; first += W) {
    struct block b;
    double y[6 * N] __attribute__((aligned(64)));
    lanes R[NODES][3] = {{{0}}}, v[NODES][3];
    kinematics(m, first, &b);
    stress(b.x, p, y);
    for (int q = 0; q < Q; q++) {
      const lanes *S = (const lanes *)(y + q * W);
      for (int i = 0; i < 3; i++) {
        lanes P[3], T[3];
        for (int j = 0; j < 3; j++) {
          P[j] = (lanes){0};
          for (int k = 0; k < 3; k++) P[j] += b.F[q][i][k] * S[VOIGT[k][j] * Q];
        }
        for (int k = 0; k < 3; k++)
          T[k] = b.weight[q] * (P[0] * b.B[q][k][0] + P[1] * b.B[q][k][1] + P[2] * b.B[q][k][2]);
        for (int a = 0; a < NODES; a++) R[a][i] += T[0] * DPHI[q][a][0] + T[1] * DPHI[q][a][1] + T[2] * DPHI[q][a][2];
      }
    }
    gather(m, &b, m->v, v);
    for (int c = 0; c < NODES; c++)
      for (int i = 0; i < 3; i++) {
        lanes inertia = b.volume * (rho * rate) * ((b.u[c][i] - b.u0[c][i]) * rate - v[c][i]);
        for (int a = 0; a < NODES; a++) R[a][i] += MASS[a][c] * inertia;
      }
    for (int l = 0; l < W && first + l < m->cells; l++)
      for (int a = 0; a < NODES; a++)
        for (int i = 0; i < 3; i++) r[3 * (long)m->nodes[NODES * (long)b.cell[l] + a] + i] += R[a][i][l];
  }
}

/* K[pair][i][k] of the block: d r_ai / d u_ck for all pairs of nodes a <= c. */
static void element_tangent(const struct block *b, const double *y, double mass, lanes K[PAIRS][3][3]) {
  memset(K, 0, sizeof(lanes) * PAIRS * 9);
  for (int q = 0; q < Q; q++) {
    const lanes *S = (const lanes *)(y + q * W), *D = S + 6 * Q;
    const lanes(*F)[3] = b->F[q], (*B)[3] = b->B[q];
    lanes g[NODES][3], X[9][6], A[9][9], full[6][6];
    for (int a = 0; a < NODES; a++)
      for (int j = 0; j < 3; j++)
        g[a][j] = DPHI[q][a][0] * B[0][j] + DPHI[q][a][1] * B[1][j] + DPHI[q][a][2] * B[2][j];
    for (int s = 0, k = 0; s < 6; s++)
      for (int t = s; t < 6; t++, k++) full[s][t] = full[t][s] = b->weight[q] * D[k * Q];
    for (int i = 0; i < 3; i++)
      for (int J = 0; J < 3; J++)
        for (int t = 0; t < 6; t++)
          X[3 * i + J][t] = F[i][0] * full[VOIGT[0][J]][t] + F[i][1] * full[VOIGT[1][J]][t] + F[i][2] * full[VOIGT[2][J]][t];
    for (int s = 0; s < 9; s++)
      for (int k = 0; k < 3; k++)
        for (int L = 0; L < 3; L++) {
          const int *t = VOIGT[L];
          A[s][3 * k + L] = X[s][t[0]] * F[k][0] + X[s][t[1]] * F[k][1] + X[s][t[2]] * F[k][2];
          if (s / 3 == k) A[s][3 * k + L] += b->weight[q] * S[VOIGT[s % 3][L] * Q];
        }
    for (int c = 0; c < NODES; c++)
      for (int k = 0; k < 3; k++) {
        lanes T[9];
        for (int s = 0; s < 9; s++)
          T[s] = A[s][3 * k] * g[c][0] + A[s][3 * k + 1] * g[c][1] + A[s][3 * k + 2] * g[c][2];
        for (int a = 0; a <= c; a++) {
          lanes(*to)[3] = K[c * (c + 1) / 2 + a];
          for (int i = 0; i < 3; i++) to[i][k] += g[a][0] * T[3 * i] + g[a][1] * T[3 * i + 1] + g[a][2] * T[3 * i + 2];
        }
      }
  }
  for (int c = 0; c < NODES; c++)
    for (int a = 0; a <= c; a++)
      for (int i = 0; i < 3; i++) K[c * (c + 1) / 2 + a][i][i] += mass * MASS[a][c] * b->volume;
}

/* Adds the tangent to blocks of 3 x 3, row by row: pair (a, c) of a cell to block place[cell][pair] of `values`, or,
   where that is negative, transposed to block -1 - place. */
void EXPORT heartwright_tangent(const struct muscle *m, const double *p, double rho, double rate, const int *place,
                                double *values) {
  for (long first = 0; first < m->cells; first += W) {
    struct block b;
    double y[27 * N] __attribute__((aligned(64)));
    lanes K[PAIRS][3][3];
    kinematics(m, first, &b);
    stiffness(b.x, p, y);
    element_tangent(&b, y, rho * rate * rate, K);
    for (int l = 0; l < W && first + l < m->cells; l++)
      for (int pair = 0; pair < PAIRS; pair++) {
        long to = place[PAIRS * (long)b.cell[l] + pair];
        int row = to < 0 ? 1 : 3, column = to < 0 ? 3 : 1;
        double *block = values + 9 * (to < 0 ? -1 - to : to);
        for (int i = 0; i < 3; i++)
          for (int k = 0; k < 3; k++) block[row * i + column * k] += K[pair][i][k][l];
      }
  }
}
