"""Image: the surface of the tissue in an image of labels, its triangles named by what lies behind them.

A triangle belongs to the cavity whose blood begins behind it. Behind the others lies what is no part of the heart:
they are base or epicardium (shape.py).

Voxels thicker than wide are first made as thick as they are wide by interpolating the distances to borders in a slice
(Raya & Udupa 1990, doi:10.1109/42.52980). Stairs are then smoothed away without shrinking (Taubin 1995,
doi:10.1145/218380.218473): x <- (1 + μ L)(1 + λ L) x, L x_i the mean of the neighbours of x_i minus x_i.
"""

from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_matrix, diags

from heartwright.errors import InputError
from heartwright.mesh import remesh, shape, surface
from heartwright.mesh.formats.nifti import Image
from heartwright.mesh.quality import count
from heartwright.mesh.raw import RawMesh
from heartwright.mesh.spec import UNIT, MeshSpec

THICK = 1.5  # thickness over width of a voxel, from which on it is split
GROW, SHRINK, ROUNDS = 0.5, -0.53, 30  # λ, μ and repetitions: wavelengths above some ten triangles stay
SPECK = 20.0  # patches smaller than this many faces of a voxel join their neighbour
OUTSIDE = -(1 << 31)  # a label that stands for all that are not named
IN_PLANE = np.array([[[0, 1, 0], [1, 1, 1], [0, 1, 0]]])


def tissue(image: Image, spec: MeshSpec) -> RawMesh:
    """The closed surface in mm of the labels in `tissues`, tagged; a RawMesh without cells, to be filled.

    `spec.tissues` gives the labels of tissue, whose surface together it is; several become regions by their voxels.
    `spec.regions` gives the labels of the blood in every cavity (lv_endo, rv_endo, …); other names are surfaces towards
    the labels they give. InputError where they are not there.
    """
    source = Path(spec.file).name
    unit = spec.unit or image.unit
    if unit is None:
        raise InputError(f"mesh.unit: missing, and {source} does not say: give mm, cm, m or um")
    muscle, wanted = _wanted(image, spec, source)
    image = _cut_out(image, np.concatenate([muscle, *wanted.values()]))
    regions, seeds = _seeds(image, spec, UNIT[unit] * image.affine)
    image = _as_thick_as_wide(image, muscle, wanted)
    mask, notes = _one_piece(np.isin(image.labels, muscle))
    _refuse_closed(mask, image, wanted, source)
    corners, triangles, behind = _contour(mask, image.labels)
    number = {name: i for i, name in enumerate(dict.fromkeys((*wanted, "epi", "base")), 1)}
    tags = np.zeros(len(triangles), dtype=np.int64)
    for name, labels in wanted.items():
        tags[np.isin(behind, labels)] = number[name]
    to_mm = UNIT[unit] * image.affine
    points = _smoothed(corners, triangles) @ to_mm[:3, :3].T + to_mm[:3, 3]
    triangles = surface.outwards(points, triangles, surface.shells(triangles, len(points)))
    speck = SPECK * np.abs(np.linalg.det(to_mm[:3, :3])) ** (2 / 3)
    tags = remesh.without_specks(points, triangles, tags, speck)
    cavities = [number[name] for name in wanted if name.endswith("endo")]
    if "base" not in wanted:
        tags[shape.base(points, triangles, tags, cavities)] = number["base"]
    tags[tags == 0] = number["epi"]
    tags = shape.even(triangles, tags, len(points))
    tags = remesh.without_specks(points, triangles, tags, speck)
    names = {name: (tag,) for name, tag in number.items() if (tags == tag).any()}
    none = np.zeros((0, 4), dtype=np.int64)
    labels = {tag: name for name, (tag,) in names.items()}
    return RawMesh(points, none, triangles, tags, names, source, labels, notes, regions=regions, seeds=seeds)


def _seeds(image: Image, spec: MeshSpec, to_mm: np.ndarray) -> tuple[tuple[str, ...], tuple | None]:
    """Names of several tissues, and the middles (s, 3) of their voxels with the number of its tissue for each (s,)."""
    if len(spec.tissues) < 2:
        return (), None
    number = np.zeros(image.labels.shape, dtype=np.int32)
    for i, labels in enumerate(spec.tissues.values(), 1):
        number[np.isin(image.labels, labels)] = i
    places = np.argwhere(number) @ to_mm[:3, :3].T + to_mm[:3, 3]
    return tuple(spec.tissues), (places, number[number > 0])


def _wanted(image: Image, spec: MeshSpec, source: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The labels of the tissue, and those behind every surface; InputError where names or labels are missing."""
    if not spec.tissues or not any(name.endswith("endo") for name in spec.regions):
        raise InputError(
            "mesh.tissues: an image needs the labels of its tissue, and as regions those of the blood in its cavities: "
            f"tissues: {{myocardium: 1}} and regions: {{lv_endo: 2, rv_endo: 3}}; {source} has {image.inventory()}"
        )
    present = np.unique(image.labels).tolist()
    given = [
        (key, name, label)
        for key in ("tissues", "regions")
        for name, labels in getattr(spec, key).items()
        for label in np.atleast_1d(labels).tolist()
    ]
    wrong = [
        f"mesh.{key}: {source} has no label {label} for '{name}'; it has {image.inventory()}"
        for key, name, label in given
        if label not in present
    ]
    used = [label for _, _, label in given]
    twice = sorted({label for label in used if used.count(label) > 1}, key=str)
    wrong += [f"mesh.tissues: label {label} is given to more than one name" for label in twice]
    if wrong:
        raise InputError(*wrong)
    muscle = np.concatenate([np.atleast_1d(labels) for labels in spec.tissues.values()])
    return muscle, {name: np.atleast_1d(labels) for name, labels in spec.regions.items()}


def _cut_out(image: Image, labels: np.ndarray) -> Image:
    """The part of an image that holds some labels."""
    inside = ndimage.find_objects(np.isin(image.labels, labels).astype(np.int8))[0]
    return _moved(image, image.labels[inside], np.array([side.start for side in inside]), np.ones(3))


def _moved(image: Image, labels: np.ndarray, first: np.ndarray, step: np.ndarray) -> Image:
    """Labels on voxels whose number n lies at first + n step of the image's."""
    to_old = np.diag([*step, 1.0])
    to_old[:3, 3] = first
    return Image(labels, image.affine @ to_old, image.unit)


def _as_thick_as_wide(image: Image, muscle: np.ndarray, wanted: dict[str, np.ndarray]) -> Image:
    """Voxels split along their longest side, by the interpolated distance to borders in the plane of a slice.

    Interpolated are the whole of what is named and, inside it, what is not tissue: so no thin wall breaks that stands
    elsewhere in the next slice.
    """
    sides = np.linalg.norm(image.affine[:3, :3], axis=0)
    axis, thickness, width = int(np.argmax(sides)), sides.max(), np.median(sides)
    if thickness <= THICK * width:
        return image
    slices = np.moveaxis(image.labels, axis, 0)
    parts = round(thickness / width)
    place = np.clip((np.arange(parts * len(slices)) + 0.5) / parts - 0.5, 0, len(slices) - 1)
    below = place.astype(int)
    above, share = np.minimum(below + 1, len(slices) - 1), (place - below)[:, None, None]

    def depths(labels):
        return np.stack([_depth(np.isin(part, labels), np.delete(sides, axis), thickness) for part in slices])

    def between(depth):
        return (1.0 - share) * depth[below] + share * depth[above]

    whole = depths(np.concatenate([muscle, *wanted.values()]))
    split, deepest = np.where(between(whole) > 0, muscle[0], OUTSIDE), np.zeros(())
    near_outside = ndimage.binary_dilation(split == OUTSIDE, np.ones((3, 3, 3)))
    for labels in wanted.values():
        held = np.isin(slices, labels)
        none = ~held.any(axis=(1, 2), keepdims=True)  # closed by tissue as thick as a slice
        depth = between(np.where(none, np.minimum(whole, 0.0) - thickness, depths(labels)))
        leaks = (ndimage.binary_dilation(held, IN_PLANE) & (whole < 0)).any(axis=(1, 2), keepdims=True)
        depth[near_outside & ~(leaks[below] | leaks[above])] = -1.0  # what holds in both slices holds between them
        split, deepest = np.where(depth > deepest, labels[0], split), np.maximum(depth, deepest)
    first, step = np.zeros(3), np.ones(3)
    first[axis], step[axis] = 0.5 / parts - 0.5, 1.0 / parts
    return _moved(image, np.moveaxis(split, 0, axis), first, step)


def _depth(mask: np.ndarray, sides: np.ndarray, beyond: float) -> np.ndarray:
    """Distance to the border of a mask in its plane, positive inside; ±`beyond` where the plane has none."""
    if mask.all() or not mask.any():
        return np.where(mask, beyond, -beyond)
    return ndimage.distance_transform_edt(mask, sides) - ndimage.distance_transform_edt(~mask, sides)


def _one_piece(mask: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The largest connected piece of a mask without voids, in a frame of empty voxels, and notes of what changed."""
    mask = np.pad(mask, 1)
    pieces = ndimage.label(mask)[0]
    largest = pieces == np.argmax(np.bincount(pieces[mask]))
    whole = ndimage.binary_fill_holes(largest)
    dropped, filled = int((mask & ~whole).sum()), int((whole & ~mask).sum())
    notes = [f"dropped {count(dropped, 'voxel')} of tissue apart from the rest"] if dropped else []
    notes += [f"filled {count(filled, 'voxel')} enclosed by tissue"] if filled else []
    return whole, tuple(notes)


def _refuse_closed(mask: np.ndarray, image: Image, wanted: dict[str, np.ndarray], source: str) -> None:
    """InputError where the blood of a cavity is a void of the tissue."""
    inside = mask[1:-1, 1:-1, 1:-1]
    closed = [
        f"mesh.regions: {source}: the blood of '{name}' is enclosed all around: an opening at its base is expected"
        for name, labels in wanted.items()
        if np.isin(image.labels[inside], labels).sum() > 0.5 * np.isin(image.labels, labels).sum()
    ]
    if closed:
        raise InputError(*closed)


def _contour(mask: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (n, 3) in voxels of `labels` half-way between tissue and the rest, triangles, and the label behind each.

    `mask` has a frame of one voxel more. A point lies between two voxels, of which one is tissue.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D

    grid = vtkImageData()
    grid.SetDimensions(mask.shape)
    grid.GetPointData().SetScalars(numpy_to_vtk(mask.ravel(order="F").astype(np.uint8), deep=True))
    edges = vtkFlyingEdges3D()
    edges.SetInputData(grid)
    edges.SetValue(0, 0.5)
    edges.ComputeNormalsOff()
    edges.Update()
    found = edges.GetOutput()
    points = vtk_to_numpy(found.GetPoints().GetData()).astype(float)
    triangles = vtk_to_numpy(found.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(np.int64)
    sides = np.stack([np.floor(points), np.ceil(points)]).astype(int)
    outer = np.where(mask[tuple(sides[0].T)][:, None], sides[1], sides[0])
    label = np.pad(labels, 1)[tuple(outer.T)]
    return points - 1.0, triangles, np.sort(label[triangles], axis=1)[:, 1]


def _smoothed(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Points without the stairs of voxels (see the module)."""
    a, b = triangles[:, [0, 1, 2]].ravel(), triangles[:, [1, 2, 0]].ravel()  # each edge once in either direction
    mean = coo_matrix((np.ones(len(a)), (a, b)), shape=(len(points), len(points))).tocsr()
    mean = diags(1.0 / np.asarray(mean.sum(axis=1)).ravel()) @ mean
    for factor in (GROW, SHRINK) * ROUNDS:
        points = points + factor * (mean @ points - points)
    return points
