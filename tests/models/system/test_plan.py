"""The plan of a prefill: every tile once, blocks as the engine's schedules have them, no time lost at the causal diagonal."""

from __future__ import annotations

from itertools import pairwise

import pytest

from models.errors import FcimError
from models.hardware.config import load_config
from models.hardware.schedules import blocks
from models.system.plan import ASCENDING, DESCENDING, Decode, Prefill, estimate, visits

CFG = load_config("default")
SHAPES = [(1, 1, 1, 1, 0), (16, 8, 4, 512, 0), (16, 3, 4, 1000, 0), (4, 2, 8, 300, 64), (2, 5, 3, 129, 7), (16, 1, 1, 200, 1000)]


@pytest.mark.parametrize(("engines", "heads", "group", "tokens", "first"), SHAPES)
def test_every_tile_has_one_engine(engines: int, heads: int, group: int, tokens: int, first: int) -> None:
    prefill = Prefill(CFG, engines, heads, group, tokens, first)
    waves = prefill.waves()
    placed = [(wave.head, tile) for wave in waves for tile in wave.tiles.values()]
    assert sorted(placed) == [(head, tile) for head in range(heads) for tile in range(prefill.tiles)]
    assert all(engine in range(engines) for wave in waves for engine in wave.tiles)
    assert [wave.head for wave in waves] == sorted(wave.head for wave in waves)
    assert all(a.ascending != b.ascending for a, b in pairwise(waves))
    for wave in waves:      # the engine that is free first, the lowest after an ascending wave, takes the longest tile downwards
        assert list(wave.tiles.values()) == sorted(wave.tiles.values(), reverse=not wave.ascending)


@pytest.mark.parametrize("own_start", [False, True])
@pytest.mark.parametrize(("engines", "heads", "group", "tokens", "first"), SHAPES)
def test_blocks_come_as_the_engine_asks_for_them(engines: int, heads: int, group: int, tokens: int, first: int,
                                                 own_start: bool) -> None:
    prefill, size = Prefill(CFG, engines, heads, group, tokens, first), CFG.keys_per_block
    for wave in prefill.waves():
        schedule = (ASCENDING if wave.ascending else DESCENDING)[own_start]
        for tile in wave.tiles.values():
            alone, shared = visits(prefill, wave, tile, own_start)
            assert [(size * block, size) for block in alone + shared] == blocks(schedule, size * prefill.blocks(tile), size)
            assert shared == sorted(shared, reverse=not wave.ascending)
            assert shared == list(range(min(shared), max(shared) + 1) if wave.ascending else
                                  range(max(shared), min(shared) - 1, -1)) if shared else True


@pytest.mark.parametrize("own_start", [False, True])
@pytest.mark.parametrize(("engines", "heads", "group", "tokens", "first"), SHAPES)
def test_what_waves_read(engines: int, heads: int, group: int, tokens: int, first: int, own_start: bool) -> None:
    """Wave by wave what the streams send, block by block, in all."""
    prefill = Prefill(CFG, engines, heads, group, tokens, first)
    reads = prefill.reads(own_start)
    assert len(reads) == len(prefill.waves()) and CFG.keys_per_block * sum(reads) == estimate(prefill, own_start).rows
    if not own_start:       # a wave's longest tile meets all
        assert reads == [max(map(prefill.blocks, wave.tiles.values())) for wave in prefill.waves()]


def test_what_a_decode_reads() -> None:
    """Each block of each head once, whatever the waves are."""
    for split in (1, 4, 16):
        shares = Decode(CFG, 16, 5, 4, 1, 999, split)
        assert len(shares.reads()) == len(shares.waves()) and sum(shares.reads()) == 5 * shares.blocks


def test_a_tile_meets_all_keys_that_it_sees() -> None:
    prefill = Prefill(CFG, 16, 1, 3, 100, 50)
    for tile in range(prefill.tiles):
        last = 50 + min(21 * (tile + 1), 100)       # 21 tokens of 3 query heads fill 63 of 64 rows
        assert last <= CFG.keys_per_block * prefill.blocks(tile) < last + CFG.keys_per_block


@pytest.mark.parametrize("own_start", [False, True])
@pytest.mark.parametrize("tokens", [1024, 2048])
def test_no_time_is_lost_at_the_diagonal(tokens: int, own_start: bool) -> None:
    prefill = Prefill(CFG, 16, 8, 4, tokens)
    result = estimate(prefill, own_start)
    blocks_run = 8 * sum(prefill.blocks(tile) for tile in range(prefill.tiles))
    assert result.busy == blocks_run * CFG.block_cycles
    ends = 15 * CFG.block_cycles        # the call begins, or ends, one engine after the other
    assert 0 <= result.lost(16) * result.cycles <= ends + 0.002 * result.cycles
    assert estimate(prefill, own_start, alternate=False).cycles > 1.1 * result.cycles


def test_engines_share_what_is_read() -> None:
    """With one engine every tile reads its own blocks; with sixteen a block is read once for a wave's stream."""
    alone, shared = (Prefill(CFG, engines, 1, 4, 512) for engines in (1, 16))
    assert estimate(alone, False).rows == CFG.keys_per_block * sum(alone.blocks(tile) for tile in range(32))
    assert estimate(shared, False).rows == CFG.keys_per_block * (16 + 32)


@pytest.mark.parametrize(("values", "message"), [
    ((16, 1, 65, 16, 0), "65 query heads"), ((16, 1, 4, 0, 0), "at least one"), ((0, 1, 4, 16, 0), "at least one"),
    ((16, 1, 4, 16, -1), "from 0 on"), ((16, 1, 4, 16, 131072), "131088 keys exceed"),
])
def test_what_is_refused(values: tuple[int, int, int, int, int], message: str) -> None:
    with pytest.raises(FcimError, match=message):
        Prefill(CFG, *values)
