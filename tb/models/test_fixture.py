"""The fixture model: that it is what its record says, and the accuracy floors of its heads."""

from __future__ import annotations

import json

import pytest
import torch

from models.attention_tensors import AttentionTensors
from models.bounds import FLOOR_TOKENS, check_floors, check_gap
from models.config import load_config
from models.golden import run_tile
from models.metrics import HeadMetrics, compare_heads
from models.quantise import dequantise, quantise
from models.reference import group_attention, reference_attention
from models.source import FIXTURE, load_tensors
from models.tiling import assemble, build_tiles

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


def test_accuracy_floors(layers: list[AttentionTensors]) -> None:
    """The integer algorithm, which the RTL equals on every bit, on every head at T = 512: both bounds."""
    cfg = load_config("default")
    metrics: list[HeadMetrics] = []
    names, ideal = [], []
    for tensors in layers:
        reference = reference_attention(tensors)
        for group, part in zip(quantise(tensors), tensors.by_group(), strict=True):
            rows = [tensors.heads.index(h) for h in part.heads]
            out = assemble(group, [run_tile(cfg, tile) for tile in build_tiles(cfg, group)])
            q, k, v = dequantise(group)
            ideal += [m.sqnr_db for m in compare_heads(group_attention(q, k, v, tensors.scale), reference[rows])]
            metrics += compare_heads(out, reference[rows])
            names += part.heads
    checks = check_floors(metrics) + check_gap(names, [m.sqnr_db for m in metrics], ideal)
    print("\n".join(str(c) for c in checks))
    assert len(metrics) == sum(t.q.shape[0] for t in layers)
    failed = [str(c) for c in checks if not c.passed]
    assert not failed, failed
