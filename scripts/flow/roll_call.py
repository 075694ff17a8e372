"""The last of a simulation's test modules: it has no test, but lists those that the others hold, whatever filter cocotb has.

``run_bench`` compares the list (FCIM_ROLL of the environment names its file) with the tests that ran.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

from cocotb.regression import Test, TestGenerator


def tests_of(module: str) -> list[str]:
    """The full names of the tests that cocotb finds in a module that is imported already."""
    found: list[str] = []
    for thing in vars(sys.modules[module]).values():
        tests = thing.generate_tests() if isinstance(thing, TestGenerator) else [thing] if isinstance(thing, Test) else []
        found += [test.fullname for test in tests]
    return found


if roll := os.environ.get("FCIM_ROLL"):
    warnings.filterwarnings("ignore", message=f"No tests were discovered in module: {__name__}")
    benches = [name.strip() for name in os.environ["COCOTB_TEST_MODULES"].split(",")]
    Path(roll).write_text(json.dumps([test for bench in benches if bench != __name__ for test in tests_of(bench)]))
