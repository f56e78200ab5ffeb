"""The house rules that a machine can check: who imports whom, style, and nothing that runs text as code."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "solver").rglob("*.py"))
FORBIDDEN = {"eval", "exec", "compile", "__import__", "sympify"}  # bare names
FORBIDDEN_IN = {  # attributes of these modules
    "pickle": {"load", "loads", "Unpickler"},
    "marshal": {"load", "loads"},
    "yaml": {"load", "unsafe_load", "full_load", "load_all"},
    "os": {"system", "popen"},
    "shelve": {"open"},
}


def tool(*command: str) -> subprocess.CompletedProcess[str]:
    path = shutil.which(command[0]) or shutil.which(command[0], path=str(Path(sys.executable).parent))
    if path is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run([path, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)


def test_layers_import_only_those_below_them():
    done = tool("lint-imports", "--no-cache")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_ruff_has_nothing_to_say(command):
    done = tool("ruff", *command, "--no-cache", "solver", "tests", "benchmarks")
    assert done.returncode == 0, done.stdout


def dangers(tree: ast.AST):
    """Every call in a syntax tree that could run text or foreign data as code."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function, keywords = node.func, {k.arg: k.value for k in node.keywords}
        if isinstance(function, ast.Name) and function.id in FORBIDDEN:
            yield node.lineno, function.id
        owner = function.value if isinstance(function, ast.Attribute) else None
        if isinstance(owner, ast.Name) and function.attr in FORBIDDEN_IN.get(owner.id, ()):
            yield node.lineno, f"{owner.id}.{function.attr}"
        for name in ("shell", "allow_pickle"):
            if name in keywords and not (isinstance(keywords[name], ast.Constant) and keywords[name].value is False):
                yield node.lineno, f"{name}="


def test_the_scan_finds_what_it_looks_for():
    text = "eval(x); pickle.loads(b); yaml.load(f); os.system(c); run(c, shell=True); np.load(f, allow_pickle=True)"
    assert len(list(dangers(ast.parse(text)))) == 6
    assert list(dangers(ast.parse("run(c, shell=False); json.load(f); model.compile(); re.compile(x)"))) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "solver" / "heartwright")))
def test_nothing_runs_text_as_code(path):
    assert list(dangers(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "solver" / "heartwright")))
def test_every_module_says_its_idea_in_its_first_line(path):
    text = path.read_text(encoding="utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text))


def test_every_key_of_a_scenario_is_explained():
    from heartwright import catalogue

    explained = (ROOT / "docs" / "scenarios.md").read_text()
    keys = {line.split()[0].rpartition(".")[2] for line in list(catalogue.lines("keys"))[1:]}
    assert {key for key in keys if not re.search(rf"`[^`\n]*\b{key}\b[^`\n]*`", explained)} == set()
