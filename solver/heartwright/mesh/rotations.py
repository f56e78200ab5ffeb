"""Rotations of orthonormal frames: turning them in their own axes and blending them as lines, not arrows.

Frames are arrays (n, 3, 3) whose columns are right-handed orthonormal vectors.
"""

import numpy as np

SAME_LINES = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])


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
    """Frames on the shortest way from Qa (w = 0) to Qb (w = 1), w (n,): spherical interpolation, Bayer's `bislerp`.

    Frames of lines stay the same when two columns change sign; of the four that mean the same as Qa the one nearest
    to Qb is taken, R = Qa^T Qb having the largest trace. Its angle θ is then at most 120 degrees, and with A the
    antisymmetric part of R, |A| = sin θ, Rodrigues' formula turns Qa by w θ about the same axis.
    """
    R = np.swapaxes(Qa, 1, 2) @ Qb
    diagonal = np.einsum("nii->ni", R)
    signs = SAME_LINES[np.argmax(diagonal @ SAME_LINES.T, axis=1)]
    R = R * signs[:, :, None]
    A = (R - np.swapaxes(R, 1, 2)) / 2
    sine = np.sqrt(A[:, 0, 1] ** 2 + A[:, 0, 2] ** 2 + A[:, 1, 2] ** 2)
    angle = np.arctan2(sine, (np.einsum("nii->n", R) - 1) / 2)
    small = sine < 1e-8  # w A + w² A²/2 is then exact to round-off
    sine = np.where(small, 1.0, sine)
    first = np.where(small, w, np.sin(w * angle) / sine)[:, None, None]
    second = np.where(small, w**2 / 2, (1 - np.cos(w * angle)) / sine**2)[:, None, None]
    return (Qa * signs[:, None, :]) @ (np.eye(3) + first * A + second * (A @ A))


def _across(v: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The part of v across the unit vectors t, zero where v is parallel to t to six digits."""
    rest = v - _dot(v, t) * t
    parallel = _dot(rest, rest) <= 1e-12 * _dot(v, v)
    return np.where(parallel, 0.0, rest - _dot(rest, t) * t)  # twice, or little is left of the digits of a small rest


def _direction(v: np.ndarray, instead: np.ndarray) -> np.ndarray:
    """v/|v|, or the direction of `instead` where v is zero."""
    v = np.where(_dot(v, v) > 0.0, v, instead)
    return v / np.maximum(np.sqrt(_dot(v, v)), 1e-150)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ni,ni->n", a, b)[:, None]
