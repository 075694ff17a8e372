"""Bench of ``fcim_divider``: quotients, order, latency and the enable, against the specification's formula."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cocotb

from tb.common.clock import reset, start_clock, start_watchdog
from tb.common.rng import rng
from tb.common.spec import divide
from tb.divider import coverage
from tb.divider.checker import LATENCY, Checker
from tb.divider.sequences import always, draw_items, exact_halves, often


async def start(dut: Any, enables: Iterator[bool], valids: Iterator[bool]) -> Checker:
    """Clock and reset, with the inputs at rest."""
    dut.enable.value = dut.in_valid.value = 0
    start_clock(dut)
    start_watchdog(20_000)
    checker = Checker(dut, enables, valids)
    checker.drive(None)
    await reset(dut, quiet=("out_valid",))
    return checker


@cocotb.test()
async def quotients_at_full_rate(dut: Any) -> None:
    """One item per cycle, all kinds of divisors and accumulators."""
    checker = await start(dut, always(), always())
    items = draw_items(checker.size, rng("items"), 400)
    await checker.run(items)
    assert checker.compared == 400 and checker.stopped == 0


@cocotb.test()
async def exact_halves_round_away_from_zero(dut: Any) -> None:
    """Both signs; what they round to is known without a division."""
    checker = await start(dut, always(), always())
    items, rounded = exact_halves(checker.size, rng("halves"), 200)
    assert [[divide(acc, total) for acc in accs] for accs, total in items] == rounded
    await checker.run(items)
    assert checker.compared == 200


@cocotb.test()
async def enable_stops_every_stage(dut: Any) -> None:
    """The enable falls at random and items come with gaps: nothing is lost, doubled or changed; stopped cycles do not count."""
    checker = await start(dut, often(rng("enable"), 0.5), often(rng("valid"), 0.6))
    await checker.run(draw_items(checker.size, rng("items"), 300))
    assert checker.compared == 300 and checker.stopped > 100


@cocotb.test()
async def divisor_zero_gives_zero(dut: Any) -> None:
    """Whatever the accumulators hold; neighbours with other divisors keep theirs."""
    checker = await start(dut, always(), always())
    items = draw_items(checker.size, rng("items"), 100)
    items = [(accs, 0 if i % 3 else total) for i, (accs, total) in enumerate(items)]
    await checker.run(items)
    assert checker.compared == 100


@cocotb.test()
async def reset_empties_the_stages(dut: Any) -> None:
    """Items in flight at a reset do not come out after it."""
    checker = await start(dut, always(), always())
    for item in draw_items(checker.size, rng("lost"), LATENCY // 2):
        await checker.cycle(item, True, True)
    coverage.sample_reset(len(checker.waiting))
    checker.waiting.clear()
    dut.in_valid.value = 0
    await reset(dut, quiet=("out_valid",))
    await checker.run(draw_items(checker.size, rng("kept"), 20))
    assert checker.compared == 20
