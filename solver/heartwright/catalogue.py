"""Catalogue: what a scenario may choose from, each with its one line."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from heartwright.devices import Device
from heartwright.errors import InputError, did_you_mean
from heartwright.mechanics.passive import Passive
from heartwright.odes.model import list_models
from heartwright.pathologies import Pathology

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def lines(kind: str | None = None) -> Iterator[str]:
    """The catalogue of one kind, or of all. Raises InputError for an unknown kind."""
    kinds = {
        "scenarios": _scenarios,
        "models": _models,
        "pathologies": lambda: _specs(Pathology),
        "devices": lambda: _specs(Device),
        "laws": lambda: _specs(Passive),
    }
    if kind is not None and kind not in kinds:
        raise InputError(f"list: nothing called '{kind}'{did_you_mean(kind, kinds)}")
    for name in [kind] if kind else kinds:
        yield f"{name}:"
        yield from (f"  {key:<32} {text}" for key, text in kinds[name]())


def _scenarios() -> Iterator[tuple[str, str]]:
    """Scenario files that come with the repository or lie in ./configs; those that start with _ are shared bases."""
    folder = CONFIGS if CONFIGS.is_dir() else Path("configs")
    for path in sorted(folder.rglob("*.yaml")):
        if not path.name.startswith("_"):
            shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
            yield str(shown), _field(path, "title")


def _models() -> Iterator[tuple[str, str]]:
    for name, path in list_models().items():
        variants = _field(path, "variants")
        yield name, _field(path, "name") + (f" ({variants})" if variants else "") + f", doi:{_field(path, 'doi')}"


def _field(path: Path, key: str) -> str:
    """The value of a `key: value` line of a file."""
    found = re.search(rf"^{key}:[ \t]*(.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return found.group(1).strip().strip("\"'") if found else ""


def _specs(union: Any) -> Iterator[tuple[str, str]]:
    """The members of a discriminated union of specs: their `type` and the first line of their docstring."""
    for spec in get_args(get_args(union)[0]):
        yield spec.model_fields["type"].default, (spec.__doc__ or "").splitlines()[0]
