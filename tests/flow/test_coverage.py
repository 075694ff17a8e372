"""Reading and merging coverage data, on data files written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import FcimError
from scripts.flow.coverage.results import Results, collect
from tests.flow.coverage_data import BLOCK, ELSE, IF, HandMade, rows, toggles


@pytest.fixture
def bench(tmp_path: Path) -> HandMade:
    return HandMade(tmp_path)


def counts_of(results: Results, kind: str) -> dict[tuple[int, str], int]:
    return {(p.line, p.object): p.count for p in results.points["hdl/m.v"] if p.type == kind}


# ---- merging
def test_runs_instances_and_builds_add_up(bench: HandMade) -> None:
    bench.run("one", {BLOCK: 5, IF: 0, ELSE: 5}, instance="top.a")
    bench.run("two", {BLOCK: 3, IF: 3, ELSE: 0}, instance="top.b", module="m__W8")
    results = bench.collect()
    assert counts_of(results, "branch") == {(4, "if"): 3, (4, "else"): 5}
    assert counts_of(results, "line") == {(3, ""): 8, (4, ""): 5, (5, ""): 3, (7, ""): 5}
    assert results.runs == {"bench_one": 1, "bench_two": 1}


def test_a_line_whose_block_was_not_entered_was_run_if_its_other_arm_was(bench: HandMade) -> None:
    bench.run("one", {BLOCK: 5, IF: 0, ELSE: 5})
    assert counts_of(bench.collect(), "line") == {(3, ""): 5, (4, ""): 5, (5, ""): 0, (7, ""): 5}


def test_bits_of_the_wide_build_are_points_too(bench: HandMade) -> None:
    bench.run("narrow", dict.fromkeys(toggles("y_q[0]"), 4))
    bench.run("wide", dict.fromkeys([*toggles("y_q[0]"), *toggles("y_q[7]")], 0))
    assert [v.total for v in bench.collect().totals().values()] == [0, 0, 0, 4]
    assert bench.collect().totals()["toggle"].hit == 2


def test_rows_of_an_expression_are_one_point_whatever_the_widths_of_the_build(bench: HandMade) -> None:
    bench.run("one", dict.fromkeys(rows("(x[3:0]==0) => 0", "(x[3:0]==1) => 1"), 1))
    bench.run("two", dict.fromkeys(rows("(x[4:0]==0) => 0", "(x[4:0]==1) => 1"), 0))
    assert bench.collect().totals()["expression"].total == 2


def test_rows_that_differ_in_numbers_alone_stay_apart(bench: HandMade) -> None:
    bench.run("one", dict(zip(rows("(x[0]==1) => 1", "(x[1]==1) => 1", "(x[0]==0) => 0"), (1, 0, 1), strict=True)))
    tally = bench.collect().totals()["expression"]
    assert (tally.hit, tally.total) == (2, 3)


def test_the_truth_value_is_no_width(bench: HandMade) -> None:
    bench.run("one", dict(zip(rows("(x==0) => 0", "(x==1) => 1", "(x==0) => 1"), (1, 0, 0), strict=True)))
    assert bench.collect().totals()["expression"].total == 3


def test_only_the_design_counts(bench: HandMade) -> None:
    bench.run("one", {BLOCK: 1})
    bench.run("one", {("line", 900, 1, "block", "900"): 0}, file="/tmp/broken_on_purpose/m.v")
    assert bench.collect().totals()["line"].total == 1


def test_else_if_and_case_items_are_branches_and_loops_are_not(bench: HandMade) -> None:
    bench.run("one", {("line", 4, 9, "elsif", "4-5"): 1, ("line", 5, 9, "case", "5"): 0, ("line", 3, 9, "block", "3"): 1})
    assert counts_of(bench.collect(), "branch") == {(4, "elsif"): 1, (5, "case"): 0}


def test_a_module_that_no_run_builds_is_a_problem(bench: HandMade) -> None:
    bench.run("one", {BLOCK: 1})
    bench.write("other.v", "module other; endmodule\n")
    bench.write("part.vh", "// included\n")
    assert bench.collect().problems == ["hdl/other.v is in no run's data: no test builds it"]
    assert not bench.collect().ok


# ---- bad input
@pytest.mark.parametrize(("content", "message"), [
    (b"# SystemC::Coverage-3\nC 'no count'\n", "line 2: this is no coverage point"),
    (b"# SystemC::Coverage-3\nC '\x01f\x02m.v' 3\n", "line 2: this is no coverage point"),
    (b"# SystemC::Coverage-3\nC '\x01f\x02m.v\x01l\x02one\x01t\x02line' 3\n", "no point of .* lies below|line 2"),
    (b"# SystemC::Coverage-3\nC '\x01f\x02m.v\x01l\x021\x01t\x02line' 12", "ends in the middle of a line"),
    (b"", "does not start with"),
    (b"\x7fELF\x80\x81", "not text"),
], ids=["no-count", "no-line", "no-number", "cut-short", "empty", "binary"])
def test_damaged_data_are_named_in_one_line(bench: HandMade, content: bytes, message: str) -> None:
    (bench.data / "bench_x-0-0.dat").write_bytes(content)
    with pytest.raises(FcimError, match=message) as error:
        bench.collect()
    assert "\n" not in str(error.value) and "make coverage" in str(error.value)


def test_data_of_another_version_are_refused(bench: HandMade) -> None:
    bench.run("one", {("line", 90, 5, "block", "90"): 1})
    with pytest.raises(FcimError, match=r"line 90 of hdl/m.v, which has 8"):
        bench.collect()
    bench.run("two", {BLOCK: 1}, file="gone.v")
    (bench.data / "bench_one-0-0.dat").unlink()
    with pytest.raises(FcimError, match=r"hdl/gone.v, which does not exist"):
        bench.collect()


def test_no_data_no_design(bench: HandMade) -> None:
    with pytest.raises(FcimError, match="holds no coverage data"):
        bench.collect()
    bench.run("one", {BLOCK: 1})
    with pytest.raises(FcimError, match="holds no Verilog files"):
        collect(bench.data, bench.data, bench.exclusions, bench.floors)
