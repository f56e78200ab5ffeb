"""Fibres of the atria: bundles around valves and veins, along crista terminalis and septum.

Piersanti et al. 2021 (doi:10.1016/j.cma.2020.113468). Harmonic fields between the openings of an atrium tell which
bundle a point belongs to and, by the gradient k of one of them, across which direction its fibres run: with t = ∇φ out
of the wall and l what is left of k across t,

    f0 = l × t,    s0 = t (`across`) or l (`tangent`).

Fields of the left atrium: r (1 on the mitral ring, 0 on the veins), v (0 on the left, 1 on the right veins), ab (0 on
the left veins, 1 on the ring, 2 on the right veins, -1 on the appendage). Of the right: r (tricuspid ring 1, venae
cavae and appendage 0), v (superior 0, inferior 1), ab (superior 0, ring 1, inferior 2, appendage -1), w (1 on the half
of the ring on the side of the septum, -1 on the other).
"""

import numpy as np
from dolfinx import fem

from heartwright.errors import InputError
from heartwright.mesh import rotations
from heartwright.mesh.coordinates import centroid
from heartwright.mesh.fibre_rules import FibresPiersanti
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.laplace import Laplace, harmonic, space, surface_dofs
from heartwright.mesh.regions import BORDER
from heartwright.mesh.sampling import Samples, sampled

VEINS = {"la": ("lpv", "rpv"), "ra": ("svc", "ivc")}  # where v is 0, 1
RING = {"la": "mitral", "ra": "tricuspid"}
APPENDAGE = {"la": "laa", "ra": "raa"}  # marked in some meshes


def frames(geometry: Geometry, rule: FibresPiersanti, points: np.ndarray, degree: int) -> np.ndarray:
    """Frames (cells x points, 3, 3) with columns f0, s0, n0 of one atrium. Collective.

    InputError where the geometry is no atrium with a ring and its veins.
    """
    side = "la" if "la_endo" in geometry.names else "ra"
    fields = _fields(geometry, space(geometry, degree), side)
    _, values, gradients = sampled(geometry, fields, points)
    select = {"la": _left_bundles, "ra": _right_bundles}[side]
    across = np.take_along_axis(
        np.stack([gradients[name] for name in ("r", "v", "ab", "w") if name in gradients]),
        select(rule, values)[None, :, None],
        axis=0,
    )[0]
    Q = rotations.frame(across, gradients["depth"], np.eye(3))
    f, s = Q[:, :, 0], Q[:, :, 2 if rule.sheet == "across" else 1]
    return np.stack([f, s, np.cross(f, s)], axis=2)


R, V, AB, W = range(4)  # which field's gradient fibres run across


def _left_bundles(rule: FibresPiersanti, values: Samples) -> np.ndarray:
    """Mitral ring, veins, and the wall between them (n,)."""
    at_veins = (values["v"] <= rule.lpv) | (values["v"] >= rule.rpv)
    return np.select([values["r"] >= rule.mitral, at_veins], [R, V], AB)


def _right_bundles(rule: FibresPiersanti, values: Samples) -> np.ndarray:
    """Tricuspid ring, crista terminalis, venae cavae, intercaval bundle, septum, and the wall between them (n,)."""
    r, v, w = (values[name] for name in ("r", "v", "w"))
    ring, upper, caval = r >= rule.tricuspid, r < rule.wall, (v >= rule.ivc) | (v <= rule.svc)
    crista = upper & (w >= rule.crista[0]) & (w <= rule.crista[1])
    septal = w > rule.crista[1]
    return np.select(
        [
            *(ring, crista, caval),
            *(upper & septal & (w < rule.intercaval), upper & septal & (w > rule.septum), upper & septal),
            ~upper & (w >= 0.0),
        ],
        [*(R, W, V), *(V, R, W), R],
        AB,
    )


def _fields(geometry: Geometry, V: fem.FunctionSpace, side: str) -> dict[str, fem.Function]:
    """`depth` (0 inside, 1 outside) and the fields of the module's first lines. Collective."""
    named = _surfaces(geometry, side)
    at = {name: _dofs(geometry, V, surfaces) for name, surfaces in named.items()}
    zero, one, ring = at["zero"], at["one"], at["ring"]
    appendage = [at["appendage"]] if named["appendage"] else []
    between = Laplace(V, [zero, one, ring, *appendage])
    found = {
        "depth": harmonic(V, [at["outside"], at["inside"]]),
        "r": harmonic(V, [ring, np.unique(np.concatenate([zero, one, *appendage]))]),
        "v": harmonic(V, [one, zero]),
        "ab": between.solve([0.0, 2.0, 1.0, *([-1.0] * len(appendage))]),
    }
    between.destroy()
    if side == "ra":
        septal = _towards_septum(geometry, V, named)[ring]
        halves = Laplace(V, [ring[~septal], ring[septal]])
        found["w"] = halves.solve([-1.0, 1.0])
        halves.destroy()
    return found


def _surfaces(geometry: Geometry, side: str) -> dict[str, list[str]]:
    """Names of the surfaces that make inside, outside, ring, veins and appendage; InputError for all that are missing.

    The other atrium is outside, whether its wall or its cavity; other borders of the part are the ring of the valve.
    """
    other = {"la": "ra", "ra": "la"}[side]
    borders = [name for name in geometry.names if name.startswith(BORDER) and name != f"{BORDER}{other}"]
    zero, one = VEINS[side]
    wanted = {
        "inside": [f"{side}_endo"],
        "outside": ["epi", f"{other}_endo", f"{BORDER}{other}"],
        "ring": [RING[side]] if RING[side] in geometry.names else borders,
        "zero": [zero],
        "one": [one],
        "appendage": [APPENDAGE[side]],
    }
    found = {what: [name for name in names if name in geometry.names] for what, names in wanted.items()}
    told = {"inside": f"{side}_endo", "outside": "epi", "ring": RING[side], "zero": zero, "one": one}
    missing = [name for what, name in told.items() if not found[what]]
    if missing:
        raise InputError(
            f"mesh.fibres: `type: piersanti` is for an atrium with the surfaces {side}_endo, epi, {RING[side]}, {zero} "
            f"and {one}; missing: {', '.join(missing)}"
        )
    return found


def _dofs(geometry: Geometry, V: fem.FunctionSpace, names: list[str]) -> np.ndarray:
    dofs = [surface_dofs(geometry, V, name) for name in names]
    return np.unique(np.concatenate(dofs)) if dofs else np.zeros(0, dtype=np.int64)


def _towards_septum(geometry: Geometry, V: fem.FunctionSpace, named: dict[str, list[str]]) -> np.ndarray:
    """Which dofs lie on the left heart's side of the plane through the middles of the ring and of both venae cavae."""
    ring, svc, ivc = (centroid(geometry, named[what][0]) for what in ("ring", "zero", "one"))
    whole = geometry.part_of or geometry
    left = next((name for name in ("la_endo", "lv_endo") if name in whole.names), None)
    if left is None:
        raise InputError("mesh.fibres: where the septum of the right atrium is, is told by la_endo or lv_endo: missing")
    normal = np.cross(svc - ring, ivc - ring)
    normal *= np.sign(normal @ (centroid(whole, left) - ring))
    return (V.tabulate_dof_coordinates() - ring) @ normal > 0.0
