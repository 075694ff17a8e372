"""What a query tile switches, counted from the golden model's arithmetic without its accumulators: all key blocks at once.

The golden model walks block by block since the accumulators need it. Counts need the running maxima only, which are found from
the blocks' maxima; everything else is done for a whole tile together.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from models.hardware import numerics as nx
from models.hardware.config import EngineConfig
from models.hardware.golden import RowState, check_tile, judge, move_row_max
from models.hardware.tile import TileJob, TileStats

_OFFSET = 128
_ONES = torch.tensor([bin(code).count("1") for code in range(1 << 9)])      # of 9 bits; two of them make a p


def ones(codes: Tensor) -> Tensor:
    """Set bits of each of some numbers, int64; ``codes`` unsigned, up to 18 bits."""
    codes = codes.long()
    return _ONES[codes & 511] + _ONES[codes >> 9]


def signed_ones(x: Tensor) -> Tensor:
    """Set bits of the offset-binary codes ``x + 128`` of an int8 tensor."""
    return _ONES[x.long() + _OFFSET]


def pairs(streamed: Tensor, stored: Tensor) -> int:
    """Pairs of set bits when every row of one operand meets every row of the other.

    Args:
        streamed: set bits ``[n, D]``. stored: set bits ``[R, D]``.
    """
    return int((streamed.sum(0) * stored.sum(0)).sum())


@dataclass
class Activity:
    """What tiles switch, in rows that are in use.

    Attributes:
        stats: the golden model's own counts.
        inner_pairs: pairs of set bits of QK^T (codes of keys times codes of queries), of all keys that are streamed.
        outer_pairs: of PV (codes of values times probabilities in the cells), of all blocks that run.
        p_bits: set bits of probabilities as they are written into cells.
        scores: rows times keys streamed. run_scores: of blocks that run.
        visible: scores that causality leaves.
        lane_scores: as ``scores``, of whole passes: the lanes of softmax unit and accumulators work on all rows of a pass.
            run_lane_scores: of blocks that run.
        run_keys: keys of blocks that run.
        updates: rows of accumulators that are read and written: whole passes, once for each block that runs.
    """

    stats: TileStats = field(default_factory=TileStats)
    inner_pairs: int = 0
    outer_pairs: int = 0
    p_bits: int = 0
    scores: int = 0
    run_scores: int = 0
    visible: int = 0
    lane_scores: int = 0
    run_lane_scores: int = 0
    run_keys: int = 0
    updates: int = 0

    def __iadd__(self, other: Activity) -> Activity:
        for one in fields(TileStats):
            setattr(self.stats, one.name, getattr(self.stats, one.name) + getattr(other.stats, one.name))
        for one in fields(self)[1:]:
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))
        return self

    @property
    def p_bits_per_product(self) -> float:
        """Mean set bits of p, over all products that the array makes: masked ones count, with 0."""
        return self.p_bits / self.run_scores if self.run_scores else 0.0


def _judged(tile: TileJob, zmax: Tensor) -> Tensor:
    """The maxima ``[R, B]`` that decide on the running ones."""
    judged = zmax.clone()
    if tile.fused and zmax.shape[1] > 1:
        judged[:, 0] = zmax[:, :2].amax(1)
    return judged


def _cut_sums(cfg: EngineConfig, tile: TileJob, zmax: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What :func:`_running_maxima` gives, and the blocks ``[B]`` that may be skipped, where row sums are cut."""
    judged, state, found = _judged(tile, zmax), RowState.start(len(zmax), 1), []
    for block in range(zmax.shape[1]):
        amount, zero = judge(cfg, tile, state, zmax[:, block], judged[:, block])
        found.append((state.row_max, amount, torch.tensor(zero)))
    maxima, amounts, zeros = zip(*found)
    return torch.stack(maxima, 1), torch.stack(amounts, 1), torch.stack(zeros)


def _running_maxima(tile: TileJob, zmax: Tensor) -> tuple[Tensor, Tensor]:
    """The rows' running maximum at each block, and what it was moved by, both ``[R, B]``.

    Args:
        zmax: maxima of the blocks' scaled scores ``[R, B]``, MASKED where a row sees none.
    """
    judged = _judged(tile, zmax)
    if tile.tau:
        state = RowState.start(len(zmax), 1)
        moves = []
        for block in range(zmax.shape[1]):
            amount = move_row_max(tile, state, judged[:, block])
            moves.append((state.row_max.clone(), amount))
        return torch.stack([m for m, _ in moves], 1), torch.stack([amount for _, amount in moves], 1)
    # a hidden block's candidate is the lowest code there is, where a maximum that is not set stands
    maxima = nx.row_max_candidate(judged).cummax(1).values
    seen = (judged != nx.MASKED).cummax(1).values
    amount = torch.zeros_like(maxima)
    amount[:, 1:] = torch.where(seen[:, :-1], maxima[:, 1:] - maxima[:, :-1], 0)
    return maxima, amount


def _zero(cfg: EngineConfig, tile: TileJob, zmax: Tensor, maxima: Tensor) -> Tensor:
    """Of each block whether no row has a score in it that counts, bool ``[B]``."""
    if tile.octaves:
        span = nx.skip_span(tile.tau, cfg.prob_bits, tile.octaves)
        return ~((zmax != nx.MASKED) & (nx.row_max_candidate(zmax) - maxima >= -span)).any(0)
    return ~nx.probability(zmax, maxima, tile.tau, cfg.prob_bits).any(0)


def _runs(tile: TileJob, zero: Tensor) -> Tensor:
    """Whether each block runs, bool ``[B]``."""
    ran = ~zero if tile.skip else torch.ones_like(zero)
    ran[-1] = ran[-1] or not bool(ran.any())
    return ran


def tile_activity(cfg: EngineConfig, tile: TileJob) -> tuple[Activity, Tensor]:
    """What a tile switches, and which of its blocks run, bool ``[B]``: as :func:`models.hardware.golden.run_tile` says.

    Raises:
        FcimError: the tile does not fit the configuration.
    """
    check_tile(cfg, tile)
    size, (rows, keys) = cfg.keys_per_block, (len(tile.q), len(tile.k))
    blocks = -(-keys // size)
    score = (tile.q.float() @ tile.k.float().T).long()
    z, saturated = nx.scale_score(score, tile.q_mult, tile.k_mult, tile.shift, cfg.z_max)
    visible = tile.k_pos <= tile.q_pos[:, None]
    z = torch.where(visible, z, nx.MASKED)
    zmax = torch.nn.functional.pad(z, (0, blocks * size - keys), value=nx.MASKED).view(rows, blocks, size).amax(-1)
    if cfg.sum_cut:
        maxima, amount, zero = _cut_sums(cfg, tile, zmax)
    else:
        maxima, amount = _running_maxima(tile, zmax)
        zero = _zero(cfg, tile, zmax, maxima)
    ran = _runs(tile, zero)
    table = nx.probability_table(tile.tau, cfg.prob_bits).long()
    distance = z - (maxima << nx.Z_FRAC).repeat_interleave(size, 1)[:, :keys] - nx.lowest_distance(tile.tau, cfg.prob_bits)
    p = torch.where(visible, table[distance.clamp(0, len(table) - 1)], 0)
    p_bits = ones(nx.scale_probability(p, tile.v_mult)).sum(0)          # of each key
    runs = ran.repeat_interleave(size)[:keys]
    run_keys, in_passes = int(runs.sum()), -(-rows // cfg.lanes) * cfg.lanes
    key_ones, value_ones = signed_ones(tile.k), signed_ones(tile.v).sum(1)
    stats = TileStats(
        rows=rows, keys=keys, blocks=blocks, zero_blocks=int(zero.sum()), rescaled_rows=int((amount > 0).sum()),
        rescale_amount=int(amount.sum()), saturations=int((saturated & visible).sum()), ip_bit_ops=int(key_ones.sum()),
        op_bit_ops=int(value_ones[runs].sum()), skipped_blocks=int((~ran).sum()))
    return Activity(
        stats=stats, inner_pairs=pairs(key_ones, signed_ones(tile.q)), outer_pairs=int((p_bits * value_ones)[runs].sum()),
        p_bits=int(p_bits[runs].sum()), scores=rows * keys, run_scores=rows * run_keys,
        visible=int(visible.sum()), lane_scores=in_passes * keys, run_lane_scores=in_passes * run_keys, run_keys=run_keys,
        updates=in_passes * int(ran.sum())), ran
