"""Which job covers what: the order, who met a point first, and the page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scripts.flow.coverage.code_pages import ranking_page, source_page
from scripts.flow.coverage.functional import CoverGroup, CoverPoint, read_bins
from scripts.flow.coverage.functional_pages import functional_page
from scripts.flow.coverage.ranking import BIN, Ranking, rank
from scripts.flow.coverage.results import collect
from tests.flow.coverage_data import BLOCK, ELSE, IF, HandMade, rows, toggles

POINT = CoverPoint("m.way", "m", "Which way.", ("left", "right", "never"), ignored={"never": "it cannot be"})
NOTHING = {"line": 0, "branch": 0, "expr": 0, "toggle": 0, BIN: 0}


def hits(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int32)


def by_hand(kinds: list[str], sets: dict[str, set[int]], seconds: dict[str, float]) -> tuple[list[str], list[int]]:
    """The order and what each job adds, as the definition has it."""
    left, order, added = set().union(*sets.values()), [], []
    while left:
        best = min(sorted(sets), key=lambda name: (-len(sets[name] & left), seconds[name]))
        order.append(best)
        added.append(len(sets[best] & left))
        left -= sets[best]
    return order, added


def test_the_next_job_adds_most_and_of_equals_is_the_quicker() -> None:
    kinds = ["line", "toggle", "toggle", "branch", "expr"]
    found = rank(kinds, {"a": hits(0, 1), "b": hits(0, 1, 2), "c": hits(3), "d": hits(3), "e": hits(0, 2)},
                 {"c": {("m.way", "left")}, "d": {("m.way", "left")}}, {"a": 1.0, "b": 5.0, "c": 3.0, "d": 2.0, "e": 9.0})
    assert [(step.job, step.added, step.met, step.reached, step.seconds) for step in found.steps] == [
        ("b", 3, 3, 60.0, 5.0), ("d", 2, 2, 100.0, 7.0)]
    assert found.steps[0].new == {**NOTHING, "line": 1, "toggle": 2}
    assert found.steps[1].new == {**NOTHING, "branch": 1, BIN: 1}
    assert [(step.job, step.met, step.added) for step in found.idle] == [("e", 2, 0), ("c", 2, 0), ("a", 2, 0)]
    assert found.first.tolist() == [0, 0, 0, 1, -1] and found.bins == {("m.way", "left"): 1}


def test_any_jobs_are_ordered_as_the_definition_says(seed: int) -> None:
    draw = np.random.default_rng([seed, 5])
    kinds = ["line"] * 70 + ["toggle"] * 63
    for jobs in (1, 2, 9, 20):
        sets = {f"job{n:02}": set(np.flatnonzero(draw.random(len(kinds)) < draw.random() / 3).tolist()) for n in range(jobs)}
        seconds = {name: float(draw.integers(1, 4)) for name in sets}
        found = rank(kinds, {name: hits(*numbers) for name, numbers in sets.items()}, {}, seconds)
        order, added = by_hand(kinds, sets, seconds)
        assert ([step.job for step in found.steps], [step.added for step in found.steps]) == (order, added)
        assert {step.job for step in found.idle} == sets.keys() - set(order)
        for number, place in enumerate(found.first.tolist()):
            meets = [step for step, name in enumerate(order) if number in sets[name]]
            assert place == (meets[0] if meets else -1)


@pytest.mark.parametrize("sets", [{}, {"a": hits()}])
def test_nothing_was_met(sets: dict[str, np.ndarray]) -> None:
    found = rank(["line"], sets, {}, {})
    assert not found.steps and [step.job for step in found.idle] == list(sets) and found.first.tolist() == [-1]
    assert "What each job adds" in ranking_page(found)


def moved(bench: HandMade, name: str) -> Path:
    """The data of a run in its job's folder."""
    folder = bench.data / name
    folder.mkdir()
    (bench.data / f"bench_{name}-0-0.dat").rename(folder / f"bench_{name}-0-0.dat")
    return folder


@pytest.fixture
def bench(tmp_path: Path) -> HandMade:
    """Three jobs' data: two that share a block, one of them with bins, and one that adds nothing."""
    bench, way = HandMade(tmp_path), CoverGroup((POINT,))
    expressions = rows("(a==0) => 0", "(a==1 && go==1) => 1")
    bench.run("one", {BLOCK: 5, IF: 0, ELSE: 5, expressions[0]: 1, expressions[1]: 0, **dict.fromkeys(toggles("clk"), 9)})
    moved(bench, "one")
    bench.run("two", {BLOCK: 2, IF: 2, ELSE: 0, expressions[0]: 0, expressions[1]: 4, **dict.fromkeys(toggles("clk"), 0)})
    folder = moved(bench, "two")
    way.sample("m.way", "right")
    way.sample("m.way", "never")
    way.save(folder / "bench_two-0-0.cover.json")
    bench.run("three", {BLOCK: 1, IF: 0, ELSE: 1, expressions[0]: 0, expressions[1]: 0, **dict.fromkeys(toggles("clk"), 0)})
    moved(bench, "three")
    return bench


def found(bench: HandMade) -> Ranking:
    group = CoverGroup((POINT,))
    return collect(bench.data, bench.design, bench.exclusions, bench.floors, bins=read_bins(bench.data, group)).ranking


def test_jobs_are_told_apart_by_their_folders(bench: HandMade) -> None:
    ranking = found(bench)
    assert [(step.job, dict(step.new)) for step in ranking.steps] == [
        ("one", {**NOTHING, "line": 1, "branch": 1, "expr": 1, "toggle": 2}),
        ("two", {**NOTHING, "branch": 1, "expr": 1, BIN: 1})]
    assert [step.job for step in ranking.idle] == ["three"] and ranking.idle[0].met == 2


def test_the_pages_say_who_met_a_point_first(bench: HandMade) -> None:
    results = collect(bench.data, bench.design, bench.exclusions, bench.floors, bins=read_bins(bench.data, CoverGroup((POINT,))))
    page = source_page("hdl/m.v", results)
    assert "2 x if true, first in two" in page and "6 x if false, first in one" in page and 'title="first in one"' in page
    group = CoverGroup((POINT,)).merge_folder(bench.data)
    assert "right: 1 hits; first by two" in functional_page(group, results.ranking)
    whole = ranking_page(results.ranking)
    assert whole.index("<td class=\"name\">one") < whole.index("<td class=\"name\">two") < whole.index("Add nothing")
    assert whole.index("Add nothing") < whole.index("<td class=\"name\">three")


def test_the_summary_has_the_order(bench: HandMade) -> None:
    (bench.data / "two" / "bench_two-0-0.cover.json").unlink()      # the report is one without coverpoints
    assert bench.report()
    summary = json.loads((bench.out / "coverage.json").read_text())
    assert [entry["job"] for entry in summary["ranking"]] == ["one", "two", "three"]
    assert (bench.out / "ranking.html").is_file()
