"""Synthetic tensors of a named geometry: no model's, but with what attention of language models has, made from a seed.

A query or key is unit Gaussian noise in each channel (what it is about) plus three regular parts, rotated by its position as in
LLaMA (pair i of channels i and i + D/2, by ``t * base ** (-2 i / D)``):

* **Locality.** Queries and keys share a constant vector in the quicker half of the pairs. Rotated, its product depends on the
  distance alone: highest at a token's own key, it falls off over the next hundreds. Each query head has its own strength.
* **Outlier channels.** In the two slowest pairs, which hardly rotate within the context, all keys but the first have the same
  large value, OUTLIER times the noise (and queries a noise as much smaller). It adds the same to all scores of a row, so that
  softmax does not see it; a quantiser does.
* **Sink.** The first key has the opposite value there, and queries look that way: a query head's score of key 0 exceeds those of
  the others by a number of its own. That key's value is small, so that looking at it says nothing.

Values are Gaussian, each channel with a mean and a spread of its own. Strengths are drawn uniformly from the ranges below, per
query head, in units of the score after the softmax scale. Locality and sink are measured against ``ln(tokens) + 3/4 noise^2``,
the logarithm of what all keys far away add up to: so heads of a long context look at as few keys as those of a short one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.errors import FcimError
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.geometry import GEOMETRIES, Geometry

NOISE = (0.5, 2.0)          # standard deviation of the scores' noise
LOCAL = (-8.0, 2.0)         # a token's own key against all keys far away, as a logarithm of odds
SINK = (-4.0, 4.0)          # the first key against all keys far away, likewise
OUTLIER = 10.0              # of the keys' outlier channels, against the noise
SINK_VALUE = 0.1            # size of the first key's value against the others'
SLOW_PAIRS = 2


def rotated(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """``x [..., T, D]`` after the rotary embedding of its ``positions [T]``."""
    half = x.shape[-1] // 2
    angle = positions.double()[:, None] * base ** (-torch.arange(half, dtype=torch.float64) / half)
    cos, sin = angle.cos().to(x), angle.sin().to(x)
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def _uniform(count: int, limits: tuple[float, float], generator: torch.Generator) -> Tensor:
    low, high = limits
    return low + (high - low) * torch.rand(count, 1, generator=generator)


def _head(shape: Geometry, tokens: int, queries: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """``q [G, queries, D]`` of the last tokens, ``k`` and ``v`` ``[tokens, D]`` of one KV head."""
    dim, half, root = shape.head_dim, shape.head_dim // 2, math.sqrt(shape.head_dim)
    noise, local, sink = (_uniform(shape.group, limits, generator) for limits in (NOISE, LOCAL, SINK))
    everything = math.log(tokens) + 0.75 * noise.square()   # noise meets noise, and the keys' constant vector of half its power
    local, sink = (local + everything).clamp(min=0), sink + everything
    near, slow = torch.zeros(dim), torch.zeros(dim)
    quick = torch.arange(half // 2)
    near[quick] = torch.randn(half // 2, generator=generator)
    near[quick + half] = torch.randn(half // 2, generator=generator)
    near *= root / math.sqrt(2) / near.norm()       # as much per channel as the noise has, in half of them
    outliers = torch.cat([torch.arange(half - SLOW_PAIRS, half), torch.arange(dim - SLOW_PAIRS, dim)])
    slow[outliers] = OUTLIER * torch.randint(0, 2, (len(outliers),), generator=generator).mul(2).sub(1).float()
    k = torch.randn(tokens, dim, generator=generator) + near + slow
    k[0] -= 2 * slow
    spread = torch.exp(0.5 * torch.randn(dim, generator=generator))
    v = torch.randn(tokens, dim, generator=generator) * spread + 0.5 * torch.randn(dim, generator=generator)
    v[0] *= SINK_VALUE
    q = noise[..., None] * torch.randn(shape.group, queries, dim, generator=generator)
    q[..., outliers] /= OUTLIER                     # or the sink would be chance
    q += (local * near / near.square().sum() * root - sink * slow / (2 * slow.square().sum()) * root)[:, None]
    places = torch.arange(tokens)
    return rotated(q, places[tokens - queries :], shape.rope_base), rotated(k, places, shape.rope_base), v


def synthetic_tensors(name: str, tokens: int, seed: int, queries: int | None = None,
                      heads: int | None = None) -> AttentionTensors:
    """Tensors of geometry ``name`` for ``tokens`` tokens; the same seed gives the same.

    Args:
        queries: only so many of the last tokens have queries (default: all).
        heads: only the first KV heads, so many (default: all). They are those that a run of all has.

    Raises:
        FcimError: there is no such geometry, or it has fewer KV heads.
    """
    if name not in GEOMETRIES:
        raise FcimError(f"GEOMETRY = '{name}' is unknown; use {', '.join(GEOMETRIES)}")
    shape = GEOMETRIES[name]
    count = heads or shape.kv_heads
    if count > shape.kv_heads:
        raise FcimError(f"HEADS = {count} exceeds the {shape.kv_heads} KV heads of {name}; use 1 to {shape.kv_heads}")
    generator = torch.Generator().manual_seed(seed)
    q = torch.empty(count * shape.group, queries or tokens, shape.head_dim)
    k, v = torch.empty(2, count, tokens, shape.head_dim)
    for head in range(count):
        q[head * shape.group : (head + 1) * shape.group], k[head], v[head] = _head(shape, tokens, queries or tokens, generator)
    facts = {"model": f"synthetic, geometry of {name}", "synthetic": True, "geometry": name, "kv_heads": count,
             "of_kv_heads": shape.kv_heads, "group": shape.group, "head_dim": shape.head_dim, "tokens": tokens, "seed": seed}
    return AttentionTensors(q, k, v, shape.head_dim**-0.5, facts, [f"H{i}" for i in range(len(q))])
