"""An order of its own for each KV head inside a model: bit for bit what the golden model gives for that head alone."""

from __future__ import annotations

import itertools
import re

import pytest
import torch
from torch import Tensor
from transformers import LlamaForCausalLM

import models.hf_attention as ha
from models.errors import FcimError
from models.hardware.golden import run_tile
from models.hardware.orders import Orders
from models.hardware.schedules import TileOptions
from models.hardware.tiling import assemble, build_tiles
from models.hf_attention.forward import observed, operands
from models.hf_attention.settings import attention_modules

OPTIONS = (TileOptions("diagonal_first", True, tau=4), TileOptions("natural", tau=1), TileOptions("sink_diagonal"),
           TileOptions("diagonal_ascending", True))


def orders_for(model: LlamaForCausalLM) -> Orders:
    """Neighbours differ, and each layer has a KV head with a threshold, which moves results."""
    config, turn = model.config, itertools.cycle(OPTIONS)
    chosen = tuple(tuple(next(turn) for _ in range(config.num_key_value_heads)) for _ in range(config.num_hidden_layers))
    return Orders("m", "t", 1, "c", 16, config.num_attention_heads // config.num_key_value_heads, chosen)


@torch.no_grad()
def test_each_kv_head_runs_in_its_own_order(model: LlamaForCausalLM, ids: Tensor) -> None:
    orders = orders_for(model)
    settings = ha.configure(model, orders=orders)
    modules, compared = attention_modules(model), []

    def compare(layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float, out: Tensor) -> None:
        cfg = settings.hardware_for(q.shape[-1])
        groups = operands(modules[layer], settings, q, k, v, scale)
        for kv, (group, got) in enumerate(zip(groups, out.unflatten(0, (len(groups), -1)), strict=True)):
            own = orders.chosen[layer][kv]
            tiles = build_tiles(cfg, group, own.tau, own.schedule, own.fused)
            assert torch.equal(got, assemble(group, [run_tile(cfg, tile) for tile in tiles])[..., :q.shape[-1]]), own
            compared.append(own)

    with observed(model, compare):
        model(input_ids=ids)
    assert set(compared) == set(OPTIONS) if len(orders.chosen) * len(orders.chosen[0]) >= len(OPTIONS) else compared
    mixed = model(input_ids=ids).logits
    ha.configure(model, orders=None)
    assert not torch.equal(mixed, model(input_ids=ids).logits), "thresholds move results"


@torch.no_grad()
def test_in_float_the_order_changes_nothing(model: LlamaForCausalLM, ids: Tensor) -> None:
    ha.configure(model, quantise=False)
    before = model(input_ids=ids).logits
    ha.configure(model, orders=orders_for(model))
    assert (model(input_ids=ids).logits - before).abs().max() < 1e-4 * before.abs().max()


def test_orders_of_another_model_or_beyond_the_hardware(model: LlamaForCausalLM) -> None:
    orders = orders_for(model)
    for other in (Orders("other", "t", 1, "c", 16, 1, ((TileOptions(),),)),
                  Orders("other", "t", 1, "c", 16, orders.heads_per_kv_head, orders.chosen[:1])):
        with pytest.raises(FcimError, match="ORDERS were chosen for model 'other'"):
            ha.configure(model, orders=other)
    cfg = ha.configure(model).hardware_for(model.config.head_dim)
    with pytest.raises(FcimError, match=re.escape(f"for configuration '{cfg.name}'")):
        ha.configure(model, orders=Orders("m", "t", 1, "c", 16, orders.heads_per_kv_head, tuple(
            tuple(TileOptions(tau=99) for _ in layer) for layer in orders.chosen)))
