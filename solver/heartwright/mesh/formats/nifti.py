"""NIfTI images of labels (.nii, .nii.gz): whole numbers on voxels and where the voxels lie, and nothing else.

Who the patient is (descrip, intent_name, extensions) stays in the file.
"""

import gzip
import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heartwright.errors import InputError

SUFFIXES = (".nii", ".nii.gz")
HEADER = 540  # bytes of the longer of the two kinds
LARGEST = 1 << 30  # voxels: 1024 in each direction
DEFLATE = 1032  # bytes that one byte of a .gz can hold
MANY = 100  # different values, from which on they are intensities and no labels
UNITS = {"mm": "mm", "meter": "m", "micron": "um", "unknown": None}


@dataclass(frozen=True)
class Image:
    """Labels (i, j, k) of voxels, and the matrix (4, 4) that takes their indices to coordinates in `unit`."""

    labels: np.ndarray
    affine: np.ndarray
    unit: str | None

    def inventory(self) -> str:
        """The labels and how many voxels have them, for messages."""
        labels, voxels = np.unique(self.labels, return_counts=True)
        return ", ".join(f"{label}: {n} voxels" for label, n in zip(labels.tolist(), voxels.tolist(), strict=True))


def is_image(name: str) -> bool:
    """Whether a file is an image by its name."""
    return name.lower().endswith(SUFFIXES)


def read(path: Path) -> Image:
    """The labels of an image; ValueError where it is damaged, is no image of labels, or its geometry is impossible."""
    with gzip.open(path) if path.suffix.lower() == ".gz" else open(path, "rb") as file:
        try:
            header = _header(file.read(HEADER))
            affine, shape = _affine(header), _shape(header)
            file.seek(0)
            values = _values(file, header, shape, path)
        except EOFError:
            raise ValueError("ends early: it is not a whole .gz") from None
    return Image(_labels(values), affine, UNITS[header.get_xyzt_units()[0]])


def _header(start: bytes):
    try:
        import nibabel
    except ImportError:
        raise InputError(
            "mesh.file: nibabel is needed to read images and is not installed (package python3-nibabel, or pip install "
            "nibabel)"
        ) from None
    if len(start) < HEADER:
        raise ValueError(f"ends early: it has {len(start)} bytes")
    kinds = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
    size = next((n for order in ("little", "big") if (n := int.from_bytes(start[:4], order)) in kinds), None)
    if size is None:
        raise ValueError(f"is no NIfTI image (it starts with {start[:4]!r})")
    header = kinds[size].from_fileobj(io.BytesIO(start), check=False)
    if not header["magic"].item().startswith(b"n+"):
        raise ValueError("keeps its voxels in another file (.hdr and .img); save it as one .nii")
    return header


def _shape(header) -> tuple[int, int, int]:
    dim = header["dim"].astype(int).tolist()
    shape = dim[1 : 1 + dim[0]]
    if not 3 <= dim[0] <= 7 or min(shape) < 1:
        raise ValueError(f"declares {dim[0]} dimensions of sizes {dim[1:]}; three are expected")
    if math.prod(shape[3:]) > 1:
        raise ValueError(f"has {math.prod(shape[3:])} frames or components; one image of labels is expected")
    if math.prod(shape[:3]) > LARGEST:
        raise ValueError(f"declares {' x '.join(map(str, shape[:3]))} voxels, more than {LARGEST:.2g}; refused")
    return tuple(shape[:3])


def _affine(header) -> np.ndarray:
    """Voxel indices to coordinates; ValueError where voxels have no size or two sizes."""
    sides = header["pixdim"][1:4].astype(float)
    if not (np.isfinite(sides) & (sides > 0)).all():
        raise ValueError(f"has voxels of {_times(sides)}: every side must be larger than zero")
    affine = np.asarray(header.get_best_affine(), dtype=float)
    if not np.isfinite(affine).all():
        raise ValueError("has an affine with numbers that are none")
    placed = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.allclose(placed, sides, rtol=0.01):
        raise ValueError(f"contradicts itself: voxels of {_times(sides)}, but its affine makes them {_times(placed)}")
    if abs(np.linalg.det(affine[:3, :3])) < 1e-3 * placed.prod():
        raise ValueError("has an affine that maps the image onto a plane")
    return affine


def _times(sides: np.ndarray) -> str:
    return " x ".join(f"{side:.4g}" for side in sides)


def _values(file, header, shape: tuple[int, int, int], path: Path) -> np.ndarray:
    kind, offset = header.get_data_dtype(), int(header["vox_offset"])
    if kind.kind not in "iuf":
        raise ValueError(f"holds no numbers but {kind}")
    size = math.prod(shape) * kind.itemsize
    held = path.stat().st_size * (DEFLATE if path.suffix.lower() == ".gz" else 1)
    if offset < 0 or offset + size > held:
        raise ValueError(f"ends early: {size} bytes of voxels are declared, more than it can hold")
    file.seek(offset)
    data = file.read(size)
    if len(data) < size:
        raise ValueError(f"ends early: {len(data)} of {size} bytes of voxels are there")
    file.read(1)  # at its end a .gz is compared with its checksum
    values = np.frombuffer(data, kind).reshape(shape, order="F")
    slope, shift = header.get_slope_inter()
    return values if slope in (None, 1.0) and shift in (None, 0.0) else values * slope + shift


def _labels(values: np.ndarray) -> np.ndarray:
    """Values as integers; ValueError where they are intensities."""
    if values.dtype.kind == "f":
        odd = ~(values % 1 == 0)
        if odd.any():
            where = tuple(np.argwhere(odd)[0].tolist())
            raise ValueError(f"holds {values[where]:.4g} at voxel {where}: labels are whole numbers; is it the image?")
        if np.abs(values).max() > 2**31:
            raise ValueError(f"holds labels up to {np.abs(values).max():.3g}; is it the image?")
    different = len(np.unique(values))
    if different > MANY:
        raise ValueError(f"holds {different} different values: labels are few; is it the image they were drawn on?")
    return values.astype(np.int32)
