"""The catalogue of points is whole: modules exist, every point is sampled somewhere, every literal hit has its point and bin."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.hardware.schedules import SCHEDULES
from models.hardware.timeline import COUNTERS
from scripts.flow.coverage.plan import modules
from scripts.flow.sources import ROOT
from tb.coverage.catalogue import POINTS, new_coverage
from tb.coverage.catalogue_decisions import SCHEDULES as ORDERS
from tb.coverage.catalogue_flow import COUNTERS as NAMES

FOLDER = ROOT / "tb"
BY_NAME = {point.name: point for point in POINTS}


def sampler_calls(path: Path) -> Iterator[tuple[str, list[str | None], int]]:
    """Calls of hit and hit_counts: point, literal bins (None: computed), line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("hit", "hit_counts"):
            name = node.args[0]
            if not isinstance(name, ast.Constant):
                continue
            bins: list[str | None] = [None]
            if node.func.id == "hit":
                bins = [part.value if isinstance(part, ast.Constant) else None for part in literal_parts(node.args[1])]
            yield name.value, bins, node.lineno


def literal_parts(node: ast.expr) -> list[ast.expr]:
    """The values that a conditional expression may have."""
    return [*literal_parts(node.body), *literal_parts(node.orelse)] if isinstance(node, ast.IfExp) else [node]


def bench_files() -> list[Path]:
    return [path for path in sorted(FOLDER.rglob("*.py")) if not path.name.startswith("test_") and path.name != "cover.py"]


def wrong_calls(path: Path) -> list[str]:
    """Literal points and bins of a file that the catalogue lacks."""
    wrong = []
    for name, bins, line in sampler_calls(path):
        point = BY_NAME.get(name)
        if point is None or point.source != "bench":
            wrong.append(f"{path.name}:{line}: {name} is no point of a bench")
        else:
            wrong += [f"{path.name}:{line}: {name} has no bin {b!r}" for b in bins if b is not None and b not in point.index]
    return wrong


def test_every_literal_hit_has_its_point_and_bin() -> None:
    assert not [line for path in bench_files() for line in wrong_calls(path)]


@pytest.mark.parametrize(("code", "message"), [
    ("hit('divider.divisr', '0')", "divider.divisr is no point"), ("hit('tile.rows', 'one')", "tile.rows is no point of a bench"),
    ("hit('divider.divisor', '0' if x else 'none')", "has no bin 'none'"), ("hit_counts('exp3.low', x)", "exp3.low is no point"),
])
def test_a_misspelt_hit_is_found(code: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "bench.py").write_text(code)
    assert message in "".join(wrong_calls(tmp_path / "bench.py"))


def test_every_point_of_a_bench_is_sampled() -> None:
    sampled = {name for path in bench_files() for name, _, _ in sampler_calls(path)}
    assert sampled == {point.name for point in POINTS if point.source == "bench"}


def test_every_sampler_is_called_by_a_bench() -> None:
    tree = ast.parse((ROOT / "tb/coverage/unit_points.py").read_text())
    samplers = {n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.decorator_list}
    text = "".join(path.read_text() for path in bench_files())
    assert samplers and not [name for name in samplers if f"unit_points.{name}(" not in text]


def test_points_are_of_modules_that_exist() -> None:
    assert {point.block for point in POINTS} == set(modules())
    assert all(point.shows and point.name.count(".") == 1 for point in POINTS)
    assert new_coverage().score().hit == 0


def test_names_are_those_of_the_models() -> None:
    assert NAMES == COUNTERS and ORDERS == SCHEDULES
