"""The ionic model of an entry of `cells`: its file with variant, parameters and drugs."""

from heartwright.electrophysiology.drugs import under
from heartwright.electrophysiology.spec import Cells
from heartwright.errors import InputError
from heartwright.odes.model import Model, read


def cell_model(cells: Cells) -> Model:
    """The ionic model of `cells` with its variant, parameters and drugs.

    Raises InputError for unknown names, and for a model that reads the time.
    """
    model = read(cells.model, variant=cells.variant, parameters=cells.parameters)
    require_undriven(model)
    model.require_parameters(scale.parameter for scale in cells.scales)
    return under(model, cells.drugs)


def require_undriven(model: Model) -> None:
    """InputError for a model that reads the time: it brings a stimulus of its own."""
    readers = sorted(v.qname() for v in model.source.time().refs_by())
    if readers:
        raise InputError(
            f"{model.name}: driven by time in {', '.join(readers)}: remove the stimulus it brings along; "
            "`heartwright model import` does so for CellML files"
        )
