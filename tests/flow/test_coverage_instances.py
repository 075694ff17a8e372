"""Instances of a module, each by itself: what it met, what only others met, and the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scripts.flow.coverage.code_pages import instances_page
from tests.flow.coverage_data import BLOCK, ELSE, IF, HandMade, rows, toggles

AND, NONE = rows("(a==1 && go==1) => 1", "(a==0) => 0")


@pytest.fixture
def bench(tmp_path: Path) -> HandMade:
    return HandMade(tmp_path)


def test_each_stands_for_itself(bench: HandMade) -> None:
    """Two instances meet all between them; what is open in both, or excluded, is missed by none."""
    points = {BLOCK: 5, IF: 0, ELSE: 5, AND: 0, NONE: 5, **dict.fromkeys(toggles("clk"), 1)}
    bench.run("many", points, instance="top.u_some.g_copy[10].u_m", apart=True)
    bench.run("many", points | {IF: 3, NONE: 0}, instance="top.u_some.g_copy[2].u_m", apart=True)
    second, tenth = bench.collect().instances
    assert (second.path, tenth.path) == ("u_some.g_copy[2].u_m", "u_some.g_copy[10].u_m")
    assert second.module == "m" and second.file == "hdl/m.v"
    assert second.hit == {"line": (4, 4), "branch": (2, 2), "expression": (0, 2)} and second.open == 2
    assert tenth.hit == {"line": (3, 4), "branch": (1, 2), "expression": (1, 2)} and tenth.open == 3
    assert [(p.type, p.line, p.object) for p in second.missed] == [("expression", 4, "a = 0 gives 0")]
    assert [(p.type, p.line, p.object) for p in tenth.missed] == [("branch", 4, "if"), ("line", 5, "")]
    bench.exclusions.write_text("- {file: hdl/m.v, objects: a = 1 .* gives 1, types: expression, reason: none}\n")
    assert [instance.hit["expression"] for instance in bench.collect().instances] == [(0, 1), (1, 1)]


def test_what_another_bench_met_counts_as_missed(bench: HandMade) -> None:
    bench.run("many", {BLOCK: 1, IF: 0, ELSE: 1}, instance="top.u_m", apart=True)
    bench.run("own", {BLOCK: 1, IF: 1, ELSE: 0}, instance="m")
    [only] = bench.collect().instances
    assert [point.object for point in only.missed if point.type == "branch"] == ["if"]


def test_runs_that_merge_instances_say_nothing_of_them(bench: HandMade) -> None:
    bench.run("own", {BLOCK: 1, IF: 1, ELSE: 1}, instance="m")
    assert bench.collect().instances == [] and bench.report()
    assert not (bench.out / "instances.html").exists()
    assert json.loads((bench.out / "coverage.json").read_text())["instances"] == []


def test_both_kinds_of_runs_add_up(bench: HandMade) -> None:
    bench.run("many", {BLOCK: 5, IF: 0, ELSE: 5}, instance="top.u_m", apart=True)
    bench.run("own", {BLOCK: 2, IF: 2, ELSE: 0}, instance="m")
    assert {p.object: p.count for p in bench.collect().points["hdl/m.v"] if p.type == "branch"} == {"if": 2, "else": 5}


def test_the_page_names_what_was_missed(bench: HandMade) -> None:
    bench.run("many", {BLOCK: 1, IF: 0, ELSE: 1, AND: 1}, instance="top.g_copy[0].u_m", apart=True)
    bench.run("many", {BLOCK: 1, IF: 1, ELSE: 1, AND: 0}, instance="top.g_copy[1].u_m", apart=True)
    assert bench.report()
    page = (bench.out / "instances.html").read_text()
    assert page == instances_page(bench.collect().instances)
    rows_of = re.findall(r'<td class="name">(.*?)</td>.*?</tr>', page, re.DOTALL)
    assert rows_of == ["g_copy[0].u_m", "g_copy[1].u_m"]
    assert page.count('href="source/hdl.m.v.html"') == 2 and "<script" not in page
    assert "never a = 1 &amp;&amp; go = 1 gives 1" in page
    assert "instances.html" in (bench.out / "index.html").read_text()
    found = json.loads((bench.out / "coverage.json").read_text())["instances"]
    assert [(row["path"], row["branch"], len(row["missed"])) for row in found] == [
        ("g_copy[0].u_m", {"hit": 1, "total": 2}, 2), ("g_copy[1].u_m", {"hit": 2, "total": 2}, 1)]
