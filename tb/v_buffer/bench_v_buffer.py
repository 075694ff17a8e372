"""V buffer: the ring of key blocks and its slices, compared with a model in every cycle.

Of the stall patterns, gaps are between values; under back-pressure blocks are read late and with pauses between slices.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from tb.common.geometry import Geometry
from tb.common.operands import mixed_operands
from tb.common.pack import pack
from tb.common.rng import rng
from tb.common.stalls import each_pattern
from tb.common.stream import Beat
from tb.v_buffer.checker import Checker


def values(checker: Checker, lengths: list[int]) -> list[Beat]:
    """Values of tiles of these lengths, of all kinds, the last of each tile marked."""
    data = mixed_operands(checker.bench.rng, sum(lengths), checker.head_dim, uniform=6)
    last = set((np.cumsum(lengths) - 1).tolist())
    return [{"data": pack(row, 8), "last": int(i in last)} for i, row in enumerate(data)]


def tile_lengths(generator: np.random.Generator, keys: int) -> list[int]:
    """Whole blocks, one key, one key less and more than a block, several blocks, and random tiles."""
    return [keys, 1, 1, keys - 1, keys + 1, 3 * keys, 2, *generator.integers(1, keys + 1, 3).tolist()]


@cocotb.test()
@each_pattern()
async def blocks(dut: Any, pattern: str) -> None:
    """Tiles of all lengths; every slice of every block."""
    keys = Geometry(dut).keys_per_block
    lengths = tile_lengths(rng("lengths"), keys)
    checker = Checker(dut, pattern, blocks=sum(-(-length // keys) for length in lengths))
    watcher = cocotb.start_soon(checker.watch())
    async with checker.bench:
        await checker.source.send(values(checker, lengths))
        while checker.blocks:
            await RisingEdge(dut.clk)
    watcher.cancel()
    assert checker.sizes == checker.shapes(lengths)
    assert checker.board.compared == len(checker.sizes) * checker.keys
    assert len(checker.bench.monitors["s_v"].beats) == sum(lengths)
    if pattern != "gaps":
        assert checker.fullest == checker.slots, f"at most {checker.fullest} of {checker.slots} slots were ever full"
        assert checker.blocked > 0, "the values never had to wait"


@cocotb.test()
async def full_ring(dut: Any) -> None:
    """The ring takes SLOTS blocks without a pause and not one value more; each block that goes lets the next one in."""
    checker = Checker(dut, "none", blocks=1)
    keys, slots = checker.keys, checker.slots
    lengths = [keys] * (slots - 1) + [keys - 1] + [2 * keys, 1]
    checker.hold = True
    watcher = cocotb.start_soon(checker.watch())
    async with checker.bench:
        checker.source.append(values(checker, lengths))
        accepted = checker.bench.monitors["s_v"].cycles
        for _ in range((slots + 2) * keys):
            await RisingEdge(dut.clk)
        assert len(accepted) == slots * keys - 1
        assert (np.diff(accepted) == 1).all(), "while there is room a value moves in every cycle"
        checker.hold = False
        await checker.source.drain()
        while checker.blocks or checker.partial:
            await RisingEdge(dut.clk)
    watcher.cancel()
    assert checker.sizes == checker.shapes(lengths)
