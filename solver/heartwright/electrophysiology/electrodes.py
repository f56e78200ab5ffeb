"""Electrodes of the twelve leads: given, read from a file, or laid around the heart."""

from pathlib import Path

import numpy as np

from heartwright.electrophysiology.spec import Ecg
from heartwright.errors import InputError, did_you_mean
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.spec import UNIT
from heartwright.parallel import together

# A torso around the heart: electrodes relative to the left ventricle in mm, towards the patient's left, back and head.
# Limb electrodes sit on shoulders and left hip; V1 and V2 beside the sternum, V4 under the apex, V6 at the side.
ELECTRODES: dict[str, tuple[float, float, float]] = {
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

Places = dict[str, np.ndarray]


def located(geometry: Geometry, spec: Ecg) -> Places | None:
    """Name -> place (mm) of the electrodes: those given, then those of the file, the others around the heart.

    None for tissue that is no heart where neither is given. Collective. Raises InputError for a file that cannot be
    used, and when some are given for a mesh without ventricle, but not all.
    """
    given = _of_file(geometry, spec) | {name: np.array(x) for name, x in spec.electrodes.items()}
    missing = [name for name in ELECTRODES if name not in given]
    if missing and "lv_endo" not in geometry.names:
        if not given:
            return None
        raise InputError(
            f"electrophysiology.ecg: the mesh has no lv_endo to place {', '.join(missing)} by: give them too"
        )
    return (placed(geometry) if missing else {}) | given


def _of_file(geometry: Geometry, spec: Ecg) -> Places:
    """The electrodes of the file, read by rank 0, on every rank. Collective."""
    found: Places = {}
    with together(geometry.comm):
        if spec.file and geometry.comm.rank == 0:
            found = read(Path(spec.file), UNIT[spec.unit])
    return geometry.comm.bcast(found)


def read(path: Path, scale: float) -> Places:
    """Electrodes of a text file, one per line: name, x, y, z, separated by commas or blanks; `#` begins a comment.

    Coordinates times `scale` are mm. Raises InputError for every line that is none of these.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as reason:
        raise InputError(f"electrophysiology.ecg.file: {path.name} cannot be read: {reason}") from None
    found: Places = {}
    findings = []
    for number, line in enumerate(lines, 1):
        if not (words := line.partition("#")[0].replace(",", " ").split()):
            continue
        if problem := _problem(words, found):
            findings.append(f"electrophysiology.ecg.file: {path.name}:{number}: {problem}")
        else:
            found[words[0]] = scale * np.array(words[1:], dtype=float)
    if findings:
        raise InputError(*findings)
    return found


def _problem(words: list[str], found: Places) -> str:
    """Why a line of these words is no new electrode; empty where it is."""
    name, *numbers = words
    if name not in ELECTRODES:
        return f"no electrode '{name}'{did_you_mean(name, ELECTRODES)}"
    if name in found:
        return f"{name} is given twice"
    try:
        complete = len(numbers) == 3 and np.isfinite([float(number) for number in numbers]).all()
    except ValueError:
        complete = False
    return "" if complete else f"{name} needs three coordinates, not '{' '.join(numbers)}'"


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
