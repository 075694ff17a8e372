"""The seed of tests whose design is broken on purpose."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.flow.pytest_plugin import FAULT_SEED
from scripts.flow.sources import ROOT
from tests.flow.regress_lists import environment

BREAKS = {"check_fault", "faulty_sources", "mutated_sources"}
TEST = """
import pytest

@pytest.mark.faults
def test_fault(seed): print(f"<fault {seed}>")

def test_right(seed, run_seed): print(f"<right {seed} {run_seed}>")
"""


@pytest.mark.parametrize(("arguments", "fault"), [((), FAULT_SEED), (("--fault-seed", "9"), 9),
                                                  (("-n", "2", "--fault-seed", "9"), 9)])
def test_faults_have_a_seed_of_their_own(arguments: tuple[str, ...], fault: int, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = ['--strict-markers']\n")
    (tmp_path / "test_it.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-p", "scripts.flow.pytest_plugin", "-p", "no:cacheprovider", "-rP", "--seed", "5"]
    done = subprocess.run([*command, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False,
                          env=environment(PYTHONPATH=str(ROOT)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(re.findall("<[^>]+>", done.stdout)) == {f"<fault {fault}>", "<right 5 5>"}


def names_in(tree: ast.AST) -> set[str]:
    """The names that are used in it."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def broken_designs() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Tests in ``tb`` that break the design, themselves or by a function of their file, and take a seed."""
    for file in sorted((ROOT / "tb").rglob("test_*.py")):
        functions = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)]
        breaks = BREAKS | {node.name for node in functions if names_in(node) & BREAKS and not node.name.startswith("test_")}
        for node in functions:
            if node.name.startswith("test_") and names_in(node) & breaks and "seed" in {arg.arg for arg in node.args.args}:
                yield f"{file.relative_to(ROOT)}::{node.name}", node


def test_each_test_of_a_fault_is_marked() -> None:
    # what a hostile environment does to a broken design and to the right one is asked with one seed for both
    found = {name: {ast.unparse(decorator) for decorator in node.decorator_list} for name, node in broken_designs()
             if not name.startswith(f"tb{os.sep}flow{os.sep}")}
    assert len(found) > 40
    assert not {name for name, decorators in found.items() if "pytest.mark.faults" not in decorators}
