"""Linear solvers by name: the only file that knows PETSc options."""

import itertools

from petsc4py import PETSc

from heartwright.errors import SolveFailed

PRESETS: dict[str, dict[str, object]] = {
    # Mass-dominated symmetric systems (diffusion step): a warm start and Jacobi need a handful of iterations.
    "cg": {"ksp_type": "cg", "pc_type": "jacobi", "ksp_norm_type": "natural", "ksp_initial_guess_nonzero": True},
    # Elliptic problems on any mesh (Laplace coordinates, harmonic extension).
    "cg_amg": {"ksp_type": "cg", "pc_type": "hypre", "ksp_initial_guess_nonzero": True},
    # Tangents of the solid; MUMPS, factored once and reused while it converges well.
    "lu": {"ksp_type": "preonly", "pc_type": "lu", "pc_factor_mat_solver_type": "mumps"},
}

# Flags of the compiled forms: native SIMD is 1.5-1.8 times faster on quadratic tetrahedra than FFCx's default -O2.
# `-ffast-math` drops NaN checks, so finiteness is tested explicitly where it matters.
JIT = {"cffi_extra_compile_args": ["-O3", "-march=native", "-ffast-math", "-g0"], "timeout": 600}

_count = itertools.count()


class Linear:
    """A linear solver A x = b, created once; `solve` may be called for many right-hand sides.

    Raises SolveFailed naming `equation` when the Krylov iteration does not converge.
    """

    def __init__(self, A: PETSc.Mat, preset: str, equation: str, rtol: float = 1e-10, max_it: int = 1000):
        self.equation = equation
        self.ksp = PETSc.KSP().create(A.comm)
        self.ksp.setOperators(A)
        prefix = f"heartwright_{next(_count)}_"
        self.ksp.setOptionsPrefix(prefix)
        options = PETSc.Options(prefix)
        for key, value in PRESETS[preset].items():
            options[key] = value
        self.ksp.setTolerances(rtol=rtol, atol=1e-50, max_it=max_it)
        self.ksp.setFromOptions()
        for key in PRESETS[preset]:
            del options[key]

    def solve(self, b: PETSc.Vec, x: PETSc.Vec) -> int:
        """Solve into `x` (its content is the first guess of iterative presets); returns the iteration count."""
        self.ksp.solve(b, x)
        if self.ksp.reason <= 0:
            raise SolveFailed(self.equation, f"linear solver stopped with reason {self.ksp.reason}")
        return self.ksp.its

    def destroy(self) -> None:
        self.ksp.destroy()
