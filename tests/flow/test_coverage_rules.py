"""Exclusions, floors and the jobs: what they do, and what in their files is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import FcimError
from scripts.flow.coverage.results import Results
from scripts.flow.files import write_atomic
from scripts.flow.regress.record import JobRecord, Record
from tests.flow.coverage_data import BLOCK, ELSE, IF, NO_FLOORS, HandMade, toggles


@pytest.fixture
def bench(tmp_path: Path) -> HandMade:
    return HandMade(tmp_path)


def exclude(bench: HandMade, text: str) -> Results:
    bench.exclusions.write_text(text)
    return bench.collect()


def test_an_excluded_hole_leaves_the_totals(bench: HandMade) -> None:
    bench.run("one", {BLOCK: 5, IF: 0, ELSE: 5})
    results = exclude(bench, "- {file: hdl/m.v, lines: '5', types: [line], reason: never}\n"
                             "- {file: hdl/*.v, match: 'a && go', objects: if, reason: never}\n")
    assert (results.totals()["line"].hit, results.totals()["line"].total, results.totals()["line"].excluded) == (3, 3, 1)
    assert results.totals()["branch"].percent == 100 and results.ok and not results.warnings


def test_a_hit_is_never_excluded_and_its_entry_is_stale(bench: HandMade) -> None:
    bench.run("one", {BLOCK: 5, IF: 0, ELSE: 5})
    results = exclude(bench, "- {file: hdl/m.v, types: branch, reason: too wide}\n")
    assert (results.totals()["branch"].hit, results.totals()["branch"].total) == (1, 1)
    assert "also speaks of points that were hit (1)" in results.warnings[0]
    results = exclude(bench, "- {file: hdl/m.v, types: branch, objects: else, reason: was reachable after all}\n")
    assert not results.ok and "excludes nothing, for all that it speaks of was hit (1)" in results.problems[0]
    results = exclude(bench, "- {file: hdl/m.v, lines: 1, reason: a comment}\n")
    assert not results.ok and "matches nothing" in results.problems[0]


@pytest.mark.parametrize(("fields", "left"), [
    ("objects: y_q", []),
    (r"objects: 'y_q\[2\]'", ["y_q[0]:1->0"]),
    (r"objects: 'y_q\[\d\]:1->0'", ["y_q[2]:0->1"]),
    ("objects: y_q, bits: 1-2", ["y_q[0]:1->0"]),
    ("objects: y", None),
], ids=["signal", "bit", "edge", "bits", "another-signal"])
def test_signals_bits_and_edges(bench: HandMade, fields: str, left: list[str] | None) -> None:
    bench.run("one", dict(zip([*toggles("y_q[0]"), *toggles("y_q[2]")], (1, 0, 0, 0), strict=True)))
    results = exclude(bench, f"- {{file: hdl/m.v, {fields}, reason: tied}}\n")
    holes = [p.object for p in results.points["hdl/m.v"] if p.hole]
    assert holes == left if left is not None else len(holes) == 3 and not results.ok


@pytest.mark.parametrize(("text", "message"), [
    ("- {file: hdl/m.v}", "reason is missing"),
    ("- {file: hdl/m.v, reason: ' '}", "reason is missing"),
    ("- {file: hdl/none.v, reason: x}", "there is no file hdl/none.v"),
    ("- {file: hdl/m.v, reason: x, line: 3}", "unknown key 'line'"),
    ("- {file: hdl/m.v, reason: x, types: [lines]}", "must be some of line, branch"),
    ("- {file: hdl/m.v, reason: x, match: '('}", "no regular expression"),
    ("- {file: hdl/m.v, reason: x, lines: some}", "no list such as"),
    ("file: hdl/m.v", "must hold a list"),
    ("- [", "is not valid YAML"),
    ("- hdl/m.v", "is no mapping"),
])
def test_exclusions_are_read_strictly(bench: HandMade, text: str, message: str) -> None:
    bench.run("one", {BLOCK: 1})
    with pytest.raises(FcimError, match=message):
        exclude(bench, text)


# ---- floors
def test_below_a_floor_fails_and_says_by_how_much(bench: HandMade, capsys: pytest.CaptureFixture[str]) -> None:
    bench.run("one", {BLOCK: 5, IF: 0, ELSE: 5})
    bench.floors.write_text(NO_FLOORS.replace("branch: 0", "branch: 62.5"))
    assert not bench.report()
    assert "BELOW by 12.50" in capsys.readouterr().out and "12.50 points below" in (bench.out / "index.html").read_text()


def test_floors_are_only_ever_raised(bench: HandMade, capsys: pytest.CaptureFixture[str]) -> None:
    bench.run("one", {BLOCK: 5, IF: 0, ELSE: 5})
    bench.floors.write_text("# say why\nmargin: 0.5\nline: 10   # low\nbranch: 70\nexpression: 0\ntoggle: 0\nfunctional: 0\n")
    assert not bench.report(update_floors=True)
    assert bench.floors.read_text() == ("# say why\nmargin: 0.5\nline: 74.5   # low\nbranch: 70\nexpression: 0\ntoggle: 0\n"
                                        "functional: 0\n")
    assert "floors raised: line to 74.5" in capsys.readouterr().out


def test_a_floor_of_what_was_not_collected_is_missed(bench: HandMade) -> None:
    bench.run("one", {BLOCK: 5})
    bench.floors.write_text(NO_FLOORS.replace("functional: 0", "functional: 90"))
    assert list(bench.collect().below()) == ["functional"]


@pytest.mark.parametrize(("text", "message"), [
    ("line: 90\n", "'branch' is missing"),
    (NO_FLOORS + "lines: 3\n", "unknown name 'lines'"),
    (NO_FLOORS.replace("toggle: 0", "toggle: 101"), "from 0 to 100"),
    (NO_FLOORS.replace("toggle: 0", "toggle: yes"), "from 0 to 100"),
    ("", "must hold one percentage"),
])
def test_floors_are_read_strictly(bench: HandMade, text: str, message: str) -> None:
    bench.run("one", {BLOCK: 1})
    bench.floors.write_text(text)
    with pytest.raises(FcimError, match=message):
        bench.collect()


# ---- jobs
def job_record(bench: HandMade, *statuses: str) -> Path:
    """The record of a regression whose jobs ended so."""
    jobs = [JobRecord(f"entry#{i}@icarus", "entry", "tb/x.py", "a job", [], None, {}, i, "icarus", 1, 60.0, "make regress",
                      status=status) for i, status in enumerate(statuses)]
    path = bench.out / "regress" / "regress.json"
    write_atomic(path, Record(1, "list.yaml", "make regress", "2024-01-01T00:00:00+00:00", 1, jobs, state="finished").as_json())
    write_atomic(path.with_name("index.html"), "the jobs")
    return path


@pytest.mark.parametrize(("statuses", "good", "said"), [
    (["passed", "passed"], True, None),
    (["passed", "failed"], False, "1 of 2 jobs passed, 1 failed), and what did not pass counts for nothing here: entry#1@icarus"),
    (["passed", "timeout"], False, "1 of 2 jobs passed, 1 timed out"),
    (["passed", "not run"], False, "1 of 2 jobs passed, 1 not run"),
    (["failed"] * 9, False, "entry#4@icarus and 4 more"),
], ids=["passed", "failed", "timeout", "not-run", "many"])
def test_jobs_that_did_not_pass_fail_the_report_although_the_floors_hold(
        bench: HandMade, statuses: list[str], good: bool, said: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    bench.run("one", {BLOCK: 5, IF: 5, ELSE: 5})
    assert bench.report(job_record(bench, *statuses)) == good
    page, printed = (bench.out / "index.html").read_text(), capsys.readouterr().out
    assert '<a href="regress/index.html">the jobs</a>' in page
    assert ("PASSED" in page) == (said is None) and (said is None or (said in page and said in printed and "FAILED" in page))
