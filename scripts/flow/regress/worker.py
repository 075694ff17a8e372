"""The process of one job: ``python -m scripts.flow.regress.worker FOLDER/job.json`` writes ``outcome.json`` beside it."""

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
import sys
import traceback
from pathlib import Path
from typing import Any

from scripts.flow.files import write_atomic
from scripts.flow.regress.job import Job, Outcome
from scripts.flow.regress.pytest_job import is_pytest_path, run_pytest
from scripts.flow.sources import ROOT

JOB_FILE, OUTCOME_FILE, RUNS = "job.json", "outcome.json", "runs"


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
            "digest": None if outcome.digest is None else str(outcome.digest), "tests": int(outcome.tests),
            "log": kept(outcome.log, folder, "bench"), "waves": kept(outcome.waves, folder, "waves")}


def failure(message: str) -> dict[str, Any]:
    """The JSON form of an outcome that only says why it failed."""
    return outcome_dict(Outcome(False, message), Path(), "")


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
        told = isinstance(error, AssertionError) or type(error).__name__ in ("FcimError", "BenchFailed")
        result = failure(text if told and text else f"{type(error).__name__}: {text}".rstrip(": "))
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
