"""Fibres of the ventricles: Bayer's rule in the wall, Doste's in the outflow tracts.

Bayer et al. 2012 (doi:10.1007/s10439-012-0593-5): local axes (circumferential c, longitudinal l, transmural t) from
gradients of fields of Laplace type, turned by angles that depend on the depth in the wall, blended by spherical
interpolation of rotations. Ours differs where the paper leaves artefacts; docs/theory/fibres.md says how and why.
Outflow tracts after Doste et al. 2019 change the axes l and the angles (outflow.py).

    f0 = cos α c + sin α l      helix angle α, positive where fibres climb as a right-handed screw, whatever the
                                sign of l: with t outwards c = l × t, and (-l, -c) give the same line
    m  = -sin α c + cos α l     tangent to the wall, normal to the fibre
    sheet `across`:  s0 = t,  sheet `tangent`:  s0 = m;  both turned about f0 by the sheet angle β;  n0 = f0 × s0

Signs (a fibre is a line, not an arrow) are chosen so that fields are smooth: f0 counter-clockwise seen from the base,
s0 away from the middle of the base (across) or towards the base (tangent).
"""

import numpy as np
from dolfinx import fem

from heartwright.errors import InputError
from heartwright.mesh import outflow, rotations
from heartwright.mesh.coordinates import OTHER_TISSUES, RV, Axes, left_axes
from heartwright.mesh.fibre_rules import FibresBayer, FibresDoste
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.laplace import Depth, harmonic, point_dofs, space, surface_dofs
from heartwright.mesh.sampling import Samples, between_corners, sample, split
from heartwright.mesh.select import select

BLOCK = 2**17  # points treated at once: bounds the memory of large meshes


def frames(geometry: Geometry, rule: FibresBayer, points: np.ndarray, degree: int) -> np.ndarray:
    """Frames (cells x points, 3, 3) with columns f0, s0, n0, from fields of a degree. Collective.

    InputError where surfaces are missing, and where the geometry holds other tissue than ventricles.
    """
    if other := [name for name in geometry.regions if name in OTHER_TISSUES]:
        raise InputError(
            f"mesh.fibres: `type: {rule.type}` is for ventricles, and this mesh has {', '.join(other)} too: give every "
            "region its own rule, `{type: parts, parts: [{region: [lv, rv], fibres: {type: bayer}}, …]}`"
        )
    axes = left_axes(geometry)
    fields = _wall_fields(geometry, rule, axes, degree)
    table = sample(geometry, list(fields.values()), points)
    angles = _angles_at(geometry, rule, points, len(table))
    frames = np.empty((len(table), 3, 3))
    for start in range(0, len(table), BLOCK):
        block = slice(start, start + BLOCK)
        x, values, gradients = split(table[block], list(fields))
        values = {name: np.clip(own, 0.0, 1.0) for name, own in values.items()}  # quadratic fields may overshoot
        local = _wall_frames(rule, angles[block], axes, values, gradients)
        frames[block] = _signed(_sheets(local, rule.sheet), x, axes, rule.sheet)
    return frames


def _wall_fields(geometry: Geometry, rule: FibresBayer, axes: Axes, degree: int) -> dict[str, fem.Function]:
    """`up` (0 at the apex, 1 on the base) or the fields of outflow.py, `lv` (see Depth), with a right ventricle `rv`
    and `side` (0 on the left endocardium, 1 on the right). Collective.
    """
    V, V1 = space(geometry, degree), geometry.V1
    depth = Depth(geometry, V)
    depth.problem.destroy()
    if isinstance(rule, FibresDoste):
        found = outflow.fields(geometry, V, axes)
    else:
        found = {"up": harmonic(V, [outflow.base_dofs(geometry, V), point_dofs(V, axes.epi_apex)])}
    found["lv"] = depth.lv
    if depth.rv is not None:
        found["rv"] = depth.rv
        found["side"] = harmonic(V1, [surface_dofs(geometry, V1, name) for name in ("rv_endo", "lv_endo")])
    return found


def _angles_at(geometry: Geometry, rule: FibresBayer, points: np.ndarray, n: int) -> np.ndarray:
    """Angles (n, 2, 4): helix and sheet, each on the left and right endocardium and the left and right epicardium.

    Those of `regions` are set at nodes, so that angles pass over from one region to the next within one cell.
    """
    right = (own if own is not None else left for own, left in ((rule.rv_endo, rule.endo), (rule.rv_epi, rule.epi)))
    rv_endo, rv_epi = right
    helix = (rule.endo, rv_endo, rule.epi, rv_epi)
    everywhere = np.array([helix, np.repeat((rule.sheet_endo, rule.sheet_epi), 2)])
    if not rule.regions:
        return np.broadcast_to(everywhere, (n, 2, 4))
    nodal = np.tile(everywhere, (geometry.n_vertices, 1, 1))
    right = geometry.coordinates.chamber == RV
    for region in rule.regions:
        inside = select(geometry, region.where)
        for kind, (inner, outer) in enumerate(((region.endo, region.epi), (region.sheet_endo, region.sheet_epi))):
            if inner is not None:
                nodal[inside & ~right, kind, 0] = inner
                nodal[inside & right, kind, 1] = inner
            if outer is not None:
                nodal[inside & ~right, kind, 1:3] = -outer, outer
                nodal[inside & right, kind, 3] = outer
    return between_corners(geometry, nodal.reshape(-1, 8), points).reshape(n, 2, 4)


def _wall_frames(rule: FibresBayer, angles: np.ndarray, axes: Axes, values: Samples, gradients: Samples) -> np.ndarray:
    """Frames (f, m, t) at n points whose angles (n, 2, 4) are as in `_angles_at`."""
    spare = np.stack([axes.anterior, axes.axis, axes.septal], axis=1)
    if isinstance(rule, FibresDoste):
        angles = outflow.weighted(angles, rule, values)
    lv, up = values["lv"], _longitudinal("lv", values, gradients)
    if "rv" not in values:
        helix, sheet = (lv * kind[:, 0] + (1.0 - lv) * kind[:, 2] for kind in (angles[:, 0], angles[:, 1]))
        return rotations.turned(rotations.frame(up, -gradients["lv"], spare), helix, sheet)
    rv, side, up_right = values["rv"], values["side"], _longitudinal("rv", values, gradients)
    up_out = (1.0 - side)[:, None] * up + side[:, None] * up_right
    epi = np.clip(1.0 - lv - rv, 0.0, 1.0)
    helix_in, helix_out = _in_depth(lv, rv, epi, side, angles[:, 0])
    sheet_in, sheet_out = _in_depth(lv, rv, epi, side, angles[:, 1])
    from_left, from_right, outwards = (
        rotations.turned(rotations.frame(l, t, spare), helix, sheet)
        for l, t, helix, sheet in (
            (up, -gradients["lv"], helix_in, sheet_in),
            (up_right, gradients["rv"], helix_in, sheet_in),
            (up_out, -gradients["lv"] - gradients["rv"], helix_out, sheet_out),
        )
    )
    inner = rotations.blended(from_left, from_right, _settled(side))
    return rotations.blended(inner, outwards, _settled(epi))


def _longitudinal(side: str, values: Samples, gradients: Samples) -> np.ndarray:
    """Towards the base, or the valves, of one ventricle (n, 3)."""
    return gradients["up"] if "up" in gradients else outflow.longitudinal(side, values, gradients)


def _in_depth(lv, rv, epi, side, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An angle linear in the harmonic fields (lv + rv + epi = 1): seen from the left cavity, and seen outwards.

    angles (n, 4): on the left and right endocardium, the left and right epicardium. Seen from the left, the transmural
    axis points into the right cavity, so what the right ventricle calls α is -α.
    """
    left_endo, right_endo, left_epi, right_epi = angles.T
    from_left = lv * left_endo - rv * right_endo + epi * ((1.0 - side) * left_epi - side * right_epi)
    outwards = lv * left_endo + rv * right_endo + epi * ((1.0 - side) * left_epi + side * right_epi)
    return from_left, outwards


def _settled(w: np.ndarray, margin: float = 1e-3) -> np.ndarray:
    """w with its ends flattened: 0 below `margin`, 1 above 1 - `margin`, linear between.

    Where a weight is that small, the gradient it would let in is that of a field that has decayed to the error of
    the linear solver (φ_lv deep in the right free wall): noise that differs between numbers of ranks.
    """
    return np.clip((w - margin) / (1.0 - 2.0 * margin), 0.0, 1.0)


def _sheets(frames: np.ndarray, sheet: str) -> np.ndarray:
    """Columns (f0, s0, n0) from (f, m, t)."""
    f, s = frames[:, :, 0], frames[:, :, 2 if sheet == "across" else 1]
    return np.stack([f, s, np.cross(f, s)], axis=2)


def _signed(frames: np.ndarray, x: np.ndarray, axes: Axes, sheet: str) -> np.ndarray:
    """The same lines with the signs told in the module's first lines."""
    arm = x - axes.base
    f, s = frames[:, :, 0], frames[:, :, 1]
    f = f * _sign(f, np.cross(axes.axis, arm))
    s = s * _sign(s, arm if sheet == "across" else np.broadcast_to(axes.axis, arm.shape))
    return np.stack([f, s, np.cross(f, s)], axis=2)


def _sign(v: np.ndarray, along: np.ndarray) -> np.ndarray:
    return np.where(np.einsum("ni,ni->n", v, along) < 0.0, -1.0, 1.0)[:, None]
