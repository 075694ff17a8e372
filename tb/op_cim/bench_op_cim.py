"""Bench of ``fcim_op_cim`` between its BFMs: values, cycles, activity. Environment: OP_CIM_TILES."""

from __future__ import annotations

import os
from typing import Any

import cocotb

from tb.common.geometry import Geometry
from tb.common.rng import rng
from tb.op_cim import coverage
from tb.op_cim.checker import Checker
from tb.op_cim.sequences import draw_blocks

TILES = int(os.environ.get("OP_CIM_TILES", "4"))  # of the test with random blocks


def dense_length(size: Geometry) -> int:
    """Blocks of a tile that last longer than reading the tile before it, if a tile may be that long."""
    return min(size.rows // size.keys_per_block + 2, size.max_keys // size.keys_per_block)


@cocotb.test()
async def full_blocks_without_a_gap(dut: Any) -> None:
    """A block every BLOCK_CYCLES, also from tile to tile, while the other bank is read; all rescales."""
    size = Geometry(dut)
    length = dense_length(size)
    blocks = draw_blocks(rng("blocks"), size, [length] * 3, "mixed", full=True, gaps=False)
    checker = Checker(dut, size, blocks, pauses=False)
    await checker.run()
    steps = [b - a for a, b in zip(checker.softmax.starts, checker.softmax.starts[1:], strict=False)]
    if length * size.keys_per_block > size.rows + size.keys_per_block:
        assert steps == [size.block_cycles] * (3 * length - 1), f"blocks started {steps} cycles apart"
        assert checker.normalizer.rows_while_busy > 0, "no row was read while the other bank accumulated"


@cocotb.test()
async def short_blocks_with_gaps(dut: Any) -> None:
    """Blocks of 1 to KEYS_PER_BLOCK keys, tiles of one row and more, of one block and more, idle cycles anywhere, reads with
    pauses."""
    size, generator = Geometry(dut), rng("blocks")
    lengths = generator.integers(1, min(4, size.max_keys // size.keys_per_block) + 1, TILES).tolist()
    lengths[:3] = [1, *[min(4, size.max_keys // size.keys_per_block)] * 2]    # so that short blocks come in every place
    blocks = draw_blocks(generator, size, lengths, "mixed", full=False, gaps=True, part=True)
    await Checker(dut, size, blocks, pauses=True).run()


@cocotb.test()
async def last_chunk_of_a_tile_is_kept(dut: Any) -> None:
    """The reader rests between tiles: what it read last stays although the tile after next grows in the same accumulators."""
    size = Geometry(dut)
    blocks = draw_blocks(rng("blocks"), size, [1, 1, 1], "mixed", full=True, gaps=False)
    await Checker(dut, size, blocks, pauses=False, rest=3 * size.block_cycles).run()


@cocotb.test()
@cocotb.parametrize(style=[cocotb.Param(value=s, name=s) for s in ("largest", "smallest")])
async def ends_of_the_range(dut: Any, style: str) -> None:
    """Every probability at its maximum and every value 127 or -128; with few MAX_KEYS a tile has as many as it may."""
    size = Geometry(dut)
    length = size.max_keys // size.keys_per_block if size.max_keys == 64 else 2
    await Checker(dut, size, draw_blocks(rng("blocks"), size, [length], style, full=True, gaps=False), pauses=False).run()


@cocotb.test()
async def reset_in_a_block(dut: Any) -> None:
    """A block that a reset cuts off leaves nothing behind: no finish pulse, no request, no slot in use."""
    size, generator = Geometry(dut), rng("blocks")
    cut = Checker(dut, size, draw_blocks(generator, size, [1], "mixed", full=True, gaps=False), pauses=False)
    await cut.start()
    now = 0
    while not cut.softmax.starts or now < cut.softmax.starts[0] + size.block_cycles - 2:
        await cut.step(now)
        now += 1
    assert cut.active > 0 and cut.finished == 0
    coverage.sample_reset()
    cut.watchdog.cancel()
    await Checker(dut, size, draw_blocks(generator, size, [1, 1], "mixed", full=True, gaps=False), pauses=False).run(clock=False)
