"""Images of labels drawn from formulas: a left ventricle, or two, on voxels of any size and direction."""

import gzip
from pathlib import Path

import numpy as np

TISSUE, LV, RV = 1, 2, 3
TISSUES, REGIONS = {"myocardium": TISSUE}, {"lv_endo": LV}
# mm: semi-axes of half ellipsoids about the z axis, cut flat at z = 0
OUTER, INNER = (34.0, 34.0, 70.0), (24.0, 24.0, 60.0)


def half(axes: tuple[float, float, float]) -> float:
    """The volume of half an ellipsoid, mm³."""
    return 2.0 / 3.0 * np.pi * float(np.prod(axes))


def ventricle(sides, turn=None) -> tuple[np.ndarray, np.ndarray]:
    """Labels of a half ellipsoid of tissue around one of blood, and their affine; `turn` rotates the voxels."""
    rows = (np.eye(3) if turn is None else turn) @ np.diag(sides)
    reach = 2 * 80.0 / np.array(sides)
    shape = 2 * np.ceil(reach / 2).astype(int)  # even: the cut lies between two voxels
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = rows, -rows @ (shape / 2 - 0.5)
    x = np.moveaxis(np.indices(shape), 0, -1) @ rows.T + affine[:3, 3]

    def inside(axes):
        return (((x / axes) ** 2).sum(axis=-1) < 1.0) & (x[..., 2] < 0.0)

    labels = np.where(inside(INNER), LV, np.where(inside(OUTER), TISSUE, 0))
    return labels.astype(np.uint8), affine


def save(path: Path, labels: np.ndarray, affine: np.ndarray, **header) -> Path:
    """Write labels as NIfTI; `header` overrides its fields, such as descrip or pixdim."""
    import nibabel

    found = nibabel.Nifti1Image(labels, affine).header
    found.set_xyzt_units("mm")
    found["vox_offset"], found["scl_slope"], found["scl_inter"] = 352, 1.0, 0.0
    for key, value in header.items():
        found[key] = value
    pack = gzip.compress if path.suffix == ".gz" else bytes
    path.write_bytes(pack(found.binaryblock + bytes(4) + labels.tobytes(order="F")))
    return path
