"""Row maximum: scores of chains of tiles in, running maxima, amounts and the test for 0 out, in their cycles."""

from __future__ import annotations

from typing import Any

import cocotb

from tb.common.clock import reset, start_clock, start_watchdog
from tb.row_max.checker import Checker

BUDGET = 20_000


@cocotb.test()
async def chains_of_tiles(dut: Any) -> None:
    """Every running maximum, amount, test for 0 and event."""
    checker = Checker(dut)
    for name in ("z_valid", "z_buf", "z_first_key", "z_pass", "s_blk_valid", "rd_buf", "rd_pass"):
        getattr(dut, name).value = 0
    start_clock(dut)
    start_watchdog(BUDGET, lambda: f"{checker.freed} of {len(checker.blocks)} blocks")
    await reset(dut, quiet=("judged", "ev_rescaled", "ev_amount"))
    await checker.run()
    assert all(count >= 5 for count in checker.met.values()), f"the stimulus misses a case: {checker.met}"
