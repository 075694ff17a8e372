"""Runs query tiles through the RTL engine and checks every bit against the golden model.

The golden model is fed with what the monitors saw at the engine's ports, not with what the drivers were told to send;
that the two agree is checked as well.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from models.hardware.config import HardwareConfig
from models.hardware.golden import check_tile, run_tile
from models.hardware.pace import Pace
from models.hardware.tile import TileJob, TileResult
from models.hardware.timeline import COUNTERS, TIMING_COUNTERS, Prediction, predict_run, schedule
from scripts.flow.processes import WORK
from scripts.flow.simulator import USUAL, RunOptions, coverage_folder, run_bench
from scripts.flow.sources import ROOT, rtl_files
from tb.core.coverage.run import sample_run
from tb.coverage import new_coverage

# How the streams reach the engine: beat by beat through cocotb's drivers and monitors, or played from files and recorded
# into files by tb/hdl, which costs the simulator next to nothing.
BENCHES = {"python": "tb.core.bench_core", "files": "tb.core.bench_played"}
PLAYER = sorted((ROOT / "tb" / "hdl").glob("*.v"))


def keys_of_blocks(cfg: HardwareConfig, keys: int, blocks: Sequence[bool] | torch.Tensor) -> np.ndarray:
    """Which of a tile's ``keys`` lie in the chosen key blocks: bool ``[keys]`` from bool ``[blocks]``."""
    return np.repeat(np.asarray(blocks, dtype=bool), cfg.keys_per_block)[:keys]


def stream_arrays(tiles: Sequence[TileJob], streamed: Sequence[np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """The three input streams of a run, as arrays ``<stream>_<field>``; a tile's scalars stand on each of its rows.

    ``streamed`` says which keys of each tile ``[n]`` send their values, all of them by default; :func:`streamed_values`
    gives it for tiles that skip blocks.
    """
    def last(counts: list[int]) -> np.ndarray:
        flags = np.zeros(sum(counts), dtype=np.int64)
        flags[np.cumsum(counts) - 1] = 1
        return flags

    def cat(name: str) -> np.ndarray:
        return torch.cat([getattr(t, name) for t in tiles]).numpy()

    rows, keys = [t.q.shape[0] for t in tiles], [t.k.shape[0] for t in tiles]
    sent = np.ones(sum(keys), dtype=bool) if streamed is None else np.concatenate(streamed)
    return {
        "q_data": cat("q"), "q_pos": cat("q_pos"), "q_mult": cat("q_mult"), "q_last": last(rows),
        **{f"q_{name}": np.repeat([int(getattr(t, name)) for t in tiles], rows) for name in ("shift", "tau", "fused", "skip")},
        "k_data": cat("k"), "k_pos": cat("k_pos"), "k_mult": cat("k_mult"), "k_last": last(keys),
        "v_data": cat("v")[sent], "v_last": last(keys)[sent],
    }


def streamed_values(cfg: HardwareConfig, tiles: Sequence[TileJob], results: Sequence[TileResult]) -> list[np.ndarray]:
    """Per tile, the keys whose values the engine asks for: bool ``[n]``, those of the blocks that run."""
    return [keys_of_blocks(cfg, t.k.shape[0], r.ran) for t, r in zip(tiles, results, strict=True)]


def streams_to_send(cfg: HardwareConfig, tiles: Sequence[TileJob]) -> dict[str, np.ndarray]:
    """:func:`stream_arrays` without the values of blocks that will be skipped, which only the golden model can tell."""
    skipping = any(tile.skip for tile in tiles)
    return stream_arrays(tiles, streamed_values(cfg, tiles, [run_tile(cfg, t) for t in tiles]) if skipping else None)


def observed_tiles(cfg: HardwareConfig, record: dict[str, np.ndarray]) -> list[TileJob]:
    """Tiles as the engine's monitors saw them; values of keys in blocks that the engine skipped are 0.

    Raises:
        ValueError: the engine's requests fit neither the keys nor the values that were taken.
    """
    def cuts(name: str) -> list[slice]:
        ends = (np.flatnonzero(record[f"{name}_last"]) + 1).tolist()
        return [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]

    def tensor(name: str, part: slice, dtype: torch.dtype) -> torch.Tensor:
        return torch.from_numpy(record[name][part]).to(dtype)

    keys, requests = cuts("k"), cuts("decision")
    streamed = [keys_of_blocks(cfg, k.stop - k.start, record["decision_skip"][r] == 0)
                for k, r in zip(keys, requests, strict=True)]
    if any(len(s) != k.stop - k.start for k, s in zip(keys, streamed)) or sum(s.sum() for s in streamed) != len(record["v_last"]):
        raise ValueError("the decisions do not fit the keys and values")
    values = np.zeros(record["k_data"].shape, dtype=np.int8)
    values[np.concatenate(streamed)] = record["v_data"]
    return [
        TileJob(q=tensor("q_data", q, torch.int8), q_pos=tensor("q_pos", q, torch.int64), q_mult=tensor("q_mult", q, torch.int64),
                k=tensor("k_data", k, torch.int8), v=torch.from_numpy(values[k]), k_pos=tensor("k_pos", k, torch.int64),
                k_mult=tensor("k_mult", k, torch.int64), shift=int(record["q_shift"][q][-1]), tau=int(record["q_tau"][q][-1]),
                fused=bool(record["q_fused"][q][-1]), skip=bool(record["q_skip"][q][-1]))
        for q, k in zip(cuts("q"), keys, strict=True)
    ]


@dataclass
class EngineRun:
    """One pattern's outcome.

    ``out`` int16 ``[rows, D]`` and ``empty`` bool ``[rows]`` as the engine gave them; ``golden`` what the model gives
    for the monitored inputs; ``mismatches`` per row ``[rows]``; ``problems`` everything else that is wrong.
    ``predicted`` are the counters that the models give for the pace at which the streams came.
    ``taken`` holds per stream (q, k, v, o, decision) the cycle in which each beat was taken, counted from the first row of Q.
    ``waves`` is the waveform, of all patterns, if one was asked for. ``simulated_seconds`` are the CPU seconds in which Python
    only waited for the simulator, if the bench measures them, ``check_seconds`` those of the models and the comparison.
    """

    pattern: str
    out: torch.Tensor
    empty: torch.Tensor
    golden: list[TileResult]
    mismatches: torch.Tensor
    counters: dict[str, int]
    predicted: dict[str, int]
    problems: list[str] = field(default_factory=list)
    taken: dict[str, list[int]] = field(default_factory=dict)
    waves: Path | None = None
    simulated_seconds: float | None = None
    check_seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """No bit differs and nothing else is wrong."""
        return not self.problems and not bool(self.mismatches.any())


def _check_requests(golden: Sequence[TileResult], record: Mapping[str, np.ndarray]) -> list[str]:
    """What is wrong with the blocks' requests: one per block, skipped or not and last of its tile or not as in the model."""
    skip = np.concatenate([~g.ran.numpy() for g in golden])
    if len(record["decision_skip"]) != len(skip):
        return [f"{len(record['decision_skip'])} decisions came, {len(skip)} were expected"]
    problems = [f"decision {block}: skip is {record['decision_skip'][block]}, the model says {int(skip[block])}"
                for block in np.flatnonzero(record["decision_skip"] != skip)[:1]]
    if not np.array_equal(np.flatnonzero(record["decision_last"]), np.cumsum([len(g.ran) for g in golden]) - 1):
        problems.append("last is not on each tile's last decision")
    return problems


def recorded_pace(record: Mapping[str, np.ndarray]) -> Pace:
    """What the streams outside did in a run: of inputs the first offer of each beat, of outputs when ``ready`` changed."""
    start = record["q_cycle"][0]
    inside = "vreq_ready" in record     # of fcim_engine: requests of blocks that run go on to whoever fetches values
    return Pace(**{name: (record[f"{name}_offer"] - start).tolist() for name in "qkv"},
                o=(record["o_ready"] - start).tolist(),
                decision=(record["vreq_ready" if inside else "decision_ready"] - start).tolist(),
                skips_wait=not inside)


def _check_handshakes(run: Prediction, record: Mapping[str, np.ndarray]) -> list[str]:
    """What is wrong with the cycles in which beats were taken, and in which the engine offered its own; streams that lack
    beats are left to other checks."""
    problems = []
    for what, array, streams in (("taken", "cycle", run.taken), ("offered", "offer", run.offered)):
        for name, cycles in streams.items():
            got = record[f"{name}_{array}"] - record["q_cycle"][0]
            wrong = np.flatnonzero(got != np.asarray(cycles)) if len(got) == len(cycles) else []
            problems += [f"stream {name}, beat {at}: {what} in cycle {got[at]}, the model says {cycles[at]}" for at in wrong[:1]]
    return problems


def check_record(cfg: HardwareConfig, tiles: Sequence[TileJob], record: dict[str, np.ndarray], pattern: str,
                 at_speed: bool = False, sent: Mapping[str, np.ndarray] | None = None) -> EngineRun:
    """Compare one recorded run with the golden model and with the schedule model, which is told how the streams came.

    Args:
        at_speed: the streams came as fast as the engine could use them: each counter is also what it is if they are always ready.
        sent: what :func:`streams_to_send` gives for ``tiles``, if it is known already.
    """
    problems, began = [], time.process_time()
    if sent is None:
        sent = streams_to_send(cfg, tiles)
    for name, values in sent.items():
        if not np.array_equal(values, record[name]):
            problems.append(f"the engine's port saw other {name} than was sent")
    seen = list(tiles)
    if not problems:
        try:
            seen = observed_tiles(cfg, record)
        except ValueError as error:
            problems.append(str(error))
    golden = [run_tile(cfg, tile) for tile in seen]
    expected = torch.cat([g.out for g in golden]).to(torch.int64)
    expected_empty = torch.cat([g.empty for g in golden])
    out = torch.from_numpy(record["o_data"])
    empty = torch.from_numpy(record["o_empty"]).bool()
    if len(out) != len(expected):
        problems.append(f"{len(out)} rows came, {len(expected)} were expected")
        mismatches = torch.ones(len(expected), dtype=torch.int64)
    else:
        mismatches = (out != expected).sum(-1) + (empty != expected_empty)
        ends = np.cumsum([t.q.shape[0] for t in seen]) - 1
        if not np.array_equal(np.flatnonzero(record["o_last"]), ends):
            problems.append("last is not on each tile's last row")
    problems += _check_requests(golden, record)
    if record["error_v_count"]:
        problems.append("the engine reports that K and V disagree on the keys of a block")
    counters = dict(zip(COUNTERS, record["counters"].tolist(), strict=True))
    try:
        prediction = predict_run(cfg, seen, golden, recorded_pace(record))
        problems += _check_handshakes(prediction, record)
    except (ValueError, IndexError) as error:
        problems.append(f"the schedule model cannot follow the run: {error}")
        prediction = predict_run(cfg, seen, golden)
    for name, value in prediction.counters.items():
        if counters[name] != value:
            problems.append(f"counter {name} is {counters[name]}, the model says {value}")
    if at_speed:
        ideal = predict_run(cfg, seen, golden).counters
        problems += [f"counter {name} is {prediction.counters[name]} at the pace of the streams, {ideal[name]} at full speed"
                     for name in TIMING_COUNTERS if prediction.counters[name] != ideal[name]]
    for name in COUNTERS:
        if f"pins_{name}" in record and counters[name] != record[f"pins_{name}"]:
            problems.append(f"counter {name} is {counters[name]}, the pins say {record[f'pins_{name}']}")
    taken = {name: (record[f"{name}_cycle"] - record["q_cycle"][0]).tolist() for name in ("q", "k", "v", "o", "decision")}
    return EngineRun(pattern, out.to(torch.int16), empty, golden, mismatches, counters, prediction.counters, problems, taken,
                     simulated_seconds=float(record["seconds"]) if "seconds" in record else None,
                     check_seconds=time.process_time() - began)


def _sample(cfg: HardwareConfig, runs: Sequence[EngineRun], records: Mapping[str, dict[str, np.ndarray]], file: Path) -> None:
    """Functional coverage of right runs, from what the monitors saw."""
    coverage = new_coverage()
    for run in runs:
        record = records[run.pattern]
        sample_run(coverage, cfg, observed_tiles(cfg, record), run.golden, record)
    coverage.save(file)


def run_core(cfg: HardwareConfig, tiles: Sequence[TileJob], patterns: Sequence[str] = ("none",),
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
        cycles = schedule(cfg, [(t.q.shape[0], t.k.shape[0]) for t in tiles], [t.fused for t in tiles])["cycles"]
        budget = 40 * cycles // (1 if slow or set(patterns) - {"none"} else 10) + 4000
    place = Path(os.environ.get("FCIM_RUNS") or os.environ.get(WORK) or ROOT / "build")
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix="engine-") as folder:
        file = Path(folder) / "streams.npz"
        np.savez(file, **(sent if streams is None else streams))
        environment = {"ENGINE_STREAMS": str(file), "ENGINE_RECORD": f"{folder}/record-{{pattern}}.npz",
                       "ENGINE_PATTERNS": ",".join(patterns), "ENGINE_BUDGET": str(budget),
                       "ENGINE_SLOW": json.dumps(dict(slow or {})), "ENGINE_POS_BITS": str(cfg.pos_bits), **options.extra_env}
        if watch:
            environment["ENGINE_WATCH"] = "1"
        if progress is not None:
            environment["ENGINE_PROGRESS"] = str(progress)
        top, sources = "fcim_core", options.sources
        if bench == BENCHES["files"]:
            top, sources = "tb_core", [*(rtl_files() if sources is None else sources), *PLAYER]
        result = run_bench(top, bench, cfg.verilog_parameters(), replace(options, sources=sources, extra_env=environment))
        records = {p: dict(np.load(f"{folder}/record-{p}.npz")) for p in patterns}
    runs = [check_record(cfg, tiles, record, pattern, pattern == "none" and not slow, sent)
            for pattern, record in records.items()]
    if result.waves is None and all(run.ok for run in runs):    # nothing there that anybody would look for
        shutil.rmtree(result.log.parent, ignore_errors=True)
    for run in runs:
        run.waves = result.waves
    if (folder := coverage_folder()) and options.sources is None and all(run.ok for run in runs):
        _sample(cfg, runs, records, folder / f"engine-{result.log.parent.name}-{options.seed or 0}.cover.json")
    return runs
