"""Bench of ``fcim_row_divider``: rows of O from chunks that come with and without gaps, latency, rate, reset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from tb.common.bench import Bench
from tb.common.clock import reset
from tb.common.geometry import Geometry
from tb.common.pack import pack
from tb.common.scoreboard import Scoreboard
from tb.common.stalls import each_pattern
from tb.common.stream import Beat, StreamSource
from tb.normalizer.sequences import Tile, draw_tile
from tb.row_divider import coverage

CHUNK, ROW = ("acc", "sum", "row_end", "tile_end"), ("data", "empty", "last")
LATENCY = 19        # cycles from a row's last chunk to the row


def chunks(dut: Any, tile: Tile) -> list[Beat]:
    """The beats of a tile, the lowest columns of a row first."""
    columns, size = int(dut.COLUMNS.value), Geometry(dut)
    starts = range(0, size.head_dim, columns)
    return [{"acc": pack(acc[start : start + columns], size.acc_bits), "sum": total, "row_end": int(start == starts[-1]),
             "tile_end": int(start == starts[-1] and row == tile.rows - 1)}
            for row, (acc, total) in enumerate(zip(tile.acc, tile.total, strict=True)) for start in starts]


def set_up(dut: Any, pattern: str, sizes: Sequence[int]) -> tuple[Bench, StreamSource, Scoreboard, list[Tile]]:
    """The bench with both streams, and tiles of so many rows."""
    bench, size = Bench(dut, pattern), Geometry(dut)
    source = bench.input("s_chunk", CHUNK)
    board = bench.output("m_o", ROW, lanes={"data": (16, True)})
    return bench, source, board, [draw_tile(bench.rng, rows, size.head_dim, size.sum_bits, empty=0.2) for rows in sizes]


@cocotb.test()
@each_pattern()
async def rows_from_chunks(dut: Any, pattern: str) -> None:
    """Tiles of one row and of several; a row's chunks come at once or with gaps, a row is taken at once or later."""
    bench, source, board, tiles = set_up(dut, pattern, [1, 7, 1, 1, 20])
    async with bench:
        for tile in tiles:
            board.expect(tile.beats())
            await source.send(chunks(dut, tile))
    assert board.compared == sum(tile.rows for tile in tiles)
    into, out = bench.monitors["s_chunk"], bench.monitors["m_o"]
    ends = [edge for edge, beat in zip(into.cycles, into.beats, strict=True) if beat["row_end"]]
    if pattern in ("none", "gaps"):
        assert [edge - end for edge, end in zip(out.cycles, ends, strict=True)] == [LATENCY] * len(ends)
        assert len(into.ready_changes) == 1, "chunks are taken in every cycle while rows are taken at once"
    coverage.sample_rows(into.beats, into.cycles, out.offers, out.cycles)


@cocotb.test()
async def reset_drops_a_row(dut: Any) -> None:
    """Chunks on their way at a reset do not come out after it."""
    bench, source, board, (lost, kept) = set_up(dut, "none", [1, 2])
    async with bench:
        await source.send(chunks(dut, lost))
        await ClockCycles(dut.clk, LATENCY // 2)
        assert not bench.monitors["m_o"].beats
        coverage.sample_reset()
        await reset(dut)
        await ClockCycles(dut.clk, 2 * LATENCY)
        board.expect(kept.beats())
        await source.send(chunks(dut, kept))
    assert board.compared == kept.rows
