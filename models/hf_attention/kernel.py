"""The integer algorithm on all tiles of several KV heads at once: what ``run_tile`` of :mod:`models.hardware.golden` gives.

Key blocks are walked in the order of the schedule, since the order moves roundings; all tiles of all heads take the step
together. No score outlives its block, so memory grows with the length, not with its square. Products run in floating point where
they are exact (scores below 2^22 in float32, sums below 2^53 in float64).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.hardware import numerics as nx
from models.hardware.config import OUT_FRAC, V_MULT_BITS, EngineConfig
from models.hardware.numerics import lowest_distance, probability_table
from models.hardware.schedules import TileOptions
from models.hardware.tile import QuantisedGroup
from models.hf_attention.tiles import TilePlan, pack, plan_tiles, unpack

# Score of a key that a row does not see. The golden model's MASKED is a code of the engine's, above which a row with very
# small scores may stand; here it must be below them all, so that the table of probabilities serves hidden keys too.
HIDDEN = -(1 << 40)


@dataclass
class Skipped:
    """What tiles that skip left out, over all calls: of their key ``blocks`` and of the rows of V in these, ``values``."""

    blocks: int = 0
    values: int = 0
    skipped_blocks: int = 0
    skipped_values: int = 0

    def add(self, keys: Tensor, ran: Tensor) -> None:
        """A block of each tile: ``keys`` int64 ``[C]`` in it, ``ran`` bool ``[C, N]`` in each KV head."""
        keys = keys[:, None].expand_as(ran)
        self.blocks += ran.numel()
        self.values += int(keys.sum())
        self.skipped_blocks += int((~ran).sum())
        self.skipped_values += int(keys[~ran].sum())


class _Heads:
    """The operands of all KV heads, packed: tiles in front, so that those with more than b blocks are one slice."""

    def __init__(self, cfg: EngineConfig, options: TileOptions, groups: list[QuantisedGroup]) -> None:
        q, k = torch.stack([g.q for g in groups]), torch.stack([g.k for g in groups])
        self.heads, self.group, self.tokens, self.head_dim = q.shape
        self.z_max = cfg.z_max
        self.plan: TilePlan = plan_tiles(cfg, options.schedule, self.group, self.tokens, k.shape[1], k.device)
        self.q = pack(q.float(), self.plan)
        self.q_mult = pack(torch.stack([g.q_mult for g in groups]), self.plan)
        self.k, self.k_mult = k.float(), torch.stack([g.k_mult for g in groups])
        self.v = torch.stack([g.v for g in groups]).double()
        self.v_mult = torch.stack([g.v_mult for g in groups])
        self.shift = torch.tensor([g.shift for g in groups], device=k.device)[:, None, None]

    def scores(self, block: int) -> Tensor:
        """Scaled scores ``[C, N, R, n]`` of the tiles that have the block, HIDDEN where a row does not see a key."""
        keys, first = self.plan.block_keys(block), self.plan.first_tile[block]
        index = keys.clamp(min=0)
        q, k = self.q[first:], self.k[:, index].transpose(0, 1)                     # [C, N, R, D], [C or 1, N, n, D]
        score = _batched(q, k.transpose(-1, -2)).long()
        k_mult = self.k_mult[:, index].transpose(0, 1)
        z, _ = nx.scale_score(score, self.q_mult[first:], k_mult.expand(len(q), -1, -1), self.shift, self.z_max)
        positions = self.plan.positions[first:, :, None]
        visible = (keys[:, None] <= positions) & (keys[:, None] >= 0)
        return torch.where(visible[:, None], z, HIDDEN)

    def value_multipliers(self, block: int) -> Tensor:
        """Multipliers of those values, ``[C or 1, N, n]``."""
        return self.v_mult[:, self.plan.block_keys(block).clamp(min=0)].transpose(0, 1)

    def values(self, block: int) -> Tensor:
        """Values ``[C or 1, N, n, D]`` of the same keys, float64."""
        return self.v[:, self.plan.block_keys(block).clamp(min=0)].transpose(0, 1)


def _scaled(p: Tensor, v_mult: Tensor) -> Tensor:
    """:func:`models.hardware.numerics.scale_probability` of whole numbers in float64: products below 2^22 are exact there."""
    return ((p * (v_mult.unsqueeze(-2) + 1)) / (1 << V_MULT_BITS) + 0.5).floor()


def _batched(left: Tensor, right: Tensor) -> Tensor:
    """``left [C, N, R, x] @ right [C or 1, N, x, y]``; a right side shared by all tiles is not copied for each."""
    if len(right) == len(left):
        return left @ right
    tiles, heads, rows, inner = left.shape
    flat = left.transpose(0, 1).reshape(heads, tiles * rows, inner) @ right[0]
    return flat.view(heads, tiles, rows, -1).transpose(0, 1)


def integer_attention(cfg: EngineConfig, options: TileOptions, groups: list[QuantisedGroup],
                      skipped: Skipped | None = None) -> Tensor:
    """Dequantised outputs, float32 ``[N, G, Tq, D]``, of ``N`` KV heads of equal shapes; rows that see no key are 0.

    Equals :func:`models.hardware.tiling.assemble` of the golden model's tiles for each group. ``skipped`` is added to, if the
    tiles skip.

    Raises:
        FcimError: the heads do not fit a tile, or the options are illegal for ``cfg``.
    """
    options.check(cfg)
    x = _Heads(cfg, options, groups)
    table = probability_table(options.tau, cfg.prob_bits, x.k.device)
    lowest = lowest_distance(options.tau, cfg.prob_bits)
    span = nx.skip_span(options.tau, cfg.prob_bits, options.octaves)
    state = x.q.shape[:3]
    row_max = torch.zeros(state, dtype=torch.int64, device=x.k.device)
    seen = torch.zeros(state, dtype=torch.bool, device=x.k.device)
    row_sum = torch.zeros(state, dtype=torch.float64, device=x.k.device)
    acc = torch.zeros(*state, x.head_dim, dtype=torch.float64, device=x.k.device)
    bound = torch.zeros(state, dtype=torch.int64, device=x.k.device)      # of row_sum, where sums are cut
    ahead: Tensor | None = None
    for block, first in enumerate(x.plan.first_tile):
        z = x.scores(block) if ahead is None else ahead[first:]
        ahead = None
        own = zmax = z.amax(-1)
        if options.fused and block == 0 and len(x.plan.first_tile) > 1:
            ahead = torch.full_like(z, HIDDEN)
            ahead[x.plan.first_tile[1]:] = x.scores(1)
            zmax = torch.maximum(zmax, ahead.amax(-1))
        visible = zmax != HIDDEN
        candidate = nx.row_max_candidate(zmax)
        m, known = row_max[first:], seen[first:]
        move = visible & known & (candidate > m + options.tau)
        amount = torch.where(move, candidate - m, 0)
        m.copy_(torch.where(move | (visible & ~known), candidate, m))
        known |= visible
        if cfg.sum_cut:
            amount, with_block = _raise(cfg, options.tau, m, bound[first:], own, amount)
        _rescale(row_sum[first:], acc[first:], amount)
        p = table[(z - (m << nx.Z_FRAC).unsqueeze(-1) - lowest).clamp(0, len(table) - 1)]
        if options.skip:
            counts = (own != HIDDEN) & (nx.row_max_candidate(own) - m >= -span)
            # A tile's rows must agree. None of them is rescaled by a block that is skipped: its scores would count. That the
            # last block of a tile runs if no other does needs no care: then no row sees a key, and all sums are 0 anyway.
            ran = (counts | (amount > 0)).any(-1)
            p *= ran[..., None, None]
            if cfg.sum_cut:
                with_block = torch.where(ran.unsqueeze(-1), with_block, bound[first:])
            if skipped is not None:
                skipped.add((x.plan.seen[first:] - block * x.plan.size).clamp(max=x.plan.size), ran)
        if cfg.sum_cut:
            bound[first:] = with_block
        row_sum[first:] += p.sum(-1)
        acc[first:] += _batched(_scaled(p, x.value_multipliers(block)), x.values(block))
    return dequantised(unpack(nx.normalise(acc.long(), row_sum.long()), x.group, x.tokens), groups)


def dequantised(out: Tensor, groups: list[QuantisedGroup]) -> Tensor:
    """Codes ``[N, G, Tq, D]`` that the hardware gives for the ``groups``, as float32."""
    scale = torch.stack([g.v_scale for g in groups]).double() / (1 << OUT_FRAC)
    return (out.double() * scale[:, None, None]).float()


def _raise(cfg: EngineConfig, tau: int, row_max: Tensor, bound: Tensor, own: Tensor, amount: Tensor) -> tuple[Tensor, Tensor]:
    """Raise running maxima, in place, where sums might be too large, as :func:`models.hardware.golden.raise_row_max`: rescale
    amounts, and the sums' bounds with the block, of which ``own`` are the highest scores."""
    def with_block(of: Tensor) -> Tensor:
        added = nx.block_bound(own, row_max, tau, cfg.prob_bits, cfg.keys_per_block)
        return nx.ceil_shift(bound, nx.clamp_rescale(of)) + added

    raised = (with_block(amount) >= 1 << cfg.sum_bits).long()
    row_max += raised
    amount = amount + raised
    return amount, with_block(amount)


def _rescale(row_sum: Tensor, acc: Tensor, amount: Tensor) -> None:
    """Shift the rows that move, in place, rounding as the engine does."""
    moved = amount.nonzero(as_tuple=True)
    if len(moved[0]):
        shift = nx.clamp_rescale(amount[moved])
        row_sum[moved] = nx.round_shift(row_sum[moved].long(), shift).double()
        acc[moved] = nx.round_shift(acc[moved].long(), shift.unsqueeze(-1)).double()
