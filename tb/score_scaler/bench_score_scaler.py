"""Bench of ``fcim_score_scaler``: row tables and columns in, scaled scores pass by pass out, each in its own cycle."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from tb.common.bench import SETTLE_CYCLES
from tb.common.clock import cycle, reset, start_clock, start_watchdog
from tb.common.geometry import Geometry
from tb.common.rng import rng
from tb.common.stalls import each_pattern
from tb.score_scaler.checker import Checker
from tb.score_scaler.sequences import TileStimulus, random_tile


async def run(dut: Any, pattern: str, tiles: list[TileStimulus]) -> Checker:
    """Send the tiles and check all that comes."""
    checker = Checker(dut, pattern)
    columns, start = sum(len(t.keys) for t in tiles), cycle()
    start_clock(dut)
    start_watchdog(columns * (checker.size.cpk + 40) + 3000, lambda: f"{checker.compared} passes came of {columns} columns")
    await reset(dut, quiet=("z_valid", "z_saturations", "tile_scaled"))
    watcher = cocotb.start_soon(checker.watch())
    await checker.driver.send(tiles)
    await checker.source.drain()
    for _ in range(SETTLE_CYCLES):
        await RisingEdge(dut.clk)
    watcher.cancel()
    assert not checker.passes and not checker.freed, "passes are missing"
    assert (len(checker.columns), checker.compared, checker.tiles) == (columns, columns * checker.size.cpk, len(tiles))
    assert cycle() > start
    return checker


@cocotb.test()
@each_pattern()
async def random_tiles(dut: Any, pattern: str) -> None:
    """Tiles of all sizes: one key, a full block, one more, several and a rest; one row, all rows, any."""
    g, size = rng("stimulus"), Geometry(dut)
    block = size.keys_per_block
    lengths = [1, block, block + 1, int(g.integers(2, block)), 3 * block, 1, int(g.integers(block, 3 * block))]
    rows = [size.rows, 1, int(g.integers(1, size.rows + 1)), size.rows, int(g.integers(1, size.rows + 1)), 1, size.rows]
    tiles = []
    for i, j in enumerate(g.permutation(len(lengths))):
        if lengths[j] == 3 * block:  # most of its scores are clamped
            tiles.append(random_tile(g, size, size.rows, lengths[j], spread=25))
        else:
            tiles.append(random_tile(g, size, rows[i], lengths[j]))
    checker = await run(dut, pattern, tiles)
    assert any(sum(c.saturated) for c in checker.columns), "no score was clamped"
    assert (checker.held > 0) == (pattern in ("backpressure", "both")), f"{checker.held} cycles waited for room behind"


@cocotb.test()
async def full_rate(dut: Any) -> None:
    """Many one-block tiles back to back: a column every CYCLES_PER_KEY cycles from the first to the last."""
    g, size = rng("stimulus"), Geometry(dut)
    length = max(size.keys_per_block, -(-size.rows // size.cpk) + 6)  # long enough to write the next table meanwhile
    tiles = [random_tile(g, size, size.rows, length) for _ in range(5)]
    checker = await run(dut, "none", tiles)
    gaps = {b.cycle - a.cycle for a, b in zip(checker.columns, checker.columns[1:], strict=False)}
    assert gaps == {size.cpk}, f"distances between columns: {gaps}"
