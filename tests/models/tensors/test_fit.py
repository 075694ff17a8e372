"""Heads of any size on the engine's sizes: the configuration that is taken, and bits that zeros do not change."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from models.hardware.operands import OperandOptions
from models.hardware.quantise import dequantise, quantise
from models.hardware.schedules import TileOptions
from models.hardware.tiling import build_tiles
from models.quality.metrics import compare
from models.quality.reference import group_attention, reference_attention
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.fit import choose_config, fit_note, fit_tensors

UNTURNED = OperandOptions(rotate=False)


def heads(head_dim: int, seed: int, tokens: int = 21) -> AttentionTensors:
    """Four query heads on two KV heads."""
    g = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(n, tokens, head_dim, generator=g) for n in (4, 2, 2))
    return AttentionTensors(q, k, v, head_dim**-0.5)


def engine_of(head_dim: int, like: EngineConfig) -> EngineConfig:
    """An engine of a size that no hardware has, for the arithmetic alone: it skips the check of what is legal."""
    cfg = object.__new__(EngineConfig)
    for f in fields(like):
        object.__setattr__(cfg, f.name, head_dim if f.name == "head_dim" else getattr(like, f.name))
    return cfg


@pytest.mark.parametrize("head_dim", [8, 48, 80, 96, 100])
def test_padding_changes_no_bit(head_dim: int, seed: int) -> None:
    """The golden arithmetic of the padded heads and of the heads as they are: outputs, sums and what happened on the way.

    Without a rotation, which for the padded heads goes over all channels.
    """
    tensors = heads(head_dim, seed)
    cfg = choose_config(None, head_dim)
    padded = fit_tensors(tensors, cfg)
    assert padded.q.shape[-1] == cfg.head_dim > head_dim and padded.scale == tensors.scale
    own = engine_of(head_dim, cfg)
    for options in (TileOptions(), TileOptions("sink_diagonal", True, True, 2)):
        for group, bare in zip(quantise(padded, UNTURNED), quantise(tensors, UNTURNED), strict=True):
            settings = (options.tau, options.schedule, options.fused, options.skip)
            tiles = zip(build_tiles(cfg, group, *settings), build_tiles(own, bare, *settings), strict=True)
            for got, want in ((run_tile(cfg, a), run_tile(own, b)) for a, b in tiles):
                assert torch.equal(got.out[:, :head_dim], want.out) and not got.out[:, head_dim:].any()
                assert torch.equal(got.ran, want.ran) and torch.equal(got.empty, want.empty)
                assert (got.stats.rescaled_rows, got.stats.saturations) == (want.stats.rescaled_rows, want.stats.saturations)


@pytest.mark.parametrize("head_dim", [8, 80, 100])
def test_a_rotation_takes_padded_channels_in(head_dim: int, seed: int) -> None:
    """The scores are the heads' own, codes fill all channels, and 8 bits lose no more than without the rotation."""
    tensors = heads(head_dim, seed)
    padded = fit_tensors(tensors, choose_config(None, head_dim))
    reference = reference_attention(tensors)
    found = {}
    for choice in (OperandOptions(), UNTURNED):
        groups = quantise(padded, choice)
        out = torch.cat([group_attention(*dequantise(group), tensors.scale) for group in groups])
        found[choice] = compare(out[..., :head_dim], reference).sqnr_db
        assert not out[..., head_dim:].any() and bool(groups[0].k[:, head_dim:].any()) == choice.rotate
    assert found[OperandOptions()] > found[UNTURNED] - 1 > 35


@pytest.mark.parametrize(("head_dim", "name"), [(8, "tiny"), (32, "tiny"), (33, "head64"), (64, "head64"), (80, "default"),
                                                (128, "default")])
def test_the_next_configuration_is_taken(head_dim: int, name: str) -> None:
    cfg = choose_config(None, head_dim)
    assert cfg.name == name
    assert bool(fit_note(head_dim, cfg)) == (cfg.head_dim != head_dim)


def test_only_larger_heads_are_refused() -> None:
    with pytest.raises(FcimError, match="head_dim 192, and the engine takes up to 128"):
        choose_config(None, 192)
    with pytest.raises(FcimError, match="head_dim 128, configuration 'tiny' takes up to 32"):
        choose_config("tiny", 128)
    assert choose_config("default", 32).name == "default"


def test_the_fixture_may_be_cut(seed: int) -> None:
    """The first channels, with the scale that goes with them, and a sentence that says so."""
    tensors, cfg = heads(128, seed), choose_config("tiny", 128, cut=True)
    cut = fit_tensors(tensors, cfg)
    assert torch.equal(cut.k, tensors.k[..., :32]) and cut.scale == 32**-0.5
    assert "first 32 channels" in fit_note(128, cfg)
