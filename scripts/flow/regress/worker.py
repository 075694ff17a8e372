"""The process of one job: ``python -m scripts.flow.regress.worker FOLDER/job.json`` writes ``outcome.json`` beside it.

For an entry that names a pytest path it runs pytest and counts from its XML what really ran; there this module is a plugin too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import importlib
import json
import math
import numbers
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from scripts.flow.files import write_atomic
from scripts.flow.regress.job import JOB_FILE, OUTCOME_FILE, Job, Outcome, ended, is_pytest_path
from scripts.flow.sources import ROOT

RUNS = "runs"        # where in a job's folder its simulations run
XML = "pytest.xml"
NO_TESTS = 5        # pytest's exit code when it collected nothing


def plain(value: object) -> int | float | str:
    """A metric as JSON knows it; numpy's numbers become Python's, and what is not finite becomes text."""
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else str(float(value))
    return str(value)


def kept(path: Path | None, folder: Path, stem: str) -> str | None:
    """``path`` as a name in the job's ``folder``, where no later run overwrites it (linked, else copied); None if missing."""
    if path is None or not Path(path).is_file():
        return None
    path = Path(path).resolve()
    if path.is_relative_to(folder.resolve()):
        return str(path.relative_to(folder.resolve()))
    target = folder / f"{stem}{path.suffix}"
    with contextlib.suppress(FileNotFoundError):
        target.unlink()
    try:
        os.link(path, target)
    except OSError:
        shutil.copy2(path, target)
    return target.name


def outcome_dict(outcome: object, folder: Path, module: str) -> dict[str, Any]:
    """The outcome in its JSON form; what is no sound outcome fails."""
    if not isinstance(outcome, Outcome):
        return failure(f"run() of {module} returned {type(outcome).__name__}, not an Outcome")
    passed, message = bool(outcome.passed), str(outcome.message)
    if passed and outcome.tests < 1:
        passed, message = False, "nothing ran: the outcome counts no tests"
    if not passed and not message.strip():
        message = "failed without a message"
    return {"passed": passed, "message": message, "metrics": {str(k): plain(v) for k, v in outcome.metrics.items()},
            "digest": None if outcome.digest is None else str(outcome.digest),
            "tests": 0 if outcome.skipped else int(outcome.tests),
            "skipped": str(outcome.skipped),
            "log": kept(outcome.log, folder, "bench"), "waves": kept(outcome.waves, folder, "waves")}


def failure(message: str) -> dict[str, Any]:
    """The JSON form of an outcome that only says why it failed."""
    return outcome_dict(Outcome(False, message), Path(), "")


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
    command = [sys.executable, "-m", "pytest", path, "-v", "-p", "no:cacheprovider", "-p", "scripts.flow.regress.worker",
               f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml"), f"--junitxml={xml}"]
    environment = {**os.environ, "SIM": job.sim, "SEED": str(job.seed), "WAVES": str(int(job.waves))}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    outcome = verdict(done.returncode, xml)
    waves = sorted(job.folder.rglob("*.fst"), key=lambda path: path.stat().st_mtime)
    if waves:       # the last one is the nearest to a failure that ended the run; the others stay beside it
        outcome.waves = waves[-1]
    return outcome


def pytest_configure() -> None:
    """pytest's hook: on SIGTERM, which a job gets at its time-out, the log shows where the tests stood."""
    errors = os.fdopen(os.dup(2), "w")      # pytest captures nothing yet
    faulthandler.register(signal.SIGTERM, file=errors, all_threads=True, chain=True)


def run_job(module: str, job: Job) -> dict[str, Any]:
    """Run the workload, or pytest; whatever it raises becomes a failure, with the traceback in the log."""
    try:
        if is_pytest_path(module):
            return outcome_dict(run_pytest(module, job), job.folder, module)
        return outcome_dict(importlib.import_module(module).run(job), job.folder, module)
    except (Exception, SystemExit) as error:     # sys.exit(0) in a workload is no pass
        traceback.print_exc()
        text = str(error).strip()
        if isinstance(error, SystemExit):
            text = f"the workload ended its process ({text or 0})"
        # These two are written for the reader; of others the type is half of the message.
        readable = isinstance(error, AssertionError) or type(error).__name__ in ("FcimError", "BenchFailed")
        result = failure(text if readable and text else f"{type(error).__name__}: {text}".rstrip(": "))
        bench = getattr(error, "result", None)      # a failed bench has a log and perhaps waves
        if bench is not None:
            result |= {"log": kept(getattr(bench, "log", None), job.folder, "bench"),
                       "waves": kept(getattr(bench, "waves", None), job.folder, "waves")}
        return result


def main() -> int:
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    folder = Path(sys.argv[1]).resolve().parent
    data = json.loads((folder / JOB_FILE).read_text())
    if not is_pytest_path(data["module"]):      # pytest says so itself
        faulthandler.register(signal.SIGTERM, all_threads=True, chain=True)     # a job that timed out shows where it stood
    os.environ["FCIM_RUNS"] = str(folder / RUNS)      # no two jobs share a run's folder
    fields = {f.name: data[f.name] for f in dataclasses.fields(Job) if f.name != "folder"}
    outcome = run_job(data["module"], Job(**fields, folder=folder))
    sys.stdout.flush()
    write_atomic(folder / OUTCOME_FILE, json.dumps(outcome, indent=1, allow_nan=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
