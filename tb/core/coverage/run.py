"""Samples a run of the core: numbers tile by tile, and time from the monitors' record. Runs outside the simulator, with torch.

The internals of a tile are worked out once more with the functions of :mod:`models.hardware.numerics`, all blocks of a tile at
once; what they give is held against the golden model's counts, so that coverage cannot speak of another computation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from models.hardware.config import EngineConfig
from models.hardware.tile import TileJob, TileResult
from scripts.flow.coverage.functional import CoverGroup
from tb.core.coverage.decisions import sample_decisions, sample_neighbours, stalls_seen
from tb.core.coverage.flow import sample_flow
from tb.core.coverage.internals import internals_of
from tb.core.coverage.softmax import sample_softmax
from tb.core.coverage.tiles import sample_config, sample_masks, sample_operands, sample_tiles


def sample_run(cov: CoverGroup, cfg: EngineConfig, tiles: Sequence[TileJob], golden: Sequence[TileResult],
               record: Mapping[str, np.ndarray]) -> None:
    """Count what one run has met.

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
        inner = internals_of(cfg, tile)
        stats = result.stats
        empty = result.empty if result.partial is None else result.partial.row_sum == 0
        expected = (stats.rescaled_rows, stats.rescale_amount, stats.saturations, stats.zero_blocks, empty.tolist(),
                    result.ran.tolist())
        counted = inner.counts()
        if counted != expected:
            raise ValueError(f"tile {number}: coverage counts {counted[:4]} rescales, their amount, saturations and zero "
                             f"blocks, the golden model {expected[:4]}; or they differ in empty rows or in blocks that run")
        sample_masks(cov, cfg, tile, inner)
        sample_softmax(cov, cfg, tile, inner)
        sample_decisions(cov, cfg, tile, inner, stalls)
        sample_operands(cov, tile)
    sample_flow(cov, cfg, tiles, golden, record)
