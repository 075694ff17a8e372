"""What the hardware lacks is refused by name, and never computed as something else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPT2Config,
    LlamaForCausalLM,
    MistralConfig,
)

import models.hf_attention as ha
from models.errors import FcimError
from models.hardware.config import load_config
from models.hardware.schedules import TileOptions
from models.hf_attention.forward import fusioncim_attention
from tests.hf_attention.conftest import VOCABULARY, small_llama

SMALL = {"vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 2, "head_dim": 32}
IDS = torch.arange(3, 40)[None]


def made(config: object) -> torch.nn.Module:
    return AutoModelForCausalLM.from_config(config, attn_implementation=ha.NAME).eval()


def test_a_sliding_window() -> None:
    with pytest.raises(FcimError, match="sliding window"):
        made(MistralConfig(**SMALL, sliding_window=16))(input_ids=IDS)
    assert made(MistralConfig(**SMALL, sliding_window=None))(input_ids=IDS).logits.isfinite().all()


def test_soft_caps_and_other_masks() -> None:
    model = made(Gemma2Config(**SMALL, sliding_window=4096, query_pre_attn_scalar=32))
    with pytest.raises(FcimError, match="sliding window"):
        model(input_ids=IDS)
    layer = model.model.layers[1].self_attn
    q, kv = torch.randn(1, 4, 5, 32), torch.randn(1, 2, 5, 32)
    with pytest.raises(FcimError, match="soft-capped"):
        fusioncim_attention(layer, q, kv, kv, None, softcap=50.0)
    with pytest.raises(FcimError, match="'gemma2' is not LLaMA-like"):
        fusioncim_attention(layer, q, kv, kv, None)


def test_other_architectures_cannot_be_configured() -> None:
    model = made(GPT2Config(vocab_size=VOCABULARY, n_embd=64, n_layer=1, n_head=2))
    with pytest.raises(FcimError, match="not LLaMA-like"):
        ha.configure(model)
    with pytest.raises(FcimError, match="not LLaMA-like"):
        model(input_ids=IDS)


@pytest.mark.parametrize(("name", "value", "words"), [
    ("softcap", 30.0, "soft-capped"), ("s_aux", torch.zeros(4), "sinks"), ("position_bias", torch.zeros(1), "position bias"),
    ("sliding_window", 16, "sliding window"), ("something_new", 1, "something_new"), ("is_causal", False, "not causal"),
    ("output_attentions", True, "attention weights")])
def test_arguments(name: str, value: object, words: str, seed: int) -> None:
    layer = small_llama(seed, 32, 2).model.layers[0].self_attn
    q, kv = torch.randn(1, 4, 5, 32), torch.randn(1, 2, 5, 32)
    with pytest.raises(FcimError, match=words):
        fusioncim_attention(layer, q, kv, kv, None, **{name: value})


def test_masks(model: LlamaForCausalLM) -> None:
    bias = torch.zeros(1, 1, 37, 37).masked_fill(torch.ones(37, 37).triu(1).bool(), -1e9)
    bias[..., 5, 3] = -2.0
    with pytest.raises(FcimError, match="another bias"):
        model(input_ids=IDS, attention_mask=bias)
    with pytest.raises(FcimError, match="packed"):      # two texts in one row
        model(input_ids=IDS, position_ids=torch.cat([torch.arange(20), torch.arange(17)])[None], use_cache=False)


def test_training_with_dropout(seed: int) -> None:
    model = small_llama(seed, 32, 2)
    model.set_attn_implementation(ha.NAME)
    model.config.attention_dropout = model.model.layers[0].self_attn.attention_dropout = 0.1
    with pytest.raises(FcimError, match="dropout"):
        model.train()(input_ids=IDS)


def test_attention_that_is_not_causal(seed: int) -> None:
    model = small_llama(seed, 32, 2)
    model.config.is_causal = False
    model.set_attn_implementation(ha.NAME)
    with pytest.raises(FcimError, match="not causal"):
        model(input_ids=IDS)


def test_gradients(model: LlamaForCausalLM) -> None:
    """Without dropout a forward pass in training mode works, but no gradient is made up."""
    loss = model.train()(input_ids=IDS, labels=IDS).loss
    with pytest.raises(FcimError, match="no gradient"):
        loss.backward()


def test_values_of_another_size(seed: int) -> None:
    layer = small_llama(seed, 32, 2).model.layers[0].self_attn
    q, k, v = torch.randn(1, 4, 5, 32), torch.randn(1, 2, 5, 32), torch.randn(1, 2, 5, 16)
    with pytest.raises(FcimError, match="heads of one size"):
        fusioncim_attention(layer, q, k, v, None)


def test_broken_values(model: LlamaForCausalLM) -> None:
    with torch.no_grad():
        model.model.layers[0].self_attn.q_proj.weight[0, 0] = torch.nan
    with pytest.raises(FcimError, match="NaN"):
        model(input_ids=IDS)


def test_settings_that_do_not_fit(seed: int) -> None:
    model = small_llama(seed, 32, 2)
    for changes, words in (({"hardware": replace(load_config("tiny"), head_dim=16)}, "head_dim 32"),
                           ({"layers": frozenset({9})}, "layer 9"),
                           ({"options": TileOptions("backwards")}, "unknown schedule"), ({"options": TileOptions(tau=9)}, "TAU"),
                           ({"hardware": replace(load_config("tiny"), rows=8), "layers": frozenset({-1})}, "layer -1")):
        with pytest.raises(FcimError, match=words):
            ha.configure(model, **changes)
    with pytest.raises(FcimError, match="do not fit"):
        ha.configure(small_llama(seed, 32, 16, kv_heads=1), hardware=replace(load_config("tiny"), rows=8))
    with pytest.raises(FcimError, match="head_dim 144"):
        ha.configure(small_llama(seed, 144, 2))


def test_too_many_keys(seed: int) -> None:
    model = small_llama(seed, 32, 2)
    ha.configure(model, hardware=replace(load_config("tiny"), max_keys=64))
    model.set_attn_implementation(ha.NAME)
    with pytest.raises(FcimError, match="max_keys"):
        model(input_ids=torch.full((1, 65), 5))
