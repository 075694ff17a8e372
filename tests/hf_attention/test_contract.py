"""The implementation in a model: against eager attention with quantisation off, and what must not change a result."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache, LlamaForCausalLM, StaticCache

import models.hf_attention as ha
from models.errors import FcimError
from models.hardware.schedules import DEFAULT_OPTIONS, SCHEDULES, TileOptions
from models.hf_attention.forward import OBSERVER, fusioncim_attention, observed
from models.hf_attention.statistics import layer_statistics
from tests.hf_attention.conftest import VOCABULARY

ROUNDING = 2e-4  # of logits of order 1 in float32 through two layers


@torch.no_grad()
def logits(model: LlamaForCausalLM, name: str, ids: Tensor, **forward: object) -> Tensor:
    model.set_attn_implementation(name)
    return model(input_ids=ids, **forward).logits


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_without_quantisation_it_is_eager_attention(model: LlamaForCausalLM, ids: Tensor, schedule: str) -> None:
    ha.configure(model, quantise=False, options=TileOptions(schedule))
    wanted = logits(model, "eager", ids)
    assert (logits(model, ha.NAME, ids) - wanted).abs().max() < ROUNDING * wanted.abs().max()


def test_padding_on_either_side(model: LlamaForCausalLM, ids: Tensor) -> None:
    """Every token that is there gets what it gets alone, in float and in the hardware's arithmetic."""
    lengths = (41, 17, 30)
    for quantise in (False, True):
        ha.configure(model, quantise=quantise)
        for side in ("left", "right"):
            there = torch.zeros(3, 41, dtype=torch.int64)
            for row, length in enumerate(lengths):
                there[row, slice(41 - length, 41) if side == "left" else slice(0, length)] = 1
            positions = (there.cumsum(-1) - 1).clamp(min=0)
            padded = logits(model, ha.NAME, ids, attention_mask=there, position_ids=positions)
            for row in range(3):
                chosen = there[row].bool()
                alone = logits(model, ha.NAME, ids[row:row + 1, chosen])
                assert (padded[row, chosen] - alone[0]).abs().max() < ROUNDING * alone.abs().max()


@pytest.mark.parametrize("quantise", [False, True])
def test_causality(model: LlamaForCausalLM, ids: Tensor, quantise: bool) -> None:
    """No logit depends on a later token."""
    ha.configure(model, quantise=quantise)
    other = ids.clone()
    other[:, 23:] = (other[:, 23:] + 5) % (VOCABULARY - 3) + 3
    before, after = logits(model, ha.NAME, ids), logits(model, ha.NAME, other)
    assert (before - after)[:, :23].abs().max() < ROUNDING * before.abs().max()
    assert (before - after)[:, 23:].abs().max() > ROUNDING * before.abs().max()


@pytest.mark.parametrize("options", [DEFAULT_OPTIONS, TileOptions()], ids=lambda options: options.name)
@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("cuts", [(41,), (40, 1), (1,) * 41, (16, 9, 16)])
def test_prefill_and_decode_may_be_split_anywhere(model: LlamaForCausalLM, ids: Tensor, cuts: tuple[int, ...],
                                                  static: bool, options: TileOptions) -> None:
    """With a cache of either kind the logits are those of one pass; the last bits of float32 projections may differ, and
    in any order but natural which key blocks a row meets together."""
    ha.configure(model, options=options)
    whole = logits(model, ha.NAME, ids, use_cache=False)
    cache = StaticCache(model.config, max_cache_len=64) if static else DynamicCache(config=model.config)
    parts, first = [], 0
    for length in cuts:
        parts.append(logits(model, ha.NAME, ids[:, first:first + length], past_key_values=cache, use_cache=True))
        first += length
    different = (torch.cat(parts, 1) - whole).abs()
    # a rounding of float32 may move a code by one step; that is rare and small, and so is what other blocks round
    assert different.max() < 0.05 * whole.abs().max() and different.mean() < ROUNDING * whole.abs().max()


def test_the_order_where_nobody_chooses(model: LlamaForCausalLM, ids: Tensor) -> None:
    """That of the commands, to the bit; natural order gives other roundings, and can be had."""
    usual = logits(model, ha.NAME, ids)
    ha.configure(model, options=TileOptions("sink_diagonal", fused=True))
    assert torch.equal(logits(model, ha.NAME, ids), usual)
    ha.configure(model, options=TileOptions())
    assert not torch.equal(logits(model, ha.NAME, ids), usual)


def test_batches_change_nothing(model: LlamaForCausalLM, ids: Tensor) -> None:
    together = logits(model, ha.NAME, ids)
    for row in range(3):
        alone = logits(model, ha.NAME, ids[row:row + 1])
        different = (together[row] - alone[0]).abs()
        assert different.max() < 0.05 * alone.abs().max() and different.mean() < ROUNDING * alone.abs().max()


def test_the_hardware_is_near_eager_but_is_not_eager(model: LlamaForCausalLM, ids: Tensor) -> None:
    wanted, got = logits(model, "eager", ids), logits(model, ha.NAME, ids)
    distance = ((got - wanted).norm() / wanted.norm()).item()
    assert 1e-5 < distance < 0.1
    coarse = replace(ha.settings_of(model.model.layers[0].self_attn).quantisation, q_bits=4, k_bits=4, v_bits=4)
    ha.configure(model, quantisation=coarse)
    assert ((logits(model, ha.NAME, ids) - wanted).norm() / wanted.norm()).item() > 3 * distance


def test_layers_that_stay_in_float(model: LlamaForCausalLM, ids: Tensor) -> None:
    """No layer: PyTorch's attention to its rounding; one: something between none and all."""
    wanted = logits(model, "eager", ids)
    ha.configure(model, layers=frozenset())
    assert (logits(model, ha.NAME, ids) - wanted).abs().max() < ROUNDING * wanted.abs().max()
    ha.configure(model, layers=frozenset({1}))
    assert (logits(model, ha.NAME, ids) - wanted).abs().max() > ROUNDING * wanted.abs().max()


def test_without_calibration(model: LlamaForCausalLM, ids: Tensor) -> None:
    """One import and one line are enough: scales then come from the keys at hand."""
    wanted = logits(model, "eager", ids)
    ha.configure(model, ha.Settings())
    assert 1e-5 < ((logits(model, ha.NAME, ids) - wanted).norm() / wanted.norm()).item() < 0.1


def test_generate(model: LlamaForCausalLM, ids: Tensor) -> None:
    """transformers' own loop: a batch with padding in front, greedy, each text as if alone."""
    there = torch.ones_like(ids[:2])
    there[1, :9] = 0
    model.set_attn_implementation(ha.NAME)
    together = model.generate(input_ids=ids[:2], attention_mask=there, max_new_tokens=6, do_sample=False)
    alone = model.generate(input_ids=ids[1:2, 9:], attention_mask=there[1:2, 9:], max_new_tokens=6, do_sample=False)
    own = alone[0, 32:]
    assert torch.equal(together[1, 41:41 + len(own)], own)
    assert (together[1, 41 + len(own):] == model.config.pad_token_id).all()     # it may end before the other


@pytest.mark.parametrize("cache", ["dynamic", "static"])
@pytest.mark.parametrize("beams", [1, 2])
def test_generate_is_float_generate(model: LlamaForCausalLM, ids: Tensor, cache: str, beams: int) -> None:
    """With quantisation off transformers' own loop gives the tokens of eager attention: every cache, beams, padding in front."""
    ha.configure(model, quantise=False)
    there = torch.ones_like(ids[:2])
    there[1, :9] = 0
    texts = []
    for name in ("eager", ha.NAME):
        model.set_attn_implementation(name)
        texts.append(model.generate(input_ids=ids[:2], attention_mask=there, max_new_tokens=6, do_sample=False, num_beams=beams,
                                    cache_implementation=cache))
    assert torch.equal(*texts)


def test_static_cache_through_generate(model: LlamaForCausalLM, ids: Tensor) -> None:
    """In the hardware's arithmetic both caches give the same text."""
    texts = [model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False,
                            cache_implementation=cache) for cache in ("dynamic", "static")]
    assert torch.equal(*texts)


def test_holes_and_padding_behind(model: LlamaForCausalLM, ids: Tensor) -> None:
    """Tokens that the mask leaves out, also in the middle and before a decode step, are as if they had never been."""
    ha.configure(model, quantise=False)
    there = torch.ones_like(ids)
    there[0, 7], there[1, 20:30], there[2, 40] = 0, 0, 0
    wanted, got = logits(model, "eager", ids, attention_mask=there), logits(model, ha.NAME, ids, attention_mask=there)
    assert ((got - wanted) * there[..., None]).abs().max() < ROUNDING * wanted.abs().max()
    steps = []
    for name in ("eager", ha.NAME):
        cache = DynamicCache(config=model.config)
        there = torch.ones(3, 41, dtype=torch.int64)
        there[1, 25:40] = 0
        logits(model, name, ids[:, :40], attention_mask=there[:, :40], past_key_values=cache)
        steps.append(logits(model, name, ids[:, 40:], attention_mask=there, past_key_values=cache))
    assert (steps[0] - steps[1]).abs().max() < ROUNDING * steps[0].abs().max()


def test_a_row_of_padding_alone(model: LlamaForCausalLM, ids: Tensor) -> None:
    """It gives finite numbers and disturbs no other row."""
    there = torch.ones_like(ids)
    there[1] = 0
    got, alone = logits(model, ha.NAME, ids, attention_mask=there), logits(model, ha.NAME, ids[:1])
    assert got.isfinite().all() and (got[0] - alone[0]).abs().max() < 0.05 * alone.abs().max()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_floats(model: LlamaForCausalLM, ids: Tensor, dtype: torch.dtype) -> None:
    model.to(dtype)
    wanted, got = logits(model, "eager", ids).double(), logits(model, ha.NAME, ids)
    assert got.dtype == dtype and ((got.double() - wanted).norm() / wanted.norm()).item() < 0.1


def test_autocast_changes_no_integer(model: LlamaForCausalLM, seed: int) -> None:
    """The function gives the same bits inside an autocast region."""
    layer = model.model.layers[1].self_attn
    g = torch.Generator().manual_seed(seed)
    heads, kv_heads = model.config.num_attention_heads, model.config.num_key_value_heads
    q, k, v = (torch.randn(1, n, 40, model.config.head_dim, generator=g) for n in (heads, kv_heads, kv_heads))
    plain, _ = fusioncim_attention(layer, q, k, v, None)
    with torch.autocast("cpu", torch.bfloat16):
        inside, _ = fusioncim_attention(layer, q, k, v, None)
    assert torch.equal(plain, inside)


def test_statistics_belong_to_their_quantisation(model: LlamaForCausalLM, ids: Tensor) -> None:
    """Another smoothing or rotation asks for another calibration; more bits do not."""
    layer = model.model.layers[0].self_attn
    with pytest.raises(FcimError, match="calibrate again"):
        ha.configure(model, quantisation=ha.Quantisation(rotate=False))
    ha.configure(model, quantisation=ha.Quantisation(q_bits=6))
    ha.configure(model, quantisation=ha.Quantisation(balance=False), statistics={})
    ha.calibrate(model, ids)
    assert (ha.settings_of(layer).statistics[0].factors == 1).all()


def test_calibration_leaves_no_trace_when_it_fails(model: LlamaForCausalLM, ids: Tensor) -> None:
    model.set_attn_implementation("sdpa")
    with pytest.raises(FcimError, match="padding"):
        ha.calibrate(model, ids, attention_mask=torch.zeros_like(ids))
    assert model.config._attn_implementation == "sdpa" and not hasattr(model.model.layers[0].self_attn, OBSERVER)
    assert ha.settings_of(model.model.layers[0].self_attn).layers is None


def test_calibration_weighs_tokens_not_rows(model: LlamaForCausalLM, ids: Tensor) -> None:
    """A padded row counts with the tokens that it has: cutting the padding off changes nothing."""
    there = torch.ones_like(ids[:2])
    there[1, :31] = 0
    positions = (there.cumsum(-1) - 1).clamp(min=0)
    padded = ha.calibrate(model, ids[:2], v_room=1.0, attention_mask=there, position_ids=positions).statistics[0]
    taken: list[tuple[Tensor, Tensor, Tensor]] = []
    ha.configure(model, layers=frozenset())
    with observed(model, lambda layer, q, k, v, *_: taken.append((q.double(), k.double(), v.double())) if layer == 0 else None):
        for row in (ids[:1], ids[1:2, 31:]):
            logits(model, ha.NAME, row)
    apart = layer_statistics(taken, ha.Quantisation())
    assert torch.allclose(padded.k_mean, apart.k_mean, atol=1e-4) and torch.allclose(padded.k_max, apart.k_max, atol=1e-4)
    assert torch.allclose(padded.v_max, apart.v_max, atol=1e-4) and torch.allclose(padded.q_max, apart.q_max, atol=1e-4)
