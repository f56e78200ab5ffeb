"""Fields that a mesh file carries: directions, which are unit vectors at right angles, heart coordinates, scalars."""

from collections.abc import Sequence

import numpy as np

from heartwright.mesh.fibre_rules import FibreRule, FibresFile, FibresParts
from heartwright.mesh.quality import count, near
from heartwright.mesh.raw import RawMesh

LONG, SKEW = 1e-3, 5.0  # |length - 1| and degrees from a right angle, beyond which vectors are no directions
COORDINATES = ("transmural", "apicobasal", "rotation", "chamber", "aha", "septum")
ENTRIES = ([0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2])  # of a symmetric matrix


def bad_directions(raw: RawMesh, rule: FibreRule) -> list[str]:
    """What is wrong with the vectors that `rule` takes from the file: missing, no unit vectors, not at right angles."""
    if not isinstance(rule, FibresFile):
        return []
    known = raw.cell_fields | raw.point_fields
    names = (rule.fibre, rule.sheet)
    vectors = _vectors(known)
    findings = [
        f"has no vectors '{name}' for fibres; it has {', '.join(sorted(vectors)) or 'none'}"
        for name in names
        if name not in vectors
    ]
    for name in (name for name in dict.fromkeys(names) if name in vectors):
        findings += _bad_lengths(raw, name, known[name])
    if not findings and (known[rule.fibre].shape == known[rule.sheet].shape):
        cosine = np.abs(np.einsum("ij,ij->i", known[rule.fibre], known[rule.sheet]))
        skew = cosine > np.sin(np.radians(SKEW))
        if skew.any():
            findings.append(
                f"'{rule.fibre}' and '{rule.sheet}' are more than {SKEW:g} deg from a right angle in "
                f"{skew.sum()} of {len(skew)} places, {_where(raw, rule.fibre, skew)}"
            )
    return findings


def bad_scalars(raw: RawMesh, names: Sequence[str]) -> list[str]:
    """What is wrong with the scalar fields `names` of the file: missing, or with values that are no numbers."""
    known = raw.cell_fields | raw.point_fields
    scalars = sorted(name for name, values in known.items() if values.ndim == 1)
    missing = [
        f"has no scalar field '{name}'; it has {', '.join(scalars) or 'none'}" for name in names if name not in scalars
    ]
    broken = [name for name in names if name in scalars and not np.isfinite(known[name]).all()]
    return missing + [f"'{name}' has values that are no numbers" for name in broken]


def named_by(rule: FibreRule) -> set[str]:
    """The fields that a rule takes from the file."""
    rules = [part.fibres for part in rule.parts] if isinstance(rule, FibresParts) else [rule]
    return {name for own in rules if isinstance(own, FibresFile) for name in (own.fibre, own.sheet)}


def only_needed(raw: RawMesh, rule: FibreRule, scalars: Sequence[str], digest: str) -> RawMesh:
    """The mesh of that digest with no other fields than `scalars`, the rule's, and heart coordinates computed on it."""
    names = named_by(rule) | set(scalars)
    on_points, notes = names - raw.cell_fields.keys(), []
    if raw.coordinates_of:
        same = raw.coordinates_of == digest and raw.point_fields.keys() >= set(COORDINATES)
        on_points |= set(COORDINATES) if same else set()
        notes += [] if same else [f"{raw.source} carries coordinates of another mesh: they are computed anew"]
    return _only(raw, names & raw.cell_fields.keys(), on_points).but(*notes)


def only_vectors(raw: RawMesh) -> RawMesh:
    """The mesh with no other fields than vectors."""
    return _only(raw, _vectors(raw.cell_fields), _vectors(raw.point_fields))


def _vectors(fields: dict[str, np.ndarray]) -> set[str]:
    return {name for name, values in fields.items() if values.shape[1:] == (3,)}


def _only(raw: RawMesh, on_cells: set[str], on_points: set[str]) -> RawMesh:
    return raw.but(
        cell_fields={name: values for name, values in raw.cell_fields.items() if name in on_cells},
        point_fields={name: values for name, values in raw.point_fields.items() if name in on_points},
    )


def _bad_lengths(raw: RawMesh, name: str, vectors: np.ndarray) -> list[str]:
    length = np.linalg.norm(vectors, axis=1)
    bad = ~(np.abs(length - 1.0) <= LONG)
    if not bad.any():
        return []
    n, of = int(bad.sum()), f"{count(len(bad), 'vector')} of '{name}'"
    return [
        f"{n} of {of} are no unit vectors, the first has length {length[np.argmax(bad)]:.3g} {_where(raw, name, bad)}"
    ]


def _where(raw: RawMesh, name: str, bad: np.ndarray) -> str:
    first = int(np.argmax(bad))
    return near(raw.points[raw.cells[first]] if name in raw.cell_fields else raw.points[first])


def tensors(vectors: np.ndarray) -> np.ndarray:
    """v ⊗ v of vectors (n, 3) as its six different entries (n, 6): what lines, which have no sign, are averaged by."""
    i, j = ENTRIES
    return vectors[:, i] * vectors[:, j]


def principal(entries: np.ndarray) -> np.ndarray:
    """The unit vectors (n, 3) nearest to the averaged lines of `tensors` (n, 6): eigenvectors of largest eigenvalue."""
    i, j = ENTRIES
    matrices = np.empty((len(entries), 3, 3))
    matrices[:, i, j] = matrices[:, j, i] = entries
    return np.linalg.eigh(matrices)[1][:, :, 2]
