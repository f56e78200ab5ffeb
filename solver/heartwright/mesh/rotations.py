"""Rotations of orthonormal frames: turning them in their own axes and blending them as lines, not arrows.

Frames are arrays (n, 3, 3) whose columns are right-handed orthonormal vectors.
"""

import numpy as np
from scipy.spatial.transform import Rotation


def frame(longitudinal: np.ndarray, transmural: np.ndarray, spare: np.ndarray) -> np.ndarray:
    """Frames (c, l, t): t along `transmural`, l what is left of `longitudinal` across t, c = l × t.

    All (n, 3). Where a vector vanishes, or the two are parallel (on the axis through the apex), the columns of
    `spare` (3, 3), orthonormal, take their place.
    """
    t = _direction(transmural, np.broadcast_to(spare[:, 2], transmural.shape))
    l = _across(longitudinal, t)
    for column in (spare[:, 1], spare[:, 0]):
        l = _direction(l, _across(np.broadcast_to(column, t.shape), t))
    return np.stack([np.cross(l, t), l, t], axis=2)


def turned(Q: np.ndarray, alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Frames (f, m, t'): Q turned by alpha (n,) about its third column, then by beta (n,) about the new first one."""
    c, l, t = Q[:, :, 0], Q[:, :, 1], Q[:, :, 2]
    ca, sa, cb, sb = (x[:, None] for x in (np.cos(alpha), np.sin(alpha), np.cos(beta), np.sin(beta)))
    f, m = ca * c + sa * l, ca * l - sa * c
    return np.stack([f, cb * m + sb * t, cb * t - sb * m], axis=2)


def blended(Qa: np.ndarray, Qb: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Frames on the shortest way from Qa (w = 0) to Qb (w = 1), w (n,): Bayer's `bislerp`.

    Frames of lines are the same when two columns change sign, so of the four rotations that mean the same as Qa the
    one nearest to Qb is taken: its quaternion is q_a times 1, i, j or k, and nearness is |q · q_b|.
    """
    a, b = (Rotation.from_matrix(Q).as_quat() for Q in (Qa, Qb))
    x, y, z, s = a.T  # scalar part last
    same = np.stack([a, *(np.stack(q, axis=1) for q in ((s, z, -y, -x), (-z, s, x, -y), (y, -x, s, -z)))])
    cosines = np.einsum("knq,nq->kn", same, b)
    nearest = np.argmax(np.abs(cosines), axis=0), np.arange(len(b))
    a, cosine = same[nearest] * np.sign(cosines[nearest])[:, None], np.abs(cosines[nearest])
    angle = np.arccos(np.minimum(cosine, 1.0))
    q = _weight(1.0 - w, angle)[:, None] * a + _weight(w, angle)[:, None] * b
    return Rotation.from_quat(q).as_matrix()


def _weight(w: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """sin(w angle)/sin(angle), which tends to w for small angles (at most π/3 here, far from the zero at π)."""
    small = angle < 1e-6
    return np.where(small, w, np.sin(w * angle) / np.where(small, 1.0, np.sin(angle)))


def _across(v: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The part of v across the unit vectors t, zero where v is parallel to t to six digits."""
    rest = v - np.einsum("ni,ni->n", v, t)[:, None] * t
    parallel = np.linalg.norm(rest, axis=1) <= 1e-6 * np.linalg.norm(v, axis=1)
    return np.where(parallel[:, None], 0.0, rest)


def _direction(v: np.ndarray, instead: np.ndarray) -> np.ndarray:
    """v/|v|, or the direction of `instead` where v is zero."""
    v = np.where(np.linalg.norm(v, axis=1, keepdims=True) > 0.0, v, instead)
    return v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-300)
