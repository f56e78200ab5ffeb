"""The files that a scenario is computed from, and the names a run keeps of them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from heartwright import inputs as known_inputs
from heartwright.explain import KeyPath
from heartwright.scenario.spec import Scenario


def is_file(path: KeyPath, value: Any) -> bool:
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
    return change(plain) if is_file(path, plain) else plain


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
