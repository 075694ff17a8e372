"""A workload whose jobs pass, fail or hang as the list says: for the tests of the runner, and without a simulator."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from models.errors import FcimError
from scripts.flow.regress.job import Job, Outcome
from scripts.flow.sources import ROOT

SLEEP = "import time; time.sleep(600)"


def _children(job: Job) -> None:
    """A child in the job's own group and one in a session of its own; their ids are left in the folder."""
    ids = [subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=apart).pid for apart in (False, True)]
    (job.folder / "children.json").write_text(json.dumps(ids))


def run(job: Job) -> Outcome:
    """Behave as the parameter ``do`` says."""
    metrics: dict[str, int | float | str] = {"seed": job.seed, "half": 0.5}
    match job.parameters.get("do", "pass"):
        case "pass":
            time.sleep(float(job.parameters.get("seconds", 0)))
            return Outcome(True, metrics=metrics, digest=str(job.seed), tests=2)
        case "fail":
            return Outcome(False, "out[3] is 5, the model says 6\nsecond line", metrics)
        case "silent":
            return Outcome(False)
        case "nothing":
            return Outcome(True, tests=0)
        case "raise":
            raise ValueError("no such thing")
        case "assert":
            raise AssertionError("row 7 differs")
        case "mistake":
            raise FcimError("the tile does not fit")
        case "exit":
            sys.exit(0)
        case "vanish":
            os._exit(0)
        case "late":
            atexit.register(os._exit, 3)
            return Outcome(True)
        case "skip":
            return Outcome(False, skipped="the model cannot be had: no network\nmore")
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "wrong":
            return "passed"  # type: ignore[return-value]
        case "hang":
            _children(job)
            time.sleep(600)
        case "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            _children(job)
            time.sleep(600)
        case "litter":
            _children(job)
            return Outcome(True)
        case "differ":
            return Outcome(True, metrics={"cycles": {"icarus": 10, "verilator": 11}[job.sim]}, digest=job.sim)
        case "no_digest":
            return Outcome(True)
        case "environment":
            names = ("SIM", "SEED", "WAVES", "FCIM_COVERAGE", "MAKEFLAGS")
            return Outcome(True, metrics={name: os.environ.get(name, "unset") for name in names})
        case "coverage":
            data = Path(os.environ["FCIM_COVERAGE"]) / "runs" / "x.dat"
            data.parent.mkdir(parents=True)
            data.write_text(f"\x01f\x02{ROOT}/rtl/x.v\x01")
            return Outcome(True)
        case "files":
            (job.folder / "bench.log").write_text("sim\n")
            (job.folder / "bench.fst").write_text("fst\n")
            return Outcome(True, log=job.folder / "bench.log", waves=job.folder / "bench.fst")
    return Outcome(False, "the test asked for something unknown")
