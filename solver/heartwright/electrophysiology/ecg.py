"""Pseudo-ECG: potentials of the heart's sources in an infinite homogeneous torso."""

from __future__ import annotations

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc
from petsc4py import PETSc

from heartwright.electrophysiology.spec import Ecg
from heartwright.errors import InputError
from heartwright.linalg import JIT
from heartwright.mesh.geometry import Geometry

LIMBS = ("RA", "LA", "LL")
CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")

# A torso around the heart: electrodes relative to the left ventricle in mm, towards the patient's left, back and head.
# Limb electrodes sit on shoulders and left hip; V1 and V2 beside the sternum, V4 under the apex, V6 at the side.
ELECTRODES = {
    "RA": (-180.0, -20.0, 170.0),
    "LA": (150.0, -20.0, 170.0),
    "LL": (60.0, -30.0, -350.0),
    "V1": (-70.0, -95.0, 15.0),
    "V2": (-20.0, -105.0, 15.0),
    "V3": (25.0, -100.0, 0.0),
    "V4": (65.0, -80.0, -20.0),
    "V5": (100.0, -45.0, -25.0),
    "V6": (120.0, 0.0, -25.0),
}
# How a heart lies in that torso: from apex to base, and from the left ventricle to the right one.
LONG_AXIS = (-0.60, 0.45, 0.66)
TO_THE_RIGHT_VENTRICLE = (-0.70, -0.70, -0.15)


class PseudoECG:
    """phi_e(x) = 1/(4 pi sigma_b) ∫ −σ∇v · ∇(1/r) dV, r the distance from the electrode at x (Gima & Rudy 2002,
    doi:10.1161/01.RES.0000016960.61087.86); leads as in Einthoven, Goldberger and Wilson.

    The integral is linear in v: one vector per electrode is assembled once, afterwards a lead costs a dot product.
    The sources use the monodomain conductivity, so shapes and durations mean more than millivolts.
    """

    def __init__(self, geometry: Geometry, sigma, electrodes: dict[str, np.ndarray], torso_conductivity: float):
        self.comm, self.electrodes = geometry.comm, electrodes
        position = fem.Constant(geometry.mesh, np.zeros(3))
        scale = fem.Constant(geometry.mesh, 1.0 / (4 * np.pi * torso_conductivity))
        towards = position - ufl.SpatialCoordinate(geometry.mesh)
        gradient = towards / ufl.dot(towards, towards) ** 1.5  # of 1/r, at the source
        w = ufl.TestFunction(geometry.V1)
        dx = geometry.dx(metadata={"quadrature_degree": 2})
        self._form = fem.form(-scale * ufl.dot(sigma * ufl.grad(w), gradient) * dx, jit_options=JIT)
        self._functionals = np.array([self._functional(position, x) for x in electrodes.values()])

    @classmethod
    def around(cls, geometry: Geometry, sigma, spec: Ecg | None) -> PseudoECG | None:
        """Electrodes where `spec` puts them, the others around the heart; None for tissue that is no heart.

        Collective. Raises InputError when some electrodes are given for a mesh without ventricle, but not all.
        """
        if spec is None or not (spec.electrodes or "lv_endo" in geometry.names):
            return None
        given = {name: np.array(x) for name, x in spec.electrodes.items()}
        missing = [name for name in ELECTRODES if name not in given]
        if missing and "lv_endo" not in geometry.names:
            raise InputError(
                f"electrophysiology.ecg: the mesh has no lv_endo to place {', '.join(missing)} by: give them too"
            )
        return cls(geometry, sigma, (placed(geometry) if missing else {}) | given, spec.torso_conductivity)

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

    def _functional(self, position: fem.Constant, x: np.ndarray) -> np.ndarray:
        position.value[:] = x
        vector = petsc.assemble_vector(self._form)
        vector.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
        owned = vector.array_r.copy()
        vector.destroy()
        return owned


def placed(geometry: Geometry) -> dict[str, np.ndarray]:
    """Default electrodes (mm, mesh coordinates): the torso of this module turned to fit the heart's axes. Collective.

    The long axis is the normal of the left ventricle's opening. Without right ventricle the side is arbitrary.
    """
    opening, centre = _area_and_centre(geometry, "lv_endo")
    right = _area_and_centre(geometry, "rv_endo")[1] - centre if "rv_endo" in geometry.names else _across(opening)
    turn = _frame(opening, right) @ _frame(np.array(LONG_AXIS), np.array(TO_THE_RIGHT_VENTRICLE)).T
    return {name: centre + turn @ np.array(x) for name, x in ELECTRODES.items()}


def _area_and_centre(geometry: Geometry, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Area vector (out of the tissue, mm^2) and centroid (mm) of a surface. Collective."""
    a, b, c = np.swapaxes(geometry.points[geometry.local_triangles(name)], 0, 1)
    areas = np.cross(b - a, c - a) / 2
    sizes = np.linalg.norm(areas, axis=1)
    moments = (sizes[:, None] * (a + b + c) / 3).sum(axis=0)
    total = geometry.comm.allreduce(np.array([*areas.sum(axis=0), *moments, sizes.sum()]))
    return total[:3], total[3:6] / total[6]


def _across(axis: np.ndarray) -> np.ndarray:
    """Some direction that is not parallel to `axis`."""
    return np.eye(3)[np.argmin(np.abs(axis))]


def _frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Right-handed orthonormal columns: `first`, the part of `second` perpendicular to it, and their cross product."""
    a = first / np.linalg.norm(first)
    b = second - (second @ a) * a
    b /= np.linalg.norm(b)
    return np.column_stack([a, b, np.cross(a, b)])
