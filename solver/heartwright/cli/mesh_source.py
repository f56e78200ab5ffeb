"""What a mesh file means, as told on the command line: the options, and the spec they make."""

import functools
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from heartwright import scenario
from heartwright.document import Node, assignment, read_file, read_text
from heartwright.errors import InputError
from heartwright.explain import explain
from heartwright.mesh.spec import UNIT, MeshSpec

SCENARIOS = (".yaml", ".yml")
FIXES = "[orientation, slivers]"

SOURCE = click.argument("source", type=click.Path(path_type=Path))
SET = click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Any key of `mesh`: fibres.endo='50 deg'."
)
DESCRIPTION = (
    click.option("--unit", type=click.Choice(tuple(UNIT)), help="Of the file's coordinates."),
    click.option(
        "--regions", metavar="YAML", help="Our surfaces and their tags: '{lv_endo: 13, epi: 12}', or a YAML file."
    ),
    click.option(
        "--tissues", metavar="YAML", help="Our regions of the tissue and their tags: '{lv: 1, la: [2, 3]}', or a file."
    ),
    click.option("--also", multiple=True, type=click.Path(), help="A further file about the same points."),
    click.option("--tags", help="The field of the file that holds the tags."),
    click.option("--size", help="Edge length to mesh the surface anew at: '4 mm'."),
    click.option("--fix", is_flag=True, help="Turn inverted cells round and remesh where cells are nearly flat."),
    SET,
)


def described(command):
    """The options that say what a file means, together as the argument `given`."""

    @functools.wraps(command)
    def collected(source: Path, unit, regions, tissues, also, tags, size, fix, changes, **others: Any):
        given = {"unit": unit, "regions": regions, "tissues": tissues, "tags": tags, "size": size}
        given["fix"] = FIXES if fix else None
        given["also"] = f"[{', '.join(map(_quoted, also))}]" if also else None
        pairs = [(key, text) for key, text in given.items() if text is not None]
        return command(source, [*pairs, *map(pair, changes)], **others)

    for option in reversed(DESCRIPTION):
        collected = option(collected)
    return SOURCE(collected)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def pair(text: str) -> tuple[str, str]:
    """Key and value of `--set`."""
    return assignment(text, "fibres.endo='50 deg'")


def meant(source: Path, given: list[tuple[str, str]], unit: str | None = None) -> MeshSpec:
    """The mesh that a file or a scenario means with the options on top; `unit` where none is needed."""
    if source.suffix in SCENARIOS:
        tree = scenario.read(source).child("mesh")
        if tree is None:
            raise InputError(f"{source}: has no `mesh`")
    else:
        tree = Node({"file": Node(str(source), str(source))}, str(source))
    if unit and not tree.has(("unit",)) and tree.has(("file",)):
        tree = tree.put(("unit",), Node(unit, str(source)))
    return validated(tree, given)


def validated(tree: Node, given: list[tuple[str, str]]) -> MeshSpec:
    """The mesh that a block of YAML means with the options on top; InputError names what is wrong with either."""
    for key, text in given:
        tree = tree.put(tuple(key.split(".")), _value(key, text))
    try:
        return MeshSpec.model_validate(tree.plain())
    except ValidationError as error:
        raise InputError(*explain(error, tree, MeshSpec)) from None


def _value(key: str, text: str) -> Node:
    """The value of an option: YAML, or for names and tags a file of YAML."""
    if key in ("regions", "tissues") and Path(text).is_file():
        return read_file(Path(text), text)
    return read_text(text, f"--{key}", Path.cwd(), lines=False)
