"""What no single block of a scenario can know: places that do not exist, physics that miss each other."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heartwright.electrophysiology.ionic import cell_model
from heartwright.electrophysiology.spec import HIS, Cells
from heartwright.errors import InputError, did_you_mean
from heartwright.explain import KeyPath
from heartwright.mechanics.spec import ActiveSpec, MechanicsSpec
from heartwright.mesh.scale import ScaleField
from heartwright.mesh.where import Where, WhereNear, WhereRegion
from heartwright.odes.model import Model, list_models
from heartwright.spec import Spec
from heartwright.units import MMHG

if TYPE_CHECKING:
    from heartwright.scenario.spec import Scenario

MOVING = {"u", "active_tension"}  # fields of the mechanics
SURFACES = {
    "ellipsoid": {"lv_endo", "epi", "base"},
    "biventricle": {"lv_endo", "rv_endo", "epi", "base"},
    "four_chambers": {"lv_endo", "rv_endo", "la_endo", "ra_endo", "epi", "lpv", "rpv", "svc", "ivc"}
    | {"mitral", "aortic", "tricuspid", "pulmonary"},
    "slab": {"xmin", "xmax", "ymin", "ymax", "zmin", "zmax"},
    "strip": {"xmin", "xmax", "ymin", "ymax", "zmin", "zmax"},
    "tube": {"inlet", "outlet", "wall", "inner", "outer"},
    "nozzle": {"inlet", "outlet", "wall"},
}
REGIONS = {"four_chambers": {"lv", "rv", "la", "ra", "rings"}}
NO_SURFACE = {"all", HIS}  # places that are named, and are no surface


class Contradiction(InputError):
    """Blocks of a scenario that do not fit together: (key path, reason) each."""

    def __init__(self, *problems: tuple[KeyPath, str]):
        super().__init__(*(f"{'.'.join(map(str, path))}: {reason}" for path, reason in problems))
        self.problems = problems

    def __reduce__(self):
        return type(self), self.problems


def contradictions(scenario: "Scenario") -> Iterator[tuple[KeyPath, str]]:
    """What no single block can know: places that do not exist, stimuli after the end, physics that miss each other."""
    if scenario.electrophysiology is None:
        yield ("electrophysiology",), "is required"
    for block, other in (("mechanics", "circulation"), ("circulation", "mechanics")):
        if getattr(scenario, block) is None and getattr(scenario, other) is not None:
            yield (block,), f"is required: there is {other}; a beat needs both, tissue alone neither"
    yield from _fields_of_nothing(scenario)
    yield from _late_stimuli(scenario)
    yield from _other_equations(scenario)
    yield from _implausible(scenario)
    if scenario.mechanics:
        yield from _loose_boundaries(scenario.mechanics)
    yield from _unknown_models(scenario)
    yield from _impossible_models(scenario)
    yield from _unknown_places(scenario)
    yield from _fields_not_kept(scenario)


def _fields_of_nothing(scenario: "Scenario") -> Iterator[tuple[KeyPath, str]]:
    """Fields of the mechanics asked for where nothing moves; those of the default are just left out."""
    fields = scenario.output.fields
    if scenario.mechanics is None and "of" in fields.model_fields_set:
        for name in MOVING & set(fields.of):
            yield ("output", "fields", "of"), f"there is no {name} without mechanics"


def _late_stimuli(scenario: "Scenario") -> Iterator[tuple[KeyPath, str]]:
    """Stimuli that never come. An `end` before the ventricles' onset is no mistake: it makes a short trial run."""
    time = scenario.time
    stimuli = scenario.electrophysiology.stimuli if scenario.electrophysiology else []
    for index, stimulus in enumerate(stimuli):
        absolute = stimulus.clock == "absolute"
        start = stimulus.start if absolute else time.av_delay + stimulus.start
        end = time.duration if absolute else time.beats * time.cycle_length
        if start >= end:
            yield (
                ("electrophysiology", "stimuli", index, "start"),
                f"stimulus '{stimulus.name}' starts at {start:g} ms, after the end at {end:g} ms",
            )


def _other_equations(scenario: "Scenario") -> Iterator[tuple[KeyPath, str]]:
    """What belongs to another equation than the tissue's, or to tissue that does not beat."""
    if not (ep := scenario.electrophysiology):
        return
    if "phi_e" in scenario.output.fields.of and ep.equation != "bidomain":
        yield ("output", "fields", "of"), f"phi_e is a field of the bidomain equation, this is {ep.equation}"
    if ep.bath:
        yield ("electrophysiology", "bath"), "the mesh of a beating heart is all muscle: a bath is for tissue alone"


def _implausible(scenario: "Scenario") -> Iterator[tuple[KeyPath, str]]:
    """Numbers that no heart has, of a mouse or of a man: most often the unit is another one."""
    cycle = scenario.time.cycle_length
    if not 50 <= cycle <= 10_000:
        yield ("time", "cycle_length"), f"a cycle of {cycle:g} ms is {60_000 / cycle:.3g} bpm: wrong unit?"
    for cavity, pressure in ((scenario.mechanics and scenario.mechanics.prestress) or {}).items():
        if not 0 <= pressure / MMHG <= 60:
            yield (
                ("mechanics", "prestress", cavity),
                f"{pressure / MMHG:.3g} mmHg is no resting pressure: wrong unit?",
            )


def _loose_boundaries(mechanics: MechanicsSpec) -> Iterator[tuple[KeyPath, str]]:
    """A heart that nothing holds, and springs on what is fixed already."""
    if not mechanics.boundaries:
        yield (
            ("mechanics", "boundaries"),
            "nothing holds the heart: it could move and turn freely; give a robin or fixed",
        )
    fixed = {boundary.where for boundary in mechanics.boundaries if boundary.type == "fixed"}
    for index, boundary in enumerate(mechanics.boundaries):
        if boundary.type != "fixed" and boundary.where in fixed:
            yield ("mechanics", "boundaries", index, "where"), f"'{boundary.where}' is fixed already"


def _unknown_models(scenario: "Scenario") -> Iterator[tuple[KeyPath, str]]:
    chosen: list[tuple[KeyPath, str]] = []
    if ep := scenario.electrophysiology:
        chosen += [(("electrophysiology", "cells", i, "model"), cells.model) for i, cells in enumerate(ep.cells)]
    if mechanics := scenario.mechanics:
        chosen.append((("mechanics", "active", "model"), mechanics.active.model))
    if circulation := scenario.circulation:
        chosen.append((("circulation", "model"), circulation.model))
    known = list_models()
    yield from ((key, f"no model '{name}'{did_you_mean(name, known)}") for key, name in chosen if not _is_known(name))


def _is_known(model: str) -> bool:
    return model in list_models() or model.endswith(".mmt")


def _impossible_models(scenario: "Scenario") -> Iterator[tuple[KeyPath, str]]:
    """Models that a scenario brings along or changes, in ways that cannot be. Others are not read: that takes longer
    than all the rest."""
    ep, mechanics = scenario.electrophysiology, scenario.mechanics
    asked: list[tuple[KeyPath, Cells | ActiveSpec, Callable[[], Model]]] = [
        (("electrophysiology", "cells", index), cells, partial(cell_model, cells))
        for index, cells in enumerate(ep.cells if ep else [])
    ]
    if mechanics:
        asked.append((("mechanics", "active"), mechanics.active, mechanics.active.read))
    for path, spec, read in asked:
        if spec.changes() if spec.model in list_models() else Path(spec.model).is_file():
            try:
                read()
            except InputError as error:
                yield from ((path, finding) for finding in error.findings)


def _unknown_places(scenario: "Scenario") -> Iterator[tuple[KeyPath, str]]:
    """Surfaces and regions that the mesh will not have, as far as its spec tells."""
    mesh = scenario.mesh
    surfaces = SURFACES[mesh.generate.type] if mesh.generate else set(mesh.regions)
    regions = REGIONS.get(mesh.generate.type, set()) if mesh.generate else set(mesh.tissues)
    known = mesh.generate or mesh.tissues
    for path, name in _named_surfaces(scenario):
        if surfaces and name not in surfaces:
            yield path, f"the mesh has no surface '{name}'; it has: {', '.join(sorted(surfaces))}"
    for path, where in _places(scenario):
        if isinstance(where, WhereRegion) and known:
            for name in sorted(set(where.region) - regions):
                yield path, f"the mesh has no region '{name}'; it has: {', '.join(sorted(regions)) or 'none'}"


def _fields_not_kept(scenario: "Scenario") -> Iterator[tuple[KeyPath, str]]:
    """Scales by fields that `mesh.fields` does not name."""
    kept = scenario.mesh.fields
    for path, spec in _specs(scenario):
        if isinstance(spec, ScaleField) and spec.field not in kept:
            yield (*path, "field"), f"mesh.fields does not keep '{spec.field}'; it names: {', '.join(kept) or 'none'}"


def _named_surfaces(scenario: "Scenario") -> Iterator[tuple[KeyPath, str]]:
    """Every place of a scenario that names a surface of the mesh."""
    if circulation := scenario.circulation:
        yield from ((("circulation", "cavities", cavity), name) for cavity, name in circulation.cavities.items())
    yield from ((path, name) for path, where in _places(scenario) if (name := _surface_of(where)))
    if (ep := scenario.electrophysiology) and ep.fast_endocardium:
        for index, name in enumerate(ep.fast_endocardium.surfaces):
            yield ("electrophysiology", "fast_endocardium", "surfaces", index), name
    if ep and ep.purkinje and ep.purkinje.tree.type == "grown":
        for bundle, grown in ep.purkinje.tree.bundles.items():
            yield ("electrophysiology", "purkinje", "tree", "bundles", bundle, "surface"), grown.surface


def _places(scenario: "Scenario") -> Iterator[tuple[KeyPath, Where]]:
    """Every `where` of a scenario."""
    for path, spec in _specs(scenario):
        if "where" in type(spec).model_fields:
            yield (*path, "where"), spec.where


def _specs(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Spec]]:
    """Every spec in a value of a scenario, but not those inside a place."""
    if isinstance(value, Spec):
        yield path, value
        for name in type(value).model_fields:
            if name != "where":
                yield from _specs(getattr(value, name), (*path, name))
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            yield from _specs(child, (*path, index))


def _surface_of(where: Where) -> str | None:
    """The surface that a place is on or near, if it is one."""
    if isinstance(where, WhereNear):
        return where.near
    return where if isinstance(where, str) and where not in NO_SURFACE else None
