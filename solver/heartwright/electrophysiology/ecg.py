"""ECG: potentials of the heart's sources at electrodes, by lead fields."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import ufl
from dolfinx import fem, la

from heartwright.electrophysiology.conductivity import muscle_of, region_scale
from heartwright.electrophysiology.diffusion import conductivity_tensor
from heartwright.electrophysiology.electrodes import located
from heartwright.electrophysiology.spec import ElectrophysiologySpec
from heartwright.linalg import JIT, Assembly, Linear
from heartwright.mesh.geometry import Geometry

LIMBS = ("RA", "LA", "LL")
CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")


class LeadField:
    """phi(x) = −∫ σi∇v · ∇Z dV, Z the potential that a unit current into the electrode at x makes in the heart.

    By reciprocity (McFee & Johnston 1953, doi:10.1161/01.CIR.8.4.554). Under a flat skin, which no current leaves, Z
    in a torso of conductivity σt that holds no heart is Z∞ = 1/(2 pi σt r). The heart conducts better along its fibres,
    which turns the current inside it; with the current of Z∞ through its surface, whatever σt is,

        ∇·(σi + σe)∇Z = 0 in the heart,    n·(σi + σe)∇Z = n·σt∇Z∞ on its surface.

    Where σi + σe = σt this is twice the formula of Gima & Rudy 2002 (doi:10.1161/01.RES.0000016960.61087.86), whose
    torso has no skin. The surface
    integral is taken as ∫ σt∇w·∇Z∞ dV, equal because Z∞ is harmonic. v enters linearly: one vector per electrode is
    made once, afterwards a lead costs a dot product. Leads as in Einthoven, Goldberger and Wilson.

    intracellular, extracellular: σi, σe (UFL) in mS/mm. electrodes: places in mm, outside the heart.
    """

    def __init__(self, geometry: Geometry, intracellular, extracellular, electrodes: dict[str, np.ndarray]):
        self.comm, self.electrodes, self.n = geometry.comm, electrodes, geometry.V1.dofmap.index_map.size_local
        u, w, Z = ufl.TrialFunction(geometry.V1), ufl.TestFunction(geometry.V1), fem.Function(geometry.V1)
        place, scale = fem.Constant(geometry.mesh, np.zeros(3)), fem.Constant(geometry.mesh, 1.0 / (2 * np.pi))
        towards = place - ufl.SpatialCoordinate(geometry.mesh)
        without_heart = scale * towards / ufl.dot(towards, towards) ** 1.5  # σt∇Z∞
        dx = geometry.dx(metadata={"quadrature_degree": 2})
        bulk = ufl.inner(ufl.grad(w), (intracellular + extracellular) * ufl.grad(u)) * geometry.dx
        entering = fem.form(ufl.inner(ufl.grad(w), without_heart) * dx, jit_options=JIT)
        source = fem.form(-ufl.inner(intracellular * ufl.grad(w), ufl.grad(Z)) * geometry.dx, jit_options=JIT)
        # Z is free up to a constant, which does not matter: it is zero at one vertex
        anchor = np.flatnonzero(geometry.input_vertex == 0).astype(np.int32)
        bcs = [fem.dirichletbc(0.0, anchor, geometry.V1)]
        A = Assembly(fem.form(bulk, jit_options=JIT), bcs).update()
        solver = Linear(A, "cg_amg", "lead field", rtol=1e-9)
        functionals = []
        for x in electrodes.values():
            place.value[:] = x
            Z.x.array[:] = 0.0
            current = _assembled(entering)
            current.array[anchor] = 0.0
            solver.solve(current.petsc_vec, Z.x.petsc_vec)
            Z.x.scatter_forward()
            functionals.append(_assembled(source).array[: self.n].copy())
        solver.destroy()
        A.destroy()
        self._functionals = np.array(functionals)

    @classmethod
    def around(cls, geometry: Geometry, spec: ElectrophysiologySpec, directions: Sequence) -> LeadField | None:
        """Electrodes where `spec.ecg` has them, see `located`; None for tissue that is no heart and has none.

        directions: f0, s0, n0. The regions of `spec` conduct less within the cells. Collective. Raises InputError.
        """
        if spec.ecg is None or (electrodes := located(geometry, spec.ecg)) is None:
            return None
        inner, outer = (
            _tensor(geometry, sigma, directions) for sigma in (spec.ecg.intracellular, spec.ecg.extracellular)
        )
        scale = fem.Function(fem.functionspace(geometry.mesh, ("DG", 0)))
        scale.x.array[:] = region_scale(geometry, spec.regions) * muscle_of(geometry, spec)
        return cls(geometry, scale * inner, outer, electrodes)

    def potentials(self, v: np.ndarray) -> dict[str, float]:
        """Potential at every electrode [mV] from the owned values of v. Collective."""
        return dict(zip(self.electrodes, self.comm.allreduce(self._functionals @ v).tolist(), strict=True))

    def leads(self, v: np.ndarray) -> dict[str, float]:
        """The twelve leads [mV] from the owned values of v. Collective."""
        phi = self.potentials(v)
        RA, LA, LL = (phi[name] for name in LIMBS)
        mean = (RA + LA + LL) / 3
        limbs = {"I": LA - RA, "II": LL - RA, "III": LL - LA}
        augmented = {"aVR": 1.5 * (RA - mean), "aVL": 1.5 * (LA - mean), "aVF": 1.5 * (LL - mean)}
        return limbs | augmented | {name: phi[name] - mean for name in CHEST}


def _tensor(geometry: Geometry, sigma, directions: Sequence):
    values = fem.Constant(geometry.mesh, np.array([sigma.fibre, sigma.sheet, sigma.normal]))
    return conductivity_tensor(values, directions)


def _assembled(form: fem.Form) -> la.Vector:
    """The vector of a linear form; the values of owned nodes are complete. Collective."""
    vector = fem.assemble_vector(form)
    vector.scatter_reverse(la.InsertMode.add)
    return vector
