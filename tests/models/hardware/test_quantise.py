"""The quantiser: scales, multipliers, shift, smoothing, and the tensors that break quantisers."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from models.errors import FcimError
from models.hardware import numerics as nx
from models.hardware.config import Z_FRAC, load_config
from models.hardware.golden import run_tile
from models.hardware.operands import (
    MULTIPLIERS,
    PLAIN,
    STRETCHES,
    OperandOptions,
    balance_factors,
    second_moment,
    turned,
    value_multipliers,
    value_ranges,
)
from models.hardware.quantise import QMAX, dequantise, quantise, query_heads_of_groups, value_scales
from models.hardware.tile import QuantisedGroup
from models.hardware.tiling import assemble, build_tiles
from models.quality.metrics import compare
from models.quality.reference import attention, group_attention, reference_attention
from models.tensors.attention_tensors import AttentionTensors

CHOICES = [OperandOptions(), PLAIN, *(OperandOptions(**{f.name: not f.default}) for f in fields(OperandOptions))]
LOG2_UNIT = math.log2(math.e) * (1 << Z_FRAC)


def sample(heads: int = 4, kv_heads: int = 2, tq: int = 24, tk: int = 40, dim: int = 32, seed: int = 0) -> AttentionTensors:
    """Gaussian tensors with a channel offset in K, as trained keys have, and one strong row of Q."""
    g = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(n, t, dim, generator=g) for n, t in ((heads, tq), (kv_heads, tk), (kv_heads, tk)))
    k += 4 * torch.randn(kv_heads, 1, dim, generator=g)
    q[:, tq // 2] *= 8
    return AttentionTensors(q, k, v, dim**-0.5, kv_of_head=[h * kv_heads // heads for h in range(heads)])


def check_group(group: QuantisedGroup, scale: float) -> None:
    """What must hold of any group, whatever it was made from."""
    for x in (group.q, group.k, group.v):
        assert x.dtype == torch.int8 and x.int().abs().max() <= QMAX
    for mult in (group.q_mult, group.k_mult):
        assert mult.dtype == torch.int64 and mult.min() >= 0 and mult.max() < 1 << 16
    assert group.v_mult.dtype == torch.int64 and group.v_mult.min() >= 0 and group.v_mult.max() < MULTIPLIERS
    assert 0 <= group.shift <= 63
    assert torch.isfinite(group.v_scale).all() and group.v_scale.dtype == torch.float32
    product = (group.q_mult[..., None] * group.k_mult).double() * 2.0**-group.shift
    wanted = group.q_scale[..., None] * group.k_scale * scale * LOG2_UNIT
    torch.testing.assert_close(product, wanted, rtol=1e-12, atol=0)


def scaled_scores(group: QuantisedGroup) -> tuple[Tensor, Tensor]:
    """The engine's scaled scores ``[G, Tq, Tk]`` and which of them saturated."""
    score = group.q.long() @ group.k.long().T
    return nx.scale_score(score, group.q_mult, group.k_mult, group.shift)


def prepared_by_hand(tensors: AttentionTensors, g: int, choice: OperandOptions) -> tuple[Tensor, Tensor]:
    """Q and K of group g as the choice says, with a matrix for the rotation."""
    q, k = tensors.q[query_heads_of_groups(tensors.kv_of_head)[g]].double(), tensors.k[g].double()
    k = k - k.mean(0) if choice.smooth_k else k
    if choice.balance:
        factor = (k.abs().amax(0) / q.abs().amax((0, 1))).sqrt()
        q, k = q * factor, k / factor
    matrix = torch.ones(1, 1, dtype=torch.float64)
    while len(matrix) < q.shape[-1]:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    matrix = matrix / len(matrix) ** 0.5
    return (q @ matrix, k @ matrix) if choice.rotate else (q, k)


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_multipliers_carry_the_scales(choice: OperandOptions) -> None:
    tensors = sample()
    groups = quantise(tensors, choice)
    assert [g.q.shape for g in groups] == [(2, 24, 32), (2, 24, 32)]
    for g, group in enumerate(groups):
        check_group(group, tensors.scale)
        reach = STRETCHES[-1] if choice.fit_scales else 1.0
        assert min(group.q_mult.max(), group.k_mult.max()) * reach >= 1 << 15, "16 bits are there to be used"
        assert group.q_pos.tolist() == list(range(16, 40))
        q, k, v = dequantise(group)
        wanted_q, wanted_k = prepared_by_hand(tensors, g, choice)
        v_steps = value_scales(group.v_scale, group.v_mult)
        for got, wanted, step in ((q, wanted_q, group.q_scale[..., None]), (k, wanted_k, group.k_scale[:, None]),
                                  (v, tensors.v[g], v_steps)):
            assert ((got - wanted).abs() <= step * 0.5001).all(), "more than half a step off"
        for codes in (group.q, group.k):
            assert (codes.int().abs().amax(-1) >= QMAX / reach - 1).all(), "a row must use its 8 bits"
        assert (group.v.int().abs().amax(0) == QMAX).all(), "a channel must use its 8 bits"
        if not choice.v_mult:
            assert (group.v_mult == MULTIPLIERS - 1).all()
            continue
        coarse = (tensors.v[g].abs() / (group.v_scale.double() * QMAX)).amax(1)
        assert (coarse <= (group.v_mult + 1) / MULTIPLIERS * 1.000001).all() and (coarse >= group.v_mult / MULTIPLIERS).all(), \
            "the smallest multiplier with which no value saturates"


@pytest.mark.parametrize("choice", CHOICES, ids=str)
@pytest.mark.parametrize("shape", [(24, 40), (1, 40), (1, 1), (2, 2)])
def test_preparing_changes_no_weight(choice: OperandOptions, shape: tuple[int, int]) -> None:
    """Float attention on the operands is float attention, but for their 8 bits; in decode, with one key and with two as well."""
    tensors = sample(tq=shape[0], tk=shape[1])
    reference = reference_attention(tensors)
    for heads, group in zip(query_heads_of_groups(tensors.kv_of_head), quantise(tensors, choice), strict=True):
        check_group(group, tensors.scale)
        got = group_attention(*dequantise(group), tensors.scale)
        assert compare(got, reference[heads]).sqnr_db > 18


def test_each_choice_mends_what_it_is_for() -> None:
    """Strong channels of K: balancing and rotation; one token of large values that few rows see: multipliers."""
    tensors = sample(tq=40)
    tensors.k -= tensors.k.mean(1, keepdim=True)
    tensors.k[..., 3] *= 20
    tensors.k[..., 9] *= 12
    tensors.q[..., 3] /= 20
    tensors.v[:, 0] *= 14
    tensors.q += 1
    tensors.k[:, 0] = -2
    reference = reference_attention(tensors)

    def sqnr(**on: bool) -> float:
        groups = quantise(tensors, replace(PLAIN, **on))
        return compare(torch.cat([group_attention(*dequantise(g), tensors.scale) for g in groups]), reference).sqnr_db

    plain, balanced, turned_, scaled = sqnr(), sqnr(balance=True), sqnr(rotate=True), sqnr(v_mult=True)
    found = {"plain": plain, "balance": balanced, "rotate": turned_, "v_mult": scaled}
    assert balanced > plain + 1 and turned_ > plain + 1 and scaled > plain + 1, found
    assert sqnr(balance=True, rotate=True, v_mult=True) > max(found.values()) + 3, found


def test_fitted_scales(seed: int) -> None:
    """Of every row the stretch whose rounding moves the scores least, by hand; and scores are nearer to the float ones by it."""
    g = torch.Generator().manual_seed(seed)
    tensors = sample(tq=40, seed=seed)
    tensors.k @= torch.randn(32, 32, generator=g) / 4       # so that channels go together
    choice = OperandOptions(fit_scales=True)
    stretched, errors = set(), {}
    for number, group in enumerate(quantise(tensors, choice)):
        q, k = prepared_by_hand(tensors, number, choice)
        k = k - k.mean(0)
        for x, other, scale, mult in ((q[0], k, group.q_scale[0], group.q_mult[0]),
                                      (k, q.flatten(0, 1), group.k_scale, group.k_mult)):
            unit = scale / mult     # of a multiplier
            tried = (x.abs().amax(-1) / QMAX * torch.tensor(STRETCHES).double()[:, None] / unit).ceil() * unit
            wrong = x - (x / tried[..., None]).round() * tried[..., None]
            moved = (wrong @ other.T).square().sum(-1)
            off = (scale - tried).abs() / unit      # a last bit of the rows may move a multiplier by one
            assert (off.amin(0) < 1.5).all(), "a scale that is none of those to be tried"
            chosen, least = moved.gather(0, off.argmin(0)[None])[0], moved.amin(0)
            # errors are taken in 64ths of a step, and one near half a step may be rounded the other way
            assert (chosen <= 1.02 * least).double().mean() > 0.85 and chosen.sum() < 1.05 * least.sum()
            stretched |= set(off.argmin(0).tolist())
    assert len(stretched) > len(STRETCHES) // 2
    reference = [q @ k.transpose(-1, -2) for q, k in (prepared_by_hand(tensors, n, choice) for n in range(2))]
    for fit in (False, True):
        groups = quantise(tensors, replace(choice, fit_scales=fit))
        scores = [q.double() @ k.double().T for q, k, _ in map(dequantise, groups)]
        errors[fit] = sum((a - b).square().sum().item() for a, b in zip(scores, reference, strict=True))
    assert errors[True] < 0.85 * errors[False], errors


def test_second_moments_are_exact(seed: int) -> None:
    """Whichever rows come first; and those of the rows, but for their 12 bits."""
    x = torch.randn(2, 50, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    got, wanted = second_moment(x), x.transpose(1, 2) @ x
    assert torch.equal(got, second_moment(x.flip(1))) and torch.equal(got, got.round())
    assert torch.allclose(got / got[:, :1, :1], wanted / wanted[:, :1, :1], atol=1e-2)
    assert not second_moment(torch.zeros(3, 8).double()).any()


def test_balance() -> None:
    q, k = torch.tensor([4.0, 0.0, 1.0, 0.0, 1e-30]).double(), torch.tensor([1.0, 2.0, 0.0, 0.0, 1e30]).double()
    factors = balance_factors(q, k)
    assert torch.allclose(factors, torch.tensor([0.5, 1.0, 1.0, 1.0, 1e30]).double())
    assert torch.allclose((q * factors)[[0, 4]], (k / factors)[[0, 4]])


def test_only_a_power_of_two_can_be_rotated() -> None:
    with pytest.raises(FcimError, match="heads of 24 channels cannot be rotated"):
        quantise(sample(dim=24))
    assert quantise(sample(dim=24), OperandOptions(rotate=False))[0].q.shape[-1] == 24
    with pytest.raises(FcimError, match="24 channels"):
        turned(torch.ones(2, 24))


def test_one_large_token_costs_the_others_little() -> None:
    """Its values are 12 times as large in every channel: the channels' scales are its, and the others take a twelfth of them."""
    v = torch.randn(200, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64).clamp(-2, 2)
    v[0] *= 12 * 2 / v[0].abs()
    ranges = value_ranges(v)
    mult = value_multipliers(v, ranges)
    assert mult[0] == MULTIPLIERS - 1 and (mult[1:] <= 2).all()
    assert torch.allclose(ranges, torch.full((32,), 24.0).double(), rtol=0.3)


def test_values_of_few_tokens_fall_back_on_the_largest() -> None:
    """A channel that only few tokens use would blow all scales up, if its usual magnitude decided."""
    v = torch.randn(400, 16, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    v[:, 5] = 1e-6 * v[:, 5]
    v[7, 5] = 3.0
    assert torch.equal(value_ranges(v), v.abs().amax(0))
    v[:, 5] = 0
    v[7, 5] = 3.0
    assert value_ranges(v)[5] < 6


@pytest.mark.parametrize("keys", [1, 2, 3, 49, 50, 51, 52])
def test_ranges_hold_every_value(keys: int, seed: int) -> None:
    """Of few keys too, and of a batch as of each alone; the multipliers leave no value outside."""
    g = torch.Generator().manual_seed(seed)
    v = torch.randn(3, keys, 16, generator=g, dtype=torch.float64) * torch.rand(3, keys, 1, generator=g, dtype=torch.float64) ** 4
    ranges = value_ranges(v)
    assert torch.equal(ranges[1], value_ranges(v[1])) and (ranges >= v.abs().amax(1)).all()
    mult = value_multipliers(v, ranges)
    assert torch.equal(mult[2], value_multipliers(v[2], ranges[2]))
    assert torch.equal(mult[:, :1], value_multipliers(v[:, :1], ranges))
    assert (v.abs() <= ranges[:, None] * ((mult + 1) / MULTIPLIERS)[..., None] * 1.000001).all()


def test_scaled_scores_are_base_2_logarithms() -> None:
    """Scores of the float tensors, to within what half a step of every operand can move them."""
    tensors = sample(seed=3)
    for g, group in enumerate(quantise(tensors, PLAIN)):
        z, saturated = scaled_scores(group)
        q = tensors.q[query_heads_of_groups(tensors.kv_of_head)[g]].double()
        k = tensors.k[g].double()
        assert not saturated.any()
        error = z / 2.0**Z_FRAC - q @ k.T * tensors.scale * math.log2(math.e)
        q_half, k_half = group.q_scale[..., None] / 2, group.k_scale / 2
        reach = (q.abs().sum(-1, keepdim=True) * k_half + k.abs().sum(-1) * q_half + q.shape[-1] * q_half * k_half)
        assert (error.abs() <= reach * tensors.scale * math.log2(math.e) * 1.001 + 2.0 ** -(Z_FRAC + 1)).all()
        assert error.abs().mean() < 0.06


def test_smoothing_keeps_the_softmax_and_helps() -> None:
    tensors = sample(heads=2, kv_heads=1)
    reference = attention(tensors.q, tensors.k, tensors.v, tensors.scale, tensors.kv_of_head)
    sqnr = {}
    for smooth_k in (True, False):
        q, k, v = dequantise(quantise(tensors, OperandOptions(smooth_k=smooth_k))[0])
        sqnr[smooth_k] = compare(group_attention(q, k, v, tensors.scale), reference).sqnr_db
    assert sqnr[True] > sqnr[False] + 3, sqnr


@pytest.mark.parametrize("ratio", [1.0, 1e-3, 1e-4])
def test_rows_of_very_different_size_cost_the_engine_nothing(ratio: float) -> None:
    """One strong row leaves few bits for the multipliers of the others; the engine must still be as good as float."""
    tensors = sample(heads=1, kv_heads=1, seed=5)
    tensors.q *= 6
    tensors.q[:, 0] /= ratio
    tensors.k = tensors.k - tensors.k.mean(1, keepdim=True)
    (group,) = quantise(tensors)
    check_group(group, tensors.scale)
    cfg = load_config("tiny")
    out = assemble(group, [run_tile(cfg, tile) for tile in build_tiles(cfg, group)])[:, 1:]
    reference = attention(tensors.q, tensors.k, tensors.v, tensors.scale, tensors.kv_of_head)[:, 1:]
    q, k, v = dequantise(group)
    best = compare(group_attention(q, k, v, tensors.scale)[:, 1:], reference).sqnr_db
    assert compare(out, reference).sqnr_db > best - 0.3


def test_query_heads_may_be_spread_unevenly() -> None:
    tensors = sample(heads=4, kv_heads=3)
    tensors.kv_of_head = [2, 0, 2, 2]
    groups = quantise(tensors)
    assert query_heads_of_groups(tensors.kv_of_head) == [[1], [0, 2, 3]]
    assert [g.q.shape[0] for g in groups] == [1, 3]
    alone = quantise(AttentionTensors(tensors.q[[0, 2, 3]], tensors.k[2:], tensors.v[2:], tensors.scale))[0]
    for name in ("q", "q_mult", "k", "k_mult", "v", "v_scale", "v_mult"):
        assert torch.equal(getattr(groups[1], name), getattr(alone, name)), name


def test_zero_rows_keys_and_channels() -> None:
    tensors = sample(heads=2, kv_heads=1)
    tensors.q[0, 3] = 0
    tensors.k[0, 5] = 0
    tensors.v[0, :, 7] = 0
    (group,) = quantise(tensors, PLAIN)
    check_group(group, tensors.scale)
    assert group.q_mult[0, 3] == 0 and group.k_mult[5] == 0 and group.v_scale[7] == 0
    z, _ = scaled_scores(group)
    assert (z[0, 3] == 0).all() and (z[..., 5] == 0).all()
    assert all(torch.isfinite(x).all() for x in dequantise(group))


@pytest.mark.parametrize("zero", ["q", "k", "v", "qkv"])
@pytest.mark.parametrize("size", [1.0, 1e30])
def test_all_zero_tensors(zero: str, size: float) -> None:
    tensors = sample(heads=2, kv_heads=1)
    for name in "qk":
        getattr(tensors, name).mul_(size)
    for name in zero:
        getattr(tensors, name).zero_()
    if zero == "v":
        tensors.q, tensors.k = tensors.q / size, tensors.k / size
    (group,) = quantise(tensors)
    check_group(group, tensors.scale)
    if zero != "v":
        assert (scaled_scores(group)[0] == 0).all()


def test_one_token() -> None:
    tensors = sample(heads=2, kv_heads=1, tq=1, tk=1)
    (group,) = quantise(tensors)
    check_group(group, tensors.scale)
    assert group.q_pos.tolist() == [0] and (group.k == 0).all(), "smoothing one key leaves nothing of it"
    cfg = load_config("tiny")
    (result,) = [run_tile(cfg, tile) for tile in build_tiles(cfg, group)]
    assert torch.equal(result.out, (group.v.short() * 256).expand(2, -1)) and not result.empty.any()


@pytest.mark.parametrize("size", [1e-5, 1e-18, 1e-40])
def test_tiny_scores_give_a_flat_softmax(size: float) -> None:
    tensors = sample(heads=2, kv_heads=1)
    tensors.q *= size
    tensors.k *= size
    (group,) = quantise(tensors)
    check_group(group, tensors.scale)
    assert scaled_scores(group)[0].abs().max() <= 1


def test_small_scores_are_kept_when_the_shift_is_at_its_limit() -> None:
    """Of all sizes, z must follow the exact score to its rounding: no size falls into a hole between two cases."""
    for exponent in range(-60, 12):
        tensors = sample(heads=1, kv_heads=1, tq=4, tk=4)
        tensors.k *= 2.0**exponent
        (group,) = quantise(tensors, PLAIN)
        check_group(group, tensors.scale)
        q, k, _ = dequantise(group)
        exact = (q.double() @ k.double().T) * tensors.scale * LOG2_UNIT
        z, saturated = scaled_scores(group)
        error = (z - exact)[~saturated].abs()
        assert (error <= 0.5 + 1e-6 * exact.abs()[~saturated]).all(), exponent


def test_huge_scores_are_refused_or_saturate_visibly() -> None:
    tensors = sample(heads=1, kv_heads=1)
    tensors.q *= 60
    tensors.k *= 60
    (group,) = quantise(tensors)
    check_group(group, tensors.scale)
    assert scaled_scores(group)[1].any(), "the engine counts these"
    tensors.q *= 1e12
    with pytest.raises(FcimError, match="too large"):
        quantise(tensors)


def test_bad_input_is_named() -> None:
    def broken(**change: object) -> AttentionTensors:
        tensors = sample()
        for name, value in change.items():
            setattr(tensors, name, value)
        return tensors

    nan = sample().k
    nan[0, 0, 0] = float("nan")
    cases = {"NaN": broken(k=nan), "softmax scale": broken(scale=0.0), "causal": broken(q=torch.ones(4, 41, 32)),
             "outside": broken(kv_of_head=[0, 0, 1, 2]), "names 2": broken(kv_of_head=[0, 1]),
             "same D": broken(v=torch.ones(2, 40, 16)), "beyond float64": broken(scale=1e308, q=sample().q * 1e10)}
    for message, tensors in cases.items():
        with pytest.raises(FcimError, match=message):
            quantise(tensors)


def test_a_group_without_scales_cannot_be_dequantised() -> None:
    group = quantise(sample())[0]
    group.q_scale = None
    with pytest.raises(FcimError, match="q_scale"):
        dequantise(group)
