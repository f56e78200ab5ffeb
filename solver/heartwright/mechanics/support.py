r"""Support: the rigid motions that springs and fixed surfaces leave free.

A rigid motion m = t + r × (x - c)/R is free when it stretches no spring: the least eigenvalues of

    A_ij = Σ ∫ (D m_i) . m_j dS,   D = I (held, or springs in all directions), N⊗N (along normals) or I - N⊗N (across)

over the six motions m_i, c and R the centre and the size of the supports, tell which. Springs count whatever their
stiffness; dashpots and pressures do not.
"""

import numpy as np
from mpi4py import MPI

from heartwright.errors import InputError
from heartwright.mechanics.boundary import smooth_normal
from heartwright.mechanics.spec import Boundary, Held, Robin

FREE = 1e-4  # of the largest eigenvalue: round walls are held by springs along their normals through facets only
ALIGNED = 1e-3


def require(geometry, boundaries: list[Boundary]) -> None:
    """InputError that names the rigid motions nothing resists. Collective."""
    if free := free_motions(geometry, boundaries):
        raise InputError(
            f"mechanics.boundaries: nothing holds the heart against {' and '.join(free)}; "
            "fix a surface, or give springs in the direction `full`"
        )


def free_motions(geometry, boundaries: list[Boundary]) -> list[str]:
    """The rigid motions that are free, in words. Collective."""
    holding = [spec for spec in boundaries if isinstance(spec, Held) or (isinstance(spec, Robin) and spec.stiffness)]
    parts = [_sampled(geometry, spec) for spec in holding] or [(np.zeros(0), *np.zeros((2, 0, 3)))]
    weight, x, N = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    centre, size = _extent(geometry.comm, x)
    arm = (x - centre) / size
    turning = np.stack([np.cross(e, arm) for e in np.eye(3)], axis=1)
    motions = np.concatenate([np.broadcast_to(np.eye(3), turning.shape), turning], axis=1)
    full = np.isnan(N).any(axis=1)
    A = np.einsum("p,pij,pkj->ik", weight * full, motions, motions)
    along = np.einsum("pij,pj->pi", motions, np.where(full[:, None], 0.0, N))
    A = geometry.comm.allreduce(A + np.einsum("p,pi,pk->ik", weight, along, along))
    values, vectors = np.linalg.eigh(A)
    return _in_words(vectors[:, values <= FREE * values[-1]])


def _extent(comm, x: np.ndarray) -> tuple[np.ndarray, float]:
    """The centre and half the diagonal of the box around points (n, 3) of all ranks. Collective."""
    ends = np.append(x.max(axis=0, initial=-np.inf), -x.min(axis=0, initial=np.inf))
    comm.Allreduce(MPI.IN_PLACE, ends, MPI.MAX)
    if not np.isfinite(ends).all():
        return np.zeros(3), 1.0
    return (ends[:3] - ends[3:]) / 2, float(np.linalg.norm(ends[:3] + ends[3:])) / 2


def _sampled(geometry, spec: Robin | Held) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, points and normals of the middles of this rank's edges of a surface; nan: held in all directions.

    What is held across its normals only is held in all directions, less along them.
    """
    triangles = geometry.local_triangles(spec.where)
    corners = geometry.points[triangles]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
    size = np.linalg.norm(area, axis=1)
    if isinstance(spec, Held) or spec.direction == "full":
        normals = np.full(corners.shape, np.nan)
    elif spec.direction == "facet":
        normals = np.broadcast_to((area / size[:, None])[:, None], corners.shape)
    else:
        at_vertices = smooth_normal(geometry, spec.where).x.array.reshape(-1, 3)[triangles]
        normals = at_vertices + np.roll(at_vertices, -1, axis=1)
        normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    middles = (corners + np.roll(corners, -1, axis=1)) / 2
    weight, x, N = np.repeat(size / 3, 3), middles.reshape(-1, 3), normals.reshape(-1, 3)
    if isinstance(spec, Robin) and spec.direction == "tangential":
        return np.append(weight, -weight), np.vstack([x, x]), np.vstack([np.full(N.shape, np.nan), N])
    return weight, x, N


def _in_words(free: np.ndarray) -> list[str]:
    """The space spanned by motions (6, k), of translations t and rotations r in turn, in words."""
    if free.shape[1] == 0:
        return []
    _, size, mix = np.linalg.svd(free[3:], full_matrices=True)
    turning = np.zeros(free.shape[1], dtype=bool)
    turning[: len(size)] = size > ALIGNED
    motions = free @ mix.T
    return _named("translation", motions[:3, ~turning], ("along", "across", "in all directions")) + _named(
        "rotation", motions[3:, turning], ("about", "about all axes across", "about all axes")
    )


def _named(kind: str, vectors: np.ndarray, words: tuple[str, str, str]) -> list[str]:
    """A space of directions (3, k) in words: the line, the normal of the plane, or all of them."""
    k = vectors.shape[1]
    if k in (0, 3):
        return [f"{kind} {words[2]}"] * (k == 3)
    line = np.linalg.svd(vectors)[0][:, 0 if k == 1 else 2]
    return [f"{kind} {words[k - 1]} {_direction(line)}"]


def _direction(line: np.ndarray) -> str:
    """x, y or z, or the components of a direction whose sign does not matter."""
    largest = int(np.abs(line).argmax())
    if abs(line[largest]) > 1 - ALIGNED:
        return "xyz"[largest]
    return "({:.2f}, {:.2f}, {:.2f})".format(*(line * np.sign(line[largest])))
