"""Programs of every kind on ``fcim_kv_stationary``: all bits, all counts and all cycles, as the models say.

The file that FCIM_VECTORS names has them, see ``cases.py``.
"""

from __future__ import annotations

import os
from typing import Any

import cocotb

from models.baseline.kv_program import load_cycles
from tb.common.rng import rng
from tb.kv_stationary.agents import Cluster, read_cases

BUDGET = 3_000_000
RESETS = 6      # of each program


@cocotb.test()
@cocotb.parametrize(pattern=[cocotb.Param(value=name, name=name) for name in ("none", "gaps")])
async def programs(dut: Any, pattern: str) -> None:
    """One after the other; nothing of one is left when the next begins."""
    cfg, cases = read_cases(os.environ["FCIM_VECTORS"])
    cluster = Cluster(dut, cfg, pattern, BUDGET)
    async with cluster.bench:
        for case in cases:
            await cluster.run(case)


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """Rows are on their way, or keys, and go nowhere; no counter has anything of them; the next program is as a first one."""
    cfg, cases = read_cases(os.environ["FCIM_VECTORS"])
    cluster = Cluster(dut, cfg, "none", BUDGET)
    draw = rng("moments")
    async with cluster.bench:
        for case in cases[:4]:
            for operations in (0, len(case.program.rows), *draw.integers(1, len(case.program.rows) + 1, RESETS - 2).tolist()):
                begun = case.beginning(operations)
                last = cfg.written if operations else load_cycles(cfg, begun.program.loads[0])
                await cluster.break_off(begun, int(draw.integers(1, last)))
            await cluster.run(case)
