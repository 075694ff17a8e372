"""The float reference against a plain softmax written out query by query."""

from __future__ import annotations

import resource

import pytest
import torch
from torch import Tensor

from models.errors import FcimError
from models.quality import reference


def plain(q: Tensor, k: Tensor, v: Tensor, scale: float, kv_of_head: list[int]) -> Tensor:
    """Attention in float64, one query at a time, keys up to its position."""
    out = torch.empty_like(q, dtype=torch.float64)
    for h, kv in enumerate(kv_of_head):
        for t in range(q.shape[1]):
            seen = k.shape[1] - q.shape[1] + t + 1
            weights = (k[kv, :seen].double() @ q[h, t].double() * scale).softmax(0)
            out[h, t] = weights @ v[kv, :seen].double()
    return out


def tensors(heads: int, kv_heads: int, tq: int, tk: int, dim: int = 16) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(tq * 1000 + tk)
    return tuple(torch.randn(n, t, dim, generator=g) for n, t in ((heads, tq), (kv_heads, tk), (kv_heads, tk)))


@pytest.mark.parametrize("tq, tk", [(1, 1), (1, 9), (7, 7), (3, 20), (19, 20)])
@pytest.mark.parametrize("kv_of_head", [[0, 0, 1, 1], [1, 0, 1, 1], [1, 1, 1, 1]])
def test_against_plain_softmax(tq: int, tk: int, kv_of_head: list[int]) -> None:
    q, k, v = tensors(4, 2, tq, tk)
    got = reference.attention(q, k, v, 0.25, kv_of_head)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), plain(q, k, v, 0.25, kv_of_head), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("budget", [1, 50, 333, 1 << 20])
def test_chunks_do_not_show(budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v = tensors(2, 1, 23, 40)
    monkeypatch.setattr(reference, "SCORE_BUDGET", budget)
    got = reference.attention(q, k, v, 0.25, [0, 0])
    torch.testing.assert_close(got.double(), plain(q, k, v, 0.25, [0, 0]), rtol=2e-5, atol=2e-6)


def test_the_future_does_not_leak() -> None:
    q, k, v = tensors(1, 1, 8, 12)
    before = reference.attention(q, k, v, 0.25, [0])
    k[:, 9:] = 100
    v[:, 9:] = 100
    after = reference.attention(q, k, v, 0.25, [0])
    assert torch.equal(before[:, :5], after[:, :5]) and not torch.allclose(before[:, 5], after[:, 5])


def test_probabilities_give_the_output() -> None:
    q, k, v = tensors(1, 1, 8, 12)
    p = reference.attention_probabilities(q[0], k[0], 0.25)
    assert (p[0, 5:] == 0).all() and p[0, 4] > 0
    torch.testing.assert_close(p @ v[0], reference.group_attention(q, k[0], v[0], 0.25)[0])


def test_memory_at_4096_tokens() -> None:
    """Four heads at once would take 256 MiB of scores and as much again for the softmax."""
    q, k, v = tensors(4, 1, 4096, 4096)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    out = reference.attention(q, k, v, 0.25, [0, 0, 0, 0])
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert torch.isfinite(out).all()
    assert grown < 250, f"{grown:.0f} MiB"


def test_bad_input_is_named() -> None:
    q, k, v = tensors(2, 1, 4, 8)
    cases = {"at most": (k, q[:1], q[:1], 1.0, [0]), "same D": (q, k[..., :8], v, 1.0, [0, 0]),
             "names 1": (q, k, v, 1.0, [0]), "outside": (q, k, v, 1.0, [0, 1])}
    for message, arguments in cases.items():
        with pytest.raises(FcimError, match=message):
            reference.attention(*arguments)
