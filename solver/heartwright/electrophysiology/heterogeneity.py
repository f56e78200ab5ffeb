"""Heterogeneity: parameters of cells that differ by region, along heart coordinates or by a field of the mesh file."""

from collections.abc import Sequence

import numpy as np

from heartwright.electrophysiology.cells import Population
from heartwright.electrophysiology.spec import Cells, Scale, ScaleCoordinate, ScaleRegion
from heartwright.errors import InputError
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.select import select


def apply(geometry: Geometry, entries: Sequence[Cells], cells: Population) -> None:
    """Give the kernels of `cells` what the `scales` of their `entries` say: value times all factors of that parameter.

    Collective. Raises InputError for places without nodes and for fields that the mesh does not keep.
    """
    for entry, at, kernel in zip(entries, cells.nodes, cells.kernels, strict=True):
        values: dict[str, np.ndarray] = {}
        for scale in entry.scales:
            name = kernel.model.variable(scale.parameter).qname()
            factor = factors(geometry, scale)[: geometry.V1.dofmap.index_map.size_local][at]
            values[name] = values.get(name, kernel.model.value(name)) * factor
        for name, each in values.items():
            kernel.set(name, each)


def factors(geometry: Geometry, scale: Scale) -> np.ndarray:
    """The factor at every local node (n_vertices,), ghosts included. Collective."""
    if isinstance(scale, ScaleRegion):
        return np.where(select(geometry, scale.where), scale.factor, 1.0)
    if isinstance(scale, ScaleCoordinate):
        return np.interp(getattr(geometry.coordinates, scale.along), scale.at, scale.factors)
    if scale.field not in geometry.scalars:
        raise InputError(
            f"electrophysiology.cells.scales: the mesh keeps no field '{scale.field}'; "
            f"mesh.fields names {', '.join(geometry.scalars) or 'none'}"
        )
    return geometry.scalars[scale.field]
