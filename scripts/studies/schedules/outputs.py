"""Outputs and counts of a KV head at one setting, bit for bit those of the golden model, faster; and set bits of probabilities.

Between two blocks in which a row of a tile is rescaled nothing is rounded, so the sums of all blocks between them are
one matrix product: exact in float64, since even 2^17 products of 18 and 8 bits stay below 2^53. Nor does it matter in
which order these blocks came: keys and values stay where they lie.
"""

from __future__ import annotations

import numpy as np
import torch

from models.hardware import numerics as nx
from models.hardware.config import EngineConfig
from models.hardware.numerics import lowest_distance, probability_table
from models.hardware.schedules import TileOptions
from models.hardware.tile import V_MULT_ONE, TileJob, TileResult, TileStats
from scripts.studies.schedules.row_max import Moves, blocks_that_run, zero_blocks
from scripts.studies.schedules.scores import GroupScores, block_spans, ones_of_blocks


def _ranges(starts: np.ndarray, counts: np.ndarray) -> list[tuple[int, int]]:
    """The keys of blocks that follow each other in the stream, as few ``(first, end)`` as possible."""
    order = starts.argsort()
    first, end = starts[order], (starts + counts)[order]
    breaks = (first[1:] != end[:-1]).nonzero()[0] + 1
    return list(zip(first[[0, *breaks]].tolist(), end[[*(breaks - 1), -1]].tolist()))


def _round_shift(x: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """``x / 2**shift`` rounded as the engine does, of whole numbers held as float64; ``shift`` 1 to 63."""
    floor = x.astype(np.int64) >> (shift - 1)
    return ((floor + 1) >> 1).astype(np.float64)


class Values:
    """The values of a KV head in natural order: float64 ``[n, D]``, and what each counts, ``[n]``, None where all count once."""

    def __init__(self, tile: TileJob) -> None:
        self.codes = tile.v.double()
        plain = bool((tile.v_mult == V_MULT_ONE).all())
        self.share = None if plain else (tile.v_mult.numpy() + 1) / (V_MULT_ONE + 1)

    def scaled(self, p: np.ndarray, low: int, high: int) -> np.ndarray:
        """:func:`models.hardware.numerics.scale_probability` of ``p [R, high - low]``, whole numbers held as float64."""
        return p if self.share is None else np.floor(p * self.share[low:high] + 0.5)


def tile_output(cfg: EngineConfig, tau: int, z: np.ndarray, values: Values, row_max: np.ndarray, starts: np.ndarray,
                counts: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """``(out int16 [R, D], empty bool [R], set bits int64 [R])`` of a tile.

    Args:
        z: scaled scores ``[R, n]`` in natural order, as ``values`` are. row_max: ``[B, R]`` after each block.
        starts, counts: the keys of each block, ``[B]``, in the order of the stream.

    The set bits are those of the probabilities as the OP-CIM takes them; what is hidden or rounds to 0 has none.
    """
    table, lowest = probability_table(tau, cfg.prob_bits).numpy(), lowest_distance(tau, cfg.prob_bits)
    amounts = row_max[1:].astype(np.int64) - row_max[:-1]
    cuts = [0, *(amounts.any(-1).nonzero()[0] + 1).tolist(), len(row_max)]
    row_sum = np.zeros(len(z))
    acc = np.zeros((len(z), cfg.head_dim))
    set_bits = np.zeros(len(z), dtype=np.int64)
    for first, end in zip(cuts[:-1], cuts[1:]):
        if first:
            rows = amounts[first - 1].nonzero()[0]
            shift = np.minimum(amounts[first - 1, rows], nx.MAX_SHIFT)
            row_sum[rows] = _round_shift(row_sum[rows], shift)
            acc[rows] = _round_shift(acc[rows], shift[:, None])
        zero_at = (row_max[first].astype(np.int64) << nx.Z_FRAC) + lowest
        for low, high in _ranges(starts[first:end], counts[first:end]):
            p = table.take(z[:, low:high] - zero_at[:, None], mode="clip")
            row_sum += p.sum(-1)
            p = values.scaled(p, low, high)
            set_bits += np.bitwise_count(p.astype(np.int32)).sum(-1, dtype=np.int64)
            acc += torch.mm(torch.from_numpy(p), values.codes[low:high]).numpy()  # torch keeps to the threads it was given
    whole = torch.from_numpy(row_sum).long()
    return nx.normalise(torch.from_numpy(acc).long(), whole).to(torch.int16), whole == 0, set_bits


def run_group(cfg: EngineConfig, scores: GroupScores, setting: TileOptions, moves: Moves,
              variant: int) -> tuple[list[TileResult], list[int]]:
    """The tiles of a KV head, skipping: what :func:`models.hardware.golden.run_tile` gives for each; and the set bits of the
    probabilities that enter the OP-CIM, of each query head.

    Args:
        moves: of the setting's schedule, with running maxima. variant: the setting's ``(fused, tau)`` among those of ``moves``.
    """
    keys = scores.keys
    zero = zero_blocks(moves, variant, setting.tau, cfg.prob_bits, keys, cfg.keys_per_block)
    ran = blocks_that_run(zero, keys, cfg.keys_per_block)
    starts, counts = block_spans(setting.schedule, tuple(keys.tolist()), cfg.keys_per_block)
    key_ones, value_ones = (ones_of_blocks(x, starts, counts) for x in (scores.longest.k, scores.longest.v))
    values = Values(scores.longest)
    results, bits_of_head = [], np.zeros(scores.heads, dtype=np.int64)
    for i, z in enumerate(scores.z):
        rows, n = z.shape
        blocks = -(-n // cfg.keys_per_block)
        runs = ran[:blocks, i]
        out, empty, set_bits = tile_output(cfg, setting.tau, z, values, moves.row_max[variant][:blocks, i, :rows],
                                           starts[:blocks, i], counts[:blocks, i])
        bits_of_head += set_bits.reshape(-1, scores.heads).sum(0)
        stats = TileStats(
            rows=rows, keys=n, blocks=blocks, zero_blocks=int(zero[:, i].sum()),
            rescaled_rows=int(moves.rescales[variant, i].sum()), rescale_amount=int(moves.amount[variant, i]),
            saturations=scores.saturations[i], ip_bit_ops=int(key_ones[:, i].sum()),
            op_bit_ops=int(value_ones[:blocks, i][runs].sum()), skipped_blocks=blocks - int(runs.sum()))
        results.append(TileResult(out, empty, stats, torch.from_numpy(runs.copy())))
    return results, bits_of_head.tolist()
