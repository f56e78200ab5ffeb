"""Documents: YAML 1.2 with the line of every value; no surprise, no code, no explosion."""

from pathlib import Path

import pytest

from heartwright.document import merge, read_text
from heartwright.errors import InputError


def parse(text):
    return read_text(text, "s.yaml", Path())


def refusal(text):
    with pytest.raises(InputError) as caught:
        parse(text)
    return str(caught.value)


def test_scalars_follow_yaml_1_2():
    text = "[1e-3, .5, 12, -3, +4.5E2, no, on, off, 12:30, 010, 1_000, ~, null, true, 'true', \"1\", 12 mmHg]"
    words = ["no", "on", "off", "12:30"]
    expected = [1e-3, 0.5, 12, -3, 450.0, *words, 10, "1_000", None, None, True, "true", "1", "12 mmHg"]
    assert parse(text).plain() == expected


def test_keys_are_text_and_the_key_on_is_not_true():
    assert parse("on: 1\n2: x\n").plain() == {"on": 1, "2": "x"}


def test_every_value_knows_its_line():
    tree = parse("a: 1\nb:\n  c:\n    - 5\n    - d: x\n")
    assert tree.at(("a",)).place == "s.yaml:1"
    assert tree.at(("b", "c")).place == "s.yaml:3"
    assert tree.at(("b", "c", 1, "d")).place == "s.yaml:5"
    assert tree.at(("b", "c", 0, "nothing", "here")).place == "s.yaml:4"


def test_aliases_are_values_like_others():
    assert parse("a: &x {b: 1}\nc: *x\n").plain() == {"a": {"b": 1}, "c": {"b": 1}}


REFUSED = {
    "a: 1\nb: 2\na: 3": "s.yaml:3: a: given twice (lines 1 and 3)",
    "a:\n\tb: 1": "s.yaml:2: YAML: a tab; indent with spaces",
    "a: [1, 2\nb: 3": "s.yaml:2: YAML: expected ',' or ']', but got ':' while parsing a flow sequence",
    "a: .nan": "s.yaml:1: .nan is not finite",
    "a: [-.inf]": "s.yaml:1: -.inf is not finite",
    "a: 1e999": "s.yaml:1: 1e999 is not finite",
    "a: !!python/object/apply:os.system ['true']": "s.yaml:1: the tag !!python/object/apply:os.system is not allowed",
    "a: *x": "s.yaml:1: the alias *x has no anchor &x before it",
    "a: &a [*a]": "s.yaml:1: the alias *a has no anchor &a before it",
    "a: 1\n---\nb: 2": "s.yaml:2: a second document; a file holds one scenario",
    "[1, 2]: 3": "s.yaml:1: a key must be a word",
    "a: " + "[" * 70 + "]" * 70: "s.yaml:1: nested deeper than 64 levels",
    "[" * 5000: "s.yaml:1: nested deeper than 64 levels",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=lambda text: text[:30])
def test_refusals_name_the_line_and_the_reason(text, message):
    assert refusal(text) == message


def test_all_findings_of_a_document_come_at_once():
    assert refusal("a: .nan\nb: !x 1\nb: 2").count("\n") == 2


def test_an_alias_bomb_is_refused_before_it_expands():
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]" for i in range(9)]
    assert refusal("\n".join(lines)) == "s.yaml:5: more than 20000 values once aliases are expanded"


def test_blocks_merge_lists_replace_and_another_type_replaces():
    base = parse("a: {x: 1, y: 2}\nl: [1, 2]\nlaw: {type: guccione, C: 2}\n")
    own = parse("a: {y: 3}\nl: [9]\nlaw: {type: neo_hooke, mu: 1}\n")
    assert merge(base, own).plain() == {"a": {"x": 1, "y": 3}, "l": [9], "law": {"type": "neo_hooke", "mu": 1}}
    same = parse("law: {type: guccione, bf: 8}\n")
    assert merge(base, same).plain()["law"] == {"type": "guccione", "C": 2, "bf": 8}


def test_another_model_has_nothing_of_the_one_before():
    base = read_text("active: {model: land, variant: pig, parameters: {k: 1}, scale: 2, orthotropy: 3}", "base", Path())
    other = read_text("active: {model: nash, parameters: {k_Ta: 3}}", "own", Path())
    assert merge(base, other).plain() == {"active": {"model": "nash", "parameters": {"k_Ta": 3}, "orthotropy": 3}}
    same = read_text("active: {model: land, parameters: {n: 3}}", "own", Path())
    assert merge(base, same).plain()["active"]["parameters"] == {"k": 1, "n": 3}
    assert merge(base, same).plain()["active"]["variant"] == "pig"


def test_merged_values_keep_the_place_where_they_were_written():
    merged = merge(read_text("a: {x: 1, y: 2}", "base.yaml", Path()), read_text("\na: {y: 3}", "own.yaml", Path()))
    assert merged.at(("a", "x")).place == "base.yaml:1"
    assert merged.at(("a", "y")).place == "own.yaml:2"
