"""The benches of the AXI engines and of what they are made of at more sizes than their tests have.

Parameters: ``block`` (a key of :data:`USED`), ``size`` (an index of :data:`SIZES`).
"""

from __future__ import annotations

from models.errors import FcimError
from scripts.flow.regress.job import Job, Outcome
from tb.workloads.benches import run_block

NAMES = ("DATA_BITS", "MAX_BURST", "OUTSTANDING", "BUFFER_BEATS")
SIZES = ((256, 256, 2, 1024), (256, 2, 16, 32), (512, 16, 4, 64), (512, 16, 16, 16), (1024, 1, 1, 1), (1024, 256, 5, 512))
USED = {"burst_splitter": 2, "axi_writer": 3, "axi_reader": 4}      # of the names, the first so many


def run(job: Job) -> Outcome:
    """One block at one size.

    Raises:
        FcimError: there is no such block or size.
    """
    block, size = str(job.parameters.get("block")), job.parameters.get("size")
    if block not in USED:
        raise FcimError(f"block = '{block}' is unknown; use {', '.join(USED)}")
    if size not in range(len(SIZES)):
        raise FcimError(f"size = '{size}' is illegal; use 0 to {len(SIZES) - 1}")
    return run_block(job, block, dict(zip(NAMES[:USED[block]], SIZES[size], strict=False)))
