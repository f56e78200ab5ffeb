"""Linking: variables of several models that carry the same label become one."""

from __future__ import annotations

import functools

from heartwright.errors import InputError
from heartwright.odes.mmt import myokit
from heartwright.odes.model import Model


def link(*models: Model) -> Model:
    """One model out of several: for every shared label one model writes and any number read.

    A reader is a labelled literal constant or an input (its number is only a stand-in for the other model's); a
    writer is anything computed, or a state. Where all are readers, the value of the first stays, as a parameter or
    input of the whole. Values are converted between units of the same kind. Components whose names clash get the
    model's name in front.

    Raises InputError where two models write the same label or the units of a shared label do not fit.
    """
    return functools.reduce(_join, models)


def _join(ours: Model, theirs: Model) -> Model:
    target, guest = ours.source.clone(), theirs.source.clone()
    shared = sorted({label for label, _ in target.labels()} & {label for label, _ in guest.labels()})
    for label in shared:
        _check(target.label(label), guest.label(label), label, ours.name, theirs.name)
    ports = [(target.label(label), guest.label(label)) for label in shared]
    ports.append((target.time(), guest.time()))
    for _, port in ports:
        port.set_label(None)
    guest.time().set_binding(None)
    _free_bindings(guest, target)
    moved = _import(target, guest, theirs.name)
    for ours_, theirs_ in ports:
        _connect(ours_, target.get(moved[theirs_.qname()]))
    try:
        target.validate()
    except myokit.IntegrityError as error:
        raise InputError(f"linking {ours.name} and {theirs.name}: {error}") from None
    return Model(target, f"{ours.name}+{theirs.name}")


def _reads(variable: myokit.Variable) -> bool:
    return variable.is_bound() or (variable.is_literal() and not variable.is_state())


def _unit(variable: myokit.Variable) -> myokit.Unit:
    return variable.unit() or myokit.units.dimensionless


def _check(ours: myokit.Variable, theirs: myokit.Variable, label: str, our_name: str, their_name: str) -> None:
    """One writer at most, and units of the same kind."""
    sides = f"{our_name} ({ours.qname()}, {_unit(ours)}) and {their_name} ({theirs.qname()}, {_unit(theirs)})"
    if not _reads(ours) and not _reads(theirs):
        raise InputError(f"two models write '{label}': {sides}; make it an input of one of them")
    if not myokit.Unit.close_exponent(_unit(ours), _unit(theirs)):
        raise InputError(f"the units of '{label}' do not fit: {sides}")


def _free_bindings(guest: myokit.Model, target: myokit.Model) -> None:
    """Inputs of the two models stay apart, whatever their bindings are called."""
    taken = {binding for binding, _ in target.bindings()}
    for binding, variable in list(guest.bindings()):
        if binding in taken:
            variable.set_binding(None)
            variable.set_binding(f"{binding}_{len(taken)}")
            taken.add(variable.binding())


def _import(target: myokit.Model, guest: myokit.Model, prefix: str) -> dict[str, str]:
    """Copy all components of `guest`; returns where each of its variables went. Clashing names get a prefix."""
    components = list(guest.components())
    names = []
    for component in components:
        name = component.name()
        while target.has_component(name) or name in names:
            name = f"{prefix}_{name}"
        names.append(name)
    moved = {
        variable.qname(): f"{name}.{variable.qname(component)}"
        for component, name in zip(components, names, strict=True)
        for variable in component.variables()
    }
    target.import_component(components, new_name=names)
    return moved


def _connect(ours: myokit.Variable, theirs: myokit.Variable) -> None:
    """Make the reader of the two read the other; the label goes with the one that is written."""
    reader, writer = (theirs, ours) if _reads(theirs) else (ours, theirs)
    if reader is ours:
        label = ours.label()
        ours.set_label(None)
        writer.set_label(label)
    reader.set_binding(None)
    factor = myokit.Unit.conversion_factor(_unit(writer), _unit(reader))
    value = myokit.Name(writer)
    reader.set_rhs(value if factor.value() == 1 else myokit.Multiply(value, myokit.Number(factor)))
