"""Scale: factors on a parameter that differs by region, along a heart coordinate or by a field of the mesh file."""

import itertools
from typing import Annotated, Literal

from pydantic import Field, model_validator

from heartwright.mesh.where import Where
from heartwright.spec import Spec


class ScaleRegion(Spec):
    """`parameter` (of a model, also by its label) is `factor` times its value in `where`."""

    type: Literal["region"] = "region"
    parameter: str
    where: Where
    factor: Annotated[float, Field(ge=0)]


class ScaleCoordinate(Spec):
    """Along a heart coordinate: `factors` at the places `at`, linear between them and constant beyond."""

    type: Literal["coordinate"] = "coordinate"
    parameter: str
    along: Literal["transmural", "apicobasal"]
    at: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=2)]
    factors: list[Annotated[float, Field(ge=0)]]

    @model_validator(mode="after")
    def _a_factor_at_each(self):
        if len(self.at) != len(self.factors):
            raise ValueError(f"{len(self.at)} places but {len(self.factors)} factors: one for each")
        if any(low >= high for low, high in itertools.pairwise(self.at)):
            raise ValueError("the places in `at` must ascend")
        return self


class ScaleField(Spec):
    """Times the values of a scalar field of the mesh file, one of `mesh.fields`."""

    type: Literal["field"] = "field"
    parameter: str
    field: str


Scale = Annotated[ScaleRegion | ScaleCoordinate | ScaleField, Field(discriminator="type")]
