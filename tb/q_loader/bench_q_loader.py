"""Q loader: rows, banks and row sums, compared with a model in every cycle.

Of the stall patterns, gaps are between rows; under back-pressure the banks come back late.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from tb.common.clock import cycle
from tb.common.operands import mixed_operands
from tb.common.pack import pack
from tb.common.stalls import each_pattern
from tb.common.stream import Beat
from tb.q_loader.checker import FIELDS, Checker


def rows(checker: Checker, lengths: list[int]) -> list[Beat]:
    """Rows of tiles of these lengths, the last of each marked: the smallest row, the largest, then all kinds."""
    draw, count = checker.bench.rng, sum(lengths)
    data = mixed_operands(draw, count, checker.head_dim, uniform=4)
    data[:2] = np.array([[-128], [127]])
    limits = {f: 1 << len(getattr(checker.dut, f"s_q_{f}")) for f in FIELDS if f not in ("data", "last")}
    last = set((np.cumsum(lengths) - 1).tolist())
    return [{"data": pack(row, 8), "last": int(i in last), **{f: int(draw.integers(0, n)) for f, n in limits.items()}}
            for i, row in enumerate(data)]


def tile_lengths(generator: np.random.Generator, rows: int) -> list[int]:
    """Full tiles, tiles of one row, tiles one row too long, a very long one, and random ones."""
    return [rows, rows, 1, 1, 1, rows - 1, rows + 1, 2, 2 * rows + 3, *generator.integers(1, rows + 1, 3).tolist()]


@cocotb.test()
@each_pattern()
async def tiles(dut: Any, pattern: str) -> None:
    """Tiles of all lengths; an overlong one is cut every ROWS rows."""
    checker = Checker(dut, pattern, minimum=1)
    lengths = tile_lengths(checker.bench.rng, checker.rows)
    watcher = cocotb.start_soon(checker.watch())
    async with checker.bench:
        await checker.source.send(rows(checker, lengths))
        while checker.pulses[1][-1][0] > cycle():
            await RisingEdge(dut.clk)
    watcher.cancel()
    tile_count = sum(-(-length // checker.rows) for length in lengths)
    assert checker.board.compared == sum(lengths) == len(checker.bench.monitors["s_q"].beats)
    assert len(checker.pulses[0]) == tile_count
    assert not any(checker.held), "at the end both banks are free"
    if checker.slow:
        assert checker.blocked >= checker.rows, f"the rows waited only {checker.blocked} cycles"
        assert checker.both_loaded > 0, "both banks were never loaded at once"


@cocotb.test()
async def a_row_per_cycle_across_tiles(dut: Any) -> None:
    """While a bank is free, rows move in every cycle, also from the last of a tile to the first of the next."""
    checker = Checker(dut, "none", minimum=4 * int(dut.ROWS.value))
    watcher = cocotb.start_soon(checker.watch())
    async with checker.bench:
        await checker.source.send(rows(checker, [checker.rows] * 4))
    watcher.cancel()
    assert (np.diff(checker.bench.monitors["s_q"].cycles) == 1).all()


@cocotb.test()
async def waits_for_the_older_bank(dut: Any) -> None:
    """With two tiles in the banks nothing is taken, however long; streaming alone frees nothing; scaling frees its own bank."""
    checker = Checker(dut, "none", minimum=1, delay=lambda: 40)
    watcher = cocotb.start_soon(checker.watch())
    async with checker.bench:
        await checker.source.send(rows(checker, [1, 2, 1]))
    watcher.cancel()
    accepted = checker.bench.monitors["s_q"].cycles
    assert accepted[3] == checker.pulses[1][0][0] + 1
    assert checker.pulses[1][0][0] - checker.pulses[0][0][0] == 41 and checker.blocked >= 80
