"""Address unit: corners and random sums, their tags, 3 cycles of latency, an address per cycle."""

from __future__ import annotations

from itertools import product
from typing import Any

import cocotb
import numpy as np

from tb.address import coverage
from tb.common.bench import Bench
from tb.common.rng import rng
from tb.common.stalls import each_pattern
from tb.common.stream import Beat

FIELDS = ("base", "i", "i_stride", "j", "j_stride", "tag")
BITS = {"base": 64, "i": 24, "i_stride": 32, "j": 24, "j_stride": 32}
SPACE = 1 << 64
RANDOM = 150


def draw(generator: np.random.Generator, tag: int) -> Beat:
    """Any numbers; each of as many bits as comes, so that short ones are there too."""
    beat = {name: int(generator.integers(1 << int(generator.integers(1, bits + 1)), dtype=np.uint64)) if bits < 64 else
            int(generator.integers(SPACE - 1, dtype=np.uint64)) for name, bits in BITS.items()}
    return {**beat, "tag": int(generator.integers(tag))}


@cocotb.test()
@each_pattern()
async def addresses(dut: Any, pattern: str) -> None:
    """Every field at 0, in between and at its end, then random ones."""
    bench = Bench(dut, pattern)
    tags = 1 << int(dut.TAG_BITS.value)
    generator = rng("addresses")
    todo = [{**draw(generator, tags), **dict(zip(BITS, corner, strict=True))}
            for corner in product(*[(0, (1 << bits) - 1) for bits in BITS.values()])]
    todo += [draw(generator, tags) for _ in range(RANDOM)]

    def accepted(beat: Beat) -> None:
        coverage.sample_address(beat)
        total = beat["base"] + beat["i"] * beat["i_stride"] + beat["j"] * beat["j_stride"]
        board.expect([{"address": total % SPACE, "tag": beat["tag"]}])

    source = bench.input("s_address", FIELDS, accepted)
    board = bench.output("m_address", ("address", "tag"))
    async with bench:
        await source.send(todo)
    if pattern == "none":
        taken, offers = bench.monitors["s_address"].cycles, bench.monitors["m_address"].offers
        assert (np.subtract(offers, taken) == 3).all(), "an address comes 3 cycles after it is asked for"
        assert (np.diff(taken) == 1).all(), "an address per cycle"
