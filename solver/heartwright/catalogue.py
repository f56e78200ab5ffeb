"""Catalogue: what a scenario may choose from, each with its one line."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from heartwright.devices import Device
from heartwright.errors import InputError, did_you_mean
from heartwright.explain import specs_in
from heartwright.mechanics.passive import Passive
from heartwright.mesh.where import Where
from heartwright.odes.model import list_models
from heartwright.pathologies import Pathology
from heartwright.scenario import Scenario
from heartwright.spec import Spec

PLACES = set(specs_in(Where))  # what a `where` may be is said once, in docs/scenarios.md
CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def lines(kind: str | None = None) -> Iterator[str]:
    """The catalogue of one kind, or of all but the keys. Raises InputError for an unknown kind."""
    kinds = {
        "scenarios": _scenarios,
        "models": _models,
        "pathologies": lambda: _specs(Pathology),
        "devices": lambda: _specs(Device),
        "laws": lambda: _specs(Passive),
        "keys": lambda: _keys(Scenario, ""),
    }
    if kind is not None and kind not in kinds:
        raise InputError(f"list: nothing called '{kind}'{did_you_mean(kind, kinds)}")
    for name in [kind] if kind else [name for name in kinds if name != "keys"]:
        yield f"{name}:"
        rows = list(kinds[name]())
        width = max((len(key) for key, _ in rows), default=0)
        yield from (f"  {key:<{width}}  {text}" for key, text in rows)


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


def _keys(spec: type[Spec], above: str) -> Iterator[tuple[str, str]]:
    """Every key a scenario may have and its default, depth first; `a.<type>.b` where the keys depend on a type."""
    for name, field in spec.model_fields.items():
        members = dict.fromkeys(member for part in (field.annotation, *field.metadata) for member in specs_in(part))
        key = f"{above}{name}"
        yield key, _default(field)
        for member in (member for member in members if member not in PLACES):
            kind = member.model_fields.get("type")
            yield from _keys(member, f"{key}.<{kind.default}>." if kind else f"{key}.")


def _default(field: FieldInfo) -> str:
    """A field's default as it would be written; a block's defaults stand at its own keys."""
    if field.is_required():
        return "(required)"
    adapter = TypeAdapter(field.rebuild_annotation())
    value = adapter.dump_python(
        adapter.validate_python(field.get_default(call_default_factory=True, validated_data={}))
    )
    if isinstance(value, dict) and value:
        return "(block)"
    return adapter.dump_json(adapter.validate_python(value)).decode().strip('"')
