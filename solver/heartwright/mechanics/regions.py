"""Regions: where the wall is stiffer or weaker than elsewhere, and parameters that differ from place to place."""

from collections.abc import Sequence

import numpy as np
from dolfinx import fem
from mpi4py import MPI
from pydantic import ValidationError

from heartwright.errors import InputError
from heartwright.mechanics.spec import RegionSpec
from heartwright.mesh.scale import Scale
from heartwright.mesh.scaling import scaled
from heartwright.mesh.select import select
from heartwright.spec import Spec


def scale_field(geometry, regions: list[RegionSpec], which: str) -> fem.Function:
    """A P1 factor that is 1 except where a region says otherwise in its field `which`; later regions win."""
    field = fem.Function(geometry.V1, name=which)
    field.x.array[:] = 1.0
    for region in regions:
        field.x.array[select(geometry, region.where)] = getattr(region, which)
    return field


def parameters(
    geometry, spec: Spec, names: Sequence[str], scales: Sequence[Scale]
) -> dict[str, fem.Constant | fem.Function]:
    """Numbers of a spec as Constants, so that new values need no new compilation; those with scales as P1 Functions.

    Collective. Raises InputError where a scaled number is one that the spec would not take.
    """
    values = {name: float(getattr(spec, name)) for name in names}
    found: dict[str, fem.Constant | fem.Function] = {
        name: fem.Constant(geometry.mesh, value) for name, value in values.items()
    }
    for name, nodal in scaled(geometry, values, scales).items():
        _require(spec, name, geometry.comm.allreduce(float(nodal.min(initial=np.inf)), MPI.MIN))
        found[name] = fem.Function(geometry.V1, name=name)
        found[name].x.array[:] = nodal
    return found


def _require(spec: Spec, name: str, least: float) -> None:
    """InputError where `least` is no value for a number of the spec."""
    try:
        spec.replace(**{name: least})
    except ValidationError as error:
        raise InputError(f"scales: '{name}' becomes {least:.3g} somewhere: {error.errors()[0]['msg']}") from None
