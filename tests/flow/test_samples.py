"""Parameter sets that only the regression runs all of."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.flow.regress.entries import read_entries
from scripts.flow.sources import ROOT
from tb.workloads import LIST
from tests.flow.regress_lists import environment

TEST = """
import pytest

@pytest.mark.sample(3)
@pytest.mark.parametrize("size", range(20))
def test_size(size): print(f"<{size}>")

def test_other(): pass
"""


@pytest.fixture
def sizes(tmp_path: Path) -> Callable[..., list[int]]:
    """A run of pytest on some tests: which sizes it took."""
    (tmp_path / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\naddopts = ['--import-mode=importlib', '--strict-markers']\ntestpaths = ['.']\n")
    (tmp_path / "test_it.py").write_text(TEST)

    def run(*arguments: str) -> list[int]:
        command = [sys.executable, "-m", "pytest", "-p", "scripts.flow.pytest_plugin", "-p", "no:cacheprovider", "-rP"]
        done = subprocess.run([*command, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False,
                              env=environment(PYTHONPATH=str(ROOT)))
        assert done.returncode == 0, done.stdout + done.stderr
        return sorted({int(size) for size in re.findall("<([0-9]+)>", done.stdout)})

    return run


def test_a_run_of_everything_takes_some_which_its_seed_chooses(sizes: Callable[..., list[int]]) -> None:
    found = [sizes("--seed", seed, *more) for seed, more in (("1", ()), ("1", ("-n", "2")), ("2", ()))]
    assert [len(some) for some in found] == [3, 3, 3] and found[0] == found[1] != found[2]


@pytest.mark.parametrize("named", [("test_it.py",), ("-k", "size"), ("test_it.py::test_size",), ("--samples", "all")])
def test_who_names_tests_gets_all(named: tuple[str, ...], sizes: Callable[..., list[int]]) -> None:
    assert sizes("--seed", "1", *named) == list(range(20))


def test_the_regression_runs_all_of_what_is_sampled() -> None:
    entries = read_entries(LIST)
    faults = next(entry for entry in entries if entry.module == "tb.workloads.faults")
    modules = {entry.module for entry in entries} | {f"tb/{block}/test_{block}.py::test_faults_are_found"
                                                     for block in faults.parameters["block"]}
    sampled = {f"{file.relative_to(ROOT)}::{name}" for file in (ROOT / "tb").rglob("test_*.py")
               for name in re.findall(r"^@pytest\.mark\.sample\(\d+\)$.*?^def (\w+)", file.read_text(), re.DOTALL | re.MULTILINE)}
    assert len(sampled) > 10
    assert not {test for test in sampled if not {test, test.split("::")[0]} & modules}


def test_the_regression_names_tests_and_cases_that_there_are() -> None:
    named = sorted({entry.module for entry in read_entries(LIST) if "::" in entry.module})
    done = subprocess.run([sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *named], cwd=ROOT,
                          capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
