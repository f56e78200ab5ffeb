"""Scenario: the whole description of what is simulated, loaded from YAML and checked before anything is computed."""

import difflib
import io
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, StringConstraints, ValidationError, model_validator
from ruamel.yaml import YAML

from heartwright import inputs as known_inputs
from heartwright.body.spec import CirculationSpec
from heartwright.devices import Device
from heartwright.document import Node, assignment, merge, read_file, read_text
from heartwright.electrophysiology.spec import ElectrophysiologySpec
from heartwright.errors import InputError, did_you_mean
from heartwright.explain import explain, place
from heartwright.mechanics.spec import MechanicsSpec
from heartwright.mesh.spec import MeshSpec
from heartwright.mesh.where import Where, WhereNear
from heartwright.odes.model import list_models
from heartwright.output.spec import OutputSpec
from heartwright.pathologies import Pathology
from heartwright.spec import Spec
from heartwright.units import MMHG, Frequency, Time

Positive = Annotated[Time, Field(gt=0)]
KeyPath = tuple[str | int, ...]
RHYTHM = {"heart_rate": "cycle_length", "cycle_length": "heart_rate"}  # two ways to say one thing
# What a restart may change: how long, what is written, how exactly. A mesh file may have moved; its content is checked.
CHANGEABLE = ("time.end", "time.beats", "output", "mechanics.newton", "electrophysiology.tolerance", "mesh.file")
CHANGEABLE += ("name", "title", "data", "reproducible")
MOVING = {"u", "active_tension"}  # fields of the mechanics
KEPT = {"output.fields.of"}  # frames that are there would lack the new ones
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


def _cycle_length(heart_rate: float | None) -> float:
    return 1 / heart_rate if heart_rate else 800.0


class TimeSpec(Spec):
    """How long, how fast, in which steps.

    A beat of `cycle_length` (or of one over `heart_rate`) starts with the atria; the ventricles follow after
    `av_delay`. The run lasts `beats` cycles unless `end` says otherwise. `dt` is the step of mechanics and
    circulation, `dt_ep` the largest step of electrophysiology inside it.
    """

    heart_rate: Annotated[Frequency, Field(gt=0)] | None = None
    cycle_length: Positive = Field(default_factory=lambda given: _cycle_length(given.get("heart_rate")))
    beats: PositiveInt = 1
    end: Positive | None = None
    dt: Positive = "1 ms"
    dt_ep: Positive = "0.05 ms"
    av_delay: Annotated[Time, Field(ge=0)] = "160 ms"

    @property
    def duration(self) -> float:
        """The length of the run [ms]."""
        return self.beats * self.cycle_length if self.end is None else self.end

    @model_validator(mode="after")
    def _consistent(self):
        if self.heart_rate and abs(self.heart_rate * self.cycle_length - 1) > 1e-6:
            raise ValueError("heart_rate and cycle_length contradict each other; give only one of them")
        if self.dt_ep > self.dt:
            raise ValueError(f"dt_ep ({self.dt_ep:g} ms) must not be larger than dt ({self.dt:g} ms)")
        if self.dt > self.duration:
            raise ValueError(f"dt ({self.dt:g} ms) must not be larger than the run ({self.duration:g} ms)")
        if self.av_delay >= self.cycle_length:
            raise ValueError(f"av_delay must be shorter than the cycle ({self.cycle_length:g} ms)")
        return self


class Contradiction(InputError):
    """Blocks of a scenario that do not fit together: (key path, reason) each."""

    def __init__(self, *problems: tuple[KeyPath, str]):
        super().__init__(*(f"{'.'.join(map(str, path))}: {reason}" for path, reason in problems))
        self.problems = problems

    def __reduce__(self):
        return type(self), self.problems


class Scenario(Spec):
    """The root of the tree. `name` names the run folder; it is not inherited by `extends`.

    `data: patient` keeps results from other users' eyes (umask 077), and paths and names of files out of them.
    `reproducible`: every step starts from the state alone, so that a run which is stopped and restarted, anywhere, is
    the unbroken run to the last bit; a new factorisation in every step is the price.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
    title: str = ""
    data: Literal["public", "patient"] = "public"
    reproducible: bool = False
    time: TimeSpec = TimeSpec()
    mesh: MeshSpec
    electrophysiology: ElectrophysiologySpec | None = None
    mechanics: MechanicsSpec | None = None
    circulation: CirculationSpec | None = None
    pathologies: list[Pathology] = Field(default_factory=list)
    devices: list[Device] = Field(default_factory=list)
    output: OutputSpec = OutputSpec()

    @model_validator(mode="after")
    def _blocks_fit(self):
        if problems := list(contradictions(self)):
            raise Contradiction(*problems)
        return self

    def resolve(self) -> "Scenario":
        """The scenario with its pathologies and then its devices worked into the other blocks."""
        scenario = self.replace(pathologies=[], devices=[])
        if self.reproducible and self.mechanics:
            newton = self.mechanics.newton.replace(reproducible=True)
            scenario = scenario.replace(mechanics=self.mechanics.replace(newton=newton))
        for change in (*self.pathologies, *self.devices):
            scenario = change.apply(scenario)
        if self.mechanics is None:
            of = tuple(name for name in self.output.fields.of if name not in MOVING)
            scenario = scenario.replace(output=self.output.replace(fields=self.output.fields.replace(of=of)))
        return scenario


def contradictions(scenario: Scenario) -> Iterator[tuple[KeyPath, str]]:
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
    known = surfaces(scenario.mesh)
    for path, name in _named_surfaces(scenario):
        if known and name not in known:
            yield path, f"the mesh has no surface '{name}'; it has: {', '.join(sorted(known))}"


def _fields_of_nothing(scenario: Scenario) -> Iterator[tuple[KeyPath, str]]:
    """Fields of the mechanics asked for where nothing moves; those of the default are just left out."""
    fields = scenario.output.fields
    if scenario.mechanics is None and "of" in fields.model_fields_set:
        for name in MOVING & set(fields.of):
            yield ("output", "fields", "of"), f"there is no {name} without mechanics"


def surfaces(mesh: MeshSpec) -> set[str]:
    """Names of the surfaces a mesh will have, as far as its spec tells; empty where only the file knows."""
    return SURFACES[mesh.generate.type] if mesh.generate else set(mesh.regions)


def _late_stimuli(scenario: Scenario) -> Iterator[tuple[KeyPath, str]]:
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


def _other_equations(scenario: Scenario) -> Iterator[tuple[KeyPath, str]]:
    """What belongs to another equation than the tissue's, or to tissue that does not beat."""
    if not (ep := scenario.electrophysiology):
        return
    if "phi_e" in scenario.output.fields.of and ep.equation != "bidomain":
        yield ("output", "fields", "of"), f"phi_e is a field of the bidomain equation, this is {ep.equation}"
    if ep.bath:
        yield ("electrophysiology", "bath"), "the mesh of a beating heart is all muscle: a bath is for tissue alone"


def _implausible(scenario: Scenario) -> Iterator[tuple[KeyPath, str]]:
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


def _unknown_models(scenario: Scenario) -> Iterator[tuple[KeyPath, str]]:
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


def _named_surfaces(scenario: Scenario) -> Iterator[tuple[KeyPath, str]]:
    """Every place of a scenario that names a surface of the mesh."""
    if circulation := scenario.circulation:
        yield from ((("circulation", "cavities", cavity), name) for cavity, name in circulation.cavities.items())
    if mechanics := scenario.mechanics:
        for index, boundary in enumerate(mechanics.boundaries):
            yield ("mechanics", "boundaries", index, "where"), boundary.where
        for index, region in enumerate(mechanics.regions):
            if name := _surface_of(region.where):
                yield ("mechanics", "regions", index, "where"), name
    if (ep := scenario.electrophysiology) and ep.fast_endocardium:
        for index, name in enumerate(ep.fast_endocardium.surfaces):
            yield ("electrophysiology", "fast_endocardium", "surfaces", index), name
    if ep and ep.purkinje and ep.purkinje.tree.type == "grown":
        for bundle, grown in ep.purkinje.tree.bundles.items():
            yield ("electrophysiology", "purkinje", "tree", "bundles", bundle, "surface"), grown.surface


def _surface_of(where: Where) -> str | None:
    """The surface that a place is on or near, if it is one."""
    if isinstance(where, WhereNear):
        return where.near
    return where if isinstance(where, str) and where != "all" else None


def load(path: Path | str, overrides: Iterable[str] = ()) -> Scenario:
    """The scenario of a file, its bases and `--set` overrides. Raises InputError with every finding."""
    tree = read(Path(path), overrides)
    missing = list(_missing_files(tree))
    try:
        scenario = Scenario.model_validate(tree.plain())
    except ValidationError as error:
        raise InputError(*explain(error, tree, Scenario), *missing) from None
    except Contradiction as error:
        raise InputError(*place(error.problems, tree), *missing) from None
    if missing:
        raise InputError(*missing)
    return scenario


def read(path: Path, overrides: Iterable[str] = ()) -> Node:
    """The tree of a scenario file merged over its bases, `--set` overrides applied, paths made absolute."""
    tree = _with_bases(path, ())
    for text in overrides:
        tree = _set(tree, text)
    if not tree.has(("name",)):
        tree = tree.put(("name",), Node(path.stem.lstrip("_"), str(path)))
    return _absolute(tree)


def models(scenario: Scenario) -> list[str]:
    """The models of a scenario, each once: of cells, of active tension, of the circulation."""
    chosen = [cells.model for cells in scenario.electrophysiology.cells]
    if scenario.mechanics:
        chosen += [scenario.mechanics.active.model, scenario.circulation.model]
    return list(dict.fromkeys(chosen))


def inputs(scenario: Scenario) -> list[Path]:
    """The files a scenario is computed from: mesh, network, electrodes, and models that are not Heartwright's own."""
    purkinje, ecg = scenario.electrophysiology.purkinje, scenario.electrophysiology.ecg
    network = purkinje.tree.file if purkinje and purkinje.tree.type == "file" else None
    meshes = [name for name in (scenario.mesh.file, *scenario.mesh.also, network, ecg and ecg.file) if name]
    files = [name for name in models(scenario) if name.endswith(".mmt")]
    return [Path(name) for name in dict.fromkeys([*meshes, *files])]


def by_digest(scenario: Scenario) -> Scenario:
    """The scenario; of a patient's heart with its input files known by their digests, see `inputs`."""
    if scenario.data != "patient":
        return scenario
    plain = _with_files(scenario.model_dump(mode="json"), lambda name: str(known_inputs.noted(Path(name))))
    return Scenario.model_validate(plain)


def kept_in(folder: Path, scenario: Scenario) -> dict[str, Any]:
    """The scenario as plain values that a run in `folder` keeps: input files relative to it, or by their digests."""

    def kept(name: str) -> str:
        return Path(name).name if known_inputs.is_noted(Path(name)) else os.path.relpath(name, folder)

    return _with_files(scenario.model_dump(mode="json"), kept)


def dump(scenario: Scenario, folder: Path | None = None) -> str:
    """The scenario as YAML text that loads to an equal scenario, from a file in `folder` or from anywhere."""
    text = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.sort_base_mapping_type_on_output, yaml.width = False, False, 110
    yaml.dump(kept_in(folder, scenario) if folder else scenario.model_dump(mode="json"), text)
    return text.getvalue()


def differences(before: Scenario, after: Scenario) -> Iterator[str]:
    """One line for every value or block that differs: `  key: old -> new`, `- key: gone`, `+ key: new`."""
    for key, old, new in _differences("", before.model_dump(mode="json"), after.model_dump(mode="json")):
        if old is None:
            yield f"+ {key}: {_flow(new)}"
        elif new is None:
            yield f"- {key}: {_flow(old)}"
        else:
            yield f"  {key}: {_flow(old)} -> {_flow(new)}"


def refused_changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """What a run that goes on must not change, one line each; both are what the run keeps of its scenario."""
    for key, old, new in _differences("", before, after):
        if key in KEPT or not any(f"{key}.".startswith(f"{free}.") for free in CHANGEABLE):
            yield f"{key} was {_flow(old)} so far and would be {_flow(new)}: a restart cannot change it"


def _differences(key: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, list) and isinstance(new, list) and all(isinstance(item, dict) for item in [*old, *new]):
        old, new = _by_name(old), _by_name(new)
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            yield from _differences(f"{key}.{name}" if key else name, old.get(name), new.get(name))
    elif old != new:
        yield key, old, new


def _by_name(blocks: list[dict[str, Any]]) -> dict[str, Any]:
    """A list of blocks keyed by their names, or by their place where they have none."""
    return {block.get("name", str(index)): block for index, block in enumerate(blocks)}


def _flow(value: Any) -> str:
    """A value on one line, without what is not set."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items() if item is not None) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return str(value)


def _with_bases(path: Path, seen: tuple[Path, ...]) -> Node:
    """A file's tree over the tree of what it `extends`; only the last file's own `name` stays."""
    own = _block(path)
    base = own.value.pop("extends", None)
    if base is None:
        return own
    chain = (*seen, path.resolve())
    if not isinstance(base.value, str):
        raise InputError(f"{base.place}: extends: expected the path of one scenario file")
    target = Path(os.path.normpath(path.parent / base.value))
    if target.resolve() in chain:
        raise InputError(f"{base.place}: extends: {base.value} extends this file in turn; the chain has no end")
    if not target.is_file():
        raise InputError(f"{base.place}: extends: no file {target}{_nearest(target)}")
    below = _with_bases(target, chain)
    below.value.pop("name", None)
    return merge(_free_rhythm(below, own), own)


def _free_rhythm(below: Node, own: Node) -> Node:
    """`below` without its heart rate where `own` gives a cycle length, and the other way round."""
    old, new = below.child("time"), own.child("time")
    if old and new and isinstance(old.value, dict) and isinstance(new.value, dict):
        dropped = {other for one, other in RHYTHM.items() if one in new.value and other not in new.value}
        kept = {key: value for key, value in old.value.items() if key not in dropped}
        return replace(below, value=below.value | {"time": replace(old, value=kept)})
    return below


def _block(path: Path) -> Node:
    if not path.is_file():
        kind = "is a folder, not a scenario file" if path.is_dir() else f"no such file{_nearest(path)}"
        raise InputError(f"{path}: {kind}")
    own = read_file(path, str(path))
    if own.value is None:
        raise InputError(f"{path}: is empty; a scenario needs at least `mesh`")
    if not isinstance(own.value, dict):
        raise InputError(f"{own.place}: a scenario is a block of `key: value`")
    return own


def _nearest(path: Path) -> str:
    """The files nearest in name to one that does not exist."""
    folder = path.parent
    stems = {file.stem: file for file in sorted(folder.iterdir()) if file.is_file()} if folder.is_dir() else {}
    near = difflib.get_close_matches(path.stem, stems, n=3, cutoff=0.6)
    return f"; nearest: {', '.join(str(stems[stem]) for stem in near)}" if near else ""


def _set(tree: Node, text: str) -> Node:
    """The tree with one `a.b=value` merged in."""
    key, value = assignment(text, "time.beats=2")
    new = read_text(value, f"--set {text}", Path.cwd(), lines=False)
    keys = tuple(key.split("."))
    try:
        alone = replace(new, value=None).put(keys, new)
        return _free_rhythm(tree, alone).put(keys, new)
    except ValueError as error:
        raise InputError(f"--set {text}: {key}: {error}") from None


def _paths_of_files(node: Node, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Node]]:
    """Every value that names an input file: mesh, network, electrodes, models that are files."""
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from _paths_of_files(child, (*path, key))
    elif isinstance(node.value, list):
        for index, child in enumerate(node.value):
            yield from _paths_of_files(child, (*path, index))
    elif _is_file(path, node.value):
        yield path, node


def _is_file(path: KeyPath, value: Any) -> bool:
    """Whether a value names an input file."""
    return isinstance(value, str) and (
        path[:2] in (("mesh", "file"), ("mesh", "also"))
        or path in (("electrophysiology", "purkinje", "tree", "file"), ("electrophysiology", "ecg", "file"))
        or (path[-1:] == ("model",) and value.endswith(".mmt"))
    )


def _with_files(plain: Any, change: Callable[[str], str], path: KeyPath = ()) -> Any:
    """Plain values with another name for every input file."""
    if isinstance(plain, dict):
        return {key: _with_files(value, change, (*path, key)) for key, value in plain.items()}
    if isinstance(plain, list):
        return [_with_files(value, change, (*path, index)) for index, value in enumerate(plain)]
    return change(plain) if _is_file(path, plain) else plain


def _absolute(tree: Node) -> Node:
    """Paths of input files, which are relative to the file they are written in, made absolute."""
    for path, node in _paths_of_files(tree):
        target = str(known_inputs.found(node.value) or os.path.abspath(node.folder / os.path.expanduser(node.value)))
        tree = tree.put(tuple(map(str, path)), Node(target, node.source, node.line, node.folder))
    return tree


def _missing_files(tree: Node) -> Iterator[str]:
    for path, node in _paths_of_files(tree):
        if not Path(node.value).is_file():
            key, hint = ".".join(map(str, path)), _nearest(Path(node.value))
            if known_inputs.is_noted(Path(node.value)):
                hint = f"; it belongs to another account, or has moved: give it with --set {key}=PATH"
            yield f"{node.place}: {key}: no file {node.value}{hint}"
