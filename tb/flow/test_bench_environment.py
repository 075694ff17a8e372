"""Nothing that the caller's shell holds turns a failing design green, and every test of a bench must have run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.flow import bench_environment
from scripts.flow import simulator as simulate
from scripts.flow.bench_environment import is_inherited, own_environment
from scripts.flow.simulator import BenchFailed, BenchResult, RunOptions, run_bench
from scripts.flow.sources import ROOT
from tb.common.mutation import mutated_sources

FILE, BENCH = "rtl/core/fcim_counters.v", "tb.counters.bench_counters"
BLIND = "counters_are_apart"        # the one test of the bench that does not see this fault
CLEAR_IGNORED = ("if (!rst_n || clear)", "if (!rst_n)")
X_FOR_ZERO = ("assign counters = count_q;", "assign counters = count_q == 0 ? {COUNT*WIDTH{1'bx}} : count_q;")
FAKE_BENCH = "import cocotb\n@cocotb.test()\nasync def counts_every_cycle(dut): pass\n"
# Variables that turned a broken design green, or that may: cocotb's, Python's, those of its runner and those of benches.
HOSTILE = {
    "filter": {"COCOTB_TEST_FILTER": BLIND}, "testcase": {"COCOTB_TESTCASE": BLIND}, "resolve-x": {"COCOTB_RESOLVE_X": "zeros"},
    "no-asserts": {"COCOTB_REWRITE_ASSERTION_FILES": "", "PYTHONOPTIMIZE": "1"},
    "other-module": {"COCOTB_TEST_MODULES": "tb.flow.bench_slice"}, "runner": {"SIM_CMD_PREFIX": "true"},
    "python-path": {"PYTHONPATH": "FAKE"},
}
MORE = {"COCOTB_LIST_TESTS": "1", "COCOTB_MAX_FAILURES": "1", "COCOTB_RESULTS_FILE": "elsewhere.xml", "COCOTB_TOPLEVEL": "other",
        "COCOTB_TRUST_INERTIAL_WRITES": "0", "GPI_USERS": "none.so", "GPI_EXTRA": "none.so:none", "LIBPYTHON_LOC": "none.so",
        "PYTHONHOME": "/nowhere", "PYTHONSTARTUP": "/nowhere", "PYTHONWARNINGS": "error", "PYTEST_ADDOPTS": "--nothing",
        "MAKEFLAGS": "-n", "WAVES": "1", "GUI": "1", "SIM": "other", "ENGINE_PATTERNS": "none", "OP_CIM_TILES": "0",
        "FCIM_COVER_FILE": "/nowhere", "FCIM_ROLL": "/nowhere"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the broken copies and the builds that these tests share, and for a bench that always passes."""
    folder = tmp_path_factory.mktemp("hostile")
    fake = folder / "fake" / "tb" / "counters"
    fake.mkdir(parents=True)
    for path in (fake, fake.parent):
        (path / "__init__.py").write_text("")
    (fake / "bench_counters.py").write_text(FAKE_BENCH)
    return folder


def run(place: Path, seed: int, fault: tuple[str, str] | None, **arguments: object) -> BenchResult:
    """The counters' bench on Icarus, on the design or on a copy with a fault."""
    sources = None
    if fault is not None:
        copy = place / ("x" if fault == X_FOR_ZERO else "clear")
        copy.mkdir(exist_ok=True)
        sources = mutated_sources(copy, FILE, *fault)
    return run_bench("fcim_counters", BENCH, {"COUNT": 2, "INC_BITS": 48},
                     RunOptions(sim="icarus", seed=seed, sources=sources, build_root=place / "build", **arguments))


@pytest.mark.parametrize("name", HOSTILE)
def test_broken_design_stays_red(name: str, place: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in HOSTILE[name].items():
        monkeypatch.setenv(variable, str(place / "fake") if value == "FAKE" else value)
    if name == "python-path":
        monkeypatch.syspath_prepend(place / "fake")
    with pytest.raises(BenchFailed) as caught:
        run(place, seed, X_FOR_ZERO if name == "resolve-x" else CLEAR_IGNORED)
    assert caught.value.result.passed + caught.value.result.failed == 3 and "did not run" not in str(caught.value)


def test_sound_design_stays_green(place: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all of these variables at once."""
    for variable, value in {**MORE, **{k: v for values in HOSTILE.values() for k, v in values.items()}}.items():
        monkeypatch.setenv(variable, str(place / "fake") if value == "FAKE" else value)
    before = dict(os.environ)
    result = run(place, seed, None)
    assert (result.passed, result.failed, result.waves) == (3, 0, None) and dict(os.environ) == before


def test_simulator_gets_what_is_on_the_list_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"OBJCACHE", "CCACHE_DIR", "CCACHE_NAMESPACE"}
    for variable in (*MORE, "COCOTB_ANYTHING", "GPI_ANYTHING", "PYTHONANYTHING", "PYGPI_PYTHON_BIN", "FETCH_WAIT"):
        monkeypatch.setenv(variable, "1")
    monkeypatch.setenv("COCOTB_LOG_LEVEL", "DEBUG")
    with own_environment():
        assert all(is_inherited(name) or name in own for name in os.environ)
        assert os.environ["COCOTB_LOG_LEVEL"] == "DEBUG" and sys.path[0] == str(ROOT)
        assert not any(name.startswith(("PYTHON", "ENGINE_", "FCIM_COVER")) for name in os.environ)
    assert os.environ["GPI_ANYTHING"] == "1"


@pytest.mark.parametrize("filtered", [{"COCOTB_TEST_FILTER": BLIND}, {"COCOTB_TESTCASE": BLIND}], ids=["filter", "testcase"])
def test_a_test_that_did_not_run_is_a_failure(filtered: dict[str, str], place: Path, seed: int) -> None:
    """Even where a filter reaches cocotb: a bench's own list of its tests is held against those that ran."""
    with pytest.raises(BenchFailed, match="2 of 3 tests failed\n  counts_every_cycle: did not run\n  long_counts: did not run"):
        run(place, seed, None, extra_env=filtered)


def results(folder: Path, cases: str, roll: list[str] | None, testcase: str | list[str] | None = None) -> tuple[int, int, str]:
    """What the runner makes of a results file and a list."""
    (folder / "results.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    if roll is not None:
        (folder / simulate.ROLL).write_text(json.dumps(roll))
    wanted = simulate._wanted(folder, "tb.x.bench", testcase)
    passed, failed, failures = simulate._read_results(folder / "results.xml", wanted)
    return passed, failed, "; ".join(failures)


def test_results_are_held_against_the_list(tmp_path: Path) -> None:
    one, two = '<testcase name="one"/>', '<testcase name="two"/>'
    both = ["tb.x.bench.one", "tb.x.bench.two"]
    assert results(tmp_path, one + two, both) == (2, 0, "")
    assert results(tmp_path, one, both) == (1, 1, "two: did not run")
    assert results(tmp_path, one + '<testcase name="two"><skipped/></testcase>', both) == (1, 1, "two: did not run")
    assert results(tmp_path, one, both, "one") == (1, 0, "")
    assert results(tmp_path, one, both, ["one", "three"]) == (1, 1, "three: did not run")
    assert results(tmp_path, "", both) == (0, 0, "")
    (tmp_path / simulate.ROLL).unlink()
    assert "left no list of its tests" in results(tmp_path, one, None)[2]


def test_a_read_x_is_named_with_the_benchs_line(tmp_path: Path) -> None:
    frames = [(ROOT / "tb/x/agents.py", 3, "first = int(dut.first.value)"),
              (ROOT / "tb/x/agents.py", 30, "done = int(dut.done.value)"),
              (Path("/there/cocotb/types/_logic.py"), 255, "raise ValueError(")]
    trace = "\n".join(f'  File "{file}", line {line}, in look\n    {code}\n    ^^^^^' for file, line, code in frames)
    for message in ("Can't convert LogicArray to int: it contains non-0/1 values", "Cannot convert Logic('X') to int"):
        case = f'<testcase name="one"><failure message="{message}">{trace}</failure></testcase>'
        expected = "one: a bit that is read is X, at tb/x/agents.py:30: done = int(dut.done.value)"
        assert results(tmp_path, case, ["tb.x.bench.one"]) == (0, 1, expected)


def test_testcase_is_the_whole_name(place: Path, seed: int) -> None:
    """cocotb's own selection goes by the end of a name."""
    with pytest.raises(BenchFailed, match="no test ran"):
        run(place, seed, None, testcase=BLIND.removeprefix("counters_"))


def test_builds_for_another_processor_or_compiler_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that hosts share must not give one of them the other's instructions."""
    def key(features: str, answers: dict[str, str]) -> str:
        bench_environment.machine.cache_clear()
        monkeypatch.setattr(bench_environment, "_processor", lambda: features.split())
        monkeypatch.setattr(bench_environment, "_answer", lambda *command: answers.get(command[1], ""))
        return bench_environment.machine()

    try:
        gcc = {"--version": "g++ 12", "-march=native": "-march= skylake"}
        keys = [key("avx2 fma", gcc), key("avx2 fma avx512f", gcc), key("avx2 fma", {**gcc, "--version": "g++ 13"}),
                key("avx2 fma", {**gcc, "-march=native": "-march= znver3"})]
        assert len(set(keys)) == 4 and key("fma avx2", gcc) == keys[0]
        monkeypatch.setattr(bench_environment.shutil, "which", lambda name: name)
        assert bench_environment.compiler_cache()["CCACHE_NAMESPACE"] == keys[0]
    finally:
        bench_environment.machine.cache_clear()


def test_verilator_build_is_named_by_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of a build, before anything is built."""
    class Built(Exception):
        pass

    def built(*arguments: object) -> None:
        raise Built(str(arguments[-1]))

    def folder(host: str, sim: str) -> str:
        monkeypatch.setattr(simulate, "machine", lambda: host)
        with pytest.raises(Built) as caught:
            run_bench("fcim_counters", BENCH, options=RunOptions(sim=sim, seed=1, build_root=tmp_path))
        return str(caught.value)

    monkeypatch.setattr(simulate, "_build", built)
    monkeypatch.setattr(simulate, "require_simulator", lambda sim: sim)
    assert folder("one", "verilator") == folder("one", "verilator") != folder("other", "verilator")
    assert folder("one", "icarus") == folder("other", "icarus")


@pytest.mark.parametrize(("asked", "default", "written"), [
    (None, False, False), (None, True, True), (False, True, False), (True, False, True)])
def test_waveforms_only_where_they_were_asked_for(asked: bool | None, default: bool, written: bool, tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """By the caller, else by the test run, which pytest's configuration reads from WAVES; never by the environment itself."""
    class Built(Exception):
        pass

    def built(*arguments: object) -> None:
        raise Built(arguments[6])

    assert simulate.waves_by_default == (os.environ.get("WAVES") == "1")
    monkeypatch.setenv("WAVES", "1")
    monkeypatch.setattr(simulate, "_build", built)
    monkeypatch.setattr(simulate, "waves_by_default", default)
    with pytest.raises(Built) as caught:
        run_bench("fcim_counters", BENCH, options=RunOptions(sim="icarus", seed=1, waves=asked, build_root=tmp_path))
    assert caught.value.args == (written,)


@pytest.mark.parametrize(("variables", "message"), [
    ({"PYTHONOPTIMIZE": "1"}, "Python runs without asserts"),
    ({"WAVES": "maybe"}, "WAVES = 'maybe' is neither on nor off; use 1 or 0"),
], ids=["optimize", "waves"])
def test_pytest_refuses(variables: dict[str, str], message: str) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | variables
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tb/common"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 4 and message in done.stderr and "Traceback" not in done.stderr
