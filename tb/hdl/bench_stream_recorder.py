"""``tb_stream_recorder``: what it writes, and that each breach of the protocol raises ``error``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles
from cocotb.types import Logic, LogicArray

from tb.common.clock import start_clock
from tb.common.rng import rng

WIDTH = 37
RECORD = 8 + 8      # bytes: cycles of acceptance and of the first offer, then WIDTH bits in whole words


async def begin(dut: Any) -> None:
    """A fresh file, no beat yet."""
    start_clock(dut)
    for name, value in (("rst_n", 1), ("valid", 0), ("ready", 0), ("payload", 0), ("finish", 0), ("cycle", 0), ("start", 1)):
        getattr(dut, name).value = value
    await ClockCycles(dut.clk, 2)
    dut.start.value = 0
    await ClockCycles(dut.clk, 1)


async def step(dut: Any, cycle: int, valid: Any, ready: Any, payload: Any) -> None:
    """One cycle with these inputs."""
    for name, value in (("cycle", cycle), ("valid", valid), ("ready", ready), ("payload", payload)):
        getattr(dut, name).value = value
    await ClockCycles(dut.clk, 1)


@cocotb.test()
async def accepted_beats_are_written(dut: Any) -> None:
    numbers = rng("beats")
    await begin(dut)
    expected: list[tuple[int, int, int]] = []
    changes: list[int] = []
    payload, valid, ready, offered = 0, False, False, 0
    for cycle in range(100, 400):
        if not valid:
            valid, payload, offered = bool(numbers.integers(2)), int(numbers.integers(1 << WIDTH)), cycle
        was, ready = ready, bool(numbers.integers(2))
        changes += [cycle] if ready != was else []
        await step(dut, cycle, int(valid), int(ready), payload)
        if valid and ready:
            expected.append((cycle, offered, payload))
            valid = False
    await step(dut, 400, 0, int(ready), 0)
    assert dut.error.value == 0 and int(dut.count.value) == len(expected) > 40
    dut.finish.value = 1
    await ClockCycles(dut.clk, 2)
    raw = Path("beats.bin").read_bytes()
    got = [tuple(int.from_bytes(raw[i + a:i + b], "little") for a, b in ((0, 4), (4, 8), (8, RECORD)))
           for i in range(0, len(raw), RECORD)]
    assert got == expected and any(taken > offered for taken, offered, _ in got)
    raw = Path("beats.bin.ready").read_bytes()
    assert [int.from_bytes(raw[i:i + 4], "little") for i in range(0, len(raw), 4)] == changes


# name: inputs (valid, ready, payload) of successive cycles; the last one breaks the rule
BREACHES = {
    "valid drops": [(1, 0, 5), (0, 0, 5)],
    "the payload changes": [(1, 0, 5), (1, 0, 5), (1, 1, 4)],
    "valid is X": [(Logic("X"), 0, 5)],
    "ready is Z": [(1, Logic("Z"), 5)],
    "an accepted bit is X": [(1, 0, LogicArray("X" + "0" * (WIDTH - 1))), (1, 1, LogicArray("X" + "0" * (WIDTH - 1)))],
}


@cocotb.test()
@cocotb.parametrize(breach=[cocotb.Param(value=name, name=name.replace(" ", "_")) for name in BREACHES])
async def a_breach_is_reported(dut: Any, breach: str) -> None:
    await begin(dut)
    *fine, broken = BREACHES[breach]
    for cycle, inputs in enumerate(fine):
        await step(dut, cycle, *inputs)
    await step(dut, 50, 0, 0, 0) if not fine else None
    assert dut.error.value == 0
    await step(dut, 60, *broken)
    await ClockCycles(dut.clk, 1)
    assert dut.error.value == 1
    await begin(dut)
    assert dut.error.value == 0, "the next run begins with the error of the last"
