"""Runs query tiles through ``fcim_core`` in a simulator, and has what comes back judged."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.hardware.config import EngineConfig
from models.hardware.golden import check_tile
from models.hardware.tile import TileJob
from models.hardware.timeline import predict_cycles
from models.place import BUILD
from scripts.flow.processes import WORK
from scripts.flow.simulator import USUAL, BenchResult, RunOptions, coverage_folder, run_bench
from scripts.flow.sources import ROOT, rtl_files
from tb.core.checker import EngineRun, check_record
from tb.core.coverage.run import sample_run
from tb.core.transactions import Record, Transactions, streams_to_send
from tb.coverage import new_coverage

# How the streams reach the engine: beat by beat through cocotb's drivers and monitors, or played from files and recorded
# into files by tb/hdl, which costs the simulator next to nothing.
BENCHES = {"python": "tb.core.bench_core", "files": "tb.core.bench_played"}
PLAYER = sorted((ROOT / "tb" / "hdl").glob("*.v"))


def _sample(cfg: EngineConfig, runs: Sequence[EngineRun], records: Mapping[str, Record], file: Path) -> None:
    """Functional coverage of right runs, from what the monitors saw."""
    coverage = new_coverage()
    for run in runs:
        record = records[run.pattern]
        sample_run(coverage, cfg, Transactions.of(record).tiles(cfg), run.golden, record)
    coverage.save(file)


def record_runs(top: str, bench: str, parameters: Mapping[str, int], streams: Mapping[str, np.ndarray], patterns: Sequence[str],
                budget: int, options: RunOptions) -> tuple[BenchResult, dict[str, Record]]:
    """Run a bench that records what its monitors saw: the record of each stall pattern.

    Args:
        streams: what the bench reads from ENGINE_STREAMS.
        budget: cycles after which a run fails.
        options: of the run; their ``extra_env`` goes to the bench too.

    Raises:
        FcimError: no simulator. BenchFailed: the bench itself failed (protocol, X, hang).
    """
    place = Path(os.environ.get("FCIM_RUNS") or os.environ.get(WORK) or BUILD)
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix="engine-") as folder:
        file = Path(folder) / "streams.npz"
        np.savez(file, **streams)
        environment = {"ENGINE_STREAMS": str(file), "ENGINE_RECORD": f"{folder}/record-{{pattern}}.npz",
                       "ENGINE_PATTERNS": ",".join(patterns), "ENGINE_BUDGET": str(budget), **options.extra_env}
        result = run_bench(top, bench, parameters, replace(options, extra_env=environment))
        return result, {p: dict(np.load(f"{folder}/record-{p}.npz")) for p in patterns}


def tidy(result: BenchResult, runs: Sequence[EngineRun]) -> None:
    """Remove the folder of a run if there is nothing in it that anybody would look for."""
    if result.waves is None and all(run.ok for run in runs):
        shutil.rmtree(result.log.parent, ignore_errors=True)


def run_core(cfg: EngineConfig, tiles: Sequence[TileJob], patterns: Sequence[str] = ("none",),
             options: RunOptions = USUAL, *, bench: str = BENCHES["python"],
             slow: Mapping[str, tuple[int, int]] | None = None, watch: bool = False,
             streams: Mapping[str, np.ndarray] | None = None, budget: int | None = None,
             progress: Path | None = None) -> list[EngineRun]:
    """Run ``tiles`` through ``fcim_core``, once per stall pattern, and check each run.

    Args:
        options: of the run; its ``extra_env`` goes to the bench.
        bench: a module that writes the same record as the default one, see :data:`BENCHES`.
        slow: ``{stream: (on, off)}`` of streams (q, k, v, o, decision) that pause in a fixed rhythm instead.
        watch: also compare ``tile_done`` and the counters with what the pins show.
        streams: what to send instead of :func:`stream_arrays` of ``tiles``.
        budget: cycles after which a run fails; by default far more than the prediction.
        progress: a file into which the bench writes how many keys were taken.

    Raises:
        FcimError: a tile does not fit, or no simulator. BenchFailed: the bench itself failed (protocol, X, hang).
    """
    for tile in tiles:
        check_tile(cfg, tile)
    sent = streams_to_send(cfg, tiles)
    if budget is None:
        cycles = predict_cycles(cfg, [(t.q.shape[0], t.k.shape[0]) for t in tiles], [t.fused for t in tiles])["cycles"]
        budget = 40 * cycles // (1 if slow or set(patterns) - {"none"} else 10) + 4000
    environment = {"ENGINE_SLOW": json.dumps(dict(slow or {})), **options.extra_env}
    if watch:
        environment["ENGINE_WATCH"] = "1"
    if progress is not None:
        environment["ENGINE_PROGRESS"] = str(progress)
    top, sources = "fcim_core", options.sources
    if bench == BENCHES["files"]:
        top, sources = "tb_core", [*(rtl_files() if sources is None else sources), *PLAYER]
    result, records = record_runs(top, bench, cfg.verilog_parameters(), sent if streams is None else streams, patterns, budget,
                                  replace(options, sources=sources, extra_env=environment))
    runs = [check_record(cfg, tiles, record, pattern, pattern == "none" and not slow, sent)
            for pattern, record in records.items()]
    tidy(result, runs)
    for run in runs:
        run.waves = result.waves
    if (folder := coverage_folder()) and options.sources is None and all(run.ok for run in runs):
        _sample(cfg, runs, records, folder / f"engine-{result.log.parent.name}-{options.seed or 0}.cover.json")
    return runs
