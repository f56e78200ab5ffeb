// MUMPS in single precision, and the routines of BLAS it calls with a single right-hand side.
//
// MUMPS multiplies by matrices of one column, and solves for them, with the routines for many columns, which copy the
// factors into panels first: two thirds of a back-substitution. MUMPS is loaded as a dependency of this library, so that
// what is exported here comes before BLAS for it (and for nobody else); single columns go to the routines for vectors.

#include <stdlib.h>

#include <smumps_c.h>

#define EXPORT __attribute__((visibility("default")))

typedef void Gemm(const char *, const char *, const int *, const int *, const int *, const float *, const float *,
                  const int *, const float *, const int *, const float *, float *, const int *);
typedef void Gemv(const char *, const int *, const int *, const float *, const float *, const int *, const float *,
                  const int *, const float *, float *, const int *);
typedef void Trsm(const char *, const char *, const char *, const char *, const int *, const int *, const float *,
                  const float *, const int *, float *, const int *);
typedef void Trsv(const char *, const char *, const char *, const int *, const float *, const int *, float *,
                  const int *);

static Gemm *gemm;
static Gemv *gemv;
static Trsm *trsm;
static Trsv *trsv;
static const int one = 1;

EXPORT void heartwright_blas(Gemm *matrices, Gemv *vector, Trsm *solves, Trsv *solve) {
  gemm = matrices;
  gemv = vector;
  trsm = solves;
  trsv = solve;
}

static int plain(const char *transposed) { return *transposed == 'N' || *transposed == 'n'; }

EXPORT void sgemm_(const char *ta, const char *tb, const int *m, const int *n, const int *k, const float *alpha,
                   const float *a, const int *lda, const float *b, const int *ldb, const float *beta, float *c,
                   const int *ldc) {
  if (*n == 1 && *k > 0)
    gemv(ta, plain(ta) ? m : k, plain(ta) ? k : m, alpha, a, lda, b, plain(tb) ? &one : ldb, beta, c, &one);
  else
    gemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

EXPORT void strsm_(const char *side, const char *uplo, const char *ta, const char *unit, const int *m, const int *n,
                   const float *alpha, const float *a, const int *lda, float *b, const int *ldb) {
  if (*n == 1 && *alpha == 1 && (*side == 'L' || *side == 'l'))
    trsv(uplo, ta, unit, m, a, lda, b, &one);
  else
    trsm(side, uplo, ta, unit, m, n, alpha, a, lda, b, ldb);
}

enum { CREATE = -1, DESTROY = -2, SILENT = 4 };

// A solver for symmetric matrices, on the ranks of `comm` (a handle of Fortran).
EXPORT SMUMPS_STRUC_C *heartwright_mumps(int comm) {
  SMUMPS_STRUC_C *mumps = calloc(1, sizeof *mumps);
  if (!mumps) return 0;
  mumps->comm_fortran = comm;
  mumps->par = 1;
  mumps->sym = 2;
  mumps->job = CREATE;
  smumps_c(mumps);
  for (int i = 0; i < SILENT; i++) mumps->icntl[i] = i < SILENT - 1 ? -1 : 0;
  return mumps;
}

EXPORT void heartwright_mumps_set(SMUMPS_STRUC_C *mumps, int option, int value) { mumps->icntl[option - 1] = value; }

EXPORT void heartwright_mumps_tolerance(SMUMPS_STRUC_C *mumps, double value) { mumps->cntl[7 - 1] = value; }

// This rank's entries of one triangle, numbered from 1, and on rank 0 where right-hand sides and solutions are.
EXPORT void heartwright_mumps_matrix(SMUMPS_STRUC_C *mumps, int n, long long count, int *rows, int *columns,
                                     float *values, float *rhs) {
  mumps->n = n;
  mumps->nnz_loc = count;
  mumps->irn_loc = rows;
  mumps->jcn_loc = columns;
  mumps->a_loc = values;
  mumps->rhs = rhs;
  mumps->nrhs = 1;
  mumps->lrhs = n;
}

// Returns MUMPS's verdict, the same on every rank: 0, or what went wrong (negative). Collective.
EXPORT int heartwright_mumps_job(SMUMPS_STRUC_C *mumps, int job) {
  mumps->job = job;
  smumps_c(mumps);
  return mumps->infog[0] < 0 ? mumps->infog[0] : 0;
}

EXPORT void heartwright_mumps_destroy(SMUMPS_STRUC_C *mumps) {
  heartwright_mumps_job(mumps, DESTROY);
  free(mumps);
}
