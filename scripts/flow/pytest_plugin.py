"""The pytest plugin of tests and benches: one seed for a whole run, given or drawn, and said, so that it can be repeated; whether
benches write waveforms; how long the tests will take, from the file that ``--durations-file`` names; and the marker ``sample``.

``@pytest.mark.sample(3)`` is for a test with many parameter sets, all of which the regression runs: a run of the whole suite
takes 3 of them, which its seed chooses, so that runs with other seeds take others. Whoever names tests or files gets all.

``@pytest.mark.faults`` is for a test whose design is broken on purpose: it asks what a bench can find, not whether the design is
right, so its numbers are the same in every run, and red says that a bench or a design has changed. ``--fault-seed`` has others.
"""

from __future__ import annotations

import contextlib
import os
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _pytest.junitxml import xml_key

from models.errors import FcimError
from models.values import parse_choice, parse_switch
from scripts.flow import simulator
from scripts.flow.processes import shown
from scripts.flow.regress.console import duration
from scripts.flow.regress.durations import Durations
from scripts.flow.seeds import draw_seed, parse_seed
from scripts.flow.sources import REPLACED, ROOT, replacements
from scripts.flow.variables import SIMULATORS

FAULT_SEED = 1
ANNOUNCED = pytest.StashKey[bool]()
RECORD = ROOT / "build" / "last_seed.txt"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-durations", action="store_true", help="take over what the tests take, for the next estimates")
    parser.addoption("--durations-file", type=Path, default=None, help="where that is kept")
    parser.addoption("--seed", default=None, help="seed of the whole run (default: the environment's SEED, else drawn)")
    parser.addoption("--fault-seed", type=int, default=FAULT_SEED, help=f"seed of tests marked `faults` (default: {FAULT_SEED})")
    parser.addoption("--samples", choices=("all", "some"), default=None,
                     help="parameter sets of tests marked `sample` (default: some in a run of everything, else all)")


def pytest_configure(config: pytest.Config) -> None:
    """Settle the seed, the waveforms and what is sampled. Workers of a parallel run get the controller's choices through their
    options."""
    if sys.flags.optimize:
        raise pytest.UsageError("Python runs without asserts (PYTHONOPTIMIZE or -O), so that no test could fail; unset it")
    text = config.option.seed or os.environ.get("SEED")
    try:
        seed = parse_seed(str(text)) if text else draw_seed()
        simulator.waves_by_default = parse_switch(os.environ.get("WAVES"), "WAVES")
        parse_choice(os.environ.get("SIM") or "icarus", "SIM", SIMULATORS)
    except FcimError as error:
        raise pytest.UsageError(str(error)) from None
    config.addinivalue_line("markers", "sample(number): how many of its parameter sets a run of everything takes")
    config.addinivalue_line("markers", "faults: its design is broken on purpose; takes the seed of --fault-seed, not the run's")
    if config.option.samples is None:
        whole = config.args_source == pytest.Config.ArgsSource.TESTPATHS and not (config.option.keyword or config.option.markexpr)
        config.option.samples = "some" if whole else "all"
    config.option.seed = str(seed)
    os.environ["SEED"] = str(seed)
    if not hasattr(config, "workerinput"):
        with contextlib.suppress(OSError):      # the seed is printed too
            RECORD.parent.mkdir(exist_ok=True)
            RECORD.write_text(f"{seed}\n")


def pytest_report_header(config: pytest.Config) -> str:
    said = f"seed: {config.option.seed} (repeat this run with SEED={config.option.seed})"
    return f"{said}; files of {shown(folder)} stand for those of the RTL ({REPLACED})" if (folder := replacements()) else said


def _say_how_long(config: pytest.Config, ids: Sequence[str]) -> None:
    """Once, when the tests are known: how many there are and about how long they take."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    file = config.option.durations_file
    if reporter is None or file is None or hasattr(config, "workerinput") or config.option.collectonly:
        return
    if config.stash.get(ANNOUNCED, False):
        return
    config.stash[ANNOUNCED] = True
    workers = getattr(config.option, "numprocesses", None) or 1
    left = Durations(file).tests_left(ids, workers)
    if left is not None:
        reporter.write_line(f"{len(ids)} tests, about {duration(left)}, {workers} at a time")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what a run of everything does not take of tests that are sampled."""
    if config.option.samples != "some":
        return
    sets: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("sample"):
            sets.setdefault(item.nodeid.split("[")[0], []).append(item)
    left_out: list[pytest.Item] = []
    for name, members in sets.items():
        (number,) = members[0].get_closest_marker("sample").args
        draw = np.random.default_rng([int(config.option.seed), zlib.crc32(name.encode())])
        chosen = [members[i] for i in draw.choice(len(members), min(number, len(members)), replace=False)]
        left_out += [item for item in members if item not in chosen]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.items:
        _say_how_long(session.config, [item.nodeid for item in session.items])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    _say_how_long(node.config, ids)


def _record_durations(reporter: pytest.TerminalReporter, file: Path) -> None:
    taken: dict[str, float] = {}
    for report in (report for found in reporter.stats.values() for report in found if isinstance(report, pytest.TestReport)):
        taken[report.nodeid] = taken.get(report.nodeid, 0.0) + report.duration
    files = Durations(file).record_tests(taken)
    reporter.write_line(f"durations of {files} file{'s' * (files != 1)} taken into {shown(file)}")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.option.record_durations and config.option.durations_file is not None:
        _record_durations(terminalreporter, config.option.durations_file)
    failed = terminalreporter.stats.get("failed", []) + terminalreporter.stats.get("error", [])
    for report in failed[:10]:
        terminalreporter.write_line(f"repeat: make test TEST='{report.nodeid}' SEED={config.option.seed}")


@pytest.fixture(scope="session")
def run_seed(request: pytest.FixtureRequest) -> int:
    """The run's seed, for fixtures that several tests share."""
    return int(request.config.option.seed)


@pytest.fixture
def seed(request: pytest.FixtureRequest, run_seed: int) -> int:
    """The run's seed, or that of faults. Derive streams of numbers from it with ``numpy.random.default_rng([seed, ...])``."""
    return int(request.config.option.fault_seed) if request.node.get_closest_marker("faults") else run_seed


def pytest_sessionstart(session: pytest.Session) -> None:
    """Put the seed into the JUnit report, on its suite: properties of a test are against the schema that CI systems check."""
    report = session.config.stash.get(xml_key, None)
    if report is not None:
        report.add_global_property("seed", session.config.option.seed)
