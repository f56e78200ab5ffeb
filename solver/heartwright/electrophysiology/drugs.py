"""Drugs: how much of each conductance they leave, 1 / (1 + (concentration / IC50)^hill)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from heartwright.document import read_text
from heartwright.errors import InputError, did_you_mean
from heartwright.odes.model import Model
from heartwright.spec import Spec
from heartwright.units import Concentration

LIBRARY = Path(__file__).with_name("drugs.yaml")

# A model names its conductances by the labels conductance_na, conductance_kr, …
Channel = Literal["na", "nal", "cal", "to", "kr", "ks", "k1"]


class Block(Spec):
    """Pore block of one channel: the concentration that blocks half of it, and how steeply."""

    ic50: Annotated[Concentration, Field(gt=0)]
    hill: Annotated[float, Field(gt=0)] = 1.0


class Drug(Spec):
    """A drug of the library (the CiPA training set) at `dose` times its free maximal plasma concentration `cmax`.

    With `cmax` and `blocks`, any other.
    """

    name: str
    dose: Annotated[float, Field(ge=0)] = 1.0
    cmax: Annotated[Concentration, Field(gt=0)] | None = None
    blocks: dict[Channel, Block] | None = None

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if (self.cmax is None) != (self.blocks is None):
            raise ValueError("a drug of your own needs cmax and blocks")
        if self.blocks is None and self.name not in library():
            raise ValueError(f"no drug '{self.name}'{did_you_mean(self.name, library())}; or give cmax and blocks")
        return self

    def remaining(self) -> dict[str, float]:
        """Channel -> the share of its conductance that the drug leaves."""
        cmax, blocks = (self.cmax, self.blocks) if self.blocks is not None else library()[self.name]
        return {
            channel: 1 / (1 + (self.dose * cmax / block.ic50) ** block.hill) if self.dose else 1.0
            for channel, block in blocks.items()
        }


@functools.cache
def library() -> dict[str, tuple[float, dict[str, Block]]]:
    """Name -> (cmax [nM], blocks) of the drugs that come with the package."""
    table = read_text(LIBRARY.read_text(encoding="utf-8"), LIBRARY.name, LIBRARY.parent).plain()
    drugs = {name: Drug(name=name, **entry) for name, entry in table.items()}
    return {name: (drug.cmax, drug.blocks) for name, drug in drugs.items()}


def under(model: Model, drugs: Sequence[Drug]) -> Model:
    """`model` with its conductances reduced by all of `drugs`, acting independently.

    Channels the model lacks are not affected; InputError for a model that has none of those a drug blocks.
    """
    shares: dict[str, float] = {}
    for drug in drugs:
        labels = {f"conductance_{channel}": share for channel, share in drug.remaining().items()}
        known = {label: share for label, share in labels.items() if label in model.labels}
        if not known:
            raise InputError(f"{model.name}: has none of the conductances {drug.name} blocks ({', '.join(labels)})")
        shares |= {label: shares.get(label, 1.0) * share for label, share in known.items()}
    return model.with_parameters({label: share * model.value(label) for label, share in shares.items()})
