"""Outflow tracts: what is different about fibres on the way to the aortic and the pulmonary valve.

Doste et al. 2019 (doi:10.1002/cnm.3185). Each ventricle has two longitudinal fields, 0 at its apex and 1 on the ring of
its inflow or of its outflow valve, and a weight w that is 0 on the ring of the outflow and 1 on that of the inflow and
in the apical half. With the unit vectors e of the gradients and angles α (and sheet angles β)

    l = w e_in + (1 - w) e_out,    α(w) = w α + (1 - w) α_out,    β(w) = w β.

A ring is the surface called as its valve. Without it, it is that part of `base` that is nearer to this than to any
other rim of a cavity; of the rims of a ventricle the longest is that of the inflow, the next that of the outflow.
"""

import numpy as np
from dolfinx import fem
from scipy.spatial import KDTree

from heartwright.errors import InputError
from heartwright.mesh.coordinates import Axes, lowest
from heartwright.mesh.fibre_rules import FibresDoste
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.laplace import harmonic, point_dofs, surface_dofs
from heartwright.mesh.regions import BORDER

VALVES = {"lv": ("mitral", "aortic"), "rv": ("tricuspid", "pulmonary")}  # inflow, outflow
REACH = 0.5  # of the long axis: the outflow tract does not begin lower


def fields(geometry: Geometry, V: fem.FunctionSpace, axes: Axes) -> dict[str, fem.Function]:
    """`lv_in`, `lv_out`, `lv_weight` and, with a right ventricle, the same of `rv`. Collective.

    InputError where the mesh has no rings.
    """
    rings = ring_dofs(geometry, V)
    apical = np.flatnonzero(axes.fraction(V.tabulate_dof_coordinates(), axes.epi_apex) < REACH)
    found = {}
    for side, (inflow, outflow) in VALVES.items():
        if f"{side}_endo" in geometry.names:
            apex = point_dofs(V, axes.epi_apex if side == "lv" else _right_apex(geometry, V, rings[inflow]))
            found[f"{side}_in"] = harmonic(V, [rings[inflow], apex])
            found[f"{side}_out"] = harmonic(V, [rings[outflow], apex])
            found[f"{side}_weight"] = harmonic(V, [np.union1d(rings[inflow], apical), rings[outflow]])
    return found


def longitudinal(side: str, values: dict[str, np.ndarray], gradients: dict[str, np.ndarray]) -> np.ndarray:
    """l of one ventricle (n, 3), of any length."""
    w = values[f"{side}_weight"][:, None]
    return w * _unit(gradients[f"{side}_in"]) + (1.0 - w) * _unit(gradients[f"{side}_out"])


def weighted(angles: np.ndarray, rule: FibresDoste, values: dict[str, np.ndarray]) -> np.ndarray:
    """Helix and sheet angles (n, 2, 4) on the left and right endocardium and the left and right epicardium."""
    w = np.stack([values.get(f"{side}_weight", np.ones(len(angles))) for side in ("lv", "rv", "lv", "rv")], axis=1)
    outflow = np.array([np.repeat((rule.outflow_endo, rule.outflow_epi), 2), np.zeros(4)])
    return w[:, None] * angles + (1.0 - w[:, None]) * outflow


def base_dofs(geometry: Geometry, V: fem.FunctionSpace) -> np.ndarray:
    """Local dofs (ghosts included) of `V` on `base` and the borders of a part, or on the rings of valves. Collective.

    InputError where the mesh has none of them.
    """
    rings = [valve for valves in VALVES.values() for valve in valves if valve in geometry.names]
    base = [name for name in geometry.names if name == "base" or name.startswith(BORDER)]
    named = base or rings or ["base"]
    return np.unique(np.concatenate([surface_dofs(geometry, V, name) for name in named]))


def ring_dofs(geometry: Geometry, V: fem.FunctionSpace) -> dict[str, np.ndarray]:
    """Local dofs (ghosts included) of `V` on the ring of every valve of the ventricles there are. Collective."""
    wanted = [valve for side, valves in VALVES.items() if f"{side}_endo" in geometry.names for valve in valves]
    found = {valve: surface_dofs(geometry, V, valve) for valve in wanted if valve in geometry.names}
    rims = _rims(geometry)
    missing = [valve for valve in wanted if valve not in found and valve not in rims]
    if missing:
        raise InputError(
            f"mesh.fibres: `type: doste` needs the rings of valves, and this mesh has none of {', '.join(missing)}: "
            "name them as surfaces, or give a `base` in which each ventricle's cavity has two openings; "
            "for hearts cut flat at the base take `type: bayer`"
        )
    if len(found) < len(wanted):
        base = base_dofs(geometry, V)
        x = V.tabulate_dof_coordinates()[base]
        nearest = np.argmin([KDTree(points).query(x)[0] for points in rims.values()], axis=0)
        own = {valve: base[nearest == i] for i, valve in enumerate(rims)}
        found = {valve: found.get(valve, own.get(valve)) for valve in wanted}
    return found


def _rims(geometry: Geometry) -> dict[str, np.ndarray]:
    """Points along the rim of each valve, the same on all ranks. Collective."""
    found = {}
    for side, valves in VALVES.items():
        loops = geometry.rim_points(f"{side}_endo") if f"{side}_endo" in geometry.rims else []
        length = [np.linalg.norm(loop - np.roll(loop, 1, axis=0), axis=1).sum() for loop in loops]
        longest = np.argsort(-np.array(length), kind="stable")[: len(valves)]
        found |= {valve: loops[i] for valve, i in zip(valves, longest, strict=False) if len(loops) > 1}
    return found


def _right_apex(geometry: Geometry, V: fem.FunctionSpace, ring: np.ndarray) -> np.ndarray:
    """The vertex (3,) of the right endocardium farthest from the middle of the tricuspid ring. Collective."""
    own = ring[ring < V.dofmap.index_map.size_local]
    x = V.tabulate_dof_coordinates()[own]
    total = geometry.comm.allreduce(np.append(x.sum(axis=0), len(x)))
    far = -np.linalg.norm(geometry.points - total[:3] / total[3], axis=1)
    return lowest(geometry, surface_dofs(geometry, geometry.V1, "rv_endo"), far)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-150)
