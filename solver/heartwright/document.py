"""Document: a YAML 1.2 text as plain values, each of which knows the file and line where it was written."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from heartwright.errors import InputError
from heartwright.units import BareFloat, BareInt

MAX_DEPTH = 64
MAX_NODES = 20_000  # with every alias expanded
MAX_BYTES = 1_000_000
OF_A_MODEL = "variant", "parameters", "scale", "scales"  # keys whose values mean nothing to another `model`

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]{1,300}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True)
class Node:
    """A value of a document and where it stands: the line of its key, or of the value itself in a list."""

    value: "dict[str, Node] | list[Node] | str | int | float | bool | None"
    source: str
    line: int | None = None
    folder: Path = Path()

    @property
    def place(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def child(self, key: str | int) -> "Node | None":
        """The node under a key or index; None where there is none."""
        if isinstance(self.value, dict):
            return self.value.get(str(key))
        if isinstance(self.value, list) and isinstance(key, int) and 0 <= key < len(self.value):
            return self.value[key]
        return None

    def at(self, path: tuple[str | int, ...]) -> "Node":
        """The deepest node on the way to `path`."""
        child = self.child(path[0]) if path else None
        return child.at(path[1:]) if child else self

    def has(self, path: tuple[str | int, ...]) -> bool:
        child = self.child(path[0]) if path else None
        return not path or (child is not None and child.has(path[1:]))

    def put(self, keys: tuple[str, ...], new: "Node") -> "Node":
        """A copy with `new` merged in at `keys`; missing blocks on the way are made, a list's next index appends.

        Raises ValueError when a key cannot be reached.
        """
        if not keys:
            return merge(self, new)
        if isinstance(self.value, list):
            return replace(self, value=self._put_item(keys, new))
        if self.value is not None and not isinstance(self.value, dict):
            raise ValueError(f"'{keys[0]}' cannot be set in the value {self.value!r}")
        block = self.value or {}
        inner = block.get(keys[0], replace(new, value=None))
        return replace(self, value={**block, keys[0]: inner.put(keys[1:], new)})

    def _put_item(self, keys: tuple[str, ...], new: "Node") -> "list[Node]":
        items = list(self.value)
        if not keys[0].isascii() or not keys[0].isdigit() or int(keys[0]) > len(items):
            raise ValueError(f"'{keys[0]}' is not an index of this list of {len(items)}")
        inner = items[int(keys[0])] if int(keys[0]) < len(items) else replace(new, value=None)
        items[int(keys[0]) : int(keys[0]) + 1] = [inner.put(keys[1:], new)]
        return items


def merge(base: Node, own: Node) -> Node:
    """`own` over `base`: blocks merge key by key, lists and values replace, a block of another `type` replaces.

    What belongs to another `model`, as its parameters do, is not taken over.
    """
    if not isinstance(base.value, dict) or not isinstance(own.value, dict) or _other_kind(base, own):
        return own
    gone = OF_A_MODEL if _other_model(base, own) else ()
    kept = {key: value for key, value in base.value.items() if key not in gone}
    return replace(own, value=kept | {key: merge(kept[key], v) if key in kept else v for key, v in own.value.items()})


def _other_kind(base: Node, own: Node) -> bool:
    kind, known = own.child("type"), base.child("type")
    return kind is not None and (known is None or kind.value != known.value)


def _other_model(base: Node, own: Node) -> bool:
    model, known = own.child("model"), base.child("model")
    return model is not None and known is not None and model.value != known.value


def assignment(text: str, example: str) -> tuple[str, str]:
    """Key and value of `--set KEY=VALUE`. Raises InputError, which shows the `example`."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or "" in key.split("."):
        raise InputError(f"--set {text}: write it as key=value, e.g. --set {example}")
    return key.strip(), value


def read_file(path: Path, source: str) -> Node:
    """The document of a file; `source` is its name in messages. Raises InputError with all findings."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(f"{source}: is {size / 1e6:.0f} MB; a scenario has at most {MAX_BYTES / 1e6:.0f} MB")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{source}: is not text in UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error.strerror}") from None
    return read_text(text, source, path.parent)


def read_text(text: str, source: str, folder: Path, lines: bool = True) -> Node:
    """The document of a text. Raises InputError with all findings."""
    reader = _Reader(source, folder, lines)
    try:
        root = reader.document(YAML(typ="safe", pure=True).parse(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InputError(f"{reader.place(mark)}: YAML: {_in_words(error, text, mark)}") from None
    except YAMLError as error:
        raise InputError(f"{source}: YAML: {str(error).splitlines()[0]}") from None
    if reader.findings:
        raise InputError(*reader.findings)
    return root


def _in_words(error: MarkedYAMLError, text: str, mark: Any) -> str:
    line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
    if "\t" in line[: mark.column + 1 if mark else 0]:
        return "a tab; indent with spaces"
    return " ".join(filter(None, (error.problem, error.context))) or "cannot be read"


class _Reader:
    """Builds nodes from parser events. By hand, because every value needs its line and every limit its message."""

    def __init__(self, source: str, folder: Path, lines: bool):
        self.source, self.folder, self.lines = source, folder, lines
        self.findings: list[str] = []
        self.anchors: dict[str, tuple[Node, int]] = {}
        self.nodes = 0

    def place(self, mark: Any) -> str:
        return f"{self.source}:{mark.line + 1}" if self.lines and mark else self.source

    def document(self, events: Iterator[Any]) -> Node:
        """The only document of the stream."""
        root = None
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent" and root is not None:
                raise InputError(f"{self.place(event.start_mark)}: a second document; a file holds one scenario")
            if kind not in ("StreamStartEvent", "StreamEndEvent", "DocumentStartEvent", "DocumentEndEvent"):
                root = self.node(event, events, event.start_mark, 0)
        return root or self.make(None, None)

    def make(self, value: Any, mark: Any) -> Node:
        return Node(value, self.source, mark.line + 1 if mark and self.lines else None, self.folder)

    def node(self, event: Any, events: Iterator[Any], mark: Any, depth: int) -> Node:
        """The node that starts with `event`; `mark` is where its key stands."""
        if type(event).__name__ == "AliasEvent":
            return self.alias(event, mark)
        before = self.nodes
        self.count(1, event.start_mark)
        if depth > MAX_DEPTH:
            raise InputError(f"{self.place(event.start_mark)}: nested deeper than {MAX_DEPTH} levels")
        if event.tag and event.tag not in ("!", "tag:yaml.org,2002:str"):
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.findings.append(f"{self.place(event.start_mark)}: the tag {tag} is not allowed")
        node = self.make(self.value(event, events, depth), mark)
        if event.anchor:
            self.anchors[event.anchor] = node, self.nodes - before
        return node

    def value(self, event: Any, events: Iterator[Any], depth: int) -> Any:
        match type(event).__name__:
            case "MappingStartEvent":
                return self.mapping(events, depth)
            case "SequenceStartEvent":
                return self.sequence(events, depth)
            case _:
                return self.scalar(event)

    def alias(self, event: Any, mark: Any) -> Node:
        if event.anchor not in self.anchors:
            raise InputError(f"{self.place(mark)}: the alias *{event.anchor} has no anchor &{event.anchor} before it")
        node, size = self.anchors[event.anchor]
        self.count(size, mark)
        return replace(node, line=self.make(None, mark).line)

    def count(self, more: int, mark: Any) -> None:
        self.nodes += more
        if self.nodes > MAX_NODES:
            raise InputError(f"{self.place(mark)}: more than {MAX_NODES} values once aliases are expanded")

    def mapping(self, events: Iterator[Any], depth: int) -> dict[str, Node]:
        found: dict[str, Node] = {}
        marks: dict[str, Any] = {}
        while type(event := next(events)).__name__ != "MappingEndEvent":
            key, mark = getattr(event, "value", None), event.start_mark
            if not isinstance(key, str):
                raise InputError(f"{self.place(mark)}: a key must be a word")
            if key in marks:
                self.findings.append(
                    f"{self.place(mark)}: {key}: given twice (lines {marks[key].line + 1} and {mark.line + 1})"
                )
            marks[key] = mark
            found[key] = self.node(next(events), events, mark, depth + 1)
        return found

    def sequence(self, events: Iterator[Any], depth: int) -> list[Node]:
        found = []
        while type(event := next(events)).__name__ != "SequenceEndEvent":
            found.append(self.node(event, events, event.start_mark, depth + 1))
        return found

    def scalar(self, event: Any) -> str | int | float | bool | None:
        """YAML 1.2 core schema: `no` and `on` are text, `1e-3` is a number; only finite numbers."""
        text = event.value
        if not event.implicit[0] or event.style in ("'", '"', "|", ">"):
            return text
        if _NULL.fullmatch(text):
            return None
        if text in _BOOL:
            return _BOOL[text]
        if _INT.fullmatch(text):
            return BareInt(text)
        if _NOT_FINITE.fullmatch(text) or (_FLOAT.fullmatch(text) and not math.isfinite(float(text))):
            self.findings.append(f"{self.place(event.start_mark)}: {text[:40]} is not finite")
            return 0.0
        return BareFloat(text) if _FLOAT.fullmatch(text) else text
