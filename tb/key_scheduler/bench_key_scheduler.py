"""Key scheduler: every block of every tile, and both handshakes in every cycle, against the definition of the orders."""

from __future__ import annotations

import itertools
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge, Timer

from tb.common.clock import cycle, reset, start_clock, start_watchdog
from tb.common.geometry import Geometry
from tb.common.rng import rng
from tb.common.stalls import each_pattern
from tb.key_scheduler import coverage
from tb.key_scheduler.checker import Checker, Tile
from tb.key_scheduler.model import NAMES, SINK_DIAGONAL, runs_of

ORDERS = range(len(NAMES))
LONG_BLOCKS = 1000      # blocks that the long tiles of a test have together, at least


def every_length(size: Geometry, generator: np.random.Generator) -> list[Tile]:
    """All lengths up to four blocks and a bit, in every schedule, mixed."""
    longest = min(4 * size.keys_per_block + 3, size.max_keys)
    tiles = list(itertools.product(range(1, longest + 1), ORDERS))
    return [tiles[i] for i in generator.permutation(len(tiles))]


def long_tiles(size: Geometry, generator: np.random.Generator) -> list[Tile]:
    """The longest tiles, whole and ragged, in every order, and random ones from the whole range."""
    most, max_keys = size.keys_per_block, size.max_keys
    ragged = max_keys - int(generator.integers(1, most))
    tiles = [(keys, order) for keys in (max_keys, ragged) for order in ORDERS]
    while sum(keys for keys, _ in tiles) < LONG_BLOCKS * most:
        tiles.append((int(generator.integers(1, max_keys + 1)), int(generator.choice(ORDERS))))
    return [tiles[i] for i in generator.permutation(len(tiles))]


@cocotb.test()
@each_pattern()
async def lengths(dut: Any, pattern: str) -> None:
    """Every length from one key to four blocks and three keys, in every schedule."""
    await Checker(dut, pattern, every_length(Geometry(dut), rng("tiles"))).run()


@cocotb.test()
@each_pattern()
async def long(dut: Any, pattern: str) -> None:
    """Tiles up to MAX_KEYS, every block of them."""
    await Checker(dut, pattern, long_tiles(Geometry(dut), rng("tiles"))).run()


@cocotb.test()
async def a_block_per_cycle_across_tiles(dut: Any) -> None:
    """With nothing stalled there is not one idle cycle, not even between tiles of one block."""
    size = Geometry(dut)
    tiles, most = every_length(size, rng("tiles")), size.keys_per_block
    short = [(int(keys), int(code)) for keys, code in rng("short").integers((1, 0), (most + 1, 4), (60, 2))]
    checker = Checker(dut, "none", [*short, *tiles])
    cycles = await checker.run()
    assert (np.diff(cycles) == 1).all()
    assert cycles[0] == checker.bench.monitors["s_tile"].cycles[0] + 1, "the first block comes one cycle after its tile"


@cocotb.test()
async def outputs_follow_registers_alone(dut: Any) -> None:
    """Within a cycle no input moves an output, whatever is inside: nothing, a tile, a tile and one that waits."""
    draw, size = rng("inputs"), Geometry(dut)
    longest = min(3 * size.keys_per_block, size.max_keys)
    outputs = (dut.s_tile_ready, dut.m_blk_valid, dut.m_blk_start, dut.m_blk_count, dut.m_blk_last)

    def drive() -> None:
        dut.s_tile_valid.value, dut.m_blk_ready.value = draw.integers(0, 2, 2).tolist()
        dut.s_tile_keys.value, dut.s_tile_schedule.value = draw.integers((1, 0), (longest + 1, 4)).tolist()

    dut.s_tile_valid.value = dut.m_blk_ready.value = 0
    start_clock(dut)
    start_watchdog(1000)
    await reset(dut)
    states = set()
    for _ in range(400):
        await RisingEdge(dut.clk)
        seen = set()
        for _ in range(6):
            drive()
            await Timer(1, "ns")
            bits = [str(pin.value) for pin in outputs]
            seen.add(tuple(bits if bits[1] == "1" else bits[:2]))
        assert len(seen) == 1, f"cycle {cycle()}: within the cycle ready, valid, start, count, last were {sorted(seen)}"
        states.add((bits[0], bits[1], bits[1] == "1" and bits[4] == "1"))
    # with MAX_KEYS = KEYS_PER_BLOCK every block is a last one
    lasts = {True, longest == size.keys_per_block}
    assert states == {("1", "0", False), *itertools.product("10", "1", lasts)}


@cocotb.test()
async def reset_drops_the_tiles(dut: Any) -> None:
    """A reset ends the running tile and drops the one that waits; the tile after it begins at its beginning."""
    size = Geometry(dut)
    keys = min(4 * size.keys_per_block - 1, size.max_keys)
    edge, runs = RisingEdge(dut.clk), runs_of(SINK_DIAGONAL, keys, size.keys_per_block)
    dut.s_tile_keys.value, dut.s_tile_schedule.value = keys, SINK_DIAGONAL
    dut.s_tile_valid.value = dut.m_blk_ready.value = 0
    start_clock(dut)
    start_watchdog(500)

    def state() -> tuple[str, ...]:
        return tuple(str(pin.value) for pin in (dut.m_blk_valid, dut.s_tile_ready))

    async def reset_and_check() -> None:
        await reset(dut)
        for _ in range(3):
            assert state() == ("0", "1"), "the reset left a tile"
            await edge

    await reset_and_check()
    for inside, given in itertools.product((1, 2), range(len(runs))):
        await edge
        dut.s_tile_valid.value = 1
        for _ in range(inside):
            await edge
        dut.s_tile_valid.value, dut.m_blk_ready.value = 0, 1
        for start, count in runs[:given]:
            await edge
            assert (int(dut.m_blk_start.value), int(dut.m_blk_count.value)) == (start, count), "not the tile's beginning"
        dut.m_blk_ready.value = 0
        await edge
        assert state() == ("1", str(2 - inside))
        coverage.sample_reset(inside)
        await reset_and_check()
