"""CellML in, `.mmt` out: a published model made fit for pacing by us."""

from __future__ import annotations

import re
from pathlib import Path

from heartwright.errors import InputError, refusal
from heartwright.odes.mmt import myokit

POTENTIAL = ("V", "Vm", "V_m", "E_m", "v", "vm")
CALCIUM = ("Ca_i", "Cai", "Ca_c", "cai", "CaI")
MAX_BYTES = 5_000_000


def convert(file: Path) -> tuple[str, list[str]]:
    """The text of an `.mmt` model made from a CellML file, and remarks for the user.

    Whatever drives the potential by time alone, the file's own stimulus, is set to zero; a `stimulus_current` [A/F]
    that depolarises when positive takes its place. Potential and calcium are labelled; time and potential are in ms
    and mV. External entities and document types are refused.

    Raises InputError for files that are no CellML, or without a membrane potential.
    """
    model = _parsed(file)
    v = _potential(model, file)
    remarks = [*_remove_stimulus(model, v), *_label_calcium(model), *_units(model)]
    model.meta["desc"] = f"Imported from {file.name}."
    model.set_name(file.stem)
    return model.code() + "\n", remarks


def _parsed(file: Path) -> myokit.Model:
    import myokit.formats as formats

    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(refusal(error)) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: cannot be read: {error}") from None
    if len(text) > MAX_BYTES:
        raise InputError(f"{file}: larger than {MAX_BYTES // 1_000_000} MB")
    found = re.search(r"<!(DOCTYPE|ENTITY)", text, re.IGNORECASE)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise InputError(f"{file}:{line}: document types and entities are not read: remove <!{found[1]} …>")
    try:
        model = formats.importer("cellml").model(str(file))
        model.validate()
    except (myokit.MyokitError, ValueError, RecursionError) as error:
        raise InputError(f"{file}: cannot be read as CellML: {str(error).partition(chr(10))[0]}") from None
    doi = re.search(r"10\.\d{4,}/[^\s\"'<>&]+", text)
    if doi:
        model.meta["doi"] = doi[0].rstrip(".,;)")
    return model


def _potential(model: myokit.Model, file: Path) -> myokit.Variable:
    """The membrane potential, in mV, in a model whose time is in ms."""
    time = model.time()
    if time is None:
        raise InputError(f"{file}: has no variable of time")
    found = [s for s in model.states() if _is_kind(s, myokit.units.mV) and s.name() in POTENTIAL]
    found = found or [s for s in model.states() if _is_kind(s, myokit.units.mV)]
    if len(found) != 1:
        names = ", ".join(s.qname() for s in found) or "none"
        raise InputError(f"{file}: needs one state in volts, the membrane potential; found: {names}")
    time.convert_unit(myokit.units.ms)
    found[0].convert_unit(myokit.units.mV)
    found[0].set_label("membrane_potential")
    return found[0]


def _is_kind(variable: myokit.Variable, unit: myokit.Unit) -> bool:
    return variable.unit() is not None and myokit.Unit.close_exponent(variable.unit(), unit)


def _remove_stimulus(model: myokit.Model, v: myokit.Variable) -> list[str]:
    """Set to zero what depends on time and on no state, and give dV/dt a stimulus of ours."""
    driven = [x for x in model.variables(deep=True, state=False, bound=False) if _is_driven(x, model.time())]
    for variable in driven:
        variable.remove_child_variables()
        variable.set_rhs(myokit.Number(0, variable.unit()))
    stimulus = v.parent().add_variable_allow_renaming("stimulus_current")
    stimulus.set_unit(myokit.units.A / myokit.units.F)
    stimulus.set_rhs(myokit.Number(0, stimulus.unit()))
    stimulus.set_label("stimulus_current")
    v.set_rhs(myokit.Plus(v.rhs(), myokit.Name(stimulus)))
    names = ", ".join(variable.qname() for variable in driven) or "none found"
    return [f"its own stimulus was removed: {names}"]


def _is_driven(variable: myokit.Variable, time: myokit.Variable) -> bool:
    """Whether a variable's own equation looks at the time and at no state."""
    references = {lhs.var() for lhs in variable.rhs().references()}
    return time in references and not any(reference.is_state() for reference in references)


def _label_calcium(model: myokit.Model) -> list[str]:
    found = [s for s in model.states() if s.name() in CALCIUM and _is_kind(s, myokit.parse_unit("mM"))]
    if len(found) != 1:
        return ["no calcium was recognised: give the cytosolic one the label `calcium` to drive contraction"]
    found[0].convert_unit("mM")
    found[0].set_label("calcium")
    return []


def _units(model: myokit.Model) -> list[str]:
    try:
        model.check_units(myokit.UNIT_TOLERANT)
    except myokit.IncompatibleUnitError as error:
        return [f"units do not add up: {str(error).partition(chr(10))[0]}"]
    return []
