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

VERILATOR = "verilator"
READERS = (VERILATOR, *readers.READERS)


def run(job: Job) -> Outcome:
    """The whole engine in one configuration.

    Raises:
        FcimError: an unknown reader, or Verilator is not installed.
    """
    reader, cfg = str(job.parameters.get("reader")), load_config(str(job.config))
    if reader not in READERS:
        raise FcimError(f"reader = '{reader}' is none of {', '.join(READERS)}")
    if reader == VERILATOR:
        done = subprocess.run(readers.verilator_on(readers.ENGINE, cfg.verilog_parameters()), cwd=ROOT, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        found = done.stdout.splitlines() if done.returncode else []
    elif why := missing():
        return Outcome(False, skipped=why)
    else:
        found = readers.engine_findings(reader, cfg, job.folder) + readers.unit_findings(reader, cfg, job.folder)
    return Outcome(not found, "\n".join(found))
