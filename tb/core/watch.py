"""Counts on the engine's pins what its counters claim, cycle by cycle."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge


class PortWatch:
    """Runs from its creation to the end of the test; ``counts`` holds the counters that the pins alone determine.

    Fails the test if ``tile_done`` is ever anything but "a tile's last row is taken in this cycle".
    """

    def __init__(self, dut: Any) -> None:
        self.counts = dict.fromkeys(("cycles", "tiles", "keys", "blocks", "stall_k", "stall_o", "skipped_blocks",
                                     "stall_decision"), 0)
        cocotb.start_soon(self._run(dut))

    async def _run(self, dut: Any) -> None:
        edge, counts = RisingEdge(dut.clk), self.counts
        in_flight, first_row = 0, True
        while True:
            await edge
            q_taken = dut.s_q_valid.value == 1 and dut.s_q_ready.value == 1
            k_valid, k_ready = dut.s_k_valid.value == 1, dut.s_k_ready.value == 1
            o_valid, o_ready = dut.m_o_valid.value == 1, dut.m_o_ready.value == 1
            decision_valid, decision_ready = dut.m_decision_valid.value == 1, dut.m_decision_ready.value == 1
            decided = decision_valid and decision_ready
            done = o_valid and o_ready and dut.m_o_last.value == 1
            if (dut.tile_done.value == 1) != done:
                raise AssertionError(f"tile_done is {dut.tile_done.value}; a tile's last row is taken: {done}")
            running = in_flight > 0 or q_taken
            counts["cycles"] += running
            counts["tiles"] += done
            counts["keys"] += k_valid and k_ready
            counts["stall_k"] += running and k_ready and not k_valid
            counts["stall_o"] += o_valid and not o_ready
            counts["blocks"] += decided
            counts["skipped_blocks"] += decided and dut.m_decision_skip.value == 1
            counts["stall_decision"] += decision_valid and not decision_ready
            if q_taken:
                in_flight += first_row
                first_row = dut.s_q_last.value == 1
            in_flight -= done
