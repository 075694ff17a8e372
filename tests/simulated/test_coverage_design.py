"""Coverage of a design small enough to work out by hand: measured by Verilator in two runs, merged, reported.

``tiny_case`` has 9 lines that can run, 9 branch arms (2 reset, 3 case items, 2 of ?:, 2 of the inner if), 7 rows of conditions
(3 of a && b, 2 of !rst_n, 2 of the condition of ?:) and 81 bits, so 162 edges.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.coverage.__main__ import main
from scripts.flow.coverage.points import TYPES
from scripts.flow.coverage.results import Results, collect
from scripts.flow.simulator import RunOptions, run_bench

DESIGN = Path(__file__).parent / "coverage_design"
BENCH = "tests.simulated.coverage_design.bench_tiny_case"
FILE = "coverage_design/tiny_case.v"
FLOORS = "line: 88\nbranch: 88\nexpression: 100\ntoggle: 12\nfunctional: 0\n"
# the inner if of the default is never true, so its one statement never runs
UNREACHED = f"- {{file: {FILE}, match: 'if .b.$', types: branch, objects: if, reason: b is low there}}\n"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data of both runs, in ``first``, ``second`` and (both) ``all``."""
    folder = tmp_path_factory.mktemp("coverage")
    for name in ("first", "second"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FCIM_COVERAGE", str(folder / name))
            run_bench("tiny_case", BENCH,
                      options=RunOptions(sim="verilator", seed=1, sources=[DESIGN / "tiny_case.v"], testcase=name))
    (folder / "all").mkdir()
    for name in ("first", "second"):
        [data] = (folder / name).glob("*.dat")
        (folder / "all" / data.name).write_bytes(data.read_bytes())
    return folder


def measure(runs: Path, name: str, tmp_path: Path, exclusions: str = "") -> Results:
    (tmp_path / "exclusions.yaml").write_text(exclusions)
    (tmp_path / "floors.yaml").write_text(FLOORS)
    return collect(runs / name, DESIGN, tmp_path / "exclusions.yaml", tmp_path / "floors.yaml")


def numbers(results: Results) -> dict[str, tuple[int, int]]:
    return {name: (value.hit, value.total) for name, value in results.totals().items()}


@pytest.mark.parametrize(("name", "expected"), [
    # case 0 with both arms of ?:, so neither the other items nor a && b; edges: clk 2, rst_n 1, a 2, wide 2, y_q 3
    ("first", {"line": (5, 9), "branch": (5, 9), "expression": (6, 7), "toggle": (10, 162)}),
    # all items, the inner if false, ?: false; edges: clk 2, rst_n 1, op 4, a 2, b 2, both 2, y_q 5
    ("second", {"line": (8, 9), "branch": (7, 9), "expression": (7, 7), "toggle": (18, 162)}),
    # edges: all of the second run's, and wide 2
    ("all", {"line": (8, 9), "branch": (8, 9), "expression": (7, 7), "toggle": (20, 162)}),
])
def test_the_numbers_are_those_worked_out_by_hand(runs: Path, tmp_path: Path, name: str,
                                                  expected: dict[str, tuple[int, int]]) -> None:
    assert numbers(measure(runs, name, tmp_path)) == expected


def test_the_holes_are_the_right_ones(runs: Path, tmp_path: Path) -> None:
    results = measure(runs, "all", tmp_path)
    text = results.sources[FILE]
    holes = {(p.type, text[p.line - 1].strip(), p.object) for p in results.points[FILE] if p.hole}
    bits = {p.object for p in results.points[FILE] if p.hole and p.type == "toggle"}
    assert {h for h in holes if h[0] != "toggle"} == {("line", "y_q <= 4'd8;", ""), ("branch", "if (b)", "if")}
    wide = {f"wide[{bit}]:{edge}" for bit in range(1, 70) for edge in ("0->1", "1->0")}
    assert bits == wide | {"rst_n:1->0", "y_q[0]:1->0", "y_q[3]:0->1", "y_q[3]:1->0"}


def test_the_site_says_it_in_few_words_and_fails_below_a_floor(runs: Path, tmp_path: Path,
                                                               capsys: pytest.CaptureFixture[str]) -> None:
    measure(runs, "all", tmp_path, UNREACHED)
    arguments = ["--data", str(runs / "all"), "--design", str(DESIGN), "--out", str(tmp_path / "out"),
                 "--exclusions", str(tmp_path / "exclusions.yaml"), "--floors", str(tmp_path / "floors.yaml")]
    assert main(arguments) == 0
    page = (tmp_path / "out" / "source" / "coverage_design.tiny_case.v.html").read_text()
    for words in ("wide[69:1] never toggles", "rst_n never falls", "y_q[0] never falls", "y_q[3] never toggles",
                  "b is low there"):
        assert words in page
    summary = json.loads((tmp_path / "out" / "coverage.json").read_text())
    assert [summary["totals"][t]["excluded"] for t in TYPES] == [0, 1, 0, 0] and summary["totals"]["branch"]["percent"] == 100
    info = (tmp_path / "out" / "coverage.info").read_text()
    assert "DA:26,0\n" in info and "LF:9\nLH:8\n" in info and "BRF:8\nBRH:8\n" in info

    (tmp_path / "floors.yaml").write_text(FLOORS.replace("line: 88", "line: 89"))
    capsys.readouterr()
    assert main(arguments) == 1
    assert "89.0  BELOW by 0.11" in capsys.readouterr().out
