"""How attention is cut into tiles: which row, which keys, which position; and how the outputs come together again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from models.hardware.tile import QuantisedGroup, TileResult
from models.hardware.tiling import assemble, build_tiles, ideal_cycles, tokens_per_tile

CFG = EngineConfig("t", rows=8, head_dim=16, bits_per_cycle=4, keys_per_block=8, prob_bits=16, max_keys=64)


def group(heads: int, tokens: int, keys: int | None = None, v_scale: float = 0.5) -> QuantisedGroup:
    """Every element says where it comes from: q = 10 * head + token, k = key, v = 100 - key, multipliers likewise."""
    keys = keys or tokens
    head, token = torch.meshgrid(torch.arange(heads), torch.arange(tokens), indexing="ij")
    code = 10 * head + token
    key = torch.arange(keys)

    def vectors(values: torch.Tensor) -> torch.Tensor:
        return values.unsqueeze(-1).expand(*values.shape, CFG.head_dim).to(torch.int8)

    return QuantisedGroup(q=vectors(code), q_mult=1000 + code, q_pos=torch.arange(keys - tokens, keys), k=vectors(key),
                          k_mult=2000 + key, v=vectors(100 - key), v_scale=torch.full((CFG.head_dim,), v_scale), shift=21)


@pytest.mark.parametrize(("heads", "tokens"), [(1, 8), (2, 4), (3, 2), (4, 2), (5, 1), (8, 1)])
def test_tokens_per_tile(heads: int, tokens: int) -> None:
    assert tokens_per_tile(CFG, heads) == tokens


@pytest.mark.parametrize("heads", [0, 9, 128])
def test_a_group_that_fits_no_tile_is_refused(heads: int) -> None:
    with pytest.raises(FcimError, match=f"^{heads} query heads on one KV head do not fit 8 rows; choose a CONFIG with more rows"):
        tokens_per_tile(CFG, heads)


def test_rows_and_keys_of_one_head() -> None:
    """19 tokens on 8 rows: 8, 8, 3 rows; a tile's keys end at its last token."""
    tiles = build_tiles(CFG, group(1, 19), tau=3)
    assert [t.q.shape[0] for t in tiles] == [8, 8, 3]
    assert [t.k.shape[0] for t in tiles] == [8, 16, 19]
    assert [t.q_pos.tolist() for t in tiles] == [list(range(8)), list(range(8, 16)), [16, 17, 18]]
    assert [t.q[:, 0].tolist() for t in tiles] == [list(range(8)), list(range(8, 16)), [16, 17, 18]]
    assert all(t.tau == 3 and t.shift == 21 for t in tiles)


def test_rows_of_a_group_are_token_then_head() -> None:
    """3 heads on 8 rows: 2 tokens a tile; row r is token r // 3 and head r % 3, and the heads share position and keys."""
    tiles = build_tiles(CFG, group(3, 5))
    assert [t.q.shape[0] for t in tiles] == [6, 6, 3]
    assert [t.k.shape[0] for t in tiles] == [2, 4, 5]
    assert tiles[0].q[:, 0].tolist() == [0, 10, 20, 1, 11, 21]
    assert tiles[1].q[:, 5].tolist() == [2, 12, 22, 3, 13, 23]
    assert tiles[2].q[:, 15].tolist() == [4, 14, 24]
    assert tiles[1].q_mult.tolist() == [1002, 1012, 1022, 1003, 1013, 1023]
    assert tiles[1].q_pos.tolist() == [2, 2, 2, 3, 3, 3]


def test_key_streams_are_in_natural_order_from_the_start() -> None:
    tile = build_tiles(CFG, group(2, 6))[1]
    assert tile.k_pos.tolist() == [0, 1, 2, 3, 4, 5]
    assert tile.k[:, 3].tolist() == [0, 1, 2, 3, 4, 5]
    assert tile.v[:, 3].tolist() == [100, 99, 98, 97, 96, 95]
    assert tile.k_mult.tolist() == [2000, 2001, 2002, 2003, 2004, 2005]


@pytest.mark.parametrize(("schedule", "order"), [
    ("natural", list(range(19))),
    ("diagonal_first", [*range(11, 19), *range(3, 11), 0, 1, 2]),
    ("sink_diagonal", [*range(11, 19), *range(8), 8, 9, 10]), ("diagonal_ascending", [*range(11, 19), *range(11)])])
def test_a_schedule_moves_keys_with_their_values_positions_and_multipliers(schedule: str, order: list[int]) -> None:
    """The stream is permuted, the rows and what a key says of itself are not."""
    natural = build_tiles(CFG, group(1, 19))
    tiles = build_tiles(CFG, group(1, 19), 2, schedule, fused=True, skip=True, octaves=9)
    assert tiles[-1].k_pos.tolist() == order
    for tile, plain in zip(tiles, natural, strict=True):
        back = tile.k_pos.argsort()
        for name in ("k", "v", "k_mult", "k_pos"):
            assert torch.equal(getattr(tile, name)[back], getattr(plain, name))
        assert torch.equal(tile.q, plain.q) and torch.equal(tile.q_pos, plain.q_pos)
        assert (tile.tau, tile.fused, tile.skip, tile.octaves) == (2, True, True, 9)
        assert not (plain.fused or plain.skip or plain.octaves)


def test_an_unknown_schedule_is_refused() -> None:
    with pytest.raises(FcimError, match="^unknown schedule 'oldest'; use one of natural, diagonal_first, sink_diagonal, "
                                        "diagonal_ascending$"):
        build_tiles(CFG, group(1, 3), schedule="oldest")


def test_a_decode_step_sees_every_key() -> None:
    tile, = build_tiles(CFG, group(4, 1, keys=50))
    assert tile.q.shape[0] == 4 and tile.q_pos.tolist() == [49] * 4 and tile.k.shape[0] == 50


def test_tokens_after_a_prefix() -> None:
    """The last 10 of 30 positions ask: the first tile of 8 tokens ends at position 27."""
    tiles = build_tiles(CFG, group(1, 10, keys=30))
    assert [t.k.shape[0] for t in tiles] == [28, 30]
    assert tiles[0].q_pos.tolist() == list(range(20, 28))


def test_more_keys_than_the_engine_may_see_are_refused() -> None:
    assert build_tiles(CFG, group(4, 1, keys=64))[0].k.shape[0] == 64
    with pytest.raises(FcimError, match="^65 keys exceed max_keys = 64 of configuration 't'; use fewer TOKENS or another CONFIG"):
        build_tiles(CFG, group(4, 1, keys=65))


@pytest.mark.parametrize(("tau", "prob_bits", "legal"), [
    (8, 16, True), (9, 16, False), (-1, 16, False), (6, 8, True), (7, 8, False)])
def test_tau_must_leave_headroom(tau: int, prob_bits: int, legal: bool) -> None:
    cfg = replace(CFG, prob_bits=prob_bits)
    if legal:
        assert build_tiles(cfg, group(1, 2), tau)[0].tau == tau
    else:
        with pytest.raises(FcimError, match=f"TAU = {tau} is illegal"):
            build_tiles(cfg, group(1, 2), tau)


@pytest.mark.parametrize(("heads", "tokens"), [(1, 19), (3, 5), (4, 4), (8, 3)])
def test_assemble_undoes_the_cut(heads: int, tokens: int) -> None:
    """Rows that carry their own (head, token) land at [head, token], in units of v_scale / 256."""
    cut = group(heads, tokens, v_scale=0.5)
    cut.v_scale[3] = 2.0
    results = [TileResult(t.q.to(torch.int16) * 256, torch.zeros(len(t.q), dtype=torch.bool)) for t in build_tiles(CFG, cut)]
    out = assemble(cut, results)
    assert out.shape == (heads, tokens, CFG.head_dim) and out.dtype == torch.float32
    code = cut.q[..., 0].float()
    assert torch.equal(out[..., 0], code * 0.5) and torch.equal(out[..., 3], code * 2.0)


def test_the_cut_does_not_change_the_answer() -> None:
    """Through the model: a first token sees only key 0, so its output is that key's value, whatever the tile."""
    cut = group(3, 5)
    out = assemble(cut, [run_tile(CFG, t) for t in build_tiles(CFG, cut)])
    assert torch.equal(out[:, 0], torch.full((3, 16), 100 * 0.5))


@pytest.mark.parametrize(("heads", "tokens", "keys", "ideal"), [
    (1, 19, 19, 2 * (8 + 16 + 19)), (3, 5, 5, 2 * (2 + 4 + 5)), (4, 1, 50, 2 * 50), (1, 10, 30, 2 * (28 + 30))])
def test_ideal_cycles(heads: int, tokens: int, keys: int, ideal: int) -> None:
    """Two cycles a key here; keys that no row of the tile sees are not needed."""
    tiles = build_tiles(CFG, group(heads, tokens, keys))
    assert ideal_cycles(CFG, tiles) == ideal
    tiles[0].k_pos[0] = CFG.padding_pos
    assert ideal_cycles(CFG, tiles) == ideal - 2
