"""Plays programs into ``fcim_unfused`` and holds every value, every counter, every start and completion to the models.

Environment: UNFUSED_CASES, a file of :mod:`tb.unfused.cases`, and UNFUSED_COUNT, how many it has; UNFUSED_PATTERNS, by
commas how programs are played: "none", "gaps" (software is late with operations), "reset" (in the middle of something else);
UNFUSED_CYCLES, the file to which each case adds its cycles under each pattern.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from models.baseline.unfused_program import COUNTERS, QUEUES, Pv, UnfusedConfig, fields_of
from models.baseline.unfused_timing import DIVIDE, time_program
from tb.common.bench import Bench
from tb.common.rng import rng
from tb.common.stalls import bursts
from tb.common.stream import StreamMonitor, StreamSource
from tb.unfused import coverage
from tb.unfused.agents import Buffer
from tb.unfused.cases import Case, load_cases

WAITS = ("waits",)
FIELDS = {"load": ("values", "bank", "macro", "base", "rows", *WAITS),
          "macro": ("values", "bank", "row", "rows", "base", "keys", "shift", "part", "first", "last", *WAITS),
          "softmax": ("row", "rows", "base", "keys", "first", *WAITS)}
COUNTER_BITS = 48
SPARE_CYCLES, LONGEST_PAUSE = 2000, 40
LONG = 30       # rows of an operation that a reset ends
RESETS = 16
SETTLE = 8      # cycles, longer than what a pipeline takes
EARLY = 20      # cycles after which scores and exponentials are on their way
ANSWERS = ("cell_data", "cell_mult", "q_data", "q_pos", "q_mult", "s_rd_data", "s_rd_v_mult", "p_rd_data", "o_rd_data")


def config_of(dut: Any) -> UnfusedConfig:
    """The parameters that the design was built with."""
    return UnfusedConfig(*(int(getattr(dut, name.upper()).value) for name in UnfusedConfig.__dataclass_fields__))


def read_counters(dut: Any) -> dict[str, int]:
    """The counters by name."""
    word = int(dut.counters.value)
    return {name: word >> COUNTER_BITS * number & (1 << COUNTER_BITS) - 1 for number, name in enumerate(COUNTERS)}


async def disturb(dut: Any, bench: Bench, draw: np.random.Generator) -> None:
    """Operations of any kind are under way when a reset comes, for one edge; what is asked of the buffer is answered with
    anything."""
    edge = RisingEdge(dut.clk)
    for name in QUEUES:
        bench.monitors[name].watching = False
        for field in FIELDS[name]:
            pin = getattr(dut, f"s_{name}_{field}")
            pin.value = 0 if field == "waits" else int(draw.integers(1 << min(len(pin), 30)))
        getattr(dut, f"s_{name}_rows").value = LONG
        getattr(dut, f"s_{name}_valid").value = 1
    for name in ANSWERS:
        pin = getattr(dut, name)
        pin.value = int.from_bytes(draw.bytes(-(-len(pin) // 8)), "little") >> -len(pin) % 8
    await ClockCycles(dut.clk, int(draw.integers(EARLY, LONG)))
    dut.rst_n.value = 0
    await edge
    for name in QUEUES:
        for field in ("valid", *FIELDS[name]):      # as the sources left them
            getattr(dut, f"s_{name}_{field}").value = 0
    dut.rst_n.value = 1
    await ClockCycles(dut.clk, SETTLE)
    left = {name: count for name, count in read_counters(dut).items() if count}
    assert not left, f"counters: after a reset there are {left}"
    for name in QUEUES:
        bench.monitors[name].watching = True


async def play(dut: Any, cfg: UnfusedConfig, case: Case, pattern: str, budget: int) -> int:
    """One program from reset on; its cycles."""
    dut.clear.value = 0
    bench, edge = Bench(dut, "none", budget), RisingEdge(dut.clk)
    for name in QUEUES:
        stalls = bursts(rng(f"stalls {name}"), 2, LONGEST_PAUSE) if pattern == "gaps" else None
        bench.sources[name] = StreamSource(dut, f"s_{name}", FIELDS[name], stalls)
        bench.monitors[name] = StreamMonitor(dut, f"s_{name}", FIELDS[name])
    indices = [[index for index, op in enumerate(case.program) if queue == op.QUEUE] for queue in range(len(QUEUES))]
    positions = case.operands["positions"]
    async with bench:
        if pattern == "reset":
            draw = rng("before the reset")
            for _ in range(RESETS):
                await disturb(dut, bench, draw)
        buffer = Buffer(dut, cfg, case, rng("buffer"))
        bench.scoreboards["m_o"] = (buffer.board, 1)
        for queue, name in enumerate(QUEUES):
            if indices[queue]:
                bench.sources[name].append([fields_of(case.program[index]) for index in indices[queue]])
        def left() -> bool:
            return any(len(done) < len(own) for done, own in zip(buffer.done, indices, strict=True))

        while left() or buffer.rows_out < len(case.out):
            await edge
        await ClockCycles(dut.clk, 3)
        offered, started, done = ([0] * len(case.program) for _ in range(3))
        for queue, own in enumerate(indices):
            monitor = bench.monitors[QUEUES[queue]]
            for place, index in enumerate(own):
                offered[index], started[index] = monitor.offers[place], monitor.cycles[place]
                done[index] = buffer.done[queue][place]
        timing = time_program(cfg, case.program, positions, offered)
        for index, op in enumerate(case.program):
            seen, right = (started[index], done[index]), (timing.start[index], timing.done[index])
            seen, right = ([at - min(started) for at in pair] for pair in (seen, right))
            assert seen == right, f"operation {index} ({type(op).__name__}) starts and is complete in cycles {seen}, not {right}"
        slots = [timing.done[index] + DIVIDE - (op.count - 1 - row) * cfg.pv_slot for index, op in enumerate(case.program)
                 if isinstance(op, Pv) and op.last for row in range(op.count)]
        buffer.expect(case, slots)
        problems = buffer.differences(case)
        assert not problems, "; ".join(problems)
        counters = read_counters(dut)
        right = dict(case.counters) | {"cycles": timing.cycles}
        wrong = [f"{name} is {counters[name]}, not {right[name]}" for name in COUNTERS if counters[name] != right[name]]
        assert not wrong, f"counters: {'; '.join(wrong)}"
        coverage.sample_program(cfg, case.program, positions, timing, pattern)
        dut.clear.value = 1
        await edge
        dut.clear.value = 0
        await edge
        await edge
        assert not any(read_counters(dut).values()), "counters: clear leaves some"
    buffer.task.cancel()
    return timing.cycles


@cocotb.test()
@cocotb.parametrize(number=[cocotb.Param(value=number, name=str(number)) for number in range(int(os.environ["UNFUSED_COUNT"]))],
                    pattern=[cocotb.Param(value=name, name=name) for name in os.environ["UNFUSED_PATTERNS"].split(",")])
async def programs(dut: Any, number: int, pattern: str) -> None:
    """A case, from a reset on."""
    cfg, case = config_of(dut), load_cases(Path(os.environ["UNFUSED_CASES"]))[number]
    coverage.sample_config(cfg)
    budget = 2 * case.counters["cycles"] + 4 * LONGEST_PAUSE * len(case.program) + SPARE_CYCLES
    cycles = await play(dut, cfg, case, pattern, budget)
    with Path(os.environ["UNFUSED_CYCLES"]).open("a", encoding="utf-8") as file:
        file.write(f"{number} {pattern} {cycles}\n")
