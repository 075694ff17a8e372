"""The yardstick: scaled dot product attention in floating point, as PyTorch computes it.

The engine's output is compared with :func:`attention` on the float tensors (the whole error) and on the quantised
tensors (the error that 8-bit operands cause before the engine does anything).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from models.errors import FcimError

if TYPE_CHECKING:
    from models.tensors.attention_tensors import AttentionTensors

SCORE_BUDGET = 1 << 23  # scores held at a time; 8 M of them are 32 MiB in float32 however long the sequence is


def check_shapes(q: Tensor, k: Tensor, v: Tensor, kv_of_head: list[int]) -> None:
    """Raise :class:`FcimError` unless ``q [H, Tq, D]``, ``k``, ``v [Hkv, Tk, D]`` and ``kv_of_head`` fit together."""
    if 0 in q.shape or 0 in k.shape or q.ndim != 3 or k.ndim != 3 or k.shape != v.shape or q.shape[2] != k.shape[2]:
        raise FcimError(f"attention needs q [H, Tq, D] and k, v [Hkv, Tk, D] of the same D, "
                        f"not {list(q.shape)}, {list(k.shape)} and {list(v.shape)}")
    if len(kv_of_head) != q.shape[0]:
        raise FcimError(f"kv_of_head names {len(kv_of_head)} query heads but q has {q.shape[0]}; give one KV head for each")
    if any(not 0 <= kv < k.shape[0] for kv in kv_of_head):
        raise FcimError(f"kv_of_head {kv_of_head} points outside the {k.shape[0]} KV heads; use 0 to {k.shape[0] - 1}")
    if not 1 <= q.shape[1] <= k.shape[1]:
        raise FcimError(f"{q.shape[1]} queries on {k.shape[1]} keys; causal attention needs at least one query and at most "
                        f"as many queries as keys")


def causal_mask(first: int, last: int, keys: int, device: torch.device | None = None) -> Tensor:
    """Bool ``[last - first, keys]``: which keys the queries at positions ``first`` to ``last - 1`` see."""
    queries = torch.arange(first, last, device=device)
    return torch.arange(keys, device=device) <= queries[:, None]


def attention(q: Tensor, k: Tensor, v: Tensor, scale: float, kv_of_head: list[int]) -> Tensor:
    """Causal attention ``[H, Tq, D]`` in the precision of its inputs, PyTorch's own math kernel.

    The mask is explicit because ``is_causal`` aligns the first query with the first key, which is wrong when there
    are more keys than queries: here query t has position ``Tk - Tq + t``. Queries are taken in chunks, and a chunk
    sees only the keys up to its last position, so memory grows with Tk and not with Tq * Tk.

    Args:
        q: ``[H, Tq, D]``.
        k: ``[Hkv, Tk, D]``.
        v: ``[Hkv, Tk, D]``.
        scale: factor on the scores before the softmax.
        kv_of_head: the KV head of every query head.

    Raises:
        FcimError: shapes do not fit together.
    """
    check_shapes(q, k, v, kv_of_head)
    out = torch.empty_like(q)
    offset, queries = k.shape[1] - q.shape[1], q.shape[1]
    for kv in sorted(set(kv_of_head)):
        heads = [h for h, owner in enumerate(kv_of_head) if owner == kv]
        chunk = max(1, SCORE_BUDGET // (len(heads) * k.shape[1]))
        for start in range(0, queries, chunk):
            stop = min(start + chunk, queries)
            seen = offset + stop
            mask = causal_mask(offset + start, seen, seen, q.device)
            keys = k[kv, :seen].expand(len(heads), -1, -1)
            values = v[kv, :seen].expand(len(heads), -1, -1)
            with sdpa_kernel(SDPBackend.MATH):
                out[heads, start:stop] = scaled_dot_product_attention(
                    q[heads, start:stop][None], keys[None], values[None], attn_mask=mask, scale=scale)[0]
    return out


def reference_attention(tensors: AttentionTensors) -> Tensor:
    """Float32 attention ``[H, Tq, D]`` of captured tensors: what the engine is measured against."""
    return attention(tensors.q.float(), tensors.k.float(), tensors.v.float(), tensors.scale, tensors.kv_of_head)


def group_attention(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Attention ``[G, Tq, D]`` of the query heads ``q [G, Tq, D]`` on one KV head ``k``, ``v [Tk, D]``."""
    return attention(q, k[None], v[None], scale, [0] * q.shape[0])


def attention_probabilities(q: Tensor, k: Tensor, scale: float) -> Tensor:
    """Float32 probabilities ``[Tq, Tk]`` of one head, ``q [Tq, D]`` on ``k [Tk, D]``, for pictures (not chunked)."""
    scores = q.float() @ k.float().T * scale
    mask = causal_mask(k.shape[0] - q.shape[0], k.shape[0], k.shape[0], q.device)
    return scores.masked_fill(~mask, float("-inf")).softmax(-1)
