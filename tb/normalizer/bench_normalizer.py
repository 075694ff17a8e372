"""Bench of ``fcim_normalizer``: values, flags, order, release of the banks, latency and rate, with and without backpressure."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from tb.common.bench import Bench
from tb.common.clock import reset
from tb.common.scoreboard import Scoreboard
from tb.normalizer import coverage
from tb.normalizer.agents import BankBfm
from tb.normalizer.sequences import Tile, draw_tile

FIELDS = ("data", "empty", "last")
FIRST_PART = 20  # cycles from a row's first read to its first part
PATTERNS = [cocotb.Param(value=name, name=name) for name in ("none", "backpressure")]


def set_up(dut: Any, pattern: str, minimum: int) -> tuple[Bench, Scoreboard, BankBfm]:
    """The bench with its output stream, and the banks."""
    bench = Bench(dut, pattern, budget=30_000)
    board = bench.output("m_o", FIELDS, lanes={"data": (16, True)}, minimum=minimum)
    banks = BankBfm(dut)
    cocotb.start_soon(banks.run())
    return bench, board, banks


def check_rate(bench: Bench, banks: BankBfm, tiles: list[Tile]) -> None:
    """Without backpressure a row leaves every CYCLES_PER_KEY cycles, each the same time after its first read."""
    cycles = iter(bench.monitors["m_o"].cycles)
    for number, tile in enumerate(tiles):
        left = [next(cycles) for _ in range(tile.rows)]
        for row, edge in enumerate(left):
            want = FIRST_PART + banks.size.cpk - 1
            got = edge - tile.first_read[row]
            assert got == want, f"tile {number} row {row} left {got} cycles after its first read, expected {want}"
        steps = {b - a for a, b in zip(left, left[1:], strict=False)}
        assert steps <= {banks.size.cpk}, f"tile {number}: rows left {sorted(steps)} cycles apart, expected {banks.size.cpk}"


@cocotb.test()
@cocotb.parametrize(pattern=PATTERNS)
async def tiles_of_any_size(dut: Any, pattern: str) -> None:
    """1 to ROWS rows, some empty; the next tile is done while one is read, or long after."""
    rows = int(dut.ROWS.value)
    bench, board, banks = set_up(dut, pattern, 2 * rows + 1)
    sizes = [1, rows, rows, 1, 1, *bench.rng.integers(1, rows + 1, 1 if rows > 16 else 4).tolist()]
    tiles = [draw_tile(bench.rng, size, banks.size.head_dim, banks.size.sum_bits, empty=0.2) for size in sizes]
    async with bench:
        for tile in tiles:
            # 8 cycles are the shortest block, so done pulses are never closer.
            wait = 8 + int(bench.rng.integers(0, 2)) * int(bench.rng.integers(0, 2 * rows * banks.size.cpk))
            await banks.finish(tile, wait)
            board.expect(tile.beats())
    assert board.compared == sum(sizes) and banks.releases == len(sizes)
    if pattern == "none":
        check_rate(bench, banks, tiles)


@cocotb.test()
@cocotb.parametrize(pattern=PATTERNS)
async def every_row_empty(dut: Any, pattern: str) -> None:
    """Zeros and the flag, whatever the accumulators hold; the rows of the tile after it are not touched."""
    bench, board, banks = set_up(dut, pattern, 4)
    tiles = [draw_tile(bench.rng, 2, banks.size.head_dim, banks.size.sum_bits, empty) for empty in (1.0, 0.0)]
    tiles[0].acc = [[1 - 2 * (i % 2)] * banks.size.head_dim for i in range(2)]
    async with bench:
        for tile in tiles:
            await banks.finish(tile, 8)
            board.expect(tile.beats())
    assert [beat["empty"] for beat in bench.monitors["m_o"].beats] == [1, 1, 0, 0]
    assert board.compared == 4 and banks.releases == 2


@cocotb.test()
async def reset_drops_a_tile(dut: Any) -> None:
    """Rows on their way at a reset do not come out after it, and the next tile starts at its first row."""
    bench, board, banks = set_up(dut, "none", 3)
    lost, kept = (draw_tile(bench.rng, rows, banks.size.head_dim, banks.size.sum_bits, 0.0) for rows in (int(dut.ROWS.value), 3))
    async with bench:
        await banks.finish(lost, 0)
        await ClockCycles(dut.clk, FIRST_PART // 2)
        assert lost.reads and not bench.monitors["m_o"].beats
        coverage.sample_reset()
        await reset(dut)
        banks.reset()
        await ClockCycles(dut.clk, 2 * FIRST_PART)
        await banks.finish(kept, 0)
        board.expect(kept.beats())
    assert board.compared == 3 and banks.releases == 1
