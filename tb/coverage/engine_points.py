"""Samples an engine run: numbers tile by tile, and time from the monitors' record. Runs outside the simulator, with torch.

The internals of a tile are worked out once more with the functions of :mod:`models.hardware.numerics`, all blocks of a tile at
once; what they give is held against the golden model's counts, so that coverage cannot speak of another computation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from models.hardware.config import HardwareConfig
from models.hardware.tile import TileJob, TileResult
from scripts.flow.coverage.model import Coverage
from tb.coverage.engine_config import sample_config
from tb.coverage.engine_decisions import sample_decisions, sample_neighbours, stalls_seen
from tb.coverage.engine_flow import sample_flow
from tb.coverage.engine_masks import sample_masks
from tb.coverage.engine_operands import sample_operands
from tb.coverage.engine_softmax import sample_softmax
from tb.coverage.engine_tiles import sample_tiles
from tb.coverage.engine_walk import walk_tile


def sample_engine(cov: Coverage, cfg: HardwareConfig, tiles: Sequence[TileJob], golden: Sequence[TileResult],
                  record: Mapping[str, np.ndarray]) -> None:
    """Count what one engine run has met.

    Args:
        tiles: as the engine's input monitors saw them.
        golden: what the golden model gives for ``tiles``.
        record: the monitors' record as :mod:`tb.core.bench_core` writes it. What it lacks is not sampled; with an
            empty one only the numbers are.

    Raises:
        ValueError: the numbers are not those of the golden model, or there is not one result per tile.
    """
    if len(tiles) != len(golden):
        raise ValueError(f"{len(golden)} results for {len(tiles)} tiles")
    sample_config(cov, cfg)
    sample_tiles(cov, cfg, tiles, golden)
    sample_neighbours(cov, tiles, golden)
    stalls = stalls_seen(record)
    for number, (tile, result) in enumerate(zip(tiles, golden)):
        walk = walk_tile(cfg, tile)
        stats = result.stats
        told = (stats.rescaled_rows, stats.rescale_amount, stats.saturations, stats.zero_blocks, result.empty.tolist(),
                result.ran.tolist())
        mine = walk.told(tile.skip)
        if told != mine:
            raise ValueError(f"tile {number}: coverage counts {mine[:4]} rescales, their amount, saturations and zero "
                             f"blocks, the golden model {told[:4]}; or they differ in empty rows or in blocks that run")
        sample_masks(cov, cfg, tile, walk)
        sample_softmax(cov, cfg, tile, walk)
        sample_decisions(cov, cfg, tile, walk, stalls)
        sample_operands(cov, tile)
    sample_flow(cov, cfg, tiles, golden, record)
