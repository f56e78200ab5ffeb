"""From files to one tree: a scenario over what it extends, `--set` overrides on top, paths made absolute."""

import difflib
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from heartwright import inputs
from heartwright.document import Node, assignment, merge, read_file, read_text
from heartwright.errors import InputError
from heartwright.explain import KeyPath
from heartwright.scenario.files import is_file

RHYTHM = {"heart_rate": "cycle_length", "cycle_length": "heart_rate"}  # two ways to say one thing


def read(path: Path, overrides: Iterable[str] = ()) -> Node:
    """The tree of a scenario file merged over its bases, `--set` overrides applied, paths made absolute."""
    tree = _with_bases(path, ())
    for text in overrides:
        tree = _set(tree, text)
    if not tree.has(("name",)):
        tree = tree.put(("name",), Node(path.stem.lstrip("_"), str(path)))
    return _absolute(tree)


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
    elif is_file(path, node.value):
        yield path, node


def _absolute(tree: Node) -> Node:
    """Paths of input files, which are relative to the file they are written in, made absolute."""
    for path, node in _paths_of_files(tree):
        target = str(inputs.found(node.value) or os.path.abspath(node.folder / os.path.expanduser(node.value)))
        tree = tree.put(tuple(map(str, path)), Node(target, node.source, node.line, node.folder))
    return tree


def missing_files(tree: Node) -> Iterator[str]:
    """One line for every input file that is not there."""
    for path, node in _paths_of_files(tree):
        if not Path(node.value).is_file():
            key, hint = ".".join(map(str, path)), _nearest(Path(node.value))
            if inputs.is_noted(Path(node.value)):
                hint = f"; it belongs to another account, or has moved: give it with --set {key}=PATH"
            yield f"{node.place}: {key}: no file {node.value}{hint}"
