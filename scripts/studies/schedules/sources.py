"""The tensors that schedules are judged on: a trained model's, the same with a sink, and random ones; prefill and decode."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from models.hardware.quantise import quantise
from models.hardware.tile import QuantisedGroup
from models.quality.reference import SCORE_BUDGET, causal_mask
from models.tensors.attention_tensors import AttentionTensors

DECODE_STEPS = 16   # decode steps measured, the last tokens of the sequence: one step has too few rows for a figure
SINK_MASS = 0.6     # mean probability of the first key in a head with a planted sink
SINK_VALUE = 0.1    # what is left of the first value: a trained sink carries next to nothing
GAUSSIAN_HEADS = (8, 2)  # query heads, KV heads


@dataclass
class Layer:
    """One layer in one phase: float tensors, and per KV head the pieces that are cut into tiles."""

    tensors: AttentionTensors
    groups: list[list[QuantisedGroup]]
    heads: list[list[int]]  # of each group, as indices into the tensors' query heads


def store_layer(tensors: AttentionTensors, path: Path) -> Path:
    """Keep a layer in a file, so that not all of a model need be in memory."""
    torch.save(tensors, path)
    return path


def load_layer(path: Path) -> AttentionTensors:
    """What :func:`store_layer` kept; only what is used of it is read."""
    return torch.load(path, mmap=True, weights_only=False)


def prefill(tensors: AttentionTensors) -> Layer:
    """All tokens of the sequence."""
    return Layer(tensors, [[group] for group in quantise(tensors)], _heads(tensors))


def decode(tensors: AttentionTensors, steps: int = DECODE_STEPS) -> Layer:
    """The last ``steps`` tokens, each a decode step of its own against all keys up to it."""
    last = tensors.last_queries(min(steps, tensors.q.shape[1]))
    pieces = [[replace(group, q=group.q[:, i:i + 1], q_mult=group.q_mult[:, i:i + 1], q_pos=group.q_pos[i:i + 1])
               for i in range(group.q.shape[1])] for group in quantise(last)]
    return Layer(last, pieces, _heads(tensors))


def _heads(tensors: AttentionTensors) -> list[list[int]]:
    return [[tensors.heads.index(name) for name in part.heads] for part in tensors.by_group()]


def gaussian(tokens: int, seed: int, dim: int) -> AttentionTensors:
    """Independent standard normal q, k and v: attention without any pattern."""
    heads, kv_heads = GAUSSIAN_HEADS
    generator = torch.Generator().manual_seed(seed % (1 << 63))
    q, k, v = (torch.randn(count, tokens, dim, generator=generator) for count in (heads, kv_heads, kv_heads))
    return AttentionTensors(q, k, v, dim ** -0.5, {"gaussian": True, "seed": seed}, [f"G{h}" for h in range(heads)])


def _log_masses(q: Tensor, k: Tensor, scale: float) -> Tensor:
    """Logarithm of every query's summed exponentials of scores, key 0 left out; float32 ``[T - 1]`` from query 1 on."""
    tokens, found = q.shape[0], []
    step = max(1, SCORE_BUDGET // tokens)
    for first in range(1, tokens, step):
        last = min(first + step, tokens)
        score = (q[first:last] @ k.T * scale).masked_fill(~causal_mask(first, last, tokens), float("-inf"))
        found.append(score[:, 1:].logsumexp(-1))
    return torch.cat(found)


def _sink_score(log_masses: Tensor) -> float:
    """The score on key 0, the same for all queries, that gives it ``SINK_MASS`` on average; by bisection."""
    low, high = log_masses.min().item() - 20, log_masses.max().item() + 20
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if torch.sigmoid(middle - log_masses).mean() < SINK_MASS else (low, middle)
    return low


def planted_sink(tensors: AttentionTensors) -> AttentionTensors:
    """The same attention with a sink in every head: the first key draws ``SINK_MASS`` on average, and its value is small.

    The direction of each KV head in which its keys have the least energy is cleared of them and given to the sink. All
    queries of a head get the same component along it, so that nothing but the first key feels it.
    """
    q, k, v = tensors.q.clone(), tensors.k.clone(), tensors.v.clone()
    v[:, 0] *= SINK_VALUE
    for kv in range(k.shape[0]):
        direction = torch.linalg.eigh(k[kv].double().T @ k[kv].double()).eigenvectors[:, 0].float()
        length = k[kv, 1:].norm(dim=-1).mean()
        k[kv] -= (k[kv] @ direction)[:, None] * direction
        k[kv, 0] = length * direction
        for head in (h for h, owner in enumerate(tensors.kv_of_head) if owner == kv):
            q[head] -= (q[head] @ direction)[:, None] * direction
            score = _sink_score(_log_masses(q[head], k[kv], tensors.scale))
            q[head] += score / (tensors.scale * length) * direction
    return replace(tensors, q=q, k=k, v=v, source={**tensors.source, "planted_sink": SINK_MASS})
