"""Shape: the surfaces of a heart without labels, told apart by what they see along their normals.

Out of the tissue, an endocardium sees the other side of its cavity, epicardium and base see nothing. An apex sees the
opening, but is surrounded by endocardium. Of what sees nothing the base is what joins the rim of a cavity and faces
the way it opens, or its axis above the rim. Of two cavities the rounder one (36 π V² / A³) is the left ventricle's.
"""

import numpy as np
from scipy.sparse import coo_matrix, diags

from heartwright.errors import InputError
from heartwright.mesh import surface

TAGS = "shape"  # what `mesh.tags` says to ask for this
VOXELS = 128  # along the longest side: a wall of 3 mm is several thick
CAVITY = 0.05  # of the area, from which on a surface that sees another is no groove
ROUNDS = 30  # of evening out the borders
FACING = 50.0  # degrees between the normal of the base and the way a cavity opens


def faces(points: np.ndarray, triangles: np.ndarray, source: str) -> tuple[np.ndarray, dict[int, str]]:
    """Tags (k,) of a closed surface whose triangles point out of the tissue, and our names of them.

    InputError where it has no hollow.
    """
    vectors, areas = _vectors(points, triangles)
    tags = _hollows(points, triangles, vectors / np.maximum(areas, 1e-300)[:, None], areas)
    cavities = [tag for tag in np.unique(tags).tolist() if tag]
    if not cavities:
        raise InputError(f"mesh.tags: {source} has no hollow that could be a cavity")
    cavities.sort(key=lambda tag: -_roundness(points, triangles[tags == tag]))
    tags[base(points, triangles, tags, cavities)] = -1
    tags = even(triangles, tags, len(points))
    others = (f"cavity_{i}_endo" for i in range(3, len(cavities) + 1))
    name_of = {0: "epi", -1: "base"} | dict(zip(cavities, ("lv_endo", "rv_endo", *others), strict=False))
    number = {tag: i for i, tag in enumerate(name_of, 1)}
    return np.vectorize(number.get)(tags), {number[tag]: name for tag, name in name_of.items()}


def _vectors(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normals (k, 3) as long as twice the areas, and those lengths."""
    a, b, c = (points[triangles[:, i]] for i in range(3))
    vectors = np.cross(b - a, c - a)
    return vectors, np.linalg.norm(vectors, axis=1)


def _roundness(points: np.ndarray, triangles: np.ndarray) -> float:
    area = 0.5 * _vectors(points, triangles)[1].sum()
    return 36.0 * np.pi * surface.enclosed_volume(points, triangles) ** 2 / area**3


def _hollows(points: np.ndarray, triangles: np.ndarray, normals: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """The number, from 1, of the hollow that each triangle lines, 0 outside."""
    a, b, _ = surface.neighbours(triangles, len(points))
    inner = _sees_tissue(points, triangles, normals)
    for side in (False, True):  # first apices, which see the opening, then grooves, which see their other side
        joined = (inner[a] == side) & (inner[b] == side)
        piece = surface.components(len(triangles), a[joined], b[joined])
        area = np.bincount(piece, weights=areas)
        small = area < (CAVITY * areas.sum() if side else area[piece[~inner]].max(initial=0.0))
        inner[(inner == side) & small[piece]] = not side
    joined = inner[a] & inner[b]
    piece = surface.components(len(triangles), a[joined], b[joined])
    return np.where(inner, np.unique(np.where(inner, piece, -1), return_inverse=True)[1], 0)


def _sees_tissue(points: np.ndarray, triangles: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Whether a ray from the middle of each triangle along its normal meets tissue again, to within voxels."""
    low, size = points.min(axis=0), float(np.ptp(points, axis=0).max()) / VOXELS
    mask = _voxels((points - low) / size + 1.0, triangles)
    ray = (points[triangles].mean(axis=1) - low) / size + 1.0 + normals
    seen = np.zeros(len(triangles), dtype=bool)
    for _ in range(int(np.linalg.norm(mask.shape))):
        ray += normals
        at = np.clip(np.round(ray).astype(int), 0, np.array(mask.shape) - 1)
        seen |= mask[tuple(at.T)]
    return seen


def _voxels(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Which voxels of unit size, with a frame of empty ones, have their middle inside a closed surface."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkImagingStencil import vtkImageStencilToImage, vtkPolyDataToImageStencil

    shape = np.ceil(points.max(axis=0)).astype(int) + 2
    places, cells, skin = vtkPoints(), vtkCellArray(), vtkPolyData()
    places.SetData(numpy_to_vtk(np.ascontiguousarray(points), deep=True))
    cells.SetData(3, numpy_to_vtkIdTypeArray(np.ascontiguousarray(triangles).ravel(), deep=True))
    skin.SetPoints(places)
    skin.SetPolys(cells)
    stencil, image = vtkPolyDataToImageStencil(), vtkImageStencilToImage()
    stencil.SetInputData(skin)
    stencil.SetOutputWholeExtent(0, shape[0] - 1, 0, shape[1] - 1, 0, shape[2] - 1)
    image.SetInputConnection(stencil.GetOutputPort())
    image.SetInsideValue(1)
    image.SetOutputScalarTypeToUnsignedChar()
    image.Update()
    return vtk_to_numpy(image.GetOutput().GetPointData().GetScalars()).reshape(shape, order="F") > 0


def even(triangles: np.ndarray, tags: np.ndarray, n_points: int) -> np.ndarray:
    """Tags whose borders are no longer ragged: the largest of every tag's share in the surroundings of a triangle."""
    a, b, _ = surface.neighbours(triangles, n_points)
    shape = (len(triangles), len(triangles))
    mean = coo_matrix((np.full(2 * len(a), 1 / 6), (np.concatenate([a, b]), np.concatenate([b, a]))), shape=shape)
    mean = mean.tocsr() + diags(np.full(len(triangles), 0.5))
    different = np.unique(tags)
    share = (tags[:, None] == different).astype(float)
    for _ in range(ROUNDS):
        share = mean @ share
    return different[np.argmax(share, axis=1)]


def base(points: np.ndarray, triangles: np.ndarray, tags: np.ndarray, cavities: list[int]) -> np.ndarray:
    """Which triangles without a tag are the base: they join the rim of a cavity, and face its opening or its axis."""
    corners = points[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1), 1e-300)[:, None]
    facing = np.zeros(len(triangles), dtype=bool)
    for cavity in cavities:
        rims = surface.loops(surface.rim_edges(triangles[tags == cavity]))
        if not rims:
            continue
        rim = points[rims[0]]
        way = surface.vector_area(rim)
        way /= np.linalg.norm(way)
        centre = rim.mean(axis=0)
        way *= np.sign(way @ (centre - corners[tags == cavity].mean(axis=(0, 1))))
        arm = corners.mean(axis=1) - centre
        inwards = np.einsum("ij,ij->i", arm - np.outer(arm @ way, way), normals) < 0.0
        facing |= (normals @ way > np.cos(np.radians(FACING))) | ((arm @ way > 0.0) & inwards)
    facing &= tags == 0
    a, b, _ = surface.neighbours(triangles, len(points))
    joined = facing[a] & facing[b]
    piece = surface.components(len(triangles), a[joined], b[joined])
    at_rim = np.concatenate([a[np.isin(tags[b], cavities)], b[np.isin(tags[a], cavities)]])
    return facing & np.isin(piece, piece[at_rim[facing[at_rim]]])
