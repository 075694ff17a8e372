"""The golden model against the plain-integer reading of the specification, :mod:`tb.common.spec`."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.errors import FcimError
from models.hardware import numerics as nx
from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from models.hardware.tile import QuantisedGroup, TileJob, TileResult
from models.hardware.tiling import build_tiles
from tb.common import spec

# log2 of the spread of the scaled scores: flat, a few octaves, rescales above 63, mostly saturated.
SPREADS = (8, 12, 16, 21)
COUNTS = {"blocks": "blocks", "zero_blocks": "zero_blocks", "rescaled": "rescaled_rows", "amount": "rescale_amount",
          "saturations": "saturations", "ip_bit_ops": "ip_bit_ops", "op_bit_ops": "op_bit_ops"}


def ints(values: object) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values, dtype=np.int64))


def random_tile(g: np.random.Generator, cfg: EngineConfig, rows: int, keys: int, tau: int, spread: int) -> TileJob:
    """Any operands from -128 to 127; positions anywhere, one key in eight is padding."""
    dim = cfg.head_dim
    q, k, v = (torch.as_tensor(g.integers(-128, 128, (n, dim)).astype(np.int8)) for n in (rows, keys, keys))
    bits = int(g.integers(2, 17))  # of each multiplier
    shift = max(0, min(63, round(12 + np.log2(dim) / 2 + 2 * bits - spread)))
    k_pos = g.integers(0, 2 * keys + 1, keys)
    k_pos[g.integers(0, 8, keys) == 0] = cfg.padding_pos
    tile = TileJob(q, ints(g.integers(0, 2 * keys + 1, rows)), ints(g.integers(0, 2**bits, rows)), k, v, ints(k_pos),
                   ints(g.integers(0, 2**bits, keys)), shift, tau)
    return replace(tile, v_mult=ints(g.integers(0, 16, keys))) if g.integers(0, 2) else tile


def some_rows(tile: TileJob, rows: slice) -> TileJob:
    """The same key stream against a part of the rows."""
    return replace(tile, q=tile.q[rows], q_pos=tile.q_pos[rows], q_mult=tile.q_mult[rows])


def check_partial(cfg: EngineConfig, tile: TileJob, whole: TileResult, want: spec.Tile) -> None:
    """The same tile with its rows as they are: what they hold in the end, and everything else the same."""
    got = run_tile(cfg, replace(tile, partial=True))
    assert got.out.shape == (0, cfg.head_dim) and got.empty.shape == (0,) and whole.partial is None
    assert got.partial.row_max.tolist() == [spec.LOWEST_ROW_MAX if row.m is None else row.m for row in want.rows]
    assert got.partial.row_sum.tolist() == [row.total for row in want.rows]
    assert got.partial.acc.tolist() == [row.acc for row in want.rows]
    assert got.stats == whole.stats and got.ran.tolist() == whole.ran.tolist()


def check(cfg: EngineConfig, tile: TileJob) -> tuple[spec.Tile, TileResult]:
    """Run both, compare all that both give."""
    got = run_tile(cfg, tile)
    want = spec.spec_tile(tile.q.tolist(), tile.q_pos.tolist(), tile.q_mult.tolist(), tile.k.tolist(), tile.v.tolist(),
                          tile.k_pos.tolist(), tile.k_mult.tolist(), tile.shift, tile.tau, cfg.keys_per_block, cfg.prob_bits,
                          tile.v_mult.tolist(), tile.fused, tile.skip, tile.octaves, cfg.sum_bits if cfg.sum_cut else None)
    assert got.out.dtype == torch.int16 and got.out.tolist() == want.out
    assert got.empty.tolist() == want.empty
    assert want.largest_sum < 2**cfg.sum_bits
    assert -(2 ** (cfg.acc_bits - 1)) <= want.smallest_acc <= want.largest_acc < 2 ** (cfg.acc_bits - 1)
    assert {name: getattr(got.stats, other) for name, other in COUNTS.items()} == {name: getattr(want, name) for name in COUNTS}
    assert (got.stats.rows, got.stats.keys) == tuple(map(len, (tile.q, tile.k)))
    assert got.ran.tolist() == want.ran and got.stats.skipped_blocks == want.ran.count(False)
    check_partial(cfg, tile, got, want)
    return want, got


def uniform_tile(rows: int, dim: int, z: list[int], v: list[list[int]] | None = None, tau: int = 0) -> TileJob:
    """All rows see all keys, and the scaled score of key j is exactly ``z[j]``: q = e0, k = +-1, the multiplier does the rest.

    A multiplier holds only 16 bits, so larger scores take a larger q and k: ``z`` must then be a multiple of 128.
    """
    q = torch.zeros(rows, dim, dtype=torch.int8)
    k = torch.zeros(len(z), dim, dtype=torch.int8)
    mults = []
    for j, value in enumerate(z):
        size, unit = abs(value), 1
        if size >= 2**16:
            size, unit = size // 128, 128
        k[j, :2] = torch.tensor([-unit // 2, -unit // 2] if unit > 1 else [-1, 0]) * (1 if value < 0 else -1)
        mults.append(size)
        assert size * unit == abs(value)
    q[:, :2] = 1
    values = torch.as_tensor(np.asarray(v if v is not None else [[3 * j - 64] * dim for j in range(len(z))]).astype(np.int8))
    return TileJob(q, ints([10**4] * rows), ints([1] * rows), k, values, ints([0] * len(z)), ints(mults), 0, tau)


SHAPES = ((16, 8), (32, 16), (16, 16), (32, 8))  # elements of a head, keys of a block


@pytest.mark.parametrize("prob_bits", range(8, 19))
def test_random_tiles(prob_bits: int, seed: int) -> None:
    """Every legal tau, every spread of scores, ragged last blocks, one key, one row, rows that see nothing."""
    seen = dict.fromkeys(["empty", "saturations", "rescaled", "zero_blocks"], 0)
    for tau in range(min(8, prob_bits - 2) + 1):
        dim, block = SHAPES[(prob_bits + tau) % len(SHAPES)]
        cfg = EngineConfig(rows=8, head_dim=dim, keys_per_block=block, prob_bits=prob_bits, max_keys=64)
        for spread in SPREADS:
            g = np.random.default_rng([seed, 4, prob_bits, tau, spread])
            for rows, keys in ((1, 1), (int(g.integers(2, 9)), int(g.integers(2, 42)))):
                want, _ = check(cfg, random_tile(g, cfg, rows, keys, tau, spread))
                seen["empty"] += sum(want.empty)
                for name in ("saturations", "rescaled", "zero_blocks"):
                    seen[name] += getattr(want, name)
    assert all(seen.values()), f"the stimulus misses a case: {seen}"


def test_fused_and_skipped_random_tiles(seed: int) -> None:
    """Both flags against the scalar model; skipping changes no bit of the output, and fusing keeps block 1 from rescaling."""
    seen = dict.fromkeys(["skipped", "fewer rescales", "other output"], 0)
    for number in range(72):
        g = np.random.default_rng([seed, 7, number])
        prob_bits = int(g.integers(8, 19))
        cfg = EngineConfig(rows=8, head_dim=16, keys_per_block=8, prob_bits=prob_bits, max_keys=64)
        rows, keys, tau = int(g.integers(1, 9)), int(g.integers(1, 50)), int(g.integers(0, min(8, prob_bits - 2) + 1))
        tile = random_tile(g, cfg, rows, keys, tau, SPREADS[number % len(SPREADS)])
        runs = {(fused, skip): check(cfg, replace(tile, fused=fused, skip=skip))[1]
                for fused in (False, True) for skip in (False, True)}
        for fused in (False, True):
            whole, short = runs[fused, False], runs[fused, True]
            assert torch.equal(whole.out, short.out) and torch.equal(whole.empty, short.empty) and bool(whole.ran.all())
            assert whole.stats.zero_blocks == short.stats.zero_blocks
            same = ("rescaled_rows", "rescale_amount", "saturations", "ip_bit_ops", "keys", "blocks")
            assert all(getattr(whole.stats, name) == getattr(short.stats, name) for name in same)
            seen["skipped"] += short.stats.skipped_blocks
        seen["fewer rescales"] += runs[True, False].stats.rescaled_rows < runs[False, False].stats.rescaled_rows
        seen["other output"] += not torch.equal(runs[True, False].out, runs[False, False].out)
    assert all(seen.values()), f"the stimulus misses a case: {seen}"


@pytest.mark.parametrize("tau", [0, 3, 8])
def test_fused_first_blocks(tau: int) -> None:
    """The second block's maximum is there from the start; a third one still moves it; one block alone is as it was."""
    cfg = EngineConfig(rows=8, head_dim=16, keys_per_block=8, max_keys=64)
    top = (20 + tau) * 1024
    rising = uniform_tile(2, 16, [0] * 8 + [top] * 8 + [2 * top] * 8, tau=tau)
    plain, fused = check(cfg, rising)[0], check(cfg, replace(rising, fused=True))[0]
    assert (plain.rescaled, fused.rescaled) == (4, 2) and plain.amount == 2 * fused.amount
    assert fused.zero_blocks == 1 and fused.ran == [True] * 3
    assert check(cfg, replace(rising, fused=True, skip=True))[0].ran == [False, True, True]
    alone = uniform_tile(2, 16, [5000 * j for j in range(8)], tau=tau)
    assert torch.equal(check(cfg, alone)[1].out, check(cfg, replace(alone, fused=True))[1].out)


def test_a_row_that_only_the_second_block_shows_a_key() -> None:
    """Fused, it counts as seen from the first block on: its third block's larger maximum rescales it."""
    cfg = EngineConfig(rows=8, head_dim=16, keys_per_block=8, max_keys=64)
    tile = uniform_tile(2, 16, [0] * 16 + [4096] * 8)
    tile.k_pos = ints([9] * 8 + [0] * 16)
    tile.q_pos = ints([3, 9])
    for fused in (False, True):
        want, got = check(cfg, replace(tile, fused=fused))
        assert want.rescaled == 2 and not got.empty.any()


def test_octaves_of_random_tiles(seed: int) -> None:
    """Every limit against the scalar model: with the flag the output may change, without it the limit only counts."""
    seen = dict.fromkeys(["skipped", "more than without", "other output"], 0)
    for number in range(256):
        g = np.random.default_rng([seed, 8, number])
        cfg = EngineConfig(rows=8, head_dim=16, keys_per_block=8, prob_bits=int(g.integers(8, 19)), max_keys=64)
        rows, keys, tau = int(g.integers(1, 3)), int(g.integers(9, 60)), int(g.integers(0, 3))
        tile = random_tile(g, cfg, rows, keys, tau, SPREADS[number % len(SPREADS)])
        tile = replace(tile, octaves=1 + number % 7 if number % 8 else 8 + int(g.integers(24)), fused=bool(g.integers(2)))
        whole, short = (check(cfg, replace(tile, skip=skip))[1] for skip in (False, True))
        exact = run_tile(cfg, replace(tile, octaves=0, skip=True))
        assert bool(whole.ran.all()) and torch.equal(whole.out, exact.out) and torch.equal(whole.empty, short.empty)
        assert not bool((short.ran & ~exact.ran).any()), "a block runs that has nothing but zeros"
        seen["skipped"] += short.stats.skipped_blocks
        seen["more than without"] += short.stats.skipped_blocks > exact.stats.skipped_blocks
        seen["other output"] += not torch.equal(short.out, exact.out)
    assert all(seen.values()), f"the stimulus misses a case: {seen}"


@pytest.mark.parametrize(("octaves", "ran"), [(0, "rrrr-"), (1, "rr---"), (5, "rrr--"), (16, "rrrr-"), (31, "rrrr-")])
def test_octaves_by_hand(octaves: int, ran: str) -> None:
    """Blocks 1, 5, 16 octaves and a little more than 16 below the maximum: a score at the limit still counts."""
    cfg = EngineConfig(rows=8, head_dim=16, keys_per_block=8, prob_bits=16, max_keys=64)
    z = [x for below in (0, 1024, 5 * 1024, 16 * 1024, 16 * 1024 + 128) for x in [2**15 - below] * 8]
    tile = replace(uniform_tile(2, 16, z), octaves=octaves, skip=True)
    assert check(cfg, tile)[0].ran == [letter == "r" for letter in ran]


def test_multipliers_of_values() -> None:
    """The denominator takes the probabilities, the accumulators sixteenths of them; a value that counts 0 counts as a key."""
    assert nx.scale_probability(ints([[1, 7, 8, 9, 2**18 - 1]]), ints([7, 0, 0, 0, 14])).tolist() == [[1, 0, 1, 1, 245759]]
    g = np.random.default_rng(1)
    p, mult = g.integers(0, 2**18, (20, 40)), g.integers(0, 16, 40)
    got = nx.scale_probability(ints(p), ints(mult)).tolist()
    assert got == [[spec.weighed(int(x), int(m)) for x, m in zip(row, mult)] for row in p]
    cfg = EngineConfig(rows=8, head_dim=16, keys_per_block=8, prob_bits=16, max_keys=64)
    tile = replace(uniform_tile(2, 16, [0, 0], [[64] * 16, [0] * 16]), v_mult=ints([3, 15]))
    assert check(cfg, tile)[0].out == [[64 * 256 // 8] * 16] * 2        # a quarter of half the weight
    assert check(cfg, replace(tile, v_mult=ints([15, 0])))[0].out == [[64 * 256 // 2] * 16] * 2


def test_what_may_be_skipped() -> None:
    """Blocks below the last probability that is not 0; never all blocks of a tile; a masked block counts as such a block."""
    cfg = EngineConfig(rows=8, head_dim=16, keys_per_block=8, prob_bits=16, max_keys=64)
    edge = [2**15] * 8 + [2**15 - 1024 * 16] * 8 + [2**15 - 1024 * 16 - 1] * 8
    assert check(cfg, replace(uniform_tile(2, 16, edge), skip=True))[0].ran == [True, True, False]
    one_row = uniform_tile(2, 16, edge)
    one_row.q_mult[0] = 0
    assert all(check(cfg, replace(one_row, skip=True))[0].ran), "a single row with a probability keeps the block"
    unseen = uniform_tile(2, 16, [0] * 20)
    unseen.q_pos, unseen.k_pos = ints([5, 5]), ints([cfg.padding_pos] * 20)
    want, got = check(cfg, replace(unseen, skip=True))
    assert want.ran == [False, False, True] and got.stats.zero_blocks == 3 and bool(got.empty.all())
    unseen.k_pos[8:16] = 0
    assert check(cfg, replace(unseen, skip=True))[0].ran == [False, True, False]


@pytest.mark.parametrize(("head_dim", "keys_per_block"), [(16, 8), (16, 16), (32, 32), (64, 64), (128, 16)])
def test_extreme_operands(head_dim: int, keys_per_block: int) -> None:
    """-128 everywhere, and against 127: the largest products of each sign."""
    cfg = EngineConfig(rows=8, head_dim=head_dim, keys_per_block=keys_per_block, max_keys=128)
    n = keys_per_block + 3
    signs = torch.tensor([-128, 127], dtype=torch.int8)
    for mult, shift in ((1, 0), (65535, 40), (65535, 31)):
        q = signs[torch.arange(4) // 2 % 2][:, None].repeat(1, head_dim)
        k, v = (signs[torch.arange(n) // m % 2][:, None].repeat(1, head_dim) for m in (1, 2))
        want, _ = check(cfg, TileJob(q, ints([9] * 4), ints([mult] * 4), k, v, ints(list(range(n))), ints([mult] * n), shift, 3))
        assert (want.saturations > 0) == (head_dim * 2**14 * mult**2 >> shift >= 2**19)
    allneg = torch.full((8, head_dim), -128, dtype=torch.int8)
    kv = torch.full((n, head_dim), -128, dtype=torch.int8)
    want, _ = check(cfg, TileJob(allneg, ints([9] * 8), ints([1] * 8), kv, kv, ints([0] * n), ints([1] * n), 2, 0))
    assert want.out == [[-32768] * head_dim] * 8


@pytest.mark.parametrize("tau", range(9))
def test_directed_maxima(tau: int) -> None:
    """Where the maximum lies, rescales beyond the width of the accumulator, blocks that round to nothing."""
    cfg = EngineConfig(rows=8, head_dim=16, keys_per_block=8, prob_bits=16, max_keys=64)
    flat = [700] * 19
    top = [[9999 if j == at else -300 for j in range(24)] for at in (0, 11, 23)]
    rising = [j * 1024 for j in range(-12, 12)]
    edge = [0] * 8 + [(tau + 1) * 1024 - 1] * 8 + [(tau + 1) * 1024] * 8
    jump = [-(2**18)] * 8 + [2**18 + 128] * 8
    small_jump = [0] * 8 + [(tau + 1 + 45) * 1024] * 9
    vanished = [2**15] * 8 + [0] * 8 + [2**15 - 1024 * (16 - tau)] * 8 + [2**15 - 1024 * (17 - tau)] * 3
    results = {}
    for name, z in {"flat": flat, "first": top[0], "middle": top[1], "last": top[2], "rising": rising, "edge": edge, "jump": jump,
                    "small jump": small_jump, "vanished": vanished}.items():
        results[name], _ = check(cfg, uniform_tile(2, 16, z, tau=tau))
    assert results["edge"].rescaled == 2 and results["edge"].amount == 2 * (tau + 1)
    assert results["jump"].amount == 2 * 512 and results["jump"].rows[0].m == 256
    assert results["vanished"].zero_blocks >= 1
    assert results["flat"].rescaled == results["first"].rescaled == 0


def test_masks() -> None:
    """Equality is visible; padding never is; a row may see its first key late, lose sight of all, or never see one."""
    cfg = EngineConfig(rows=8, head_dim=16, keys_per_block=8, max_keys=64)
    tile = uniform_tile(6, 16, [100 * j for j in range(20)])
    tile.q_pos = ints([0, 5, 12, 19, 3, 2**7 - 2])
    for k_pos in (list(range(20)), list(range(20))[::-1], [7] * 20, [cfg.padding_pos] * 20, [4] + [cfg.padding_pos] * 19,
                  [cfg.padding_pos] * 19 + [4]):
        tile.k_pos = ints(k_pos)
        want, _ = check(cfg, tile)
        assert want.empty == [not any(k <= p for k in k_pos) for p in tile.q_pos.tolist()]


def test_a_rows_result_does_not_depend_on_other_rows_or_on_order_within_a_block(seed: int) -> None:
    g = np.random.default_rng([seed, 5])
    cfg = EngineConfig(rows=8, head_dim=16, keys_per_block=8, max_keys=64)
    changed = 0
    for _ in range(6):
        tile = random_tile(g, cfg, 8, 29, 1, 13)
        whole, base = check(cfg, tile)
        assert run_tile(cfg, some_rows(tile, slice(3, 4))).out[0].tolist() == base.out[3].tolist()
        within = np.concatenate([b * 8 + g.permutation(min(8, 29 - 8 * b)) for b in range(4)])
        across = g.permutation(29)
        for order, same in ((within, True), (across, False)):
            moved = replace(tile, **{name: getattr(tile, name)[order] for name in ("k", "v", "k_pos", "k_mult", "v_mult")})
            want, got = check(cfg, moved)
            if same:
                assert want.out == whole.out
            changed += want.amount != whole.amount
    assert changed, "no permutation moved a rescale: the stimulus is too tame"


@pytest.mark.parametrize("prob_bits", [16, 18])
def test_131072_keys_do_not_overflow(prob_bits: int) -> None:
    """The largest probability times -128, for as many keys as a row may see: sums and quotient stay exact."""
    cfg = EngineConfig(rows=8, head_dim=64, keys_per_block=64, prob_bits=prob_bits)
    n, one = cfg.max_keys, spec.probability(1023, 0, 0, prob_bits)
    q, k = torch.zeros(2, 64, dtype=torch.int8), torch.zeros(n, 64, dtype=torch.int8)
    q[:, 0], k[:, 0] = 1, 1
    # column 0: -128 always; column d: every (d+1)-th value is 127 instead
    v = torch.where(torch.arange(n)[:, None] % (torch.arange(64) + 1) == torch.arange(64), 127, -128).to(torch.int8)
    v[:, 0] = -128
    tile = TileJob(q, ints([n - 1, n // 2 - 1]), ints([1023, 1023]), k, v, ints(list(range(n))), ints([1] * n), 0, 0)
    got = run_tile(cfg, tile)
    for row, seen in enumerate((n, n // 2)):
        total = one * seen
        acc = [one * x for x in v[:seen].long().sum(0).tolist()]
        assert total <= n * (2**prob_bits - 1) < 2**cfg.sum_bits
        assert all(-(2 ** (cfg.acc_bits - 1)) <= o < 2 ** (cfg.acc_bits - 1) for o in acc)
        assert got.out[row].tolist() == [spec.divide(o, total) for o in acc]
    assert got.out[0, 0] == -32768


def test_lazy_reference_gives_the_largest_probability_without_a_rescale() -> None:
    """A small first block, then ``tau`` octaves and a fraction of one more: as large as a probability gets."""
    cfg = EngineConfig(rows=8, head_dim=16, keys_per_block=8, prob_bits=16, max_keys=2048)
    n, small = cfg.max_keys, cfg.keys_per_block
    for tau in range(9):
        z = [1023] * small + [(tau + 1) * 1024 - 1] * (n - small)
        v = [[-128, 127] * 8] * small + [[127, -128] * 8] * (n - small)
        got = run_tile(cfg, uniform_tile(1, 16, z, v, tau))
        low, high = (spec.probability(x, 0, tau, 16) for x in (z[0], z[-1]))
        assert (high, got.stats.rescaled_rows) == (spec.probability(1023, 0, 0, 16), 0)
        total = low * small + high * (n - small)
        acc = [low * a * small + high * b * (n - small) for a, b in zip(v[0], v[-1])]
        assert got.out[0].tolist() == [spec.divide(o, total) for o in acc]


def test_illegal_tau_is_refused() -> None:
    cfg = EngineConfig(rows=8, head_dim=16, keys_per_block=8, prob_bits=8, max_keys=64)
    run_tile(cfg, uniform_tile(1, 16, [0], tau=6))
    with pytest.raises(FcimError, match="TAU = 7 is illegal"):
        run_tile(cfg, uniform_tile(1, 16, [0], tau=7))


def test_speed_of_a_head_of_2048_tokens(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed, not asserted; two rows of one tile are compared with the scalar model."""
    g = np.random.default_rng([seed, 6])
    cfg = EngineConfig()
    n = 2048
    q, k, v = (torch.as_tensor(np.clip(g.normal(0, 40, (n, 128)), -127, 127).astype(np.int8)) for _ in range(3))
    group = QuantisedGroup(q[None], ints(g.integers(30000, 65536, (1, n))), ints(list(range(n))), k,
                           ints(g.integers(30000, 65536, n)), v, torch.ones(128), 34)
    start = time.perf_counter()
    tiles = build_tiles(cfg, group)
    results = [run_tile(cfg, tile) for tile in tiles]
    seconds = time.perf_counter() - start
    with capsys.disabled():
        print(f"\n  golden model: a head of {n} tokens, 128 dimensions, in {seconds:.2f} s")
    rows = slice(62, 64)
    want, _ = check(cfg, some_rows(tiles[1], rows))
    assert results[1].out[rows].tolist() == want.out
