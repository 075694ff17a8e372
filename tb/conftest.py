"""One seed for a whole test run: given, or drawn and printed, so that any run can be repeated."""

from __future__ import annotations

import os
import sys

import pytest
from _pytest.junitxml import xml_key

from models.errors import FcimError
from scripts import simulate
from scripts.rtl_list import ROOT
from scripts.seeds import draw_seed, parse_seed

RECORD = ROOT / "build" / "last_seed.txt"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", default=None, help="seed of the whole run (default: the environment's SEED, else drawn)")


def pytest_configure(config: pytest.Config) -> None:
    """Settle the seed and the waveforms. Workers of a parallel run get the controller's seed through their options."""
    if sys.flags.optimize:
        raise pytest.UsageError("Python runs without asserts (PYTHONOPTIMIZE or -O), so that no test could fail; unset it")
    waves = os.environ.get("WAVES", "").strip() or "0"
    if waves not in ("0", "1"):
        raise pytest.UsageError(f"WAVES = {waves!r} is illegal; use 1 (write waveforms) or 0")
    simulate.waves_by_default = waves == "1"
    text = config.option.seed or os.environ.get("SEED")
    try:
        seed = parse_seed(str(text)) if text else draw_seed()
    except FcimError as error:
        raise pytest.UsageError(str(error)) from None
    config.option.seed = str(seed)
    os.environ["SEED"] = str(seed)
    if not hasattr(config, "workerinput"):
        RECORD.parent.mkdir(exist_ok=True)
        RECORD.write_text(f"{seed}\n")


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.option.seed} (repeat this run with SEED={config.option.seed})"


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    failed = terminalreporter.stats.get("failed", []) + terminalreporter.stats.get("error", [])
    for report in failed[:10]:
        terminalreporter.write_line(f"repeat: make test TEST='{report.nodeid}' SEED={config.option.seed}")


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> int:
    """The run's seed. Derive streams of numbers from it with ``numpy.random.default_rng([seed, ...])``."""
    return int(request.config.option.seed)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Put the seed into the JUnit report, on its suite: properties of a test are against the schema that CI systems check."""
    report = session.config.stash.get(xml_key, None)
    if report is not None:
        report.add_global_property("seed", session.config.option.seed)
