"""Finds random numbers that no seed reaches: the global generators of numpy and Python, and generators made without a seed."""

from __future__ import annotations

import ast
from pathlib import Path

SEEDED_PARTS = {"default_rng", "Generator", "SeedSequence", "BitGenerator", "PCG64"}


def _dotted(node: ast.AST) -> str:
    """``a.b.c`` for such an expression, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return ""


def _problem(node: ast.AST) -> str | None:
    if isinstance(node, ast.Import) and any(name.name == "random" for name in node.names):
        return "Python's global generator; use numpy's default_rng with the run's seed"
    if isinstance(node, ast.ImportFrom) and node.module == "random":
        return "Python's global generator; use numpy's default_rng with the run's seed"
    if isinstance(node, ast.ImportFrom) and node.module == "numpy.random" and {n.name for n in node.names} - SEEDED_PARTS:
        return "numpy's global generator; use default_rng with the run's seed"
    if isinstance(node, ast.Attribute) and _dotted(node.value) in ("np.random", "numpy.random") and node.attr not in SEEDED_PARTS:
        return "numpy's global generator; use default_rng with the run's seed"
    if isinstance(node, ast.Call) and _dotted(node.func).split(".")[-1] == "default_rng":
        first = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "seed"), None)
        if first is None or (isinstance(first, ast.Constant) and first.value is None):
            return "default_rng without a seed"
    return None


def find_unseeded(path: Path, root: Path) -> list[str]:
    """``file:line: problem`` for each use in the Python file ``path``; paths are shown from ``root`` on."""
    try:
        tree = ast.parse(path.read_text(), filename=str(path))
    except SyntaxError as error:
        return [f"{path.relative_to(root)}:{error.lineno}: not valid Python ({error.msg})"]
    found = [(node.lineno, problem) for node in ast.walk(tree) if (problem := _problem(node))]
    return [f"{path.relative_to(root)}:{line}: {problem}" for line, problem in sorted(found)]
