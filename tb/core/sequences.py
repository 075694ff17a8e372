"""Query tiles for the engine's tests: tiles with exact scores, random tiles, and tiles cut from whole attention groups.

All random numbers come from the generator that the caller gives. Tiles with exact scores are built so that a scaled score
``z`` (log2 units, ``Z_FRAC`` fraction bits) is what the test wants to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from models.hardware.config import Z_BITS, Z_FRAC, EngineConfig
from models.hardware.tile import V_MULT_ONE, QuantisedGroup, TileJob
from models.hardware.tiling import build_tiles

UNIT = 1 << Z_FRAC     # one in log2 units
Z_LIMIT = (1 << (Z_BITS - 1)) - 1
BIG = 127              # element of the query that tiles with exact scores use; its last element is 1

KINDS = ("plain", "outliers", "peaked", "flat")


def int8(generator: np.random.Generator, *shape: int, low: int = -128, high: int = 127) -> Tensor:
    """Uniform int8 of ``shape`` from ``low`` to ``high``, both included."""
    return torch.from_numpy(generator.integers(low, high, shape, endpoint=True)).to(torch.int8)


def ints(generator: np.random.Generator, low: int, high: int, *shape: int) -> Tensor:
    """Uniform int64 of ``shape`` from ``low`` to ``high``, both included."""
    return torch.from_numpy(generator.integers(low, high, shape, endpoint=True))


# ---- exact scores

def keys_for(cfg: EngineConfig, scores: Sequence[int]) -> Tensor:
    """Keys int8 ``[n, D]`` whose product with the query ``[127, ..., 127, 1]`` is exactly ``scores``.

    Reach: ``|score| <= 127 * 127 * (D - 1)``.
    """
    keys = torch.zeros(len(scores), cfg.head_dim, dtype=torch.int64)
    for j, score in enumerate(scores):
        high, low = divmod(int(score), BIG)
        sign, left = (1 if high >= 0 else -1), abs(high)
        for d in range(cfg.head_dim - 1):
            part = min(left, BIG)
            keys[j, d] = sign * part
            left -= part
        if left:
            raise ValueError(f"score {score} is out of reach with head_dim {cfg.head_dim}")
        keys[j, -1] = low
    return keys.to(torch.int8)


def exact_tile(cfg: EngineConfig, generator: np.random.Generator, z: Sequence[int], rows: int | None = None, tau: int = 0,
               q_pos: Tensor | None = None, k_pos: Tensor | None = None, v: Tensor | None = None, q_mult: int = 1,
               shift: int = 0) -> TileJob:
    """A tile in which every row's score with key j is exactly ``z[j]`` (times ``q_mult``, over ``2**shift``).

    Every row sees every key unless positions are given; values are random unless given.
    """
    rows, keys = rows or cfg.rows, len(z)
    query = torch.full((rows, cfg.head_dim), BIG, dtype=torch.int8)
    query[:, -1] = 1
    return TileJob(
        q=query, q_pos=torch.full((rows,), keys - 1) if q_pos is None else q_pos,
        q_mult=torch.full((rows,), q_mult), k=keys_for(cfg, z), v=int8(generator, keys, cfg.head_dim) if v is None else v,
        k_pos=torch.arange(keys) if k_pos is None else k_pos, k_mult=torch.ones(keys, dtype=torch.int64), shift=shift, tau=tau)


def blocks(cfg: EngineConfig, maxima: Sequence[int], below: int = 3 * UNIT, at: int = 0) -> list[int]:
    """Scores of full blocks: block b has its maximum ``maxima[b]`` at key ``at``, the others up to ``below`` under it."""
    per_block = cfg.keys_per_block
    return [top if j == at % per_block else top - 1 - (below * (j + 1)) // per_block for top in maxima for j in range(per_block)]


def levels_tile(cfg: EngineConfig, generator: np.random.Generator, levels: Sequence[int | None], short: int = 0,
                rows: int | None = None, tau: int = 0, fused: bool = False, skip: bool = False) -> TileJob:
    """A tile with one block per level, its maximum in octaves for every row; None is a block of padding, which no row sees.

    The last block lacks ``short`` keys.
    """
    per_block = cfg.keys_per_block
    scores = blocks(cfg, [0 if level is None else level * UNIT for level in levels])
    keys = len(scores) - short
    pos = [cfg.padding_pos if levels[j // per_block] is None else j for j in range(keys)]
    tile = exact_tile(cfg, generator, scores[:keys], rows, tau, k_pos=torch.tensor(pos))
    return replace(tile, fused=fused, skip=skip)


# ---- random tiles

def vectors(generator: np.random.Generator, count: int, head_dim: int, kind: str) -> Tensor:
    """Random vectors int8 ``[count, D]``.

    ``outliers``: small everywhere but for a few channels at the ends of the range and a few extreme vectors, as keys of
    language models are; ``flat``: tiny values.
    """
    if kind == "outliers":
        data = int8(generator, count, head_dim, low=-9, high=9)
        channels = generator.choice(head_dim, 2, replace=False)
        data[:, channels] = int8(generator, count, 2, low=90)
        extreme = generator.random(count) < 0.1
        data[torch.from_numpy(extreme)] = torch.from_numpy(generator.choice([-128, 127], head_dim)).to(torch.int8)
        return data
    reach = 2 if kind == "flat" else 128
    return int8(generator, count, head_dim, low=-reach, high=reach - 1)


def shift_for(q: Tensor, k: Tensor, spread: float) -> int:
    """The shift with which scores of ``q`` and ``k`` spread over about ``spread`` log2 units for multipliers near 2**15."""
    deviation = float((q.float() @ k.float().T).std(correction=0)) + 1.0
    return int(np.clip(np.rint(np.log2(deviation * 2.0**30 / (spread * UNIT))), 0, 63))


def v_mults(generator: np.random.Generator, keys: int) -> Tensor:
    """Multipliers of values int64 ``[n]``: all as they are, as for one tile of four; the ends of the range; any."""
    kind = int(generator.integers(0, 4))
    one = torch.full((keys,), V_MULT_ONE)
    return one if kind == 0 else one * ints(generator, 0, 1, keys) if kind == 1 else ints(generator, 0, V_MULT_ONE, keys)


def random_tile(cfg: EngineConfig, generator: np.random.Generator, rows: int | None = None, keys: int | None = None,
                kind: str = "plain", tau: int | None = None, order: str = "any") -> TileJob:
    """A random tile.

    ``kind``: see :func:`vectors`; ``peaked`` makes scores so far apart that nearly every block is rescaled or vanishes.
    ``order``: ``natural``, ``reversed``, ``random`` order of the keys' positions, or ``any`` of them.
    One key in sixteen is padding; rows stand anywhere, some before every key.
    """
    rows = rows or int(generator.integers(1, cfg.rows + 1))
    keys = keys or int(generator.integers(1, min(4 * cfg.keys_per_block, cfg.max_keys) + 1))
    q, k = vectors(generator, rows, cfg.head_dim, kind), vectors(generator, keys, cfg.head_dim, kind)
    order = str(generator.choice(["natural", "reversed", "random"])) if order == "any" else order
    first = int(generator.integers(0, 3)) if generator.random() < 0.5 else int(generator.integers(0, cfg.padding_pos - keys - 1))
    pos = first + torch.arange(keys)
    pos = {"natural": pos, "reversed": pos.flip(0), "random": pos[torch.from_numpy(generator.permutation(keys))]}[order]
    pos = torch.where(torch.from_numpy(generator.random(keys) < 1 / 16), torch.full_like(pos, cfg.padding_pos), pos)
    return TileJob(
        q=q, q_pos=ints(generator, max(first - 2, 0), first + keys, rows), q_mult=ints(generator, 1 << 14, (1 << 16) - 1, rows),
        k=k, v=vectors(generator, keys, cfg.head_dim, "outliers" if kind == "outliers" else "plain"),
        k_pos=pos, k_mult=ints(generator, 1 << 14, (1 << 16) - 1, keys),
        shift=shift_for(q, k, {"peaked": 60.0, "flat": 0.5}.get(kind, 4.0)),
        tau=int(generator.integers(0, cfg.max_tau() + 1)) if tau is None else tau, v_mult=v_mults(generator, keys))


def random_tiles(cfg: EngineConfig, generator: np.random.Generator, count: int, **fixed: object) -> list[TileJob]:
    """``count`` random tiles that take the kinds in turn."""
    return [random_tile(cfg, generator, **{"kind": KINDS[i % len(KINDS)], **fixed}) for i in range(count)]


def shaped_tiles(cfg: EngineConfig, generator: np.random.Generator, shapes: Sequence[tuple[int, int]]) -> list[TileJob]:
    """Random tiles of the given ``(rows, keys)``."""
    return [random_tile(cfg, generator, rows=rows, keys=keys) for rows, keys in shapes]


def flagged(generator: np.random.Generator, tiles: Sequence[TileJob]) -> list[TileJob]:
    """The tiles with random flags: half of them fused, three in four with blocks that may be skipped, half of them below any
    number of octaves, a third of them partial."""
    return [replace(tile, fused=bool(generator.integers(2)), skip=bool(generator.integers(4)),
                    octaves=int(generator.integers(2) * generator.integers(32)), partial=not generator.integers(3))
            for tile in tiles]


def vanishing_tiles(cfg: EngineConfig, generator: np.random.Generator, count: int) -> list[TileJob]:
    """Tiles with random flags in which any blocks vanish, in any order: far below the rows' running maxima, or padding.

    The first two are sure, whatever is drawn: all blocks but their first vanish, in the first tile as blocks that are
    skipped, in the second, which is partial, as blocks that run.
    """
    low = -(cfg.prob_bits + 9)
    tiles = []
    for index in range(count):
        levels = [(3, 0, low, low, None)[int(i)] for i in generator.integers(0, 5, int(generator.integers(1, 8)))]
        levels = levels if index > 1 else [0, low, low]
        tiles.append(levels_tile(cfg, generator, levels, int(generator.integers(cfg.keys_per_block)),
                                 int(generator.integers(1, cfg.rows + 1)), int(generator.integers(cfg.max_tau() + 1))))
    return [replace(tile, skip=index == 0, partial=index == 1) if index < 2 else tile
            for index, tile in enumerate(flagged(generator, tiles))]


# ---- whole attention groups

def random_group(cfg: EngineConfig, generator: np.random.Generator, heads: int, tokens: int, keys: int | None = None,
                 kind: str = "plain") -> QuantisedGroup:
    """``heads`` query heads on one KV head; the last ``tokens`` of ``keys`` positions ask (all of them by default)."""
    keys = keys or tokens
    q = vectors(generator, heads * tokens, cfg.head_dim, kind)
    k = vectors(generator, keys, cfg.head_dim, kind)
    return QuantisedGroup(
        q=q.reshape(heads, tokens, cfg.head_dim), q_mult=ints(generator, 1 << 14, (1 << 16) - 1, heads, tokens),
        q_pos=torch.arange(keys - tokens, keys), k=k, k_mult=ints(generator, 1 << 14, (1 << 16) - 1, keys),
        v=vectors(generator, keys, cfg.head_dim, "plain"), v_scale=torch.full((cfg.head_dim,), 1 / 64),
        shift=shift_for(q, k, 4.0), v_mult=v_mults(generator, keys))


def prefill(cfg: EngineConfig, generator: np.random.Generator, heads: int, tokens: int, tau: int = 0,
            kind: str = "plain", schedule: str = "natural", fused: bool = False, skip: bool = False) -> list[TileJob]:
    """The tiles of a causal prompt of ``tokens`` tokens."""
    return build_tiles(cfg, random_group(cfg, generator, heads, tokens, kind=kind), tau, schedule, fused, skip)


def decode(cfg: EngineConfig, generator: np.random.Generator, heads: int, keys: int, tau: int = 0,
           kind: str = "plain", schedule: str = "natural", fused: bool = False, skip: bool = False) -> list[TileJob]:
    """One token after ``keys - 1`` others: a single short tile and a long key stream."""
    return build_tiles(cfg, random_group(cfg, generator, heads, 1, keys, kind), tau, schedule, fused, skip)
