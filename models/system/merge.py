"""The merge unit: partial results of engines that each took a range of a tile's keys, joined into rows of O.

The rule is that by which an engine joins its key blocks (``docs/numbers.md``), and ``rtl/system/fcim_merge.v`` equals it on every
bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from models.errors import FcimError
from models.hardware import numerics as nx
from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from models.hardware.tile import PartialRows, TileJob


def merge(parts: Sequence[PartialRows]) -> tuple[Tensor, Tensor, Tensor]:
    """``(row_max [R], row_sum [R], acc [R, D])`` of all parts together; the order of the parts does not matter.

    Raises:
        FcimError: there is no part, or their shapes differ.
    """
    if not parts:
        raise FcimError("there is nothing to merge; give at least one partial result")
    if len({tuple(part.acc.shape) for part in parts}) > 1:
        raise FcimError(f"partial results of {', '.join(str(list(part.acc.shape)) for part in parts)} are not of the same rows; "
                        "merge those of one tile")
    row_max = torch.stack([part.row_max for part in parts]).amax(0)
    row_sum, acc = torch.zeros_like(parts[0].row_sum), torch.zeros_like(parts[0].acc)
    for part in parts:
        shift = nx.clamp_rescale(row_max - part.row_max)
        row_sum += nx.round_shift(part.row_sum, shift)
        acc += nx.round_shift(part.acc, shift.unsqueeze(-1))
    return row_max, row_sum, acc


def merged_output(parts: Sequence[PartialRows]) -> tuple[Tensor, Tensor]:
    """``out`` int16 ``[R, D]`` and ``empty`` bool ``[R]`` of all parts together, as an engine that took all keys would give them.

    Raises:
        FcimError: see :func:`merge`.
    """
    _, row_sum, acc = merge(parts)
    return nx.normalise(acc, row_sum).to(torch.int16), row_sum == 0


def split_keys(keys: int, parts: int, keys_per_block: int) -> list[range]:
    """The keys of a tile as contiguous ranges, one for each engine, in order.

    Ranges are whole key blocks (but for the end of the last one) and as equal as these allow. No range is empty: with fewer
    blocks than ``parts`` there are as many ranges as blocks.

    Raises:
        FcimError: a number is below 1.
    """
    for name, value in (("keys", keys), ("parts", parts), ("keys_per_block", keys_per_block)):
        if value < 1:
            raise FcimError(f"{name} = {value} cannot be split; use 1 or more")
    blocks = -(-keys // keys_per_block)
    count = min(parts, blocks)
    # the last range has as many blocks as any, since its last block may lack keys
    bounds = [min(i * blocks // count * keys_per_block, keys) for i in range(count + 1)]
    return [range(start, stop) for start, stop in zip(bounds, bounds[1:])]


def split_tile(tile: TileJob, parts: int, keys_per_block: int) -> list[TileJob]:
    """The tile of each engine that takes a share of ``tile``'s keys: all rows, and the keys of :func:`split_keys`.

    Raises:
        FcimError: see :func:`split_keys`.
    """
    jobs = []
    for keys in split_keys(len(tile.k), parts, keys_per_block):
        share = slice(keys.start, keys.stop)
        jobs.append(replace(tile, k=tile.k[share], v=tile.v[share], k_pos=tile.k_pos[share], k_mult=tile.k_mult[share],
                            v_mult=tile.v_mult[share]))
    return jobs


def check_parts(cfg: EngineConfig, tau: int, parts: int) -> None:
    """Raise :class:`FcimError` if the merge unit's divider might not saturate with so many parts and this ``tau``."""
    if parts >= 1 << (cfg.prob_bits - 1 - tau):
        most = max(cfg.prob_bits - 1 - parts.bit_length(), 0)
        raise FcimError(f"TAU = {tau} is illegal for {parts} parts of configuration '{cfg.name}'; "
                        f"use up to {most}, or fewer parts")


def partial_results(cfg: EngineConfig, tile: TileJob, parts: int) -> list[PartialRows]:
    """What up to ``parts`` engines that share ``tile``'s keys have of its rows.

    Raises:
        FcimError: see :func:`split_keys` and :func:`check_parts`, or a share does not fit the configuration.
    """
    check_parts(cfg, tile.tau, parts)
    return [run_tile(cfg, replace(share, partial=True)).partial for share in split_tile(tile, parts, cfg.keys_per_block)]
