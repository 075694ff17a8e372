"""The benches of the blocks between engines and memory, at more sizes than their tests have.

Parameters: ``block`` (a key of :data:`NAMES`), ``size`` (an index of its :data:`SIZES`).
"""

from __future__ import annotations

from models.errors import FcimError
from scripts.flow.regress.job import Job, Outcome
from tb.workloads.benches import run_block

NAMES = {"kv_loader": ("ENGINES", "HEAD_DIM", "KEYS_PER_BLOCK", "MAX_KEYS", "BUFFER_KEYS", "DATA_BITS"),
         "q_fetch": ("ENGINES", "ROWS", "HEAD_DIM", "MAX_KEYS", "DATA_BITS"),
         "read_router": ("ENGINES", "ROWS", "HEAD_DIM", "KEYS_PER_BLOCK", "MAX_KEYS", "BUFFER_KEYS", "DATA_BITS"),
         "store": ("ENGINES", "HEAD_DIM", "MAX_KEYS", "DATA_BITS")}
SIZES = {"kv_loader": ((2, 128, 64, 131072, 512, 1024), (8, 64, 32, 4096, 1024, 256), (16, 128, 16, 2048, 512, 512)),
         "q_fetch": ((4, 64, 64, 2048, 512), (8, 128, 128, 8192, 256), (16, 16, 16, 64, 128)),
         "read_router": ((4, 32, 64, 8, 512, 128, 256), (8, 16, 128, 8, 4096, 256, 128),
                         (16, 64, 128, 16, 131072, 4096, 1024)),
         "store": ((4, 64, 1024, 256), (8, 128, 4096, 128), (16, 128, 131072, 512))}


def run(job: Job) -> Outcome:
    """One block at one size.

    Raises:
        FcimError: there is no such block or size.
    """
    block, size = str(job.parameters.get("block")), job.parameters.get("size")
    if block not in NAMES:
        raise FcimError(f"block = '{block}' is unknown; use {', '.join(NAMES)}")
    if size not in range(len(SIZES[block])):
        raise FcimError(f"size = '{size}' is illegal; use 0 to {len(SIZES[block]) - 1}")
    return run_block(job, block, dict(zip(NAMES[block], SIZES[block][size], strict=True)))
