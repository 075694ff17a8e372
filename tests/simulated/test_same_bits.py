"""What a running model computes in one of its layers is what the Verilog gives for that layer's tensors, bit for bit."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, DynamicCache, LlamaForCausalLM

import models.hf_attention as ha
from models.hardware.config import load_config
from models.hardware.schedules import TileOptions
from models.hardware.tile import TileResult
from models.hardware.tiling import assemble, build_tiles
from models.hf_attention.forward import OBSERVER, operands
from models.hf_attention.settings import Quantisation
from models.tensors.source import FIXTURE, open_checkpoint
from models.tensors.text import default_text
from scripts.flow.simulator import RunOptions
from tb.core.run import run_core
from tests.hf_attention.conftest import VOCABULARY, small_llama

LAYER = 1


@pytest.fixture
def ids(seed: int) -> Tensor:
    """Token ids ``[3, 41]``: no multiple of a tile or of a key block."""
    return torch.randint(3, VOCABULARY, (3, 41), generator=torch.Generator().manual_seed(seed + 2))


class Tap:
    """Notes what a layer's attention was given and what it gave, call by call."""

    def __init__(self, model: nn.Module) -> None:
        self.module = model.model.layers[LAYER].self_attn
        self.given: list[tuple[Tensor, Tensor, Tensor, float]] = []
        self.gave: list[Tensor] = []
        setattr(self.module, OBSERVER, lambda layer, q, k, v, scale, out: self.given.append((q, k, v, scale)))
        self.module.o_proj.register_forward_pre_hook(lambda _, inputs: self.gave.append(inputs[0]))

    def check(self, seed: int) -> None:
        """Every call through the RTL."""
        settings = ha.settings_of(self.module)
        for (q, k, v, scale), rows in zip(self.given, self.gave, strict=True):
            cfg = settings.hardware_for(q.shape[-1])
            groups = operands(self.module, settings, q, k, v, scale)
            tiles = [build_tiles(cfg, group, **asdict(settings.options)) for group in groups]
            run = run_core(cfg, [tile for part in tiles for tile in part], options=RunOptions(seed=seed))[0]
            assert run.ok, run.problems
            done = 0
            for head, (group, part) in enumerate(zip(groups, tiles, strict=True)):
                count = sum(tile.q.shape[0] for tile in part)
                rows_here = slice(done, done + count)
                wanted = assemble(group, [TileResult(run.out[rows_here], run.empty[rows_here])])
                done += count
                got = rows.view(rows.shape[1], len(groups), -1, q.shape[-1])[:, head].transpose(0, 1)
                assert torch.equal(got, wanted[..., :q.shape[-1]]) and not wanted[..., q.shape[-1]:].any()


@torch.no_grad()
def run_split(model: LlamaForCausalLM, ids: Tensor, prefill: int) -> None:
    """A prefill and decode steps with a cache."""
    cache = DynamicCache(config=model.config)
    model(input_ids=ids[:, :prefill], past_key_values=cache)
    for token in range(prefill, ids.shape[1]):
        model(input_ids=ids[:, token:token + 1], past_key_values=cache)


@pytest.mark.parametrize("options", [
    TileOptions(), TileOptions("diagonal_first", tau=1), TileOptions("sink_diagonal", fused=True, skip=True, tau=2)], ids=repr)
def test_a_small_model(options: TileOptions, ids: Tensor, seed: int) -> None:
    """Prefill over several tiles, then two tokens of decode."""
    check_a_model(small_llama(seed, 32, 2), options, ids, seed)


@pytest.mark.parametrize("rotate", [False, True])
def test_a_model_with_fewer_channels(rotate: bool, ids: Tensor, seed: int) -> None:
    """Heads of 24 channels, padded to the configuration's 32, also where Q and K are rotated over all of them."""
    model = small_llama(seed, 24, 2)
    ha.configure(model, quantisation=Quantisation(rotate=rotate))
    check_a_model(model, TileOptions(), ids, seed)


def check_a_model(model: LlamaForCausalLM, options: TileOptions, ids: Tensor, seed: int) -> None:
    """Its calls through the RTL of configuration ``tiny``."""
    ha.calibrate(model, ids)
    ha.configure(model, options=options, hardware=load_config("tiny"))
    model.set_attn_implementation(ha.NAME)
    tap = Tap(model)
    run_split(model, ids[:1], 39)
    assert len(tap.given) == 3
    tap.check(seed)


def test_the_fixture_model(seed: int) -> None:
    """The model that ships, on the configuration with its head_dim."""
    model = AutoModelForCausalLM.from_pretrained(FIXTURE, dtype=torch.float32).eval()
    ids = torch.tensor(open_checkpoint().tokenizer.encode(default_text(2000))[:600])
    ha.calibrate(model, ids[None, 100:])
    ha.configure(model, options=TileOptions("sink_diagonal", fused=True, skip=True))
    model.set_attn_implementation(ha.NAME)
    tap = Tap(model)
    run_split(model, ids[None, :40], 39)
    tap.check(seed)
