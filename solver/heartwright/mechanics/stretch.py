"""Fibre stretch at the nodes: λ = |F f0|, projected to the vertices with a lumped mass."""

import numpy as np
import ufl
from dolfinx import fem, la

from heartwright.linalg import JIT


class Projection:
    """The lumped L2 projection of a scalar expression to P1: f_i = ∫ f φ_i dx / ∫ φ_i dx.

    Averages over whole patches of cells, so that the value at a vertex does not depend on who owns it.
    """

    def __init__(self, V1: fem.FunctionSpace, f, dx):
        phi = ufl.TestFunction(V1)
        self._form = fem.form(f * phi * dx, jit_options=JIT)
        self._vector = fem.assemble_vector(self._form)
        self.values = np.zeros_like(self._vector.array)
        self._mass = self._assemble(fem.form(phi * dx, jit_options=JIT)).copy()

    def update(self) -> np.ndarray:
        """The projection now (local array, ghosts included); the same array at every call. Collective."""
        np.divide(self._assemble(self._form), self._mass, out=self.values)
        return self.values

    def _assemble(self, form: fem.Form) -> np.ndarray:
        self._vector.array[:] = 0.0
        fem.assemble_vector(self._vector.array, form)
        self._vector.scatter_reverse(la.InsertMode.add)
        self._vector.scatter_forward()
        return self._vector.array
