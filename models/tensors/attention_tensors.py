"""The tensors of one attention layer, as every part of the project takes them: Q and K after RoPE, K and V not repeated."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from models.errors import FcimError

MAX_GROUP = 128  # query heads of one KV head: an engine never has more rows


class HeadGroup(NamedTuple):
    """One KV head with its chosen query heads: ``q [G, Tq, D]``, ``k``, ``v`` ``[Tk, D]``, ``heads`` G names."""

    kv: int
    q: Tensor
    k: Tensor
    v: Tensor
    heads: list[str]


def _check_finite(name: str, tensor: Tensor) -> None:
    finite = torch.isfinite(tensor)
    if not finite.all():
        index = (~finite).nonzero()[0].tolist()
        raise FcimError(f"{name} holds {tensor[tuple(index)].item()} at index {index}; attention needs finite values,"
                        " so mend the model or the file that they come from")


@dataclass(eq=False)
class AttentionTensors:
    """Q, K and V of one layer (or a selection of its heads) for one sequence; attention is causal.

    Query token t has position ``Tk - Tq + t`` and sees the keys up to it, so ``Tq == Tk`` is a whole
    prefill and ``Tq == 1`` a decode step. Query head h reads KV head ``kv_of_head[h]``; a full layer has
    ``h // (H / Hkv)`` there, a selection of heads may leave groups of different sizes.

    Attributes:
        q: float32 ``[H, Tq, D]``, after RoPE, not scaled. Any float type is accepted and converted.
        k, v: float32 ``[Hkv, Tk, D]``, K after RoPE.
        scale: factor of the scores before the softmax, above 0 (LLaMA: ``D ** -0.5``).
        source: where the tensors come from, as JSON-able facts.
        heads: one name a query head, like ``L3H5``; default ``H0``, ``H1``, ...
        kv_of_head: KV head of each query head; default ``h // (H / Hkv)``.

    Raises:
        FcimError: a value is not finite, a shape or rank does not fit, or the head counts do not divide.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    scale: float
    source: dict[str, Any] = field(default_factory=dict)
    heads: list[str] = field(default_factory=list)
    kv_of_head: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, layout in (("q", "[heads, queries, head_dim]"), ("k", "[kv_heads, keys, head_dim]"),
                             ("v", "[kv_heads, keys, head_dim]")):
            self._check_layout(name, getattr(self, name), layout)
        self._check_sizes()
        self._fill_heads()
        for name in ("q", "k", "v"):
            tensor = getattr(self, name).detach().to(torch.float32)
            _check_finite(name, tensor)
            setattr(self, name, tensor)
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise FcimError(f"the softmax scale is {self.scale}; it must be above 0 and finite, usually head_dim ** -0.5")

    @staticmethod
    def _check_layout(name: str, tensor: Tensor, layout: str) -> None:
        shape = list(tensor.shape)
        if len(shape) != 3:
            hint = "; drop the batch dimension" if len(shape) == 4 else ""
            raise FcimError(f"{name} has shape {shape}; it must be {layout}{hint}")
        if not tensor.is_floating_point():
            raise FcimError(f"{name} has type {str(tensor.dtype).removeprefix('torch.')}; it must be a float type")
        if 0 in shape:
            raise FcimError(f"{name} has shape {shape}; every size of {layout} must be at least 1")

    def _check_sizes(self) -> None:
        (h, tq, d), (hkv, tk, dk) = self.q.shape, self.k.shape
        if self.k.shape != self.v.shape:
            raise FcimError(f"k has shape {list(self.k.shape)} but v has {list(self.v.shape)}; they must be equal")
        if d != dk:
            raise FcimError(f"q has head_dim {d} but k and v have {dk}; they must be equal")
        if tk < tq:
            raise FcimError(f"q has {tq} tokens but k only {tk}; causal attention needs a key for every query token")
        if not self.kv_of_head and h % hkv:
            raise FcimError(f"q has {h} heads and k has {hkv}; the query heads must be a multiple of the KV heads")

    def _fill_heads(self) -> None:
        h, hkv = self.q.shape[0], self.k.shape[0]
        self.heads = list(self.heads) or [f"H{i}" for i in range(h)]
        self.kv_of_head = list(self.kv_of_head) or [i // (h // hkv) for i in range(h)]
        if len(self.heads) != h or len(self.kv_of_head) != h:
            raise FcimError(f"{len(self.heads)} head names and {len(self.kv_of_head)} KV heads are given for {h} query heads;"
                            " give one of each for every query head")
        if sorted(set(self.kv_of_head)) != list(range(hkv)):
            raise FcimError(f"the query heads read the KV heads {sorted(set(self.kv_of_head))};"
                            f" they must read each of 0 to {hkv - 1}, so leave out K and V that nobody reads")
        largest = max(self.kv_of_head.count(kv) for kv in range(hkv))
        if largest > MAX_GROUP:
            raise FcimError(f"{largest} query heads share one KV head; the engine takes at most {MAX_GROUP}")

    @property
    def positions(self) -> Tensor:
        """Position of each query token, int64 ``[Tq]``; key j has position j."""
        tq, tk = self.q.shape[1], self.k.shape[1]
        return torch.arange(tk - tq, tk)

    def visible(self) -> Tensor:
        """Which keys each query token sees: bool ``[Tq, Tk]``, true where it does."""
        return torch.arange(self.k.shape[1]) <= self.positions[:, None]

    def by_group(self) -> Iterator[HeadGroup]:
        """The KV heads in order, each with the query heads that read it (their number may differ)."""
        for kv in range(self.k.shape[0]):
            rows = [h for h, owner in enumerate(self.kv_of_head) if owner == kv]
            yield HeadGroup(kv, self.q[rows], self.k[kv], self.v[kv], [self.heads[h] for h in rows])

    def select_heads(self, heads: list[int]) -> AttentionTensors:
        """Only these query heads (indices into ``heads``) and the KV heads that they read, renumbered from 0.

        Raises:
            FcimError: an index is out of range, or none is given.
        """
        count = self.q.shape[0]
        wrong = [h for h in heads if not 0 <= h < count]
        if wrong or not heads:
            problem = f"head {wrong[0]} is not there" if wrong else "no head is chosen"
            raise FcimError(f"{problem}; choose from 0 to {count - 1}")
        kept = sorted({self.kv_of_head[h] for h in heads})
        return replace(self, q=self.q[heads], k=self.k[kept], v=self.v[kept], heads=[self.heads[h] for h in heads],
                       kv_of_head=[kept.index(self.kv_of_head[h]) for h in heads])

    def last_queries(self, count: int) -> AttentionTensors:
        """Only the last ``count`` query tokens, against all keys: what a chunk of a prefill computes.

        Raises:
            FcimError: there are fewer query tokens, or ``count`` is below 1.
        """
        if not 1 <= count <= self.q.shape[1]:
            raise FcimError(f"{count} query tokens are asked for; choose from 1 to {self.q.shape[1]}")
        return replace(self, q=self.q[:, -count:])

    def first_tokens(self, count: int) -> AttentionTensors:
        """The same sequence cut after ``count`` tokens: later keys and later query tokens go.

        Raises:
            FcimError: the sequence is shorter, or no query token would be left.
        """
        tq, tk = self.q.shape[1], self.k.shape[1]
        first = tk - tq  # position of the first query token
        if not first < count <= tk:
            raise FcimError(f"TOKENS = {count} does not fit tensors with {tk} keys and {tq} queries;"
                            f" use {first + 1} to {tk}")
        return replace(self, q=self.q[:, :count - first], k=self.k[:, :count], v=self.v[:, :count])


def decode_step(tensors: AttentionTensors) -> AttentionTensors:
    """The decode step of the last token: its query (``Tq = 1``) against all keys."""
    return tensors.last_queries(1)
