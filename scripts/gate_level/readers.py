"""A workload of the regression: three readers of the RTL find no latch, no loop of gates, no net without a driver or with two.

Parameters: ``reader``, of :data:`READERS`.
"""

from __future__ import annotations

import subprocess

from models.errors import FcimError
from models.hardware.config import load_config
from scripts.flow.gates import readers
from scripts.flow.regress.job import Job, Outcome
from scripts.flow.sources import ROOT
from scripts.gate_level.blocks import missing

TOP = "fcim_engine"
VERILATOR = "verilator"
READERS = (VERILATOR, *readers.READERS)


def run(job: Job) -> Outcome:
    """The whole engine in one configuration.

    Raises:
        FcimError: an unknown reader, or Verilator is not installed.
    """
    reader, parameters = str(job.parameters.get("reader")), load_config(str(job.config)).verilog_parameters()
    if reader not in READERS:
        raise FcimError(f"reader = '{reader}' is none of {', '.join(READERS)}")
    if reader == VERILATOR:
        done = subprocess.run(readers.verilator_on(TOP, parameters), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        found = done.stdout.splitlines() if done.returncode else []
    elif why := missing():
        return Outcome(False, skipped=why)
    else:
        found = readers.findings(reader, TOP, parameters, job.folder)
    return Outcome(not found, "\n".join(found))
