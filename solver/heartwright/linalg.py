"""Linear solvers by name: the only file that knows PETSc options."""

import itertools
from collections.abc import Sequence

import numpy as np
from dolfinx import fem, la
from petsc4py import PETSc
from scipy import sparse

from heartwright import forms
from heartwright.errors import SolveFailed, of_mumps

# The coarsening halves the time of BoomerAMG's defaults on 100 k quadratic dofs.
AMG: dict[str, object] = {
    "pc_type": "hypre",
    "pc_hypre_boomeramg_coarsen_type": "HMIS",
    "pc_hypre_boomeramg_interp_type": "ext+i",
    "pc_hypre_boomeramg_P_max": 4,
    "pc_hypre_boomeramg_strong_threshold": 0.5,
}
CG: dict[str, object] = {"ksp_type": "cg", "ksp_initial_guess_nonzero": True}
PRESETS: dict[str, dict[str, object]] = {
    # Elliptic problems on any mesh (Laplace coordinates, harmonic extension).
    "cg_amg": CG | AMG,
    # Two potentials per node, the first parabolic, the second elliptic; the residual is measured in the norm of the
    # preconditioner's inverse, as an error of the potentials.
    "cg_parabolic_elliptic": CG
    | {"ksp_norm_type": "natural", "pc_type": "fieldsplit", "pc_fieldsplit_type": "additive"}
    | {"pc_fieldsplit_block_size": 2, "pc_fieldsplit_0_fields": 0, "pc_fieldsplit_1_fields": 1}
    | {"fieldsplit_0_ksp_type": "preonly", "fieldsplit_0_pc_type": "jacobi", "fieldsplit_1_ksp_type": "preonly"}
    | {f"fieldsplit_1_{key}": value for key, value in AMG.items()}
    | {"fieldsplit_1_pc_hypre_boomeramg_agg_nl": 1},
    # Tangents of the solid with an unknown pressure, saddle points: MUMPS, factored once and reused while it converges
    # well. It may take 60 % more memory than it estimates: with its own 20 % large hearts fail now and then.
    "ldl": {
        "ksp_type": "preonly",
        "pc_type": "cholesky",
        "pc_factor_mat_solver_type": "mumps",
        "mat_mumps_icntl_14": 60,
        "mat_mumps_icntl_13": 1,  # see `mumps.ROOT_ALONE`
    },
    # Tangents of the solid where factors would not fit: smoothed aggregation that knows the rigid motions (Vanek,
    # Mandel and Brezina 1996, doi:10.1007/BF02238511). FGMRES stops by the true residual.
    "amg": {"ksp_type": "fgmres", "ksp_gmres_restart": 60, "pc_type": "gamg"},
    # Tangents that are not symmetric, those of inverse elasticity.
    "lu": {"ksp_type": "preonly", "pc_type": "lu", "pc_factor_mat_solver_type": "mumps", "mat_mumps_icntl_14": 60},
}
# The same by one rank alone: on four and more, MUMPS adds in the order in which messages arrive, so that the last bits
# differ from run to run.
PRESETS["ldl_alone"] = {"ksp_type": "preonly", "pc_type": "telescope"} | {
    f"telescope_{key}": value for key, value in PRESETS["ldl"].items()
}

INEXACT = 1e-6  # of the true residual: what an iterative solver may leave of a step of Newton's method

JIT = forms.options()

_count = itertools.count()


class Linear:
    """A linear solver A x = b, created once; `solve` may be called for many right-hand sides.

    Raises SolveFailed naming `equation` when the Krylov iteration does not converge.
    """

    def __init__(
        self, A: PETSc.Mat, preset: str, equation: str, rtol: float = 1e-10, atol: float = 1e-50, max_it: int = 1000
    ):
        self.equation, self.preset = equation, preset
        if preset.startswith("ldl"):
            A.setOption(PETSc.Mat.Option.SYMMETRIC, True)
        self.ksp = PETSc.KSP().create(A.comm)
        self.ksp.setOperators(A)
        prefix = f"heartwright_{next(_count)}_"
        self.ksp.setOptionsPrefix(prefix)
        self._options = dict(PRESETS[preset])
        if self._options["pc_type"] == "telescope":
            self._options["pc_telescope_reduction_factor"] = A.comm.size
        for key, value in self._options.items():
            PETSc.Options(prefix)[key] = value
        self.ksp.setTolerances(rtol=rtol, atol=atol, max_it=max_it)
        self.ksp.setFromOptions()

    def renew(self) -> None:
        """Factor the matrix at its present values, or coarsen it; solves reuse that until it is renewed again.

        Raises SolveFailed when that cannot be done.
        """
        A, pc = self.ksp.getOperators()[0], self.ksp.getPC()
        P = _unsymmetric(A) if self.preset == "amg" else A
        pc.setReusePreconditioner(False)
        self.ksp.setOperators(A, P)
        self.ksp.setUp()
        pc.setReusePreconditioner(True)
        if pc.getFailedReason():
            raise SolveFailed(self.equation, f"factorisation failed{_mumps_report(pc)}")

    def solve(self, b: PETSc.Vec, x: PETSc.Vec) -> int:
        """Solve into `x` (its content is the first guess of iterative presets); returns the iteration count."""
        try:
            self.ksp.solve(b, x)
        except PETSc.Error as error:
            raise SolveFailed(self.equation, f"linear solver: {error}".splitlines()[-1]) from error
        if self.ksp.reason <= 0:
            raise SolveFailed(self.equation, f"linear solver stopped with reason {self.ksp.reason}")
        return self.ksp.its

    def destroy(self) -> None:
        options = PETSc.Options(self.ksp.getOptionsPrefix())
        for key in self._options:
            del options[key]
        self.ksp.destroy()


def _mumps_report(pc: PETSc.PC) -> str:
    """What MUMPS says of a failed factorisation; nothing where it ran inside another preconditioner."""
    factored = pc.getType() == "cholesky"
    return of_mumps(pc.getFactorMatrix().getMumpsInfog(1)) if factored else ""


def _unsymmetric(A: PETSc.Mat) -> PETSc.Mat:
    """A copy of A, of which only one triangle is stored, with both: the aggregation wants whole rows."""
    P = A.convert(PETSc.Mat.Type.AIJ, PETSc.Mat())  # without a second matrix A itself is converted
    P.setBlockSize(A.getBlockSize())
    P.setNearNullSpace(A.getNearNullSpace())
    return P


def rigid_motions(A: PETSc.Mat, points: np.ndarray) -> None:
    """Tell A, whose unknowns are displacements of this rank's `points` (n, 3), what multigrid must not lose."""
    x = PETSc.Vec().createMPI((points.size, None), bsize=3, comm=A.comm)
    x.array[:] = points.ravel()
    A.setNearNullSpace(PETSc.NullSpace().createRigidBody(x))


def only_up_to(kernel: np.ndarray, A: PETSc.Mat) -> PETSc.NullSpace:
    """Tell A that A x = b fixes x only up to multiples of `kernel` (owned rows), which its solvers then leave out."""
    z = A.createVecLeft()
    z.array[:] = kernel
    z.normalize()
    space = PETSc.NullSpace().create(vectors=[z], comm=A.comm)
    A.setNullSpace(space)
    return space


class Rows:
    """PETSc's matrix with the finished rows of DOLFINx's own, whose blocks may have any shape. Collective."""

    def __init__(self, A: la.MatrixCSR):
        self._A, sizes = A, A.block_size
        maps = A.index_map(0), A.index_map(1)
        shape = [(one.size_local * size, one.size_global * size) for one, size in zip(maps, sizes, strict=True)]
        self._local = [(one.size_local + one.num_ghosts) * size for one, size in zip(maps, sizes, strict=True)]
        self._own = shape[0][0]
        own = self._own_rows()
        local = np.arange(maps[1].size_local + maps[1].num_ghosts, dtype=np.int32)
        whole = (maps[1].local_to_global(local)[:, None] * sizes[1] + np.arange(sizes[1])).ravel()
        self._indptr, self._indices = own.indptr.astype(PETSc.IntType), whole[own.indices].astype(PETSc.IntType)
        self.matrix = PETSc.Mat().createAIJ(shape, csr=(self._indptr, self._indices, own.data), comm=maps[0].comm)

    def update(self) -> PETSc.Mat:
        """The matrix with the present values."""
        self.matrix.setValuesCSR(self._indptr, self._indices, self._own_rows().data)
        self.matrix.assemble()
        return self.matrix

    def _own_rows(self) -> sparse.csr_matrix:
        blocks = self._A.data.reshape(-1, *self._A.block_size), self._A.indices, self._A.indptr
        return sparse.bsr_matrix(blocks, shape=self._local).tocsr()[: self._own]


class Assembly:
    """The matrix of a bilinear form, the same to the last bit whenever it is assembled on the same ranks.

    PETSc adds what other ranks contribute to a row in the order in which it arrives, which differs from run to run on
    three or more. DOLFINx's own matrix adds in the order of the ranks, and PETSc is given its finished rows.

    matrix: PETSc's. `bcs` put ones on the diagonal of their rows. Collective.
    """

    def __init__(self, form: fem.Form, bcs: Sequence[fem.DirichletBC] = ()):
        self._form, self._bcs = form, list(bcs)
        self._A = fem.create_matrix(form)
        self._rows = Rows(self._A)
        self.matrix = self._rows.matrix

    def update(self) -> PETSc.Mat:
        """The matrix, assembled anew."""
        self._A.set_value(0.0)
        fem.assemble_matrix(self._A, self._form, bcs=self._bcs)
        self._A.scatter_reverse()
        return self._rows.update()
