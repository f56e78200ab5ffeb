"""What differs between two scenarios, and which of it a restart may change."""

from collections.abc import Iterator
from typing import Any

from heartwright.scenario.spec import Scenario

# What a restart may change: how long, what is written, how exactly. A mesh file may have moved; its content is checked.
CHANGEABLE = ("time.end", "time.beats", "output", "mechanics.newton", "electrophysiology.tolerance", "mesh.file")
CHANGEABLE += ("name", "title", "data", "reproducible")
KEPT = {"output.fields.of"}  # frames that are there would lack the new ones


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
