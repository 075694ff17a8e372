"""One seed for a whole test run: given, or drawn and printed, so that any run can be repeated."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest

from models.errors import FcimError
from models.values import parse_choice, parse_switch
from scripts.rtl_list import ROOT
from scripts.seeds import draw_seed, parse_seed
from scripts.variables import SIMULATORS

RECORD = ROOT / "build" / "last_seed.txt"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", default=None, help="seed of the whole run (default: the environment's SEED, else drawn)")


def pytest_configure(config: pytest.Config) -> None:
    """Settle the seed. Workers of a parallel run get the controller's through their options, and never draw."""
    if sys.flags.optimize:
        raise pytest.UsageError("PYTHONOPTIMIZE (or python -O) leaves out the asserts of the tests; unset it")
    text = config.option.seed or os.environ.get("SEED")
    try:
        seed = parse_seed(str(text)) if text else draw_seed()
        parse_switch(os.environ.get("WAVES"), "WAVES")
        parse_choice(os.environ.get("SIM") or "icarus", "SIM", SIMULATORS)
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


@pytest.fixture(autouse=True)
def _record_seed(record_property: Callable[[str, object], None], seed: int) -> None:
    """Put the seed into the JUnit report of every test."""
    record_property("seed", seed)
