"""Heterogeneity: parameters of cells that differ by region, along heart coordinates or by a field of the mesh file."""

from collections.abc import Sequence

from heartwright.electrophysiology.cells import Population
from heartwright.electrophysiology.spec import Cells
from heartwright.mesh.geometry import Geometry
from heartwright.mesh.scaling import scaled_of


def apply(geometry: Geometry, entries: Sequence[Cells], cells: Population) -> None:
    """Give the kernels of `cells` what the `scales` of their `entries` say: value times all factors of that parameter.

    Collective. Raises InputError for places without nodes and for fields that the mesh does not keep.
    """
    for entry, at, kernel in zip(entries, cells.nodes, cells.kernels, strict=True):
        for name, nodal in scaled_of(kernel.model, geometry, entry.scales).items():
            kernel.set(name, nodal[: geometry.V1.dofmap.index_map.size_local][at])
