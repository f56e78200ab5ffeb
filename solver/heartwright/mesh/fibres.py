"""Fibres: directions of muscle cells and of the sheets they form, by rules, from the file, or part by part.

Rules are those of ventricles.py and atria.py; a heart of several tissues has one rule for each of its parts.
"""

import basix
import basix.ufl
import numpy as np
from dolfinx import fem

from heartwright.errors import InputError
from heartwright.mesh import atria, ventricles
from heartwright.mesh.fibre_rules import (
    FibreRule,
    FibresBayer,
    FibresConstant,
    FibresFile,
    FibresParts,
    FibresPiersanti,
)
from heartwright.mesh.fields import principal, tensors
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.sampling import between_corners

Element = str | tuple[str, int]
Directions = tuple[fem.Function, fem.Function, fem.Function]


def directions(geometry: Geometry, rule: FibreRule, element: Element) -> Directions:
    """f0, s0, n0: orthonormal vector Functions on cells (`"DG0"`) or quadrature points (`("quadrature", degree)`).

    DG0 takes fields of degree 1, as good as a constant per cell can use; quadrature points take degree 2,
    whose gradients vary inside a cell. Collective. InputError for `type: none` and where surfaces are missing.
    """
    V, points = _space_and_points(geometry, element)
    frames = _frames(geometry, rule, points, degree=1 if element == "DG0" else 2)
    return tuple(_function(V, name, frames[..., i]) for i, name in enumerate(("f0", "s0", "n0")))


def _frames(geometry: Geometry, rule: FibreRule, points: np.ndarray, degree: int) -> np.ndarray:
    """Frames (cells x points, 3, 3) with columns f0, s0, n0. Collective."""
    if isinstance(rule, FibresParts):
        return _part_by_part(geometry, rule, points, degree)
    if isinstance(rule, FibresBayer):
        return ventricles.frames(geometry, rule, points, degree)
    if isinstance(rule, FibresPiersanti):
        return atria.frames(geometry, rule, points, degree)
    if isinstance(rule, FibresConstant):
        return np.broadcast_to(_constant_frame(rule), (len(geometry.region) * len(points), 3, 3))
    if isinstance(rule, FibresFile):
        return _stored(geometry, rule, points)
    raise InputError("mesh.fibres: this material needs fibres: give `type: bayer`, `constant` or `file`")


def _part_by_part(geometry: Geometry, rule: FibresParts, points: np.ndarray, degree: int) -> np.ndarray:
    """Frames of every part by its own rule; InputError where a region has none, or two. An atrium is always alone."""
    named = [name for part in rule.parts for name in part.region]
    without = [name for name in geometry.regions if name not in named]
    without += ["what belongs to no region"] * bool(geometry.comm.allreduce(int((geometry.region == 0).sum())))
    if without:
        raise InputError(f"mesh.fibres.parts: no rule for {', '.join(without)}")
    frames = np.empty((len(geometry.region), len(points), 3, 3))
    for own in rule.parts:
        alone = isinstance(own.fibres, FibresPiersanti)
        for names in [(name,) for name in own.region] if alone else [own.region]:
            part = geometry.part(names)
            laid = _frames(part, own.fibres, points, degree)
            frames[part.parent_cells] = laid.reshape(-1, len(points), 3, 3)
    return frames.reshape(-1, 3, 3)


def _space_and_points(geometry: Geometry, element: Element) -> tuple[fem.FunctionSpace, np.ndarray]:
    """The vector space, and the points of the reference cell that carry its values."""
    if element == "DG0":
        return fem.functionspace(geometry.mesh, ("DG", 0, (3,))), np.full((1, 3), 0.25)
    kind, degree = element
    if kind != "quadrature":
        raise ValueError(f"unknown element {element!r}: 'DG0' or ('quadrature', degree)")
    vectors = basix.ufl.quadrature_element("tetrahedron", value_shape=(3,), degree=degree)
    return fem.functionspace(geometry.mesh, vectors), basix.make_quadrature(basix.CellType.tetrahedron, degree)[0]


def _function(V: fem.FunctionSpace, name: str, vectors: np.ndarray) -> fem.Function:
    """The Function with one vector per dof, given cell by cell (n, 3) or one for all (1, 3)."""
    function = fem.Function(V, name=name)
    function.x.array.reshape(-1, 3)[V.dofmap.list.ravel()] = vectors
    return function


def _constant_frame(rule: FibresConstant) -> np.ndarray:
    f, s = np.array(rule.fibre), np.array(rule.sheet)
    f = f / np.linalg.norm(f)
    s = s - (s @ f) * f
    s = s / np.linalg.norm(s)
    return np.stack([f, s, np.cross(f, s)], axis=1)


def _stored(geometry: Geometry, rule: FibresFile, points: np.ndarray) -> np.ndarray:
    """Frames (cells x points, 3, 3) of the file's fibres and of its sheets, made normal to the fibres."""
    f, s = (_directions(geometry, name, points) for name in (rule.fibre, rule.sheet))
    f = f / np.linalg.norm(f, axis=1, keepdims=True)
    s = s - np.einsum("ni,ni->n", s, f)[:, None] * f
    s = s / np.linalg.norm(s, axis=1, keepdims=True)
    return np.stack([f, s, np.cross(f, s)], axis=2)


def _directions(geometry: Geometry, name: str, points: np.ndarray) -> np.ndarray:
    """A field of the file at reference points of every cell (cells x points, 3): constant in cells, or between points.

    Between points the tensors v ⊗ v are interpolated linearly, for which the sign of a vector does not matter.
    """
    if name in geometry.cell_fields:
        return np.repeat(geometry.cell_fields[name], len(points), axis=0)
    if name not in geometry.point_fields:
        raise InputError(f"mesh.fibres: the mesh carries no vectors '{name}'")
    return principal(between_corners(geometry, tensors(geometry.point_fields[name]), points))
