"""The fixture model: that it is what its record says, and the accuracy floors of its heads."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
import torch

from models.hardware.config import load_config
from models.hardware.golden import run_tile
from models.hardware.quantise import quantise
from models.hardware.schedules import DEFAULT_OPTIONS, TileOptions
from models.hardware.tiling import assemble, build_tiles
from models.quality.bounds import FLOOR_HEADS, FLOOR_TOKENS, JudgedHead, check_floors, judge_group
from models.quality.reference import reference_attention
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.source import FIXTURE, load_tensors

LIMIT_BYTES = 12_000_000


@pytest.fixture(scope="module")
def layers() -> list[AttentionTensors]:
    """All heads at the length that the floors are set for, on held-out text."""
    torch.set_num_threads(1)
    return load_tensors(layers="all", tokens=FLOOR_TOKENS)


def test_size_and_record() -> None:
    """Small enough to ship, and its training record stands beside it."""
    assert sum(p.stat().st_size for p in FIXTURE.iterdir()) <= LIMIT_BYTES
    record = json.loads((FIXTURE / "training.json").read_text())
    assert {"command", "corpus", "tokens", "held_out_bits_per_byte", "strongest_head", "heads"} <= set(record)


def test_geometry(layers: list[AttentionTensors]) -> None:
    """LLaMA-3-8B's heads: head_dim 128 and 4 query heads on a KV head."""
    for tensors in layers:
        assert tensors.q.shape[1:] == (FLOOR_TOKENS, 128)
        assert tensors.kv_of_head == [h // 4 for h in range(tensors.q.shape[0])]


@pytest.mark.parametrize("options", [DEFAULT_OPTIONS, TileOptions()], ids=lambda options: options.name)
def test_accuracy_floors(options: TileOptions, layers: list[AttentionTensors]) -> None:
    """The integer algorithm, which the RTL equals on every bit, on every head at T = 512: floors and promises."""
    cfg = load_config("default")
    judged: list[JudgedHead] = []
    for tensors in layers:
        reference = reference_attention(tensors)
        for group, part in zip(quantise(tensors), tensors.by_group(), strict=True):
            rows = [tensors.heads.index(h) for h in part.heads]
            out = assemble(group, [run_tile(cfg, tile) for tile in build_tiles(cfg, group, **asdict(options))])
            judged += judge_group(cfg, options, part, tensors.scale, group, out, reference[rows], part.heads)
    assert len(judged) == sum(t.q.shape[0] for t in layers) == FLOOR_HEADS
    assert not any(head.outside or head.causes for head in judged), "ordinary tensors are inside the promised range"
    checks = check_floors([head.metrics for head in judged]) + [check for head in judged for check in head.checks]
    print("\n".join(str(c) for c in checks))
    assert len(checks) == 4 + 3 * FLOOR_HEADS
    failed = [str(c) for c in checks if not c.passed]
    assert not failed, failed
