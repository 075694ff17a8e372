"""Two runs of ``tiny_case``; what each covers is worked out in test_coverage_design.py. All inputs start at 0."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge, Timer

from tb.common.clock import reset, start_clock

INPUTS = ("op", "a", "b", "wide")


async def _play(dut: Any, *steps: dict[str, int]) -> list[int]:
    """Reset, then one clock edge per step with these inputs (the others keep their values); y_q after each edge."""
    for name in INPUTS:
        getattr(dut, name).value = 0
    start_clock(dut)
    dut.rst_n.value = 0
    await Timer(1, "ns")
    await reset(dut)
    values = []
    for step in steps:
        for name, value in step.items():
            getattr(dut, name).value = value
        await RisingEdge(dut.clk)
        await Timer(1, "ns")
        values.append(int(dut.y_q.value))
    return values


@cocotb.test()
async def first(dut: Any) -> None:
    """Case 0 with both arms of ?:, and a pulse on bit 0 of the wide input."""
    assert await _play(dut, {"a": 0}, {"a": 1}, {"a": 0}, {"wide": 1}, {"wide": 0}) == [1, 5, 1, 1, 1]


@cocotb.test()
async def second(dut: Any) -> None:
    """Case 1 twice, the default with b low, then case 0."""
    steps = ({"op": 1, "a": 1, "b": 1}, {}, {"op": 2, "b": 0}, {"op": 0, "a": 0})
    assert (await _play(dut, *steps))[1:] != []
