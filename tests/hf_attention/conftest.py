"""Small LLaMA models of two geometries, made on the fly."""

from __future__ import annotations

import copy
from functools import cache

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import models.hf_attention as ha
from tests.models.conftest import one_thread, plain, refused

__all__ = ["one_thread", "plain", "refused"]

VOCABULARY = 97


def small_llama(seed: int, head_dim: int, group: int, kv_heads: int = 2, layers: int = 2) -> LlamaForCausalLM:
    """A random model whose attention is far from uniform."""
    torch.manual_seed(seed % 2**31)
    heads = kv_heads * group
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=48, intermediate_size=96, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=kv_heads, head_dim=head_dim, max_position_embeddings=2048, rope_theta=10000.0,
        pad_token_id=0, bos_token_id=1, eos_token_id=2)).eval()
    with torch.no_grad():
        for layer in model.model.layers:
            for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj):
                projection.weight.mul_(8.0)
    return model


@cache
def calibrated(seed: int, head_dim: int, group: int) -> LlamaForCausalLM:
    """A model with the hardware's attention in it, calibrated on random tokens; to be copied, not changed."""
    model = small_llama(seed, head_dim, group)
    generator = torch.Generator().manual_seed(seed + 1)
    ha.calibrate(model, torch.randint(3, VOCABULARY, (2, 96), generator=generator))
    model.set_attn_implementation(ha.NAME)
    return model


@pytest.fixture(params=[(32, 2), (64, 3)], ids=["head_dim 32, group 2", "head_dim 64, group 3"])
def model(request: pytest.FixtureRequest, seed: int) -> LlamaForCausalLM:
    """A model of its own for each test, which may change it."""
    return copy.deepcopy(calibrated(seed, *request.param))


@pytest.fixture
def ids(seed: int) -> torch.Tensor:
    """Token ids ``[3, 41]``: no multiple of a tile or of a key block."""
    return torch.randint(3, VOCABULARY, (3, 41), generator=torch.Generator().manual_seed(seed + 2))
