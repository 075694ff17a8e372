"""An engine's progress told of whole blocks at once, as the accelerator's model does, against the same keys one by one."""

from __future__ import annotations

import numpy as np
import pytest

from models.hardware.config import EngineConfig
from models.hardware.progress import Progress


def driven(cfg: EngineConfig, generator: np.random.Generator, steady: bool) -> Progress:
    """Random tiles of whole blocks, announced piece by piece, whose rows and chunks wait a while."""
    run, now, size = Progress(cfg, skips_wait=False), 0, cfg.keys_per_block
    for _ in range(12):
        ran = [bool(x) for x in generator.random(int(generator.integers(1, 6))) < 0.8]
        ran[int(generator.integers(len(ran)))] = True
        rows = int(generator.integers(1, cfg.rows))
        run.add_tile(rows, [size] * len(ran), ran, bool(generator.integers(2)), bool(generator.integers(2)))
        for _ in range(rows):
            run.add_row(now)
        for runs in ran:
            now += int(generator.choice([size, 4 * size, 40 * size]))
            offers, late = range(now, now + size), range(now + 3 * size, now + 4 * size)
            run.add_keys(offers if steady else list(offers))
            if runs:
                run.add_values(late if steady else list(late))
            run.advance()
        while run.head is not None:
            run.take(run.head[1] + int(generator.choice([0, 0, 5])))
            run.advance()
    assert len(run.landed) == 12
    run.count_flight()
    return run


@pytest.mark.parametrize("bits", [1, 8])
def test_blocks_are_their_keys(bits: int, seed: int) -> None:
    """The same cycles beat for beat, and the same counters."""
    cfg = EngineConfig("c", rows=16, head_dim=16, bits_per_cycle=bits, keys_per_block=8, prob_bits=16, max_keys=64)
    one, other = (driven(cfg, np.random.default_rng(seed), steady) for steady in (False, True))
    assert one.taken == other.taken and one.offered == other.offered and one.stalls == other.stalls
    assert one.key_taken == other.key_taken and sum(one.stalls.values()) > one.stalls["cycles"]
