"""Bench of ``fcim_ram``: both ports at random, every word that is read compared, and the output while nothing is read."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from tb.common.clock import start_clock, start_watchdog
from tb.common.rng import rng
from tb.memory import coverage

CYCLES = 600


@cocotb.test()
async def words_stay(dut: Any) -> None:
    """A word comes a cycle after its read, as it was written before the read's cycle, and stays until the next read."""
    words, width, draw = int(dut.WORDS.value), int(dut.WIDTH.value), rng("ports")
    stored: list[int | None] = [None] * words
    out: int | None = None          # what stands at the output; None: nobody may care
    last: int | None = None         # its word
    since = False                   # which was written since
    compared = 0
    start_clock(dut)
    start_watchdog(2 * CYCLES)
    await RisingEdge(dut.clk)
    for _ in range(CYCLES):
        write, read = (int(draw.integers(words)) if draw.integers(2) else None for _ in range(2))
        if write is not None and draw.integers(4) == 0 and read is not None:
            write = read
        data = int.from_bytes(draw.bytes(width // 8 + 1), "little") % (1 << width)
        # what an idle port holds must not matter
        dut.we.value, dut.wr_address.value, dut.wr_data.value = write is not None, write or 0, data
        dut.rd.value, dut.rd_address.value = read is not None, read or 0
        await RisingEdge(dut.clk)
        if out is not None:
            assert str(dut.rd_data.value) == format(out, f"0{width}b"), f"word {last} is {dut.rd_data.value}, not {out:0{width}b}"
            compared += 1
        coverage.sample_ram(write, read, words, read is not None and stored[read] is not None, None if last is None else since)
        since = read is None and (since or (write is not None and write == last))
        if read is not None:
            out, last = (None if read == write else stored[read]), read
        if write is not None:
            stored[write] = data
    assert compared > CYCLES // 4
