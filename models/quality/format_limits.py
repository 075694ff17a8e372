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
CUT_OCTAVES = 16.0      # less at the upper end where row sums are cut
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


def _row_maxima(cfg: EngineConfig, tile: TileJob, zmax: Tensor, limits: Limits) -> Tensor:
    """Every row's running maximum at every block ``[R, blocks]`` from the blocks' maxima; 0 before a row has seen a key."""
    judged = zmax
    if tile.fused and zmax.shape[1] > 1:
        judged = torch.cat([zmax[:, :2].amax(1, keepdim=True), zmax[:, 1:]], dim=1)
    row_max, found = torch.full_like(zmax[:, 0], -math.inf), []
    bound = torch.zeros_like(row_max)
    for own, top in zip(zmax.floor().unbind(1), judged.floor().unbind(1), strict=True):
        moved = torch.where((row_max == -math.inf) | (top > row_max + limits.tau), top, row_max)
        if cfg.sum_cut:
            kept = (bound / torch.exp2((moved - row_max).nan_to_num(posinf=0.0))).ceil()
            moved, bound = _raised(cfg, limits, own, moved, kept)
        row_max = moved
        found.append(row_max)
    return torch.stack(found, dim=1).nan_to_num(neginf=0.0)


def _raised(cfg: EngineConfig, limits: Limits, own: Tensor, row_max: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Running maxima ``[R]`` with those that are raised since a sum might be too large, and the bounds of the sums.

    ``own``: the block's maxima, whole octaves. ``kept``: the bounds without it.
    """
    def added(reference: Tensor) -> Tensor:
        octave = (own - reference).nan_to_num(nan=-math.inf) + limits.prob_bits - limits.tau
        return torch.where(octave >= 0, cfg.keys_per_block * torch.exp2(octave), 0.0)

    over = kept + added(row_max) >= 2.0**cfg.sum_bits
    row_max, kept = row_max + over, torch.where(over, (kept / 2).ceil(), kept)
    out = limits.octaves and not over.any() and (own < row_max - min(limits.octaves, limits.prob_bits - limits.tau)).all()
    return row_max, kept if out else kept + added(row_max)


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
    by_block = _row_maxima(cfg, tile, zmax, limits)
    row_max = by_block.repeat_interleave(torch.tensor([b.shape[1] for b in blocks]), dim=1)
    one = 2.0 ** (limits.prob_bits - 1 - limits.tau)
    kept = (torch.exp2(z - row_max) * one + 0.5).floor().clamp(max=2.0**limits.prob_bits - 1)
    if limits.octaves:
        kept = kept.masked_fill(_left_out(limits, zmax, by_block).repeat_interleave(cfg.keys_per_block)[:z.shape[1]], 0.0)
    rescale = torch.exp2(row_max - by_block[:, -1:])      # exact
    return kept * rescale, (kept * taken + 0.5).floor() * rescale


def _highest(cfg: EngineConfig) -> float:
    """The largest scaled score."""
    return SCORE_LIMIT - (CUT_OCTAVES if cfg.sum_cut else 0.0)


def limited_tile(cfg: EngineConfig, tile: TileJob, z: Tensor, limits: Limits) -> Tensor:
    """One tile's attention through ``limits``: float64 ``[R, D]`` in units of v_scale, 0 where a row sees no key.

    ``z``: :func:`scaled_scores` of the tile.
    """
    if limits.clamp:
        z = torch.where(z == -math.inf, z, z.clamp(-SCORE_LIMIT, _highest(cfg)))
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
        saturated.append((((z > _highest(cfg)) | (z < -SCORE_LIMIT)) & (z > -math.inf)).sum(1))
        weight = torch.exp2(z - z.amax(1, keepdim=True).floor().nan_to_num(neginf=0.0))
        lost.append((weight * (weight < 2.0**-bits_left)).sum(1) / weight.sum(1).clamp(min=TINY))

    def heads(rows: list[Tensor]) -> Tensor:
        return torch.cat(rows).unflatten(0, (-1, group.q.shape[0])).transpose(0, 1)

    scale = group.v_scale.double()
    return Limited([heads(found) * scale for found in outputs], heads(saturated).sum(1), heads(lost).mean(1))
