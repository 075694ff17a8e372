"""The faults of a block's RTL that its bench must find, all of them; a run of all tests takes some.

Parameters: ``block``: a bench folder whose ``test_<block>.py`` has ``test_faults_are_found``.
"""

from __future__ import annotations

from scripts.flow.regress.job import Job, Outcome
from scripts.flow.regress.worker import run_pytest


def run(job: Job) -> Outcome:
    """One block's."""
    block = job.parameters["block"]
    return run_pytest(f"tb/{block}/test_{block}.py::test_faults_are_found", job)
