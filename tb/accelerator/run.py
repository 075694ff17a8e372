"""Runs attention calls through ``fcim_accelerator`` with its memory, and judges what comes back."""

from __future__ import annotations

import os
import pickle
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from models.hardware.interface import COUNTERS
from models.hardware.progress import TIMING_COUNTERS
from models.place import BUILD, PLACE
from models.system.call import Call, Placed, golden
from models.system.config import SystemConfig
from models.system.layout import lay_out
from models.system.timed.bus import Pace
from models.system.timeline import CallPrediction, predict_calls
from scripts.flow.processes import WORK
from scripts.flow.simulator import BUILD_ARGS, USUAL, RunOptions, coverage_folder, run_bench
from scripts.flow.sources import ROOT, rtl_files
from tb.accelerator.hierarchy import sources_by_block
from tb.accelerator.job import Job

TOP, BENCH = "tb_accelerator", "tb.accelerator.bench_accelerator"
COVERED = ROOT / "tb" / "accelerator" / "coverage.vlt"       # for Verilator: which files
SMALL_FUNCTIONS = ("--output-split", "8000", "--output-split-cfuncs", "800")   # which compile in far less time
HARNESS = (ROOT / "tb" / "hdl" / "tb_accelerator.v", ROOT / "tb" / "hdl" / "axi_memory.v")
SHARED_BITS = (18, 22)  # of a beat's number in memories that many runs share: 32 and 512 MB of 128 bytes each
QUICK = Pace()
# counters that do not depend on when streams are ready
COUNTED = ("keys", "blocks", "zero_blocks", "rescaled_rows", "rescale_amount", "saturations", "ip_bit_ops", "op_bit_ops",
           "skipped_blocks")


@dataclass(frozen=True)
class CallRun:
    """What came of a group of calls that were ordered at once: what is wrong, cycles of all calls, beats that the memory saw,
    blocks read from the buffer, each engine's counters by name, and O of each call. Wrong is too what differs from the model in
    time (:mod:`models.system.timeline`). ``seconds``: what the build, the simulation and the models took for all groups of a
    run together; the last two ran at the same time."""

    problems: list[str]
    cycles: int
    beats_read: int
    beats_written: int
    k_blocks: int
    v_blocks: int
    counters: list[dict[str, int]]
    outs: list[np.ndarray]
    seconds: Mapping[str, float]


T = TypeVar("T")


def _meanwhile(work: Callable[[], T]) -> Future[tuple[T, float]]:
    """What ``work`` gives, done in a thread that nobody waits for when this one ends early, and the seconds that it took."""
    future: Future[tuple[T, float]] = Future()

    def run() -> None:
        begin = time.monotonic()
        try:
            future.set_result((work(), time.monotonic() - begin))
        except BaseException as error:      # for whoever asks for the result
            future.set_exception(error)

    threading.Thread(target=run, name="golden", daemon=True).start()
    return future


def _models(system: SystemConfig, calls: Sequence[Call],
            pace: Pace) -> tuple[list[tuple[np.ndarray, list[Placed]]], list[CallPrediction]]:
    found = [golden(system, call) for call in calls]
    timed = predict_calls(system, [call.shape for call in calls], pace, [placed for _, placed in found])
    return [(out.numpy(), placed) for out, placed in found], timed


def _compare(calls: Sequence[Call], wanted: Sequence[tuple[np.ndarray, list[Placed]]], timed: Sequence[CallPrediction],
             record: dict[str, np.ndarray], start: int, seconds: Mapping[str, float]) -> CallRun:
    problems = []
    for number, (out, _) in enumerate(wanted, start):
        if status := int(record[f"status_{number}"]):
            problems.append(f"call {number} ended with status {status}")
        got = record[f"o_{number}"]
        if differ := int((got != out).sum()):
            problems.append(f"call {number}: {differ} of {out.size} elements of O differ")
    if errors := int(record[f"errors_{start}"]):
        problems.append(f"the errors' register holds {errors:#x}")
    counters = [dict(zip(COUNTERS, row.tolist(), strict=True)) for row in record[f"counters_{start}"]]
    for engine, found in enumerate(counters):
        mine = [one.result.stats for _, placed in wanted for one in placed if one.engine == engine]
        for name in COUNTED:
            if found[name] != (total := sum(getattr(stats, name) for stats in mine)):
                problems.append(f"engine {engine}: {name} is {found[name]} instead of {total}")
        for name in TIMING_COUNTERS:
            if found[name] != (total := sum(one.counters[engine][name] for one in timed)):
                problems.append(f"engine {engine}: {name} is {found[name]}, predicted {total}")
    for name, predicted in (("cycles", "cycles"), ("read_beats", "beats_read"), ("write_beats", "beats_written"),
                            ("k_blocks", "k_blocks"), ("v_blocks", "v_blocks"), ("rows", "rows")):
        if (counted := int(record[f"{name}_{start}"])) != (total := sum(getattr(one, predicted) for one in timed)):
            problems.append(f"{name} says {counted}, predicted {total}")
    read, written = record[f"beats_{start}"].tolist()
    for name, seen in (("read_beats", read), ("write_beats", written)):
        if (counted := int(record[f"{name}_{start}"])) != seen:
            problems.append(f"{name} says {counted}, the memory saw {seen}")
    return CallRun(problems, int(record[f"cycles_{start}"]), read, written, int(record[f"k_blocks_{start}"]),
                   int(record[f"v_blocks_{start}"]), counters,
                   [record[f"o_{number}"] for number in range(start, start + len(calls))], seconds)


def simulation(system: SystemConfig, room: int, ranges: int, run: RunOptions,
               by_block: bool) -> tuple[dict[str, int], RunOptions]:
    """Parameters of ``tb_accelerator`` and options for its build: more than ``room`` bytes of memory, ``ranges`` of them that
    may be written; ``by_block``: see :func:`run_calls`."""
    sources = list(run.sources) if run.sources is not None else rtl_files()
    arguments = list(run.build_args or BUILD_ARGS[run.sim or "icarus"])
    if by_block:
        sources, arguments = sources_by_block(system.engine, PLACE / run.build_root), [*arguments, "--hierarchical"]
        run = replace(run, samples_only=True)
    elif run.sim == "verilator" and coverage_folder():
        sources, arguments, run = [COVERED, *sources], [*arguments, *SMALL_FUNCTIONS], replace(run, apart=True)
    # a power of two, so that calls of about the same size share a build; where one takes minutes, nearly all do
    bits = (room // system.beat_bytes).bit_length()
    words = 1 << (next((size for size in SHARED_BITS if size >= bits), bits) if by_block else bits)
    parameters = {**system.verilog_parameters(), "WORDS": words, "RANGES": ranges}
    return parameters, replace(run, sources=[*sources, *HARNESS], build_args=arguments)


def cycle_budget(system: SystemConfig, keys: int) -> int:
    """Cycles in which tiles of ``keys`` keys altogether are far more than done."""
    return 100_000 + 40 * keys * system.engine.cycles_per_key


def run_calls(system: SystemConfig, calls: Sequence[Call], pace: Pace = QUICK, at_once: int = 1, stalls: bool = False,
              run: RunOptions = USUAL, by_block: bool = False, sample_cycles: int = 0, budget: int | None = None,
              samples: Path | None = None) -> list[CallRun]:
    """Calls through the accelerator, ``at_once`` of them in the ring at a time. The golden model works while they run.

    Args:
        by_block: build Verilator's model engine by engine: much quicker to build with many of them.
        stalls: of the registers' bus. samples: where the samples go, one every ``sample_cycles``.
        budget: cycles after which a run fails; by default far more than needed.

    Raises:
        FcimError: a call does not fit, or no simulator. BenchFailed: the bench itself failed.
    """
    layouts = [lay_out(system, call, 0, 0) for call in calls]
    size = max(sum(layout.o.end + 8192 for layout in layouts[i : i + at_once]) for i in range(0, len(calls), at_once)) + 65536
    keys = sum(call.stream_keys(system) for call in calls)
    wanted = _meanwhile(lambda: _models(system, calls, pace))
    job = Job(system, layouts, pace.latency, pace.rate_beats, pace.rate_cycles, at_once, stalls, sample_cycles,
              budget or cycle_budget(system, keys))
    place = Path(os.environ.get("FCIM_RUNS") or os.environ.get(WORK) or BUILD)
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix="accelerator-") as folder:
        file, record = Path(folder) / "job.pickle", Path(folder) / "record.npz"
        file.write_bytes(pickle.dumps(job))
        parameters, options = simulation(system, size, 1 + at_once, run, by_block)
        options = replace(options, extra_env={**run.extra_env, "ACCELERATOR_JOB": str(file), "ACCELERATOR_RECORD": str(record)})
        result = run_bench(TOP, BENCH, parameters, options)
        if samples is not None:
            (result.log.parent / "samples.hex").replace(samples)
        found = dict(np.load(record))
    (outs, timed), model_seconds = wanted.result()
    seconds = {"build": result.build_seconds, "simulation": result.run_seconds, "golden": model_seconds}
    return [_compare(calls[i : i + at_once], outs[i : i + at_once], timed[i : i + at_once], found, i, seconds)
            for i in range(0, len(calls), at_once)]
