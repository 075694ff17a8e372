"""What the engine's number format costs on given tensors: float attention that goes through its documented limits, one or all.

Exponentials, sums and products are exact here; only what the format cannot hold is taken away. No table and no rounding is
shared with the golden model, so what an engine loses beyond this is its arithmetic's doing and not the input's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.hardware.config import EngineConfig
from models.hardware.tile import QuantisedGroup, TileJob

# docs/numbers.md; written down once more on purpose, see above
SCORE_LIMIT = 512.0     # scaled scores are clamped to this magnitude, in units of log2
SCORE_STEPS = 1024.0    # and have so many steps to a unit
OUTPUT_STEPS = 256.0    # steps of an output to v_scale
MULTIPLIER_STEPS = 16.0     # steps of a key's multiplier for its values to 1; a probability times it is a whole number again

TINY = torch.finfo(torch.float64).tiny


@dataclass(frozen=True)
class Limits:
    """Which limits an attention goes through; by default none, which is float attention on the quantised operands.

    ``clamp`` and ``steps``: of the scaled scores; ``prob_bits``: of a probability, and of its product with a key's multiplier,
    None for exact ones, with a lazy threshold of ``tau``; ``output``: the output's step and its 16 bits; ``octaves``: tiles that
    skip leave out blocks below so many, 0 for none that matters.
    """

    clamp: bool = False
    steps: bool = False
    prob_bits: int | None = None
    tau: int = 0
    output: bool = False
    octaves: int = 0


def all_limits(cfg: EngineConfig, tau: int, octaves: int = 0) -> Limits:
    """The number format of a configuration as a whole, with what a tile leaves out below ``octaves``."""
    return Limits(True, True, cfg.prob_bits, tau, True, octaves)


def scaled_scores(tile: TileJob) -> Tensor:
    """Exact base-2 logarithms of the weights, float64 ``[R, n]``; -inf where a row does not see a key."""
    score = (tile.q.float() @ tile.k.float().T).double()        # exact: below 2^22
    z = score * (tile.q_mult.double()[:, None] * tile.k_mult.double()) * 2.0**-tile.shift / SCORE_STEPS
    return z.masked_fill(tile.k_pos > tile.q_pos[:, None], -math.inf)


def _row_maxima(tile: TileJob, zmax: Tensor, tau: int) -> Tensor:
    """Every row's running maximum at every block ``[R, blocks]`` from the blocks' maxima; 0 before a row has seen a key."""
    if tile.fused and zmax.shape[1] > 1:
        zmax = torch.cat([zmax[:, :2].amax(1, keepdim=True), zmax[:, 1:]], dim=1)
    row_max, found = torch.full_like(zmax[:, 0], -math.inf), []
    for top in zmax.floor().unbind(1):
        row_max = torch.where((row_max == -math.inf) | (top > row_max + tau), top, row_max)
        found.append(row_max)
    return torch.stack(found, dim=1).nan_to_num(neginf=0.0)


def _left_out(limits: Limits, zmax: Tensor, row_max: Tensor) -> Tensor:
    """Blocks that a tile leaves out ``[blocks]``, from the blocks' maxima and the running maxima ``[R, blocks]``."""
    span = min(limits.octaves, limits.prob_bits - limits.tau)
    out = (zmax.floor() < row_max - span).all(0)
    out[-1] &= ~out.all()
    return out


def _weights(cfg: EngineConfig, tile: TileJob, z: Tensor, limits: Limits) -> tuple[Tensor, Tensor]:
    """Weights of the keys and of their values, ``[R, n]``, in any unit of its own per row."""
    taken = (tile.v_mult.double() + 1) / MULTIPLIER_STEPS
    if limits.prob_bits is None:
        weight = torch.exp2(z - z.amax(1, keepdim=True).nan_to_num(neginf=0.0))
        return weight, weight * taken
    blocks = z.split(cfg.keys_per_block, dim=1)
    zmax = torch.stack([b.amax(1) for b in blocks], dim=1)
    by_block = _row_maxima(tile, zmax, limits.tau)
    row_max = by_block.repeat_interleave(torch.tensor([b.shape[1] for b in blocks]), dim=1)
    one = 2.0 ** (limits.prob_bits - 1 - limits.tau)
    kept = (torch.exp2(z - row_max) * one + 0.5).floor().clamp(max=2.0**limits.prob_bits - 1)
    if limits.octaves:
        kept = kept.masked_fill(_left_out(limits, zmax, by_block).repeat_interleave(cfg.keys_per_block)[:z.shape[1]], 0.0)
    rescale = torch.exp2(row_max - by_block[:, -1:])      # exact
    return kept * rescale, (kept * taken + 0.5).floor() * rescale


def limited_tile(cfg: EngineConfig, tile: TileJob, z: Tensor, limits: Limits) -> Tensor:
    """One tile's attention through ``limits``: float64 ``[R, D]`` in units of v_scale, 0 where a row sees no key.

    ``z``: :func:`scaled_scores` of the tile.
    """
    if limits.clamp:
        z = torch.where(z == -math.inf, z, z.clamp(-SCORE_LIMIT, SCORE_LIMIT))
    if limits.steps:
        z = (z * SCORE_STEPS + 0.5).floor() / SCORE_STEPS
    weight, of_value = _weights(cfg, tile, z, limits)
    out = of_value @ tile.v.double() / weight.sum(1, keepdim=True).clamp(min=TINY)
    if limits.output:
        out = ((out * OUTPUT_STEPS).round().clamp(-(2.0**15), 2.0**15 - 1)) / OUTPUT_STEPS
    return out


@dataclass(frozen=True)
class Limited:
    """One KV head's attention through limits: ``outputs`` as many float64 ``[G, Tq, D]``, dequantised, as limits were given.

    ``saturated`` int64 ``[G]``: visible scores beyond the format's range. ``lost_tail`` float64 ``[G]``: share of the
    probability that lies below half a step of a probability, mean over a head's tokens.
    """

    outputs: list[Tensor]
    saturated: Tensor
    lost_tail: Tensor


def limited_attention(cfg: EngineConfig, group: QuantisedGroup, tiles: Sequence[TileJob], limits: Sequence[Limits],
                      bits_left: int) -> Limited:
    """Attention of one KV head through each of ``limits``; ``bits_left`` of a probability of 1.0 say what of its tail is lost.

    ``tiles``: of ``group``, from :func:`models.hardware.tiling.build_tiles`. Scores are held for one tile at a time.
    """
    outputs: list[list[Tensor]] = [[] for _ in limits]
    saturated, lost = [], []
    for tile in tiles:
        z = scaled_scores(tile)
        for found, limit in zip(outputs, limits, strict=True):
            found.append(limited_tile(cfg, tile, z, limit))
        saturated.append(((z.abs() > SCORE_LIMIT) & (z > -math.inf)).sum(1))
        weight = torch.exp2(z - z.amax(1, keepdim=True).floor().nan_to_num(neginf=0.0))
        lost.append((weight * (weight < 2.0**-bits_left)).sum(1) / weight.sum(1).clamp(min=TINY))

    def heads(rows: list[Tensor]) -> Tensor:
        return torch.cat(rows).unflatten(0, (-1, group.q.shape[0])).transpose(0, 1)

    scale = group.v_scale.double()
    return Limited([heads(found) * scale for found in outputs], heads(saturated).sum(1), heads(lost).mean(1))
