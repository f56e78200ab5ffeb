"""Regions: where the wall is stiffer or weaker than elsewhere, as a nodal factor."""

from dolfinx import fem

from heartwright.mechanics.spec import RegionSpec
from heartwright.mesh.select import select


def scale_field(geometry, regions: list[RegionSpec], which: str) -> fem.Function:
    """A P1 factor that is 1 except where a region says otherwise in its field `which`; later regions win."""
    field = fem.Function(geometry.V1, name=which)
    field.x.array[:] = 1.0
    for region in regions:
        field.x.array[select(geometry, region.where)] = getattr(region, which)
    return field
