"""``python -m scripts.mutate.worker RESULT NODE ...``: run some tests and write what came of them, for one fault.

The outcome is ``passed``, ``failed`` (a test was red), ``invalid`` (the simulator does not take the design) or ``error`` (no test
ran, or one ended for a reason that says nothing of the design).
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import pytest

from models.errors import FcimError
from scripts.flow.simulator import BuildFailed

CPU_SECONDS, MEMORY = 240, 8 << 30     # of each process: a simulator that never ends is ended, and the bench is red
WHY = 200


class Outcome:
    """The plugin that looks at each test's end."""

    def __init__(self) -> None:
        self.outcome, self.test, self.why, self.passed = "", "", "", 0

    @pytest.hookimpl(tryfirst=True)     # the first answer ends the round, and this gives none
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[Any]) -> None:
        """Keep the first failure and its kind."""
        if call.excinfo is None:
            self.passed += call.when == "call"
            return
        error = call.excinfo.value
        if isinstance(error, BuildFailed):
            outcome = "invalid"
        elif call.when == "call" and not isinstance(error, FcimError):
            outcome = "failed"
        else:
            outcome = "error"
        if not self.outcome:
            lines = str(error).splitlines() or [type(error).__name__]
            self.outcome, self.test, self.why = outcome, item.nodeid, " ".join(lines[:2])[:WHY]


def main() -> int:
    """Run and write; the exit code says nothing."""
    result, *nodes = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    seen = Outcome()
    code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-m", "not faults", *nodes], plugins=[seen])
    outcome = seen.outcome or ("passed" if code == 0 and seen.passed else "error")
    why = seen.why or f"pytest ended with {int(code)}"
    Path(result).write_text(json.dumps({"outcome": outcome, "test": seen.test, "why": why}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
