"""Bench of ``fcim_register_file``: parts of words written at random, the word that is read compared in every cycle."""

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
    """A word is there in the cycle of its address, as the writes before that cycle have left its parts."""
    words, width, parts, draw = int(dut.WORDS.value), int(dut.WIDTH.value), int(dut.PARTS.value), rng("ports")
    part = width // parts
    stored: list[list[str]] = [["x" * part] * parts for _ in range(words)]      # part 0 first
    compared = 0
    start_clock(dut)
    start_watchdog(2 * CYCLES)
    await RisingEdge(dut.clk)
    for _ in range(CYCLES):
        write, read = (int(draw.integers(words)) for _ in range(2))
        enabled = int(draw.choice([0, 1 << draw.integers(parts), draw.integers(1 << parts), (1 << parts) - 1]))
        data = [format(int.from_bytes(draw.bytes(part // 8 + 1), "little") % (1 << part), f"0{part}b") for _ in range(parts)]
        dut.we.value, dut.wr_address.value, dut.wr_data.value = enabled, write, int("".join(reversed(data)), 2)
        dut.rd_address.value = read
        await RisingEdge(dut.clk)
        wanted, got = "".join(reversed(stored[read])), str(dut.rd_data.value).lower()
        for place, bit in enumerate(wanted):
            assert bit in ("x", got[place]), f"word {read} is {got}, not {wanted}"
        if "x" not in wanted:
            compared += 1
            coverage.sample_file(write, enabled.bit_count(), parts, read, words)
        for number in range(parts):
            if enabled >> number & 1:
                stored[write][number] = data[number]
    assert compared > CYCLES // 4
