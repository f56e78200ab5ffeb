"""Explain: what pydantic refuses, in the user's words and with the file and line where it was written."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from heartwright.document import Node
from heartwright.errors import did_you_mean
from heartwright.spec import Spec

KeyPath = tuple[str | int, ...]

_BOUNDS = {
    "greater_than": "greater than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
}
_KINDS = {
    "string_type": "text (put it in quotes)",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "list_type": "a list [...]",
    "tuple_type": "a list [...]",
    "dict_type": "a block of `key: value`",
    "model_type": "a block of `key: value`",
    "model_attributes_type": "a block of `key: value`",
}


def explain(error: ValidationError, tree: Node, model: type[Spec]) -> list[str]:
    """`file:line: key: reason` for every finding, in the order of the files."""
    found = []
    for item in error.errors(include_url=False):
        path, names = locate(item["loc"], tree, model, missing=item["type"] == "missing")
        found.append((path, reason(item, names, tree.at(path).plain())))
    return place(found, tree)


def place(found: Iterable[tuple[KeyPath, str]], tree: Node) -> list[str]:
    """Findings (key path, reason) as `file:line: key: reason`, sorted, each once."""
    lines = {}
    for path, text in found:
        node, key = tree.at(path), ".".join(map(str, path))
        lines[": ".join(filter(None, (node.place, key, text)))] = (node.source, node.line or 0)
    return sorted(lines, key=lines.__getitem__)


def locate(loc: KeyPath, tree: Node, model: type[Spec], missing: bool) -> tuple[KeyPath, set[str]]:
    """The key path of a pydantic location, and the keys known where its last one stands.

    pydantic puts the names of union members between the keys; they are told apart by looking into what was written.
    """
    path: KeyPath = ()
    models, siblings = {model}, set(model.model_fields)
    for index, key in enumerate(loc):
        last = index == len(loc) - 1
        fields = [spec.model_fields[key] for spec in models if key in spec.model_fields] if isinstance(key, str) else []
        if not tree.has((*path, key)) and not (last and missing and fields):
            models = {spec for spec in models if _tag(spec) in (key, None)} or models
            continue
        if isinstance(key, str) and models:
            siblings = {name for spec in models for name in spec.model_fields}
        path = (*path, key)
        if fields:
            models = {spec for field in fields for spec in specs_in(field.annotation)}
            models |= {spec for field in fields for extra in field.metadata for spec in specs_in(extra)}
    return path, siblings


def _tag(spec: type[Spec]) -> str | None:
    field = spec.model_fields.get("type")
    return get_args(field.annotation)[0] if field and get_origin(field.annotation) is Literal else None


def specs_in(annotation: Any) -> Iterator[type[Spec]]:
    """All spec classes inside an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        yield annotation
    for inner in get_args(annotation):
        yield from specs_in(inner)


def reason(item: dict[str, Any], names: set[str], given: Any) -> str:
    """One pydantic finding as a sentence; `names` are the keys known at its place, `given` is what was written."""
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key{did_you_mean(str(item['loc'][-1]), names)}"
    if kind == "missing":
        return "is required" if isinstance(item["loc"][-1], str) else f"entry {item['loc'][-1]} of the list is missing"
    if kind == "union_tag_not_found":
        return "needs a `type`"
    if kind == "union_tag_invalid":
        return f"unknown type '{context['tag']}'" + did_you_mean(str(context["tag"]), _quoted(context["expected_tags"]))
    if kind == "literal_error":
        return f"must be {context['expected']}, got {shown(given)}"
    if kind in _BOUNDS:
        return f"must be {_BOUNDS[kind].format(**context)}, got {shown(given)}"
    if kind in _KINDS:
        return f"expected {_KINDS[kind]}, got {shown(given)}"
    if kind in ("too_short", "too_long"):
        least = context.get("min_length", context.get("max_length"))
        return f"has {context['actual_length']} entries; needs at {'least' if kind == 'too_short' else 'most'} {least}"
    return item["msg"].removeprefix("Value error, ")


def _quoted(text: str) -> list[str]:
    return [word.strip().strip("'") for word in text.split(",")]


def shown(value: Any) -> str:
    """A given value as the user would recognise it."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a block"
    if isinstance(value, list):
        return "a list"
    return str(value).lower() if isinstance(value, bool) else repr(value)[:60]
