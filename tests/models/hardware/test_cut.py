"""Row sums of fewer bits than all keys may need: the golden model against the plain-integer reading of the specification."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from models.hardware.tile import TileJob
from models.system.merge import merge, partial_results
from tb.common import spec
from tests.models.hardware.test_golden import check, ints, random_tile, uniform_tile

OCTAVE = 1 << spec.Z_FRAC
CFG = EngineConfig(rows=8, head_dim=16, keys_per_block=8, prob_bits=12, max_keys=1024, sum_cut=6)
SMALLEST = EngineConfig(rows=8, head_dim=16, keys_per_block=8, prob_bits=8, max_keys=1024, sum_cut=6)


def raises(cfg: EngineConfig, tile: TileJob) -> bool:
    """Whether rows of a tile are rescaled otherwise than where no sum is cut; scores that saturate must not be what does it."""
    cut, whole = (run_tile(c, tile).stats for c in (cfg, replace(cfg, sum_cut=0)))
    return (cut.rescaled_rows, cut.rescale_amount) != (whole.rescaled_rows, whole.rescale_amount)


@pytest.mark.parametrize("prob_bits", range(8, 19))
def test_random_tiles(prob_bits: int, seed: int) -> None:
    """Every cut, flat scores and wide ones, fused tiles, tiles that skip what is 0 and what is small."""
    seen = dict.fromkeys(["raised", "lossy", "skipped", "saturated"], 0)
    for number in range(24):
        g = np.random.default_rng([seed, 41, prob_bits, number])
        size = int(g.choice([8, 16]))
        most = 256 // size
        cfg = EngineConfig(rows=8, head_dim=16, keys_per_block=size, prob_bits=prob_bits, max_keys=256,
                           sum_cut=most.bit_length() - 2 - number // 6 % (most.bit_length() - 2))
        rows, keys = int(g.integers(1, 4)), int(g.integers(150, 257))
        tau = int(g.integers(0, cfg.max_tau() + 1)) if number % 4 == 3 else 0
        spread = (8, 21, 11, 16, 12, 13)[number % 6]
        tile = random_tile(g, cfg, rows, keys, tau, spread)
        tile = replace(tile, fused=bool(g.integers(2)), skip=number % 6 > 0, octaves=(0, 1, 2, 4)[number % 4],
                       q_pos=torch.full_like(tile.q_pos, 2 * keys))
        _, got = check(cfg, tile)
        seen["raised"] += not got.stats.saturations and raises(cfg, tile)
        seen["skipped"] += got.stats.skipped_blocks
        seen["lossy"] += bool(tile.octaves) and got.stats.skipped_blocks
        seen["saturated"] += got.stats.saturations
    assert all(seen.values()), f"the stimulus misses a case: {seen}"


def equal(tau: int, keys: int) -> list[int]:
    """All but a first block's are alike: each block adds as much as its bound says, but for the octave's end."""
    return [OCTAVE - 1] * 8 + [(tau + 1) * OCTAVE - 1] * (keys - 8)


def creeping(tau: int, keys: int) -> list[int]:
    """Block by block a little more, up to the end of what a threshold leaves."""
    return [min(64 * (j // 8), (tau + 1) * OCTAVE - 1) for j in range(keys)]


def climbing(tau: int, keys: int) -> list[int]:
    """A first block, then for the rest the largest scores that move no maximum, and now and then one that does."""
    return [(j // 256) * OCTAVE + ((tau + 1) * OCTAVE - 1 if j >= 8 else 0) for j in range(keys)]


def stairs(tau: int, keys: int) -> list[int]:
    """An octave more every block for a while, then as many keys of the last one."""
    return [min(j // 8, 40) * OCTAVE + OCTAVE - 1 for j in range(keys)]


@pytest.mark.parametrize("shape", [equal, creeping, climbing, stairs])
@pytest.mark.parametrize("cfg", [CFG, SMALLEST, replace(CFG, sum_cut=1), replace(CFG, prob_bits=18)],
                         ids=["usual", "smallest", "a bit", "wide"])
def test_no_sum_overflows(cfg: EngineConfig, shape: object, seed: int) -> None:
    """As many keys as a tile may have, values at both ends: ``check`` compares every sum and accumulator with its width."""
    for tau in sorted({0, 1, cfg.max_tau()}):
        z = shape(tau, cfg.max_keys)
        v = [[-128, 127] * 8 if j % 3 else [-128, -128] * 8 for j in range(len(z))]
        want, _ = check(cfg, uniform_tile(1, 16, z, v, tau))
        assert raises(cfg, uniform_tile(1, 16, z, v, tau)) or cfg.sum_cut == 1, "the tile does not press"
        assert want.largest_sum >= 1 << (cfg.sum_bits - 3) or cfg.sum_cut == 1, "the sums lie far below what they may be"


def test_all_keys_of_the_largest_tile() -> None:
    """131,072 keys of the largest probability and 32 bits of an accumulator, where 43 would be needed."""
    cfg = EngineConfig(rows=8, head_dim=16, keys_per_block=16, sum_cut=11)
    assert (cfg.sum_bits, cfg.acc_bits) == (24, 32)
    n = cfg.max_keys
    q, k = torch.zeros(1, 16, dtype=torch.int8), torch.zeros(n, 16, dtype=torch.int8)
    q[:, 0], k[:, 0] = 1, 1
    v = torch.full((n, 16), -128, dtype=torch.int8)
    v[:, 1] = 127
    tile = TileJob(q, ints([n - 1]), ints([1023]), k, v, ints(list(range(n))), ints([1] * n), 0, 0, partial=True)
    got = run_tile(cfg, tile).partial
    assert got.row_max.tolist() == [cfg.sum_cut + 1]
    assert 1 << 22 < got.row_sum.item() < 1 << 24
    assert got.acc.min() >= -(1 << 31) and got.acc.max() < 1 << 31
    whole = run_tile(cfg, replace(tile, partial=False))
    assert whole.out[0, 0] == -32768 and whole.out[0, 1] == 127 * 256


@pytest.mark.parametrize("keys_per_block", [8, 16])
def test_largest_scores_leave_room_for_raises(keys_per_block: int) -> None:
    """Saturated scores, as many as there may be: the running maximum stays a code of its ten bits."""
    cfg = replace(CFG, keys_per_block=keys_per_block, max_keys=4096, sum_cut=(4096 // keys_per_block).bit_length() - 2)
    tile = uniform_tile(1, 16, [511 * OCTAVE] * 4096)
    got = run_tile(cfg, replace(tile, partial=True))
    assert got.stats.saturations == 4096
    top = cfg.z_max >> spec.Z_FRAC
    assert top == 495 and got.partial.row_max.item() == top + cfg.sum_cut + 1 <= 511


def test_as_long_as_nothing_is_raised_nothing_changes(seed: int) -> None:
    for number in range(12):
        tile = random_tile(np.random.default_rng([seed, 42, number]), CFG, 4, 60, 0, 12)
        whole = run_tile(replace(CFG, sum_cut=0), tile)
        assert torch.equal(run_tile(replace(CFG, sum_cut=1), tile).out, whole.out)


def test_a_block_of_nothing_is_skipped_or_not_alike(seed: int) -> None:
    """Without octaves the flag changes no bit, raises or not."""
    raised = 0
    for number in range(12):
        g = np.random.default_rng([seed, 43, number])
        z = [int(x) for x in np.repeat(g.choice([0, 0, 0, OCTAVE - 1, -14 * OCTAVE, -11 * OCTAVE], 100), 8)]
        tile = uniform_tile(2, 16, z)
        plain, skipping = run_tile(CFG, tile), run_tile(CFG, replace(tile, skip=True))
        assert torch.equal(plain.out, skipping.out) and skipping.stats.skipped_blocks
        raised += raises(CFG, tile)
    assert raised


@pytest.mark.parametrize("parts", [2, 5, 16])
def test_parts_are_joined(parts: int, seed: int) -> None:
    """Rows whose engines raised them, joined by the rule of the specification, in as many bits as the merge unit has."""
    z = equal(0, CFG.max_keys - 3)
    tile = uniform_tile(2, 16, z, [[(-1) ** j * 127, -128] * 8 for j in range(len(z))])
    shares = partial_results(CFG, tile, parts)
    row_max, row_sum, acc = merge(shares)
    want = spec.merge([spec.Row(p.row_max[0].item(), p.row_sum[0].item(), p.acc[0].tolist()) for p in shares])
    assert (row_max[0].item(), row_sum[0].item(), acc[0].tolist()) == (want.m, want.total, want.acc)
    bits = CFG.sum_bits + min(CFG.sum_cut, (parts - 1).bit_length())
    assert row_sum.max() < 1 << bits and acc.abs().max() <= 1 << (bits + 7)
    assert parts == 2 or row_sum.max() >= 1 << CFG.sum_bits, "the parts fit one engine's sum"


@pytest.mark.parametrize(("change", "most"), [({}, 6), ({"keys_per_block": 16}, 5), ({"max_keys": 64}, 2)])
def test_legal_cuts(change: dict[str, int], most: int) -> None:
    for cut in range(most + 1):
        assert replace(CFG, **change, sum_cut=cut).sum_bits == 12 + replace(CFG, **change, sum_cut=0).index_bits - cut
    for cut in (-1, most + 1):
        with pytest.raises(FcimError, match=f"sum_cut = {cut} is illegal; use 0 to {most}"):
            replace(CFG, **change, sum_cut=cut)


def test_the_parameter_is_given_to_the_rtl_only_where_it_counts() -> None:
    assert CFG.verilog_parameters()["SUM_CUT"] == 6 and "SUM_CUT" not in replace(CFG, sum_cut=0).verilog_parameters()
