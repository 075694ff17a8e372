"""Coverpoints are whole: their modules exist, each is sampled, each literal sample has its coverpoint and bin."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from scripts.flow.coverage.functional import CoverPoint
from scripts.flow.coverage.plan import modules
from scripts.flow.sources import ROOT
from tb.coverage import coverage_modules, coverpoints, new_coverage

FOLDER = ROOT / "tb"
SAMPLES = ("sample", "sample_array")
POINTS = {point.name: point for point in coverpoints()}


def literal_parts(node: ast.expr) -> list[ast.expr]:
    """The values that a conditional expression may have."""
    return [*literal_parts(node.body), *literal_parts(node.orelse)] if isinstance(node, ast.IfExp) else [node]


def samples(path: Path) -> Iterator[tuple[str, list[str | None], int]]:
    """Calls of a covergroup's sample and sample_array: coverpoint, literal bins (None: computed), line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SAMPLES:
            name = node.args[0]
            if not isinstance(name, ast.Constant):
                continue
            bins: list[str | None] = [None]
            if node.func.attr == "sample":
                bins = [part.value if isinstance(part, ast.Constant) else None for part in literal_parts(node.args[1])]
            yield name.value, bins, node.lineno


def file_of(module: str) -> Path:
    file = ROOT.joinpath(*module.split("."))
    return file / "__init__.py" if file.is_dir() else file.with_suffix(".py")


def wrong_samples(path: Path, declared: dict[str, CoverPoint]) -> list[str]:
    """Literal coverpoints and bins that a file samples and that ``declared`` lacks."""
    wrong = []
    for name, bins, line in samples(path):
        point = declared.get(name)
        if point is None:
            wrong.append(f"{path.name}:{line}: {name} is not declared here")
        else:
            wrong += [f"{path.name}:{line}: {name} has no bin {b!r}" for b in bins if b is not None and b not in point.index]
    return wrong


@pytest.mark.parametrize("name", coverage_modules())
def test_a_file_samples_what_it_declares_and_nothing_else(name: str) -> None:
    declared = {point.name: point for point in getattr(import_module(name), "COVERPOINTS", ())}
    assert not wrong_samples(file_of(name), declared)
    # a name may also be computed from one axis of a loop (f"stream.{name}"), which the tests of the samplers see
    computed = {point for point in declared if point.partition(".")[0] in ("stream", "operand", "overlap", "config")}
    assert declared.keys() - computed <= {point for point, _, _ in samples(file_of(name))}


@pytest.mark.parametrize(("code", "message"), [
    ("GROUP.sample('divider.divisr', '0')", "divider.divisr is not declared here"),
    ("GROUP.sample('tile.rows', 'one')", "tile.rows is not declared here"),
    ("GROUP.sample('divider.divisor', '0' if x else 'none')", "has no bin 'none'"),
    ("cov.sample_array('exp3.low', x)", "exp3.low is not declared here"),
])
def test_a_misspelt_sample_is_found(code: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "coverage.py").write_text(code)
    divider = {name: point for name, point in POINTS.items() if point.block == "fcim_divider" and point.source == "bench"}
    assert message in "".join(wrong_samples(tmp_path / "coverage.py", divider))


def test_benches_sample_through_samplers_alone() -> None:
    """Coverpoints and all that samples them stand in one file."""
    files = {file_of(name) for name in coverage_modules()}
    others = [path for path in sorted(FOLDER.rglob("*.py")) if path not in files and not path.name.startswith("test_")]
    assert len(others) > 50 and not [f"{path}:{line}" for path in others for _, _, line in samples(path)]


def test_every_sampler_is_called_by_its_bench() -> None:
    unused = []
    for name in coverage_modules():
        tree = ast.parse(file_of(name).read_text())
        samplers = [n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.decorator_list]
        folder = ROOT.joinpath(*name.split(".")[:2])
        text = "".join(path.read_text() for path in folder.rglob("*.py"))
        unused += [f"{name}.{sampler}" for sampler in samplers if f"coverage.{sampler}(" not in text]
    assert not unused


def test_coverpoints_are_of_modules_that_exist() -> None:
    """Every module has points, but for parts of an array, which the array's see, and of a pipeline that never waits, which has
    no states of its own: the whole's see it."""
    parts = {"fcim_ip_row", "fcim_op_row", "fcim_op_slice", "fcim_delay", "fcim_passes", "fcim_kvs_scores", "fcim_kvs_values",
             "fcim_kvs_row_sum", "fcim_kvs_output"}
    assert {point.block for point in POINTS.values()} | parts == set(modules())
    assert not parts & {point.block for point in POINTS.values()}
    assert all(point.shows and point.name.count(".") == 1 for point in POINTS.values())
    assert new_coverage().score().hit == 0


def test_names_of_schedules_are_those_of_the_models() -> None:
    """The bench's own list, which needs no torch, has the models' names."""
    assert import_module("tb.engine.coverage").NAMES == import_module("models.hardware.schedules").SCHEDULES
