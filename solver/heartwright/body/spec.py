"""What a scenario says about the circulation."""

from typing import Annotated, Literal

from pydantic import Field

from heartwright.spec import Spec
from heartwright.units import Volume

Chamber = Literal["lv", "rv", "la", "ra"]


class CirculationSpec(Spec):
    """The closed loop the heart beats into.

    `model` is a circulation by name (`closed_loop`) or an `.mmt` file with the same labels. `cavities` says which
    chambers are 3D and by which surface of the mesh each is bounded; the others stay time-varying elastances.
    `parameters` changes values of the model: text with a unit (`systemic_arteries.R: 1.2 mmHg*s/mL`), or plain numbers
    in the model's own unit. `blood_volume` is the total at rest; what it adds to the model's own or takes from it goes
    to the systemic veins, where a transfusion or a bleed goes. `warm_up_beats` bounds the beats that the loop may take
    alone to become periodic.
    """

    model: str = "closed_loop"
    cavities: dict[Chamber, str] = Field(default={"lv": "lv_endo", "rv": "rv_endo"})
    parameters: dict[str, float | str] = Field(default_factory=dict)
    blood_volume: Annotated[Volume, Field(gt=0)] | None = None
    warm_up_beats: Annotated[int, Field(ge=0)] = 200
