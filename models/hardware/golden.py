"""The golden model: one query tile through the engine's integer algorithm, bit for bit what the RTL does.

The key stream is walked block by block as the hardware does, since the order of the keys moves roundings.
Products run as floating-point matrix products where these are exact: scores stay below 2**22 (float32) and
a block's sums below 2**31 (float64).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.errors import FcimError
from models.hardware import numerics as nx
from models.hardware.config import EngineConfig
from models.hardware.schedules import check_octaves
from models.hardware.tile import PartialRows, TileJob, TileResult, TileStats


@dataclass
class RowState:
    """What the engine keeps per row: running maximum (an integer), whether it is set, row sum, accumulators; where sums are cut
    also what the row sum cannot exceed."""

    row_max: Tensor
    seen: Tensor
    row_sum: Tensor
    acc: Tensor
    bound: Tensor

    @classmethod
    def start(cls, rows: int, head_dim: int) -> RowState:
        """State before a tile's first block; a maximum that is not set has the lowest code."""
        return cls(torch.full((rows,), nx.LOWEST_ROW_MAX), torch.zeros(rows, dtype=torch.bool),
                   torch.zeros(rows, dtype=torch.int64), torch.zeros(rows, head_dim, dtype=torch.int64),
                   torch.zeros(rows, dtype=torch.int64))


def check_tile(cfg: EngineConfig, tile: TileJob) -> None:
    """Raise :class:`FcimError` if the engine of this configuration could not take ``tile``."""
    rows, keys = tile.q.shape[0], tile.k.shape[0]
    if not 1 <= rows <= cfg.rows:
        raise FcimError(f"a tile of {rows} rows does not fit configuration '{cfg.name}'; use 1 to {cfg.rows}")
    if not 1 <= keys <= cfg.max_keys:
        raise FcimError(f"a key stream of {keys} keys does not fit configuration '{cfg.name}'; use 1 to {cfg.max_keys}")
    if tile.q.shape[1] != cfg.head_dim or tile.k.shape[1] != cfg.head_dim or tile.v.shape != tile.k.shape:
        raise FcimError(f"head_dim of the tensors is {tile.q.shape[1]}, but configuration '{cfg.name}' has "
                        f"{cfg.head_dim}; choose another CONFIG")
    cfg.check_tau(tile.tau)
    check_octaves(tile.octaves)


def move_row_max(tile: TileJob, state: RowState, zmax: Tensor) -> Tensor:
    """Moves the rows' running maxima on and gives the rescale amounts ``[R]``, 0 where one stays.

    Args:
        zmax: maxima ``[R]`` of the block's scaled scores (for a fused first block, of the first two blocks'),
            MASKED where the row sees none of its keys.
    """
    visible = zmax != nx.MASKED
    candidate = nx.row_max_candidate(zmax)
    move = visible & state.seen & (candidate > state.row_max + tile.tau)
    amount = torch.where(move, candidate - state.row_max, torch.zeros_like(candidate))
    state.row_max = torch.where(move | (visible & ~state.seen), candidate, state.row_max)
    state.seen = state.seen | visible
    return amount


def raise_row_max(cfg: EngineConfig, tile: TileJob, state: RowState, zmax: Tensor, amount: Tensor) -> tuple[Tensor, Tensor]:
    """Raises the running maxima of rows whose sums might not fit ``sum_bits`` with this block, by one octave.

    Args:
        zmax: as in :func:`vanishes`. amount: the rescale amounts ``[R]`` of :func:`move_row_max`.

    Returns:
        The rescale amounts, one more where a maximum was raised, and the bounds of the row sums ``[R]`` once the block has run:
        ``state.bound`` stays, since it may be skipped.
    """
    def bound(of: Tensor, row_max: Tensor) -> Tensor:
        return (nx.ceil_shift(state.bound, nx.clamp_rescale(of))
                + nx.block_bound(zmax, row_max, tile.tau, cfg.prob_bits, cfg.keys_per_block))

    raised = (bound(amount, state.row_max) >= 1 << cfg.sum_bits).long()
    state.row_max = state.row_max + raised
    amount = amount + raised
    return amount, bound(amount, state.row_max)


def vanishes(cfg: EngineConfig, tile: TileJob, state: RowState, zmax: Tensor) -> bool:
    """Whether no row has a score in the block that counts; ``zmax`` ``[R]`` as in :func:`move_row_max`, of this block alone."""
    if not tile.octaves:
        return not bool(nx.probability(zmax, state.row_max, tile.tau, cfg.prob_bits).any())
    distance = nx.row_max_candidate(zmax) - state.row_max
    return not bool(((zmax != nx.MASKED) & (distance >= -nx.skip_span(tile.tau, cfg.prob_bits, tile.octaves))).any())


def judge(cfg: EngineConfig, tile: TileJob, state: RowState, zmax: Tensor, ahead: Tensor) -> tuple[Tensor, bool]:
    """Moves the rows' running maxima on: the rescale amounts ``[R]``, and whether the block is one of those that a tile may skip.

    Args:
        zmax: maxima ``[R]`` of the block's scaled scores, MASKED where the row sees none of its keys. ahead: those that decide on
            the running maxima, see :func:`move_row_max`.
    """
    amount = move_row_max(tile, state, ahead)
    bound = state.bound
    if cfg.sum_cut:
        amount, bound = raise_row_max(cfg, tile, state, zmax, amount)
    # a row that is rescaled has a score that counts, unless it is its sum that asks for it
    zero = vanishes(cfg, tile, state, zmax) and not bool(amount.any())
    if not (tile.skip and zero):
        state.bound = bound
    return amount, zero


def accumulate(cfg: EngineConfig, tile: TileJob, state: RowState, z: Tensor, v: Tensor, v_mult: Tensor, amount: Tensor) -> None:
    """Adds a block's probabilities and outer products to the row sums and accumulators, which are rescaled first.

    Args:
        z: scaled scores ``[R, n]``, MASKED where not visible. v: float64 ``[n, D]``. v_mult: ``[n]``.
        amount: rescale amounts ``[R]``.
    """
    p = nx.probability(z, state.row_max.unsqueeze(-1), tile.tau, cfg.prob_bits)
    shift = nx.clamp_rescale(amount)
    state.row_sum = nx.round_shift(state.row_sum, shift) + p.sum(-1)
    state.acc = nx.round_shift(state.acc, shift.unsqueeze(-1)) + (nx.scale_probability(p, v_mult).double() @ v).long()


def _ones(x: Tensor) -> int:
    """Set bits of the offset-binary codes of an int8 tensor."""
    code = (x.to(torch.int64) + 128)
    return int(sum(((code >> bit) & 1).sum() for bit in range(8)))


def run_tile(cfg: EngineConfig, tile: TileJob) -> TileResult:
    """The engine's outputs and timing-independent counts for one tile.

    Raises:
        FcimError: the tile does not fit the configuration.
    """
    check_tile(cfg, tile)
    rows, keys = tile.q.shape[0], tile.k.shape[0]
    score = (tile.q.float() @ tile.k.float().T).long()
    z, saturated = nx.scale_score(score, tile.q_mult, tile.k_mult, tile.shift, cfg.z_max)
    visible = tile.k_pos.unsqueeze(0) <= tile.q_pos.unsqueeze(1)
    z = torch.where(visible, z, torch.full_like(z, nx.MASKED))
    spans = [slice(start, start + cfg.keys_per_block) for start in range(0, keys, cfg.keys_per_block)]
    stats = TileStats(rows=rows, keys=keys, blocks=len(spans), saturations=int((saturated & visible).sum()),
                      ip_bit_ops=_ones(tile.k))
    ran = torch.zeros(len(spans), dtype=torch.bool)
    state = RowState.start(rows, cfg.head_dim)
    values = tile.v.double()
    for block, span in enumerate(spans):
        zmax = z[:, span].amax(-1)
        # A fused tile's first running maximum already covers its second block, so that block never moves one.
        ahead = torch.maximum(zmax, z[:, spans[1]].amax(-1)) if tile.fused and block == 0 and len(spans) > 1 else zmax
        amount, zero = judge(cfg, tile, state, zmax, ahead)
        only_chance = block == len(spans) - 1 and not bool(ran.any())  # the OP-CIM has to see one block of every tile
        ran[block] = not (tile.skip and zero) or only_chance
        if ran[block]:
            accumulate(cfg, tile, state, z[:, span], values[span], tile.v_mult[span], amount)
            stats.op_bit_ops += _ones(tile.v[span])
        stats.zero_blocks += int(zero)
        stats.skipped_blocks += int(not ran[block])
        stats.rescaled_rows += int((amount > 0).sum())
        stats.rescale_amount += int(amount.sum())
    partial = PartialRows(state.row_max, state.row_sum, state.acc) if tile.partial else None
    divided = slice(0 if tile.partial else rows)
    out = nx.normalise(state.acc[divided], state.row_sum[divided]).to(torch.int16)
    return TileResult(out, state.row_sum[divided] == 0, stats, ran, partial)
