"""An entry that names a pytest path: run it, and count from its XML what really ran."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from scripts.flow.regress.job import Job, Outcome
from scripts.flow.sources import ROOT

XML = "pytest.xml"
NO_TESTS = 5    # pytest's exit code when it collected nothing


def is_pytest_path(module: str) -> bool:
    """Whether an entry's ``module`` is a path or node id of pytest and not a workload."""
    return "/" in module or "::" in module or module.endswith(".py")


def ended(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"


def _state(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    skipped = case.find("skipped")
    # A test that is expected to fail did run.
    return "skipped" if skipped is not None and skipped.get("type") != "pytest.xfail" else "passed"


def _problem(case: ElementTree.Element) -> str:
    """``file::test: first line of the message``."""
    found = case.find("failure") if case.find("failure") is not None else case.find("error")
    text = (found.get("message") or found.text or "failed").strip() if found is not None else "failed"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}: {lines[0] if lines else 'failed'}"


def verdict(code: int, xml: Path) -> Outcome:
    """The outcome of a pytest run from its exit code and its XML, which must agree."""
    try:
        cases = list(ElementTree.parse(xml).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return Outcome(False, f"pytest left no readable result ({ended(code)}); see the log", tests=0)
    states = Counter(_state(case) for case in cases)
    ran = states["passed"] + states["failed"]
    metrics: dict[str, int | float | str] = {"tests passed": states["passed"]}
    metrics |= {f"tests {state}": states[state] for state in ("failed", "skipped") if states[state]}
    if states["failed"]:
        problems = [_problem(case) for case in cases if _state(case) == "failed"]
        return Outcome(False, "\n".join([f"{states['failed']} of {ran} tests failed", *problems]), metrics, tests=ran)
    if code not in (0, NO_TESTS):
        return Outcome(False, f"pytest ended with {ended(code)} although no test failed; see the log", metrics, tests=ran)
    if not ran:
        skipped = states["skipped"]
        why = f"all {skipped} tests were skipped" if skipped else "no test was collected"
        return Outcome(False, f"nothing ran: {why}", metrics, tests=0)
    return Outcome(True, metrics=metrics, tests=ran)


def run_pytest(path: str, job: Job) -> Outcome:
    """Run ``path`` with the job's simulator, seed and waves in the environment."""
    xml = job.folder / XML
    # -v: each test's name is in the log before it runs, so that the log of a job that hangs ends with the test that does
    command = [sys.executable, "-m", "pytest", path, "-v", "-p", "no:cacheprovider", "-p", "scripts.flow.regress.where",
               f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml"), f"--junitxml={xml}"]
    environment = {**os.environ, "SIM": job.sim, "SEED": str(job.seed), "WAVES": str(int(job.waves))}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    outcome = verdict(done.returncode, xml)
    waves = sorted(job.folder.rglob("*.fst"), key=lambda path: path.stat().st_mtime)
    if waves:       # the last one is the nearest to a failure that ended the run; the others stay beside it
        outcome.waves = waves[-1]
    return outcome
