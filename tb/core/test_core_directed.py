"""Directed tiles through the RTL engine, with all streams pausing and without: every bit, every counter.

The regression runs the same topics under every stall pattern, on both simulators and at full size (its ``corners``).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from scripts.flow.simulator import RunOptions
from tb.core import directed
from tb.core.checker import assert_ok
from tb.core.configs import BYTE, NARROW, TINY, WIDE
from tb.core.run import BENCHES, run_core

# topics that share a run
CASES = {
    "maxima": (TINY, (directed.maxima, directed.rescales)),
    "ranges": (TINY, (directed.extremes, directed.saturation, directed.scales, directed.probabilities, directed.weights)),
    "visibility": (TINY, (directed.visibility,)),
    "framing": (TINY, (directed.framing, directed.lazy)),
    "narrow": (NARROW, (directed.probabilities, directed.weights, directed.lazy, directed.largest_sums,
                        directed.saturated_output)),
    "wide": (WIDE, (directed.probabilities, directed.weights, directed.rescales, directed.largest_sums)),
    "rounding": (BYTE, (directed.rounding,)),
    "partial": (TINY, (directed.partials,)),
    "partial-byte": (BYTE, (directed.partials,)),
    "decisions": (TINY, (directed.skips, directed.joint_starts)),
    "decisions-narrow": (NARROW, (directed.skips, directed.joint_starts)),
    "decisions-byte": (BYTE, (directed.skips, directed.joint_starts)),
}


@pytest.mark.sample(4)
@pytest.mark.parametrize("name", CASES)
def test_corners(name: str, seed: int, generator: np.random.Generator) -> None:
    cfg, topics = CASES[name]
    tiles = {f"{topic.__name__}: {tile}": job for topic in topics for tile, job in topic(cfg, generator).items()}
    # of this configuration other tests need the build for Verilator anyway, and with it the run takes no time
    sim = os.environ.get("SIM") or ("verilator" if cfg is TINY else "icarus")
    runs = run_core(cfg, list(tiles.values()), ("none", "both"), RunOptions(sim=sim, seed=seed), bench=BENCHES["files"])
    assert_ok(runs, tiles, expected=2)


def test_corners_hit_what_they_promise(generator: np.random.Generator) -> None:
    """Each topic's tiles really provoke it, counted by hand or seen in the model's counts and outputs."""
    def stats(topic: Callable[..., directed.Tiles], cfg: EngineConfig = TINY) -> dict:
        return {name: run_tile(cfg, tile) for name, tile in topic(cfg, generator).items()}

    maxima = stats(directed.maxima)
    assert maxima["all equal"].stats.rescaled_rows == 0
    assert maxima["rising by octaves"].stats.rescaled_rows == 2 * TINY.rows     # every block but the first
    assert maxima["falling with every key"].stats.rescaled_rows == 0
    assert maxima["maximum in block 0 of 3 at key 0"].stats.rescaled_rows == 0
    # 30 octaves below, nothing is left of 16 bits
    assert maxima["maximum in block 0 of 3 at key 0"].stats.zero_blocks == 2
    assert all(maxima[f"maximum in block 2 of 3 at key {at}"].stats.rescaled_rows >= TINY.rows for at in (0, 7))

    extremes = stats(directed.extremes)
    assert (extremes["q -128 k -128 v -128"].out == -32768).all()
    assert (extremes["q 127 k 127 v 127"].out == 127 * 256).all()

    visibility = stats(directed.visibility)
    assert visibility["half of the rows see no key"].empty.sum() == TINY.rows // 2
    for name in ("no row sees a key", "nothing but padding", "one key, unseen"):
        assert visibility[name].empty.all() and (visibility[name].out == 0).all()
    assert visibility["no row sees a key"].stats.zero_blocks == 3
    assert not visibility["each row sees just the key at its own position"].empty.any()
    assert not visibility["rows that see their first key in the last block"].empty.any()

    saturation = stats(directed.saturation)
    # of +-466031 ... +-466035 times 9/8 the last two leave [-2**19 + 1, 2**19 - 1]
    assert saturation["around both limits"].stats.saturations == 4 * TINY.rows
    assert saturation["the code of a masked score"].stats.saturations == TINY.rows
    assert saturation["clamped, seen by none"].stats.saturations == 0
    assert 0 < saturation["clamped, seen by some"].stats.saturations < saturation["far beyond both limits"].stats.saturations
    assert saturation["lowest and then highest maximum"].stats.rescale_amount == TINY.rows * 1023   # from -512 to 511

    # a new maximum moves the running maximum in the third block and in the fourth, never in the second
    for name, result in stats(directed.lazy).items():
        assert result.stats.rescaled_rows == 2 * TINY.rows, name
    assert stats(directed.rescales)["amounts from 1 to 200"].stats.rescaled_rows == 16 * TINY.rows
    assert stats(directed.probabilities, NARROW)["blocks far below the maximum"].stats.zero_blocks >= 3

    ran = {name: "".join("-r"[bool(r)] for r in result.ran) for name, result in stats(directed.skips).items()}
    assert ran["all but the first vanish"] == "r----" and ran["all but the last vanish"] == "---r"
    assert ran["only the middle runs"] == "-r-" and ran["every other one runs"] == "r-r-r-r"
    assert ran["nothing but padding: the last block runs"] == "-r" and ran["one block of padding"] == "r"
    assert ran["a rescale between blocks that vanish"] == "r-r--"
    assert all(ran[f"at the edge, tau {tau}"] == "rr-r" for tau in (0, 1, 8))
    assert all(ran[f"row {row} alone keeps every block"] == "rrrr" for row in (0, 8, 15)) and ran["not allowed to skip"] == "rrr"

    # 0, 1 - span, -span, -span - 1, then the same around the exact limit, 15 octaves: 7 is half of that
    assert ran["1 octaves, skip True"] == "rrr----r" and ran["7 octaves, skip True"] == "rrr----r"
    assert all(ran[f"{octaves} octaves, skip True"] == "rrr-r--r" for octaves in (15, 16, 31))
    assert ran["14 octaves, skip True"] == "rrr----r" and ran["1 octaves, skip False"] == "r" * 8

    joint = stats(directed.joint_starts)
    assert joint["the second block is larger, skip False"].stats.rescaled_rows == 0
    assert joint["the second block is smaller, skip False"].stats.rescaled_rows == TINY.rows
    assert joint["the first block vanishes, skip True"].ran.tolist() == [False, True, False]
    assert joint["the first is padding, skip True"].ran.tolist() == [False, True, True]
    seen = joint["rows that see their first key in any block, skip False"]
    assert seen.empty.sum() == TINY.rows // 2 and seen.stats.rescaled_rows == TINY.rows // 4

    partial = {name: result.partial for name, result in stats(directed.partials).items() if result.partial is not None}
    assert (partial["no row sees a key"].row_max == -512).all() and (partial["no row sees a key"].acc == 0).all()
    blind = partial["half of the rows see no key"].row_max == -512
    assert blind.sum() == TINY.rows // 2 and torch.equal(blind, partial["half of the rows see no key"].row_sum == 0)
    for name, level in (("the last blocks are skipped", 2), ("the last blocks run for nothing", 2), ("skipped by octaves", 0),
                        ("fused, the second block is larger", 4), ("fused, the first block is skipped", 0),
                        ("fused, the first is skipped by octaves", 0), ("rescaled", 80),
                        ("lazy", TINY.max_tau() - 4), ("the lowest maximum and the highest", 511)):
        assert (partial[name].row_max == level).all() and (partial[name].row_sum > 0).all(), name

    weighed = stats(directed.weights)
    whole, half = (weighed[f"all {mult}"].out.long() for mult in (15, 7))
    assert (whole - 2 * half).abs().max() <= 18 < whole.abs().max()     # 16 roundings of up to 1 / 2**15, times 128 * 256; 2 more
    assert weighed["any, rescaled"].stats.rescaled_rows == 3 * TINY.rows
    low = directed.weights(TINY, generator)["low probabilities"]
    first = torch.where(torch.arange(len(low.v))[:, None] == 0, low.v, torch.zeros_like(low.v))
    assert torch.equal(run_tile(TINY, low).out, run_tile(TINY, replace(low, v=first)).out)

    for name, result in stats(directed.largest_sums, NARROW).items():
        assert (result.out == int(name.split()[-1]) * 256).all()
    sums = directed.rounding(BYTE, generator)["halves"].v.long().sum(0)         # over 512, times 256: halves if odd
    assert (sums % 2 == 1).all() and (sums > 0).any() and (sums < 0).any()
    ends = {int(value) for result in stats(directed.saturated_output, NARROW).values() for value in result.out.unique()}
    assert {-32768, 32767} <= ends                                              # no average of values from -128 to 127
