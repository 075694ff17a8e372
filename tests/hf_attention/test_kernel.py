"""All tiles at once against the golden model, one at a time: equal on every bit for every choice."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch
from torch import Tensor

from models.errors import FcimError
from models.hardware.config import EngineConfig, load_config
from models.hardware.golden import run_tile
from models.hardware.operands import divided, mean_over, turned
from models.hardware.schedules import SCHEDULES, TileOptions, blocks
from models.hardware.tile import V_MULT_ONE, QuantisedGroup
from models.hardware.tiling import assemble, build_tiles
from models.hf_attention.kernel import Skipped, integer_attention
from models.hf_attention.quantiser import quantise_sequence, round_up
from models.hf_attention.settings import Quantisation
from models.hf_attention.statistics import layer_statistics
from models.hf_attention.tiles import pack, plan_tiles, unpack

TINY = load_config("tiny")
SHAPES = {"one tile": (7, 7), "ragged": (37, 37), "several": (64, 64), "decode": (1, 50), "chunk after a cache": (21, 58),
          "one key": (1, 1)}


def heads(seed: int, cfg: EngineConfig, tokens: int, keys: int, kv_heads: int = 2, group: int = 2,
          spread: float = 3.0) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    q = spread * torch.randn(kv_heads * group, tokens, cfg.head_dim, generator=g, dtype=torch.float64)
    k = torch.randn(kv_heads, keys, cfg.head_dim, generator=g, dtype=torch.float64)
    return q, k, torch.randn(kv_heads, keys, cfg.head_dim, generator=g, dtype=torch.float64)


def quantised(cfg: EngineConfig, q: Tensor, k: Tensor, v: Tensor, choice: Quantisation | None = None) -> list[QuantisedGroup]:
    choice = choice or Quantisation()
    known = layer_statistics([(q, k, v)], choice)
    return quantise_sequence(q, k, v, cfg.head_dim ** -0.5, choice, known)


def with_multipliers(seed: int, groups: list[QuantisedGroup]) -> list[QuantisedGroup]:
    """The same with any multipliers of values, other ones in each head."""
    g = torch.Generator().manual_seed(seed)
    return [replace(group, v_mult=torch.randint(0, V_MULT_ONE + 1, (len(group.k),), generator=g)) for group in groups]


def golden(cfg: EngineConfig, options: TileOptions, group: QuantisedGroup) -> Tensor:
    return assemble(group, [run_tile(cfg, tile) for tile in build_tiles(cfg, group, **asdict(options))])


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_golden_model(shape: str, schedule: str, seed: int) -> None:
    groups = quantised(TINY, *heads(seed, TINY, *SHAPES[shape]))
    for fused in (False, True):
        for tau in (0, 1, 8):
            options = TileOptions(schedule, fused, skip=True, tau=tau)
            out = integer_attention(TINY, options, groups)
            for got, group in zip(out, groups, strict=True):
                assert torch.equal(got, golden(TINY, options, group)), options


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("shape", SHAPES)
def test_multipliers_of_values(shape: str, schedule: str, seed: int) -> None:
    plain = quantised(TINY, *heads(seed, TINY, *SHAPES[shape]))
    groups = with_multipliers(seed, plain)
    options = TileOptions(schedule, fused=True, tau=1)
    out = integer_attention(TINY, options, groups)
    for got, group in zip(out, groups, strict=True):
        assert torch.equal(got, golden(TINY, options, group))
    assert not torch.equal(out, integer_attention(TINY, options, plain))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("shape", SHAPES)
def test_blocks_that_are_skipped_though_they_count_a_little(shape: str, schedule: str, seed: int) -> None:
    """Octaves, within the exact limit and beyond it; a tile's block is skipped if all rows of that tile and that head agree."""
    q, k, v = heads(seed, TINY, *SHAPES[shape], spread=1.0)
    q[..., 0] = 8.0     # of every row, so that they agree: eight keys lie 3 octaves below the eight before them, 6 above, 9 below
    k[..., 0] = torch.tensor([0.0, -1.5, 3.0, -1.5]).repeat_interleave(8).repeat(8)[:k.shape[1]]
    groups = with_multipliers(seed, quantised(TINY, q, k, v))
    skipped, changed = 0, 0
    for octaves, fused, tau in ((1, False, 0), (1, True, 0), (3, True, 8), (5, False, 1), (31, True, 2), (0, True, 8)):
        options = TileOptions(schedule, fused, skip=True, tau=tau, octaves=octaves)
        exact = integer_attention(TINY, replace(options, octaves=0), groups)
        counts, want = Skipped(), Skipped()
        out = integer_attention(TINY, options, groups, counts)
        for got, group in zip(out, groups, strict=True):
            assert torch.equal(got, golden(TINY, options, group)), options
            for tile in build_tiles(TINY, group, **asdict(options)):
                result, keys = run_tile(TINY, tile), torch.arange(len(tile.k)) // TINY.keys_per_block
                want.blocks += result.stats.blocks
                want.values += result.stats.keys
                want.skipped_blocks += result.stats.skipped_blocks
                want.skipped_values += int((~result.ran[keys]).sum())
        assert counts == want, options
        skipped += counts.skipped_blocks
        changed += not torch.equal(out, exact)
        assert torch.equal(integer_attention(TINY, replace(options, skip=False), groups, counts), exact) and counts == want
    assert (skipped > 0 and changed > 0) == (shape in ("ragged", "several", "decode", "chunk after a cache")), (skipped, changed)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("cut", [1, 3, 4])
def test_sums_that_are_cut(cut: int, schedule: str, seed: int) -> None:
    """Scores that are nearly alike, so that sums grow fast; with blocks that are left out, and with a threshold."""
    cfg = replace(TINY, prob_bits=10, max_keys=256, sum_cut=cut)
    groups = quantised(cfg, *heads(seed, cfg, 40, 250, spread=0.1))
    whole = replace(cfg, sum_cut=0)
    for options in (TileOptions(schedule), TileOptions(schedule, fused=True, skip=True, octaves=1), TileOptions(schedule, tau=2)):
        out = integer_attention(cfg, options, groups)
        for got, group in zip(out, groups, strict=True):
            assert torch.equal(got, golden(cfg, options, group)), options
    assert cut == 1 or not torch.equal(out, integer_attention(whole, options, groups)), "no row was raised"


def test_a_tile_whose_first_blocks_are_all_skipped(seed: int) -> None:
    """Fused: the first block lies far below the second, which is the last one."""
    q, k, v = heads(seed, TINY, 16, 16)
    q[:], k[:] = 1.0, 0.0
    k[:, 8:] = 2.0
    groups = quantised(TINY, q, k, v, Quantisation(smooth_k=False))
    options = TileOptions(fused=True, skip=True, octaves=2)
    ran = [run_tile(TINY, tile).ran.tolist() for tile in build_tiles(TINY, groups[0], **asdict(options))]
    assert ran == [[True], [False, True]]
    for got, group in zip(integer_attention(TINY, options, groups), groups, strict=True):
        assert torch.equal(got, golden(TINY, options, group))


@pytest.mark.parametrize("name", ["default", "head64"])
@pytest.mark.parametrize("prob_bits", [8, 12, 16, 17, 18])
def test_other_configurations(name: str, prob_bits: int, seed: int) -> None:
    cfg = replace(load_config(name), prob_bits=prob_bits, keys_per_block=32)
    options = TileOptions("sink_diagonal", fused=True, tau=2)
    groups = with_multipliers(seed, quantised(cfg, *heads(seed, cfg, 70, 70, group=3)))
    for got, group in zip(integer_attention(cfg, options, groups), groups, strict=True):
        assert torch.equal(got, golden(cfg, options, group))


def test_many_rescales_and_saturation(seed: int) -> None:
    """Keys that grow: every block rescales, and the largest scores are clamped."""
    q, k, v = heads(seed, TINY, 40, 40, spread=60.0)
    k *= torch.linspace(0.1, 40, 40)[:, None]
    groups = quantised(TINY, q, k, v, Quantisation(smooth_k=False))
    for schedule in SCHEDULES:
        options = TileOptions(schedule)
        assert sum(run_tile(TINY, tile).stats.saturations for g in groups for tile in build_tiles(TINY, g, schedule=schedule)) > 0
        for got, group in zip(integer_attention(TINY, options, groups), groups, strict=True):
            assert torch.equal(got, golden(TINY, options, group))


@pytest.mark.parametrize("largest", [-500.0, -512.0, -600.0])
@pytest.mark.parametrize("fused", [False, True])
def test_rows_whose_scores_are_all_very_small(largest: float, fused: bool, seed: int) -> None:
    """Running maxima near the bottom of the range, where the code of a hidden key is not far below: it still counts nothing."""
    q, k, v = heads(seed, TINY, 24, 24, spread=0.1)
    q[..., 0], k[..., 0] = 1.0, largest * TINY.head_dim ** 0.5 / 1.4427
    for schedule in SCHEDULES:
        options = TileOptions(schedule, fused)
        groups = quantised(TINY, q, k, v, Quantisation(smooth_k=False))
        for got, group in zip(integer_attention(TINY, options, groups), groups, strict=True):
            assert torch.equal(got, golden(TINY, options, group))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_plan_grows_with_the_length_only(schedule: str) -> None:
    """Positions of rows, keys of tiles, tiles of blocks; and a block's keys are those of the schedule."""
    for tokens in (1000, 2000):
        plan = plan_tiles(TINY, schedule, 4, tokens, tokens, torch.device("cpu"))
        kept = plan.positions.numel() + plan.seen.numel() + len(plan.first_tile)
        assert kept <= 6 * tokens
        for block in (0, 1, 2, len(plan.first_tile) - 1):
            first = plan.first_tile[block]
            for i, keys in enumerate(plan.block_keys(block)):
                n = int(plan.seen[-1 if schedule == "natural" else first + i])
                start, count = blocks(schedule, n, TINY.keys_per_block)[block]
                assert keys[keys >= 0].tolist() == list(range(start, start + count))


def test_a_wrong_model_would_be_seen(seed: int) -> None:
    """The comparison above is no tautology: another threshold gives other bits."""
    group = quantised(TINY, *heads(seed, TINY, 40, 40))[0]
    assert not torch.equal(integer_attention(TINY, TileOptions(tau=5), [group])[0], golden(TINY, TileOptions(), group))


@pytest.mark.parametrize("choice", [
    Quantisation(4, 6, 8), Quantisation(q_grain="head", k_grain="head", v_grain="head"),
    Quantisation(q_grain="tensor", k_grain="tensor", v_grain="tensor"), Quantisation(smooth_k=False), Quantisation(rotate=True),
    Quantisation(fit_scales=True), Quantisation(4, 4, 8, fit_scales=True, rotate=False)])
def test_every_quantisation_is_close_to_float(choice: Quantisation, seed: int) -> None:
    """Codes use their range, and float attention on what they stand for is near that on the originals."""
    q, k, v = heads(seed, TINY, 24, 24, spread=1.0)
    for head, group in enumerate(quantised(TINY, q, k, v, choice)):
        for codes, bits in ((group.q, choice.q_bits), (group.k, choice.k_bits), (group.v, choice.v_bits)):
            largest = 2 ** (bits - 1) - 1
            least = 0.4 if choice.q_grain == "tensor" else 0.88 if choice.fit_scales else 0.97
            assert least * largest - 1 < int(codes.abs().max()) <= largest
        centre = k[head] - k[head].mean(0) if choice.smooth_k else k[head]
        wanted = q.view(2, 2, 24, -1)[head] @ centre.T
        rebuilt = (group.q * group.q_scale[..., None]) @ (group.k * group.k_scale[:, None]).T
        step = 2.0 ** (1 - min(choice.q_bits, choice.k_bits))
        assert (rebuilt - wanted).norm() / wanted.norm() < 3 * step


def test_fitted_scales_move_scores_less(seed: int) -> None:
    """Than those of the largest magnitudes; with the statistics of other rows of the same kind, whose channels go together."""
    g = torch.Generator().manual_seed(seed)
    mix = torch.randn(2, TINY.head_dim, TINY.head_dim, generator=g, dtype=torch.float64)
    (q, k, v), (other_q, other_k, other_v) = heads(seed, TINY, 60, 60, group=1), heads(seed + 1, TINY, 60, 60, group=1)
    errors = {}
    for fit in (False, True):
        choice = Quantisation(fit_scales=fit, smooth_k=False)
        known = layer_statistics([(other_q @ mix, other_k @ mix, other_v)], choice)
        groups = quantise_sequence(q @ mix, k @ mix, v, 0.2, choice, known)
        wanted = (q @ mix) @ (k @ mix).transpose(-2, -1)
        got = torch.stack([(g.q[0] * g.q_scale[0, :, None]) @ (g.k * g.k_scale[:, None]).T for g in groups])
        errors[fit] = (got - wanted).square().sum().item()
    assert errors[True] < 0.85 * errors[False], errors


def test_statistics_for_wider_heads(seed: int) -> None:
    """Zeros for the channels that are not there."""
    known = layer_statistics([heads(seed, TINY, 20, 20)], Quantisation()).fitted(2 * TINY.head_dim)
    for moment in (known.q_moment, known.k_moment):
        assert moment.shape[1:] == (2 * TINY.head_dim,) * 2 and not moment[:, TINY.head_dim:].any()
        assert moment[:, :TINY.head_dim, :TINY.head_dim].any() and torch.equal(moment, moment.mT)


@pytest.mark.parametrize("fit", [False, True])
def test_scales_do_not_depend_on_company(fit: bool, seed: int) -> None:
    """A row's codes and scale are the same alone and beside rows that are far beyond the statistics."""
    q, k, v = heads(seed, TINY, 30, 30)
    choice = Quantisation(fit_scales=fit)
    known = layer_statistics([(q, k, v)], choice)
    alone = quantise_sequence(q[:, :10], k[:, :10], v[:, :10], 0.2, choice, known)
    q, k = q.clone(), k.clone()
    q[:, 10:] *= 50
    k[:, 10:] *= 50
    together = quantise_sequence(q, k, v, 0.2, choice, known)
    for a, b in zip(alone, together, strict=True):
        assert torch.equal(a.q, b.q[:, :10]) and torch.equal(a.k, b.k[:10]) and torch.equal(a.v, b.v[:10])
        assert torch.equal(a.q_scale, b.q_scale[:, :10]) and torch.equal(a.k_scale, b.k_scale[:10])


def test_rotation(seed: int) -> None:
    """Orthonormal, symmetric, of one magnitude; a row's bits do not depend on the other rows."""
    matrix = turned(torch.eye(32, dtype=torch.float64))
    assert torch.equal(matrix, matrix.T) and torch.equal(matrix.abs(), torch.full_like(matrix, 1 / 32**0.5))
    x = torch.randn(3, 7, 32, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert torch.allclose(turned(x), x @ matrix, atol=1e-13) and torch.allclose(turned(turned(x)), x, atol=1e-13)
    assert torch.equal(turned(x)[1, 4], turned(x[1, 4]))


@pytest.mark.parametrize("count", [1, 2, 7, 49, 1000])
def test_mean(count: int, seed: int) -> None:
    """A mean, whose bits do not depend on the channels beside it; so does a quotient on its being rounded once."""
    x = torch.randn(2, count, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert torch.allclose(mean_over(x, 1), x.mean(1), atol=1e-14)
    assert torch.equal(mean_over(x, 1)[1, 3], mean_over(x[1, :, 3], 0))
    assert [a / count for a in x[0, :, 0].tolist()] == divided(x[0, :, 0], count).tolist()


def test_rounding_up_scales() -> None:
    x = torch.tensor([0.0, 1.0, 1.0 + 2**-9, 255.5, 3e-300, 2.0**200 * 1.001], dtype=torch.float64)
    up = round_up(x)
    assert torch.equal(up[:4], torch.tensor([0.0, 1.0, 1.0 + 2**-7, 256.0], dtype=torch.float64))
    assert bool((up >= x).all()) and bool((up <= x * (1 + 2**-7)).all())


def test_packing_is_undone(seed: int) -> None:
    rows = torch.randn(2, 3, 11, 5, generator=torch.Generator().manual_seed(seed))
    plan = plan_tiles(TINY, "natural", 3, 11, 20, torch.device("cpu"))
    assert torch.equal(unpack(pack(rows, plan), 3, 11), rows)
    assert plan.positions.max() == 19 and plan.step == TINY.rows // 3


@pytest.mark.parametrize("wrong", [{"q_bits": 9}, {"v_bits": 1}, {"v_grain": "token"}, {"k_grain": "row"}])
def test_illegal_quantisation(wrong: dict[str, object]) -> None:
    with pytest.raises(FcimError, match=next(iter(wrong))):
        Quantisation(**wrong)
