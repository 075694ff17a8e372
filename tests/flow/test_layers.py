"""Who may import whom: every command stands in the contract, the contract bites, and no layer names a higher one in a string."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.flow.sources import ROOT

CONTRACT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
LAYERS = [[name.strip() for name in re.split("[:|]", line)] for line in CONTRACT["layers"]]      # the highest first
COMMANDS = next(layer for layer in LAYERS if len(layer) > 1)
# What may not be named where: the layers above, by folder. The commands may name what they like.
ABOVE = {"models": ("scripts", "tb", "tests"), "scripts/flow": ("scripts", "tb", "tests"), "tb": ("scripts", "tests")}
MENDS = {("models/tensors/source.py", "scripts/train_fixture")}      # a message that says how to make what is missing


def children(folder: Path) -> set[str]:
    """The modules, packages and folders of files in a folder, without suffix."""
    return {path.stem for path in folder.iterdir() if path.suffix in ("", ".py") and not path.name.startswith((".", "__"))}


def test_every_command_stands_in_the_contract() -> None:
    assert sorted(COMMANDS) == sorted(f"scripts.{name}" for name in children(ROOT / "scripts") - {"flow"})
    assert [layer for layer in LAYERS if layer is not COMMANDS] == [["tests"], ["tb"], ["scripts.flow"], ["models"]]


def docstrings(tree: ast.Module) -> set[ast.expr]:
    """The strings that are statements: docstrings, and those below constants."""
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def named(source: str, forbidden: tuple[str, ...]) -> Iterator[str]:
    """What of the ``forbidden`` packages the strings of a module name: ``package/part`` of a module's name or a file's path."""
    tree = ast.parse(source)
    ignored = docstrings(tree)
    parts = {side for node in ast.walk(tree) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
             for side in (node.left, node.right)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or node in ignored:
            continue
        if node in parts and node.value in forbidden:
            yield node.value
        for package, part in re.findall(rf"(?<![\w./-])({'|'.join(forbidden)})[./](\w+)", node.value):
            if part in children(ROOT / package) and (package, part) != ("scripts", "flow"):
                yield f"{package}/{part}"


@pytest.mark.parametrize(("source", "found"), [
    ("x = 'tb.core.bench_core'", ["tb/core"]), ("x = f'{y} in tb/coverage/*.py'", ["tb/coverage"]),
    ("x = 'python -m scripts.regress'", ["scripts/regress"]), ("x = ROOT / 'tb' / 'hdl'", ["tb"]),
    ("x = ('rtl', 'tb/hdl')", ["tb/hdl"]),
    ("'tb.core'\nx = 1", []), ("x = 'scripts.flow.regress.worker'", []), ("x = {'tests': 3, 'tb': 1}", []),
    ("x = 'tests.json'", []), ("x = '/usr/scripts/regress'", [])])
def test_what_counts_as_a_name(source: str, found: list[str]) -> None:
    assert list(named(source, ("scripts", "tb", "tests"))) == found


def test_no_layer_names_a_higher_one() -> None:
    found = {(str(path.relative_to(ROOT)), name) for folder, forbidden in ABOVE.items()
             for path in sorted((ROOT / folder).rglob("*.py")) if "__pycache__" not in path.parts
             for name in named(path.read_text(), forbidden)}
    assert found == MENDS


UPWARD = {"models.low": "scripts.flow.tool", "scripts.flow.tool": "tb.bench", "tb.bench": COMMANDS[0], COMMANDS[-1]: "tests.case"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project with all that the contract names, empty, and the contract itself."""
    modules = {*COMMANDS, "models.low", "scripts.flow.tool", "tb.bench", "tests.case"}
    for name in modules:
        path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        for package in path.relative_to(tmp_path).parents[:-1]:
            (tmp_path / package / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    return tmp_path


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """What ``lint-imports`` says of a project."""
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run([program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False,
                          env={"PATH": "/usr/bin:/bin", "COLUMNS": "200"})


def test_an_upward_import_breaks_the_contract(tree: Path) -> None:
    """One from each layer to the next, also inside a function; without them the very same tree keeps the contract."""
    assert lint(tree).returncode == 0
    for module, above in UPWARD.items():
        path = tree.joinpath(*module.split(".")).with_suffix(".py")
        path.write_text(f"def late():\n    from {above.rpartition('.')[0]} import {above.rpartition('.')[2]}\n")
    done = lint(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    for module, above in UPWARD.items():
        assert f"{module} -> {above}" in done.stdout, done.stdout
