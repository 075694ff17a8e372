"""What is written: the site, the tracefile, the summary, and the words in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from models.errors import FcimError
from scripts.flow.coverage.code_pages import tracefile
from scripts.flow.coverage.points import CodePoint, bit_ranges, describe, readable
from scripts.flow.coverage.results import percent, short_count
from tests.flow.coverage_data import BLOCK, ELSE, IF, MODULE, HandMade, rows, toggles


@pytest.fixture
def bench(tmp_path: Path) -> HandMade:
    return HandMade(tmp_path)


def test_the_site_is_complete_and_escapes_the_source(bench: HandMade) -> None:
    bench.write("m.v", MODULE.replace("4'd1;", "4'd1; // <script>"))
    bench.run("one", {BLOCK: 5, IF: 0, ELSE: 5, **dict(zip(rows("(a==0) => 0", "(a==1 && go==1) => 1"), (5, 0), strict=True)),
                      **dict.fromkeys(toggles("clk"), 9)})
    (bench.out / "source").mkdir(parents=True)
    (bench.out / "source" / "hdl.gone.v.html").write_text("an older report's page")
    assert bench.report()
    names = sorted(p.relative_to(bench.out).as_posix() for p in bench.out.rglob("*") if p.is_file())
    assert names == ["coverage.info", "coverage.json", "index.html", "ranking.html", "source/hdl.m.v.html"]
    page = (bench.out / "source" / "hdl.m.v.html").read_text()
    assert "&lt;script&gt;" in page and "<script" not in page and "http" not in page
    for words in ("never if true", "never a = 1 &amp;&amp; go = 1 gives 1", 'class="miss"', "never run"):
        assert words in page
    summary = json.loads((bench.out / "coverage.json").read_text())
    assert summary["ok"] and summary["files"]["hdl/m.v"]["line"] == {"hit": 3, "total": 4, "excluded": 0, "percent": 75.0}
    assert "source/hdl.m.v.html" in (bench.out / "index.html").read_text()


def test_nothing_is_written_if_the_data_are_bad(bench: HandMade) -> None:
    (bench.data / "bench_x-0-0.dat").write_text("# SystemC::Coverage-3\nrubbish\n")
    with pytest.raises(FcimError):
        bench.report()
    assert not bench.out.exists()


def test_the_tracefile_has_lines_and_branches_and_nothing_else() -> None:
    def point(kind: str, line: int, column: int, name: str, n: int) -> CodePoint:
        return CodePoint(kind, "hdl/m.v", line, column, name, name, n)

    points = [point("line", 4, 0, "", 5), point("line", 5, 0, "", 0), point("toggle", 2, 5, "a:0->1", 1),
              point("branch", 4, 9, "else", 5), point("branch", 4, 9, "if", 0), point("expression", 4, 9, "a", 1),
              point("branch", 4, 30, "cond_then", 0), point("branch", 4, 30, "cond_else", 0), point("branch", 7, 9, "if", 0)]
    points[-1].exclusion = 1
    assert tracefile({"hdl/m.v": points}, Path("/somewhere")).splitlines() == [
        "TN:", "SF:/somewhere/hdl/m.v", "BRDA:4,0,0,0", "BRDA:4,0,1,5", "BRDA:4,1,0,-", "BRDA:4,1,1,-", "BRF:4", "BRH:1",
        "DA:4,5", "DA:5,0", "LF:2", "LH:1", "end_of_record"]


# ---- words
@pytest.mark.parametrize(("indices", "texts"), [
    ([()], [""]),
    ([(3,), (4,), (5,), (9,)], ["[9, 5:3]"]),
    ([(w, b) for w in (0, 1, 2) for b in (6, 7)], ["[2:0][7:6]"]),
    ([(0, 1), (2, 1), (1, 5)], ["[2, 0][1]", "[1][5]"]),
])
def test_bits_in_few_words(indices: Sequence[tuple[int, ...]], texts: list[str]) -> None:
    assert bit_ranges(indices) == texts


def test_many_ranges_are_cut_short_and_say_so() -> None:
    assert bit_ranges([(2 * i,) for i in range(40)])[0].endswith("and 28 more ranges]")


def test_what_a_signal_never_did() -> None:
    names = ["y[0]:0->1", "y[1]:0->1", "y[1]:1->0", "y[2]:1->0", "go:1->0"]
    points = [CodePoint("toggle", "m.v", 1, 1, name, name, 0) for name in names]
    assert describe(points) == ["y[0] never rises", "y[2] never falls", "y[1] never toggles", "go never falls"]


@pytest.mark.parametrize(("text", "plain"), [
    ("(busy_q==1 && (step_q == 4'hf)==0) => 0", "busy_q = 1 && (step_q == 15) = 0 gives 0"),
    ("(valid_q[STEPS[4:0]+:1]==0) => 0", "valid_q[STEPS] = 0 gives 0"),
    ("((z[(32'sh14 * i)[6:0]+:20] > w)==1) => 1", "(z[(20 * i)+:20] > w) = 1 gives 1"),
])
def test_rows_are_readable(text: str, plain: str) -> None:
    assert readable(text) == plain


def test_only_what_is_complete_is_a_hundred_percent() -> None:
    assert (percent(99.99), percent(100.0), percent(None)) == ("99.9 %", "100.0 %", "\N{EN DASH}")
    assert [short_count(n) for n in (0, 9999, 12_345, 4_560_000, 7 * 10**9)] == ["0", "9,999", "12.3k", "4.56M", "7G"]
