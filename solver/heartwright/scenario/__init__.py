"""Scenario: the whole description of what is simulated, loaded from YAML and checked before anything is computed."""

import io
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML

from heartwright.errors import InputError
from heartwright.explain import explain, place
from heartwright.scenario.changes import differences, refused_changes
from heartwright.scenario.contradictions import Contradiction
from heartwright.scenario.files import by_digest, inputs, kept_in, models
from heartwright.scenario.spec import Scenario
from heartwright.scenario.tree import missing_files, read

__all__ = [
    "Contradiction",
    "Scenario",
    "by_digest",
    "differences",
    "dump",
    "inputs",
    "kept_in",
    "load",
    "models",
    "read",
    "refused_changes",
]


def load(path: Path | str, overrides: Iterable[str] = ()) -> Scenario:
    """The scenario of a file, its bases and `--set` overrides. Raises InputError with every finding."""
    tree = read(Path(path), overrides)
    missing = list(missing_files(tree))
    try:
        scenario = Scenario.model_validate(tree.plain())
    except ValidationError as error:
        raise InputError(*explain(error, tree, Scenario), *missing) from None
    except Contradiction as error:
        raise InputError(*place(error.problems, tree), *missing) from None
    if missing:
        raise InputError(*missing)
    return scenario


def dump(scenario: Scenario, folder: Path | None = None) -> str:
    """The scenario as YAML text that loads to an equal scenario, from a file in `folder` or from anywhere."""
    text = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.sort_base_mapping_type_on_output, yaml.width = False, False, 110
    yaml.dump(kept_in(folder, scenario) if folder else scenario.model_dump(mode="json"), text)
    return text.getvalue()
