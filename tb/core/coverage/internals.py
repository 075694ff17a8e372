"""One tile through the number rules once more, all blocks at once, keeping what the golden model throws away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from models.hardware import numerics as nx
from models.hardware.config import Z_FRAC, EngineConfig
from models.hardware.tile import TileJob


@dataclass
class Internals:
    """A tile of R rows, n keys and B blocks of K keys; a short last block is filled up with masked elements.

    ``product`` int64 ``[R, n]`` is the scaled score before its shift, ``visible`` bool ``[R, n]``, ``saturated`` bool ``[R, n]``
    (visible or not). ``z`` and ``p`` int64 ``[R, B, K]``; ``sizes`` int64 ``[B]`` keys of each block; ``zmax``,
    ``visible_keys``, ``row_max`` (after the block), ``over`` (candidate minus the running maximum before it), ``amount`` int64
    ``[R, B]``; ``known`` bool ``[R, B]``: the row had seen a key before the block; ``row_sum`` int64 ``[R]``; ``before`` int64
    ``[R, B]``: the row sum before the block. ``p`` is given of skipped blocks too, of which no sum has anything. ``zero`` bool
    ``[B]``: no score of the block counts; ``ran`` bool ``[B]``: it is not skipped.
    """

    score: np.ndarray
    product: np.ndarray
    visible: np.ndarray
    saturated: np.ndarray
    z: np.ndarray
    p: np.ndarray
    sizes: np.ndarray
    zmax: np.ndarray
    visible_keys: np.ndarray
    row_max: np.ndarray
    over: np.ndarray
    amount: np.ndarray
    known: np.ndarray
    before: np.ndarray
    row_sum: np.ndarray
    zero: np.ndarray
    ran: np.ndarray

    @property
    def lossy(self) -> np.ndarray:
        """Blocks in which no score counts though a probability is not 0, bool ``[B]``."""
        return self.zero & self.p.any(axis=(0, 2))

    def counts(self) -> tuple[int, int, int, int, list[bool], list[bool]]:
        """What the golden model counts too: rescales, their amount, saturations, zero blocks, empty rows, blocks that run."""
        return (int((self.amount > 0).sum()), int(self.amount.sum()), int((self.saturated & self.visible).sum()),
                int(self.zero.sum()), (self.row_sum == 0).tolist(), self.ran.tolist())


def round_shift(x: np.ndarray, s: np.ndarray) -> np.ndarray:
    """:func:`models.hardware.numerics.round_shift` for arrays of numpy, which is several times faster on a handful of rows."""
    floor = x >> np.maximum(s - 1, 0)
    return np.where(s > 0, (floor + 1) >> 1, floor)


def _row_maxima(zmax: np.ndarray, tau: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """``row_max``, ``over``, ``amount``, ``known`` of :class:`Internals`, from the maxima ``[R, B]`` that judge the blocks."""
    seen_block = zmax != nx.MASKED
    candidate = zmax >> Z_FRAC
    known = np.zeros_like(seen_block)
    known[:, 1:] = np.logical_or.accumulate(seen_block, axis=1)[:, :-1]
    row_max, over = np.zeros_like(zmax), np.zeros_like(zmax)
    now = np.zeros(len(zmax), dtype=np.int64)
    for b in range(zmax.shape[1]):
        distance = candidate[:, b] - now
        move = seen_block[:, b] & (~known[:, b] | (distance > tau))
        over[:, b] = distance
        now = np.where(move, candidate[:, b], now)
        row_max[:, b] = now
    amount = np.where(seen_block & known & (over > tau), over, 0)
    return row_max, over, amount, known


def _cut_maxima(cfg: EngineConfig, tile: TileJob, zmax: np.ndarray, judged: np.ndarray) -> tuple[np.ndarray, ...]:
    """``row_max``, ``over``, ``amount``, ``known``, ``zero`` and ``ran`` of :class:`Internals` where row sums are cut, from the
    blocks' own maxima ``[R, B]`` and those that judge them."""
    rows, count = zmax.shape
    now, bound, seen = np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=bool)
    columns, zero = [], np.zeros(count, dtype=bool)
    for b in range(count):
        sees, own, candidate = judged[:, b] != nx.MASKED, zmax[:, b] >> Z_FRAC, judged[:, b] >> Z_FRAC
        over, known = candidate - now, seen.copy()
        amount = np.where(sees & known & (over > tile.tau), over, 0)
        now = np.where(sees & (~known | (over > tile.tau)), candidate, now)
        seen = seen | sees
        totals = []
        for more in (0, 1):     # octaves
            octave = own - now - more + cfg.prob_bits - tile.tau
            adds = (zmax[:, b] != nx.MASKED) & (octave >= 0)
            kept = -(-bound >> np.minimum(amount + more, nx.MAX_SHIFT))
            totals.append(kept + np.where(adds, cfg.keys_per_block << np.maximum(octave, 0), 0))
        raised = totals[0] >> cfg.sum_bits > 0
        now, amount = now + raised, amount + raised
        span = nx.skip_span(tile.tau, cfg.prob_bits, tile.octaves)
        zero[b] = not ((zmax[:, b] != nx.MASKED) & (own - now >= -span)).any() and not raised.any()
        if not (tile.skip and zero[b]):
            bound = np.where(raised, totals[1], totals[0])
        columns.append((now, over, amount, known))
    ran = ~zero | (not tile.skip)
    ran[-1] |= not ran.any()
    return (*(np.stack(parts, axis=1) for parts in zip(*columns, strict=True)), zero, ran)


def _sums(p_sum: np.ndarray, amount: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row sums before each block ``[R, B]`` and at the end ``[R]``, from the blocks' sums of probabilities ``[R, B]``."""
    before = np.zeros_like(p_sum)
    now = np.zeros(len(p_sum), dtype=np.int64)
    shift = np.minimum(amount, nx.MAX_SHIFT)
    moved = (amount > 0).any(axis=0)
    for b in range(p_sum.shape[1]):
        before[:, b] = now
        now = (round_shift(now, shift[:, b]) if moved[b] else now) + p_sum[:, b]
    return before, now


def _decisions(cfg: EngineConfig, tile: TileJob, zmax: np.ndarray, row_max: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``zero`` and ``ran`` of :class:`Internals`, from the blocks' own maxima ``[R, B]`` and the running maxima after them."""
    span = nx.skip_span(tile.tau, cfg.prob_bits, tile.octaves)
    zero = ~((zmax != nx.MASKED) & ((zmax >> Z_FRAC) - row_max >= -span)).any(axis=0)
    ran = ~zero | (not tile.skip)
    ran[-1] |= not ran.any()
    return zero, ran


def internals_of(cfg: EngineConfig, tile: TileJob) -> Internals:
    """The internals of one tile."""
    rows, keys, per_block = tile.q.shape[0], tile.k.shape[0], cfg.keys_per_block
    count = -(-keys // per_block)
    score = (tile.q.float() @ tile.k.float().T).long()
    product = score * (tile.q_mult.unsqueeze(-1) * tile.k_mult)
    wide = nx.round_shift(product, tile.shift)
    clamped = wide.clamp(nx.MASKED + 1, cfg.z_max)
    visible = tile.k_pos.unsqueeze(0) <= tile.q_pos.unsqueeze(1)
    z = torch.full((rows, count * per_block), nx.MASKED, dtype=torch.int64)
    z[:, :keys] = torch.where(visible, clamped, torch.full_like(clamped, nx.MASKED))
    z = z.reshape(rows, count, per_block)
    zmax = z.amax(-1).numpy()
    judged = zmax.copy()
    if tile.fused and count > 1:
        judged[:, 0] = np.maximum(zmax[:, 0], zmax[:, 1])
    if cfg.sum_cut:
        row_max, over, amount, known, zero, ran = _cut_maxima(cfg, tile, zmax, judged)
    else:
        row_max, over, amount, known = _row_maxima(judged, tile.tau)
        zero, ran = _decisions(cfg, tile, zmax, row_max)
    p = nx.probability(z, torch.from_numpy(row_max).unsqueeze(-1), tile.tau, cfg.prob_bits)
    before, row_sum = _sums(np.where(ran, p.sum(-1).numpy(), 0), amount)
    sizes = np.full(count, per_block)
    sizes[-1] = keys - (count - 1) * per_block
    return Internals(score=score.numpy(), product=product.numpy(), visible=visible.numpy(), saturated=(clamped != wide).numpy(),
                     z=z.numpy(), p=p.numpy(), sizes=sizes, zmax=zmax, visible_keys=(z != nx.MASKED).sum(-1).numpy(),
                     row_max=row_max, over=over, amount=amount, known=known, before=before, row_sum=row_sum,
                     zero=zero, ran=ran)
