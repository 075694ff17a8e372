"""Synthetic tensors: the shapes of the models, the same from the same seed, and what they promise of attention."""

from __future__ import annotations

import pytest
import torch

from models.errors import FcimError
from models.quality.reference import attention_probabilities
from models.tensors.geometry import GEOMETRIES
from models.tensors.synthetic import LOCAL, NOISE, OUTLIER, SINK, SLOW_PAIRS, rotated, synthetic_tensors

NAME, TOKENS = "llama3-8b", 512


@pytest.mark.parametrize("name", GEOMETRIES)
def test_shapes(name: str) -> None:
    """As the models have them, for a prefill and for the last token of a decode; the report can tell what they are."""
    shape = GEOMETRIES[name]
    for queries in (None, 1):
        x = synthetic_tensors(name, 16, 1, queries)
        assert x.q.shape == (shape.kv_heads * shape.group, queries or 16, shape.head_dim)
        assert x.k.shape == x.v.shape == (shape.kv_heads, 16, shape.head_dim) and x.scale == shape.head_dim**-0.5
        assert x.source["synthetic"] is True and "synthetic" in x.source["model"] and x.source["geometry"] == name


def test_from_the_seed_alone() -> None:
    """The same again, other ones from another seed, and fewer heads are the first of all."""
    x, again, other, some = (synthetic_tensors(NAME, 32, seed, None, heads) for seed, heads in ((3, 4), (3, 4), (4, 4), (3, 2)))
    for name in "qkv":
        mine = getattr(x, name)
        assert torch.equal(mine, getattr(again, name)) and not torch.equal(mine, getattr(other, name))
        assert torch.equal(mine[: len(mine) // 2], getattr(some, name))


def test_rotation() -> None:
    """Products depend on the distance alone, and nothing turns at position 0."""
    q, k = torch.randn(2, 1, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    near, far = ((rotated(q, torch.tensor([at + 3]), 1e4) * rotated(k, torch.tensor([at]), 1e4)).sum() for at in (2, 70))
    assert torch.isclose(near, far) and not torch.isclose(near, (q * k).sum())
    assert torch.equal(rotated(q, torch.tensor([0]), 1e4), q)


def test_attention_like() -> None:
    """Heads look at the first key and at their neighbours, in shares of their own; few keys of a row count."""
    x = synthetic_tensors(NAME, TOKENS, 1)
    rows = torch.stack([attention_probabilities(x.q[h], x.k[kv], x.scale)[TOKENS // 2 :] for h, kv in enumerate(x.kv_of_head)])
    sink = rows[..., 0].mean(-1)
    near = torch.stack([rows[:, i, TOKENS // 2 + i - 15 : TOKENS // 2 + i + 1].sum(-1) for i in range(TOKENS // 2)]).mean(0)
    assert sink.min() < 0.1 and sink.max() > 0.7 and near.min() < 0.1 and near.max() > 0.7
    assert (1 / rows.square().sum(-1)).median() < TOKENS / 8


def test_outlier_channels() -> None:
    """Two pairs of channels of K are far larger than the others, with another sign at the first key, whose value is small."""
    x, half = synthetic_tensors(NAME, TOKENS, 1), GEOMETRIES[NAME].head_dim // 2
    outliers = [*range(half - SLOW_PAIRS, half), *range(2 * half - SLOW_PAIRS, 2 * half)]
    size = x.k.abs().mean(1)
    others = [channel for channel in range(2 * half) if channel not in outliers]
    assert size[:, outliers].min() > OUTLIER / 2 and size[:, others].max() < OUTLIER / 3
    assert (x.k[:, 0, outliers] * x.k[:, 1, outliers] < 0).all()
    assert x.v[:, 0].abs().mean() < x.v[:, 1:].abs().mean() / 4


def test_heads_of_a_long_context_look_at_few_keys_too() -> None:
    """The share of the first key does not fall with the number of keys."""
    shares = []
    for tokens in (256, 16384):
        x = synthetic_tensors(NAME, tokens, 1, 16, 2)
        shares.append(torch.stack([attention_probabilities(q, x.k[kv], x.scale)[:, 0].mean()
                                   for q, kv in zip(x.q, x.kv_of_head, strict=True)]).mean())
    assert 0.5 < shares[1] / shares[0] < 2
    assert NOISE[0] > 0 and SINK[0] < 0 < SINK[1] and LOCAL[0] < LOCAL[1]


@pytest.mark.parametrize(("name", "heads", "text"), [("llama", None, "GEOMETRY = 'llama' is unknown; use llama3-8b, "),
                                                     (NAME, 9, "HEADS = 9 exceeds the 8 KV heads of llama3-8b; use 1 to 8")])
def test_refused(name: str, heads: int | None, text: str) -> None:
    with pytest.raises(FcimError, match=text):
        synthetic_tensors(name, 16, 1, None, heads)
