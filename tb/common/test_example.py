"""The example of ``docs/testbench.md`` runs as it stands, and notices a fault."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.flow import simulator as simulate
from scripts.flow.simulator import BenchFailed, BenchResult, RunOptions
from scripts.flow.sources import ROOT

PATTERNS = 4


@pytest.fixture
def run_example(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], BenchResult]:
    """Writes the page's three files with ``old`` replaced by ``new`` in the Verilog, and calls the page's test."""
    page = (ROOT / "docs" / "testbench.md").read_text()
    (rtl,), (bench, test) = (re.findall(rf"```{language}\n(.*?)```", page, re.S) for language in ("verilog", "python"))
    results: list[BenchResult] = []

    def run_here(top: str, module: str, parameters: dict[str, int], options: RunOptions) -> None:
        """``run_bench`` on the files below ``tmp_path`` instead of those that the page's reader would have added."""
        assert (options.sources, module) == (None, "tb.double.bench_double")
        results.append(simulate_run(top, "bench_double", parameters, replace(
            options, sim="icarus", sources=[tmp_path / "fcim_double.v"], build_root=tmp_path / "build")))

    simulate_run = simulate.run_bench
    monkeypatch.setattr(simulate, "run_bench", run_here)
    monkeypatch.syspath_prepend(tmp_path)

    def run(old: str = "", new: str = "") -> BenchResult:
        (tmp_path / "fcim_double.v").write_text(rtl.replace(old, new) if old else rtl)
        (tmp_path / "bench_double.py").write_text(bench)
        names: dict[str, Callable[..., None]] = {}
        exec(compile(test, "docs/testbench.md", "exec"), names)
        names["test_double"](4, seed)
        return results[-1]

    return run


def test_the_example_is_lint_clean(tmp_path: Path) -> None:
    source = tmp_path / "fcim_double.v"
    source.write_text(re.search(r"```verilog\n(.*?)```", (ROOT / "docs" / "testbench.md").read_text(), re.S)[1])
    done = subprocess.run([simulate.require_simulator("verilator"), "--lint-only", "-Wall", "-Wpedantic", source],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_example_passes_under_every_stall_pattern(run_example: Callable[..., BenchResult]) -> None:
    result = run_example()
    assert (result.passed, result.failed) == (PATTERNS, 0)


def test_the_example_finds_a_wrong_lane(run_example: Callable[..., BenchResult]) -> None:
    with pytest.raises(BenchFailed, match="m_y"):
        run_example("<< 1;", "<< (l == 3 ? 2 : 1);")
