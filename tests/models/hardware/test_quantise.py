"""The quantiser: scales, multipliers, shift, smoothing, and the tensors that break quantisers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from models.errors import FcimError
from models.hardware import numerics as nx
from models.hardware.config import Z_FRAC, load_config
from models.hardware.golden import run_tile
from models.hardware.quantise import QMAX, dequantise, quantise, query_heads_of_groups
from models.hardware.tile import QuantisedGroup
from models.hardware.tiling import assemble, build_tiles
from models.quality.metrics import compare
from models.quality.reference import attention, group_attention
from models.tensors.attention_tensors import AttentionTensors

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
    assert 0 <= group.shift <= 63
    assert torch.isfinite(group.v_scale).all() and group.v_scale.dtype == torch.float32
    product = (group.q_mult[..., None] * group.k_mult).double() * 2.0**-group.shift
    wanted = group.q_scale[..., None] * group.k_scale * scale * LOG2_UNIT
    torch.testing.assert_close(product, wanted, rtol=1e-12, atol=0)


def scaled_scores(group: QuantisedGroup) -> tuple[Tensor, Tensor]:
    """The engine's scaled scores ``[G, Tq, Tk]`` and which of them saturated."""
    score = group.q.long() @ group.k.long().T
    return nx.scale_score(score, group.q_mult, group.k_mult, group.shift)


@pytest.mark.parametrize("smooth_k", [True, False])
def test_multipliers_carry_the_scales(smooth_k: bool) -> None:
    tensors = sample()
    groups = quantise(tensors, smooth_k)
    assert [g.q.shape for g in groups] == [(2, 24, 32), (2, 24, 32)]
    for g, group in enumerate(groups):
        check_group(group, tensors.scale)
        assert group.q_mult.max() >= 1 << 15 and group.k_mult.max() >= 1 << 15, "16 bits are there to be used"
        assert group.q_pos.tolist() == list(range(16, 40))
        q, k, v = dequantise(group)
        heads = query_heads_of_groups(tensors.kv_of_head)[g]
        wanted_k = tensors.k[g] - tensors.k[g].mean(0) if smooth_k else tensors.k[g]
        for got, wanted, step in ((q, tensors.q[heads], group.q_scale[..., None]),
                                  (k, wanted_k, group.k_scale[:, None]), (v, tensors.v[g], group.v_scale)):
            assert ((got - wanted).abs() <= step * 0.5001).all(), "more than half a step off"
        assert (group.q.int().abs().amax(-1) >= QMAX - 1).all(), "a row must use its 8 bits"
        assert (group.k.int().abs().amax(-1) >= QMAX - 1).all()
        assert (group.v.int().abs().amax(0) == QMAX).all()


def test_scaled_scores_are_base_2_logarithms() -> None:
    """Scores of the float tensors, to within what half a step of every operand can move them."""
    tensors = sample(seed=3)
    for g, group in enumerate(quantise(tensors, smooth_k=False)):
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
        q, k, v = dequantise(quantise(tensors, smooth_k)[0])
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
    for name in ("q", "q_mult", "k", "k_mult", "v", "v_scale"):
        assert torch.equal(getattr(groups[1], name), getattr(alone, name)), name


def test_zero_rows_keys_and_channels() -> None:
    tensors = sample(heads=2, kv_heads=1)
    tensors.q[0, 3] = 0
    tensors.k[0, 5] = 0
    tensors.v[0, :, 7] = 0
    (group,) = quantise(tensors, smooth_k=False)
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
        (group,) = quantise(tensors, smooth_k=False)
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
