"""Runs query tiles through ``fcim_engine`` with memories around it, and has every stream checked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from models.hardware.timeline import predict
from scripts.flow.simulator import USUAL, RunOptions
from tb.core.checker import EngineRun
from tb.core.run import record_runs, tidy
from tb.core.transactions import stream_arrays, streamed_values
from tb.engine.checker import check_engine
from tb.engine.sequences import Fetch, fetch_arrays

TOP, BENCH = "fcim_engine", "tb.engine.bench_engine"
HEAD_START = 2      # cycles by which tiles come before Q, so that the first key is there with the first row
Waits = Mapping[str, tuple[int, int]]


def run_engine(cfg: EngineConfig, fetches: Sequence[Fetch], patterns: Sequence[str] = ("none",),
               options: RunOptions = USUAL, *, ahead: int = 16, waits: Waits | None = None, at_speed: bool = True,
               hold: int = HEAD_START, before: int = 0, budget: int | None = None) -> list[EngineRun]:
    """Run the tiles through ``fcim_engine``, once per stall pattern, and check each run.

    Args:
        ahead: BLOCKS_AHEAD.
        waits: ``{"k": (least, most), "v": ...}`` cycles that the memories wait, see :class:`tb.engine.agents.Memory`.
        at_speed: under the pattern "none" nothing may wait for the memories or for Q's late start.
        hold: cycles by which Q comes after the tiles. before: cycles of a run that a reset ends first.
        budget: cycles after which a run fails.

    Returns:
        Runs whose ``taken`` also has the streams tile, kreq and vreq, and whose ``problems`` also say what is wrong there.

    Raises:
        BenchFailed: the bench itself failed (protocol, X, hang).
    """
    tiles = [fetch.tile for fetch in fetches]
    results = [run_tile(cfg, tile) for tile in tiles]
    if budget is None:
        longest = max((most for _, most in (waits or {}).values()), default=0)
        blocks = sum(len(result.ran) for result in results)
        budget = 40 * predict(cfg, tiles, results)["cycles"] + blocks * longest + hold + before + 4000
    environment = {"FETCH_WAIT": json.dumps(dict(waits or {})), "FETCH_HOLD": str(hold), "FETCH_BEFORE": str(before)}
    result, records = record_runs(TOP, BENCH, {**cfg.verilog_parameters(), "BLOCKS_AHEAD": ahead}, fetch_arrays(cfg, fetches),
                                  patterns, budget, replace(options, extra_env={**environment, **options.extra_env}))
    sent = stream_arrays(tiles, streamed_values(cfg, tiles, results))
    runs = [check_engine(cfg, fetches, results, record, pattern, at_speed and pattern == "none", sent, ahead)
            for pattern, record in records.items()]
    tidy(result, runs)
    return runs
