"""The merge of partial results against the plain-integer reading of the specification, and how keys are shared out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.errors import FcimError
from models.hardware import numerics as nx
from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from models.hardware.tile import PartialRows
from models.system.merge import check_parts, merge, merged_output, partial_results, split_keys, split_tile
from tb.common import spec
from tests.models.hardware.test_golden import ints, random_tile

CFG = EngineConfig(rows=8, head_dim=16, bits_per_cycle=1, keys_per_block=8, prob_bits=16, max_keys=1024)
LOWEST = -512


def as_rows(part: PartialRows) -> list[spec.Row]:
    """The same in the form of the specification's reading, where a row that has seen no key has no maximum."""
    return [spec.Row(None if m == LOWEST and not total else m, total, acc)
            for m, total, acc in zip(part.row_max.tolist(), part.row_sum.tolist(), part.acc.tolist())]


def draw_part(g: np.random.Generator, rows: int, spread: int) -> PartialRows:
    """Any numbers that an engine may have: maxima up to ``spread`` apart, a quarter of the rows without a key."""
    empty = g.random(rows) < 0.25
    total = np.where(empty, 0, g.integers(32, 2 ** g.integers(6, 27, rows)))
    acc = np.where(empty[:, None], 0, (g.uniform(-128, 128, (rows, 16)) * total[:, None]).astype(np.int64))
    return PartialRows(ints(np.where(empty, LOWEST, 40 - g.integers(0, spread + 1, rows))), ints(total), ints(acc))


@pytest.mark.parametrize("spread", [0, 1, 8, 63, 64, 500])
@pytest.mark.parametrize("count", [1, 2, 5, 16])
def test_merge_is_the_rule_of_the_specification(count: int, spread: int, seed: int) -> None:
    g = np.random.default_rng([seed, 31, count, spread])
    parts = [draw_part(g, 24, spread) for _ in range(count)]
    row_max, row_sum, acc = merge(parts)
    out, empty = merged_output(parts)
    for row, of_row in enumerate(zip(*map(as_rows, parts))):
        want = spec.merge(of_row)
        assert (row_sum[row].item(), acc[row].tolist()) == (want.total, want.acc)
        assert row_max[row].item() == (LOWEST if want.m is None else want.m)
        assert out[row].tolist() == [spec.divide(o, want.total) for o in want.acc] and empty[row].item() == (want.total == 0)
    assert out.dtype == torch.int16
    for a, b in zip(merge(parts), merge(parts[::-1])):
        assert torch.equal(a, b), "the order of the parts matters"


def test_one_part_is_what_the_engine_gives(seed: int) -> None:
    for case in range(4):
        tile = random_tile(np.random.default_rng([seed, 32, case]), CFG, 8, 61, 0, 12)
        want = run_tile(CFG, tile)
        out, empty = merged_output(partial_results(CFG, tile, 1))
        assert torch.equal(out, want.out) and torch.equal(empty, want.empty)


@pytest.mark.parametrize("parts", [2, 3, 8])
@pytest.mark.parametrize("tau", [0, 4])
def test_parts_of_one_maximum_are_the_whole(tau: int, parts: int, seed: int) -> None:
    """Where no part's maximum ever moves and all are equal, a merge rounds nothing: sums, accumulators and outputs are the
    unsplit tile's."""
    tile = random_tile(np.random.default_rng([seed, 33, parts]), CFG, 8, 8 * parts + 5, tau, 10)
    tile = replace(tile, k_pos=torch.zeros_like(tile.k_pos), q_mult=tile.q_mult.clamp(min=1))
    for keys in split_keys(len(tile.k), parts, 8):      # each part begins with the key that all rows like best
        tile.k[keys.start], tile.k_mult[keys.start] = 127, 2**16 - 1
    tile = replace(tile, q=tile.q.abs().clamp(1, 127))
    shares, whole = partial_results(CFG, tile, parts), partial_results(CFG, tile, 1)[0]
    assert all(torch.equal(share.row_max, whole.row_max) for share in shares), "the tile does not have what the test is about"
    for got, want in zip(merge(shares), (whole.row_max, whole.row_sum, whole.acc)):
        assert torch.equal(got, want)
    assert torch.equal(merged_output(shares)[0], run_tile(CFG, tile).out)


def test_a_merge_of_nothing_or_of_other_rows_is_refused(seed: int) -> None:
    g = np.random.default_rng([seed, 34])
    with pytest.raises(FcimError, match="nothing to merge"):
        merge([])
    with pytest.raises(FcimError, match=r"\[2, 16\], \[3, 16\] are not of the same rows"):
        merge([draw_part(g, 2, 1), draw_part(g, 3, 1)])


@pytest.mark.parametrize("keys_per_block", [8, 16, 64])
def test_keys_are_shared_out_in_whole_blocks_as_equal_as_can_be(keys_per_block: int) -> None:
    for keys in (*range(1, 4 * keys_per_block + 2), 1000, 1001, 2048, 131072):
        for parts in range(1, 17):
            ranges = split_keys(keys, parts, keys_per_block)
            blocks = -(-keys // keys_per_block)
            assert [j for keys_of in ranges for j in (keys_of.start, keys_of.stop)][1:-1:2] == [r.start for r in ranges[1:]]
            assert ranges[0].start == 0 and ranges[-1].stop == keys and len(ranges) == min(parts, blocks)
            assert all(len(r) and r.start % keys_per_block == 0 for r in ranges)
            counts = [-(-len(r) // keys_per_block) for r in ranges]
            assert max(counts) - min(counts) <= 1 and counts[-1] == max(counts)


@pytest.mark.parametrize("given", [(0, 2, 8), (8, 0, 8), (8, 2, 0)])
def test_what_cannot_be_split_is_refused(given: tuple[int, int, int]) -> None:
    with pytest.raises(FcimError, match="= 0 cannot be split; use 1 or more"):
        split_keys(*given)


@pytest.mark.parametrize(("prob_bits", "tau", "parts", "most"), [
    (8, 3, 16, 2), (8, 2, 31, None), (8, 2, 32, 1), (18, 8, 16, None), (8, 6, 1, None), (8, 6, 2, 5)])
def test_so_many_parts_that_a_quotient_might_not_saturate(prob_bits: int, tau: int, parts: int, most: int | None) -> None:
    cfg = replace(CFG, prob_bits=prob_bits)
    if most is None:
        check_parts(cfg, tau, parts)
        return
    with pytest.raises(FcimError, match=f"TAU = {tau} is illegal for {parts} parts .* use up to {most}, or fewer parts"):
        check_parts(cfg, tau, parts)
    check_parts(cfg, most, parts)


def test_a_share_has_all_rows_and_its_own_keys(seed: int) -> None:
    tile = random_tile(np.random.default_rng([seed, 35]), CFG, 5, 29, 2, 12)
    shares = split_tile(replace(tile, v_mult=ints(range(29)) % 16), 3, 8)
    assert [len(share.k) for share in shares] == [8, 8, 13]
    for name in ("k", "v", "k_pos", "k_mult"):
        assert torch.equal(torch.cat([getattr(share, name) for share in shares]), getattr(tile, name))
    assert torch.cat([share.v_mult for share in shares]).tolist() == [j % 16 for j in range(29)]
    assert all(share.q is tile.q and share.shift == tile.shift and share.tau == 2 for share in shares)


def test_a_row_of_the_largest_sums_stays_within_its_width() -> None:
    """All keys with the largest probability and value, in 16 parts."""
    top = 2**CFG.prob_bits - 1
    parts = [PartialRows(ints([0]), ints([64 * top]), ints([[128 * 64 * top] * 16]).neg()) for _ in range(16)]
    _, row_sum, acc = merge(parts)
    assert row_sum.item() == CFG.max_keys * top < 2**CFG.sum_bits
    assert acc.min().item() == -128 * CFG.max_keys * top >= -(2 ** (CFG.acc_bits - 1))
    assert nx.normalise(acc, row_sum).unique().tolist() == [-(2**15)]
