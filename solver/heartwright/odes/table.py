"""A table of what depends on the potential alone: one row per potential, linear interpolation between two rows.

Gating variables cost two exponentials or more each, all functions of v. The columns of a row lie side by side, so that
the interpolation of one lane is a vector operation over columns; a transposition in registers turns the result into
the layout of blocks, `[column * W + lane]`.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Range:
    """Potentials lowest + i spacing, i = 0 .. rows - 1 [mV]; beyond them, the functions keep their last value.

    The interpolation error of a column g is at most spacing² max|g''| / 8: 1e-5 of its size for the steepest gates
    (5 mV per factor e) with 0.05 mV. No row lies at a round number, where functions like z/(e^z - 1) have no value.
    Models with fewer columns than `fewest` are computed: a table would not pay, and simplified cells, which are among
    them, switch abruptly at certain potentials.
    """

    lowest: float = -150.0137
    highest: float = 150.0
    spacing: float = 0.05
    fewest: int = 16

    @property
    def rows(self) -> int:
        return round((self.highest - self.lowest) / self.spacing) + 1


TABULATE = r"""
enum { LANES = 32 / sizeof(real), WIDTH = (COLUMNS + LANES - 1) / LANES * LANES };  // lanes of a vector of 32 bytes
typedef real vector __attribute__((vector_size(32), aligned(32)));

EXPORT long heartwright_table_size(void) { return (long)ROWS * WIDTH * sizeof(real); }

// table[row * WIDTH + column] for steps of h
EXPORT void heartwright_tabulate(double h, real *table) {
  ARRAY(double, v, 1); ARRAY(double, c, COLUMNS);
  for (int row = 0; row < ROWS; row += W) {
    for (int l = 0; l < W; l++) v[l] = LOWEST + (row + l) * SPACING;
    columns(v, h, c);
    for (int l = 0; l < W && row + l < ROWS; l++)
      for (int k = 0; k < WIDTH; k++) table[(long)(row + l) * WIDTH + k] = k < COLUMNS ? c[k * W + l] : 0;
  }
}
"""

LOOKUP = r"""
static void lookup(const real *y, const real *table, real *c) {
  const real lowest = LOWEST, per_row = 1 / SPACING;
  long row[W];
  real part[W];
  for (int l = 0; l < W; l++) {
    const real place = (y[POTENTIAL * W + l] - lowest) * per_row;
    const int at = (int)place, last = ROWS - 2;  // nan and infinity become some number, too
    row[l] = at < 0 ? 0 : at > last ? last : at;
    const real beyond = place - row[l];
    part[l] = beyond < 0 ? 0 : beyond > 1 ? 1 : beyond;
  }
  for (int group = 0; group < W; group += LANES)
    for (int k = 0; k < WIDTH; k += LANES) {
      vector r[LANES];
      for (int l = 0; l < LANES; l++) {
        const vector *at = (const vector *)(table + row[group + l] * WIDTH + k), *next = at + WIDTH / LANES;
        r[l] = *at + part[group + l] * (*next - *at);
      }
      transpose(r);
      for (int l = 0; l < LANES; l++) *(vector *)(c + (k + l) * W + group) = r[l];
    }
}
"""

# r[lane] of columns -> r[column] of lanes, in registers
TRANSPOSE = {
    "double": r"""
static inline __attribute__((always_inline)) void transpose(vector *r) {
  typedef long mask __attribute__((vector_size(32)));
  vector t[4];
  for (int i = 0; i < 4; i += 2) {
    t[i] = __builtin_shuffle(r[i], r[i + 1], (mask){0, 4, 2, 6});
    t[i + 1] = __builtin_shuffle(r[i], r[i + 1], (mask){1, 5, 3, 7});
  }
  for (int i = 0; i < 2; i++) {
    r[i] = __builtin_shuffle(t[i], t[i + 2], (mask){0, 1, 4, 5});
    r[i + 2] = __builtin_shuffle(t[i], t[i + 2], (mask){2, 3, 6, 7});
  }
}
""",
    "single": r"""
static inline __attribute__((always_inline)) void transpose(vector *r) {
  typedef int mask __attribute__((vector_size(32)));
  vector t[8], s[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = __builtin_shuffle(r[i], r[i + 1], (mask){0, 8, 1, 9, 4, 12, 5, 13});
    t[i + 1] = __builtin_shuffle(r[i], r[i + 1], (mask){2, 10, 3, 11, 6, 14, 7, 15});
  }
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; j++) {
      s[i + 2 * j] = __builtin_shuffle(t[i + j], t[i + j + 2], (mask){0, 1, 8, 9, 4, 5, 12, 13});
      s[i + 2 * j + 1] = __builtin_shuffle(t[i + j], t[i + j + 2], (mask){2, 3, 10, 11, 6, 7, 14, 15});
    }
  for (int i = 0; i < 4; i++) {
    r[i] = __builtin_shuffle(s[i], s[i + 4], (mask){0, 1, 2, 3, 8, 9, 10, 11});
    r[i + 4] = __builtin_shuffle(s[i], s[i + 4], (mask){4, 5, 6, 7, 12, 13, 14, 15});
  }
}
""",
}

NO_TABLE = r"""
enum { WIDTH = 0 };
static inline void lookup(const real *y, const real *table, real *c) {}
"""
