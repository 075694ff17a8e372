"""The tensors: decode steps, planted sinks, random heads."""

from __future__ import annotations

import pytest
import torch

from models.hardware.tiling import build_tiles
from models.quality.reference import attention_probabilities
from scripts.studies.schedules.sources import SINK_MASS, SINK_VALUE, decode, gaussian, planted_sink
from tests.studies.samples import CFG, tensors


def test_decode_steps_see_the_keys_up_to_their_own() -> None:
    layer = decode(tensors(3, 30), 4)
    for pieces in layer.groups:
        assert [build_tiles(CFG, piece)[0].k.shape[0] for piece in pieces] == [27, 28, 29, 30]
        assert all(len(build_tiles(CFG, piece)) == 1 and piece.q.shape[1] == 1 for piece in pieces)
    assert layer.tensors.q.shape[1] == 4 and len(decode(tensors(3, 3), 9).groups[0]) == 3


def test_a_planted_sink_draws_its_mass_and_leaves_the_rest_alone(seed: int) -> None:
    before = tensors(seed, 200, 1.0)
    after = planted_sink(before)
    for head, kv in enumerate(after.kv_of_head):
        old, new = (attention_probabilities(t.q[head], t.k[kv], t.scale)[1:] for t in (before, after))
        assert new[:, 0].mean().item() == pytest.approx(SINK_MASS, abs=0.01)
        rest_old, rest_new = (p[50:, 1:] / p[50:, 1:].sum(-1, keepdim=True) for p in (old, new))
        assert (rest_old - rest_new).abs().sum(-1).mean() < 0.6, "the sink should not rearrange what the others see"
        assert torch.corrcoef(torch.stack([rest_old.flatten(), rest_new.flatten()]))[0, 1] > 0.85
    assert torch.allclose(after.v[:, 0], before.v[:, 0] * SINK_VALUE) and torch.equal(after.v[:, 1:], before.v[:, 1:])
    assert "planted_sink" in after.source and "planted_sink" not in before.source


def test_random_tensors_come_from_the_seed_alone() -> None:
    a, b, c = gaussian(20, 5, 32), gaussian(20, 5, 32), gaussian(20, 6, 32)
    assert torch.equal(a.q, b.q) and torch.equal(a.v, b.v) and not torch.equal(a.q, c.q)
    assert a.kv_of_head == [0] * 4 + [1] * 4
