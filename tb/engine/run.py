"""Runs query tiles through ``fcim_engine`` with memories around it, and checks every stream."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.hardware.config import HardwareConfig
from models.hardware.golden import run_tile
from models.hardware.tile import TileResult
from models.hardware.timeline import predict
from scripts.flow.simulator import USUAL, RunOptions, run_bench
from scripts.flow.sources import ROOT
from tb.core.environment import EngineRun, check_record, stream_arrays, streamed_values
from tb.engine.fetches import Fetch, fetch_arrays

TOP, BENCH = "fcim_engine", "tb.engine.bench_engine"
BLOCK = ("start", "count", "last")
HEAD_START = 2      # cycles by which tiles come before Q, so that the first key is there with the first row
Waits = Mapping[str, tuple[int, int]]


def expected_requests(cfg: HardwareConfig, fetches: Sequence[Fetch], results: Sequence[TileResult]
                      ) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Requests for keys ``(start, count, last)`` and for values ``(start, count, last, first)``, those of blocks that run."""
    keys: list[tuple[int, ...]] = []
    values: list[tuple[int, ...]] = []
    for fetch, result in zip(fetches, results, strict=True):
        mine = [(*block, 0) for block in fetch.blocks(cfg)]
        mine[-1] = (*mine[-1][:2], 1)
        running = [block for block, ran in zip(mine, result.ran.tolist(), strict=True) if ran]
        keys += mine
        values += [(*block, int(i == 0)) for i, block in enumerate(running)]
    return keys, values


def most_ahead(asked: Sequence[int], decided: Sequence[int]) -> int:
    """The most blocks that were asked for and not decided, at the end of any cycle, from the cycles of both."""
    inside = np.searchsorted(asked, asked, side="right") - np.searchsorted(decided, asked, side="right")
    return int(inside.max())


def _problems(cfg: HardwareConfig, fetches: Sequence[Fetch], results: Sequence[TileResult], record: Mapping[str, np.ndarray],
              ahead: int) -> list[str]:
    """What is wrong with the requests and with their order, beside what the engine's check finds."""
    problems = []
    for name, fields, want in zip(("kreq", "vreq"), (BLOCK, (*BLOCK, "first")), expected_requests(cfg, fetches, results)):
        got = list(zip(*(record[f"{name}_{field}"].tolist() for field in fields)))
        if got != want:
            at = next((i for i, pair in enumerate(zip(got, want)) if pair[0] != pair[1]), min(len(got), len(want)))
            problems.append(f"m_{name}: {len(got)} requests, {len(want)} expected; number {at} is {got[at:at + 1]}, "
                            f"expected {want[at:at + 1]}")
    if record["error_order"]:
        problems.append("error_order is up")
    if record["left_over"]:
        problems.append(f"{record['left_over']} words were asked for and not taken")
    if (most := most_ahead(record["kreq_cycle"], record["decision_cycle"])) > ahead:
        problems.append(f"{most} blocks were asked for ahead of their decision, {ahead} may be")
    return problems


def run_engine(cfg: HardwareConfig, fetches: Sequence[Fetch], patterns: Sequence[str] = ("none",),
               options: RunOptions = USUAL, *, ahead: int = 16, waits: Waits | None = None, at_speed: bool = True,
               hold: int = HEAD_START, before: int = 0, budget: int | None = None) -> list[EngineRun]:
    """Run the tiles through ``fcim_engine``, once per stall pattern, and check each run.

    Args:
        ahead: BLOCKS_AHEAD.
        waits: ``{"k": (least, most), "v": ...}`` cycles that the memories wait, see :class:`tb.engine.memory.Memory`.
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
    with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="attention-") as folder:
        np.savez(Path(folder) / "streams.npz", **fetch_arrays(cfg, fetches))
        environment = {"ENGINE_STREAMS": f"{folder}/streams.npz", "ENGINE_RECORD": f"{folder}/record-{{pattern}}.npz",
                       "ENGINE_PATTERNS": ",".join(patterns), "ENGINE_BUDGET": str(budget),
                       "FETCH_WAIT": json.dumps(dict(waits or {})), "FETCH_HOLD": str(hold), "FETCH_BEFORE": str(before)}
        result = run_bench(TOP, BENCH, {**cfg.verilog_parameters(), "BLOCKS_AHEAD": ahead},
                           replace(options, extra_env={**environment, **options.extra_env}))
        records = {pattern: dict(np.load(f"{folder}/record-{pattern}.npz")) for pattern in patterns}
    shutil.rmtree(result.log.parent, ignore_errors=True)
    sent = stream_arrays(tiles, streamed_values(cfg, tiles, results))
    runs = []
    for pattern, record in records.items():
        run = check_record(cfg, tiles, record, pattern, at_speed and pattern == "none", sent)
        run.problems += _problems(cfg, fetches, results, record, ahead)
        run.taken |= {name: (record[f"{name}_cycle"] - record["q_cycle"][0]).tolist() for name in ("tile", "kreq", "vreq")}
        runs.append(run)
    return runs
