"""Scaling: the factors that a `Scale` means, at the nodes of a mesh."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from heartwright.errors import InputError
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.scale import Scale, ScaleCoordinate, ScaleRegion
from heartwright.mesh.select import select

if TYPE_CHECKING:
    from heartwright.odes.model import Model


def factors(geometry: Geometry, scale: Scale) -> np.ndarray:
    """The factor at every local node (n_vertices,), ghosts included. Collective."""
    if isinstance(scale, ScaleRegion):
        return np.where(select(geometry, scale.where), scale.factor, 1.0)
    if isinstance(scale, ScaleCoordinate):
        return np.interp(getattr(geometry.coordinates, scale.along), scale.at, scale.factors)
    if scale.field not in geometry.scalars:
        raise InputError(
            f"scales: the mesh keeps no field '{scale.field}'; "
            f"mesh.fields names {', '.join(geometry.scalars) or 'none'}"
        )
    return geometry.scalars[scale.field]


def scaled(geometry: Geometry, values: dict[str, float], scales: Sequence[Scale]) -> dict[str, np.ndarray]:
    """Those of the `values` that scales name, times all their factors, at every local node. Collective."""
    found: dict[str, np.ndarray] = {}
    for scale in scales:
        name = scale.parameter
        found[name] = found.get(name, values[name]) * factors(geometry, scale)
    return found


def scaled_of(model: "Model", geometry: Geometry, scales: Sequence[Scale]) -> dict[str, np.ndarray]:
    """The same of parameters of a model, by their qualified names, whatever the scales call them. Collective."""
    named = [scale.replace(parameter=model.variable(scale.parameter).qname()) for scale in scales]
    return scaled(geometry, {scale.parameter: model.value(scale.parameter) for scale in named}, named)
