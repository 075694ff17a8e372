"""Attention calls through the whole accelerator, memory in and memory out, larger than its tests have.

Parameters: ``what``: "random" (calls of every kind on a system and a memory that the seed chooses), "slow" (calls on a memory
that gives two beats in seven cycles, 200 cycles late), "quick" (the same calls on a memory that never waits), "decode" (a token
behind 4,095 others on eight small engines, ``split`` of them to a KV head), "sixteen" (a call of each kind on sixteen small
engines), "events" (what happens around calls: all of ``tb/accelerator/bench_events.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.hardware.schedules import TileOptions
from models.system.call import Call
from models.system.config import SystemConfig
from scripts.flow.regress.job import Job, Outcome
from scripts.flow.simulator import BenchFailed, RunOptions, coverage_folder
from tb.accelerator.events import TESTS, run_events
from tb.accelerator.run import Pace, run_calls
from tb.core.configs import small
from tb.core.sequences import random_group

KEYS = 4096             # of a decode


def random_system(draw: np.random.Generator) -> SystemConfig:
    """Any legal system of small engines."""
    dim = int(draw.choice([16, 32, 64]))
    engine = EngineConfig("random", rows=8 * int(draw.integers(1, 3)), head_dim=dim, bits_per_cycle=int(draw.choice([2, 4, 8])),
                          keys_per_block=int(draw.choice([8, 16])), prob_bits=int(draw.integers(12, 19)), max_keys=512)
    engines = int(draw.choice([1, 2, 4]))
    least, burst = 2 * max(engines, 2) * engine.keys_per_block, 1 << int(draw.integers(6))
    return SystemConfig("random", engine, engines, buffer_keys=least << int(draw.integers(2)),
                        data_bits=int(draw.choice([bits for bits in (128, 256, 512) if bits <= 8 * dim])), max_burst=burst,
                        outstanding=int(draw.integers(1, 9)), read_beats=burst << int(draw.integers(3)),
                        o_rows=1 << int(draw.integers(7)))


def random_call(system: SystemConfig, draw: np.random.Generator) -> Call:
    """A call of any kind that the system takes."""
    cfg, buffer = system.engine, system.buffer_keys
    kind, heads, group = int(draw.integers(3)), int(draw.integers(1, 6)), int(draw.integers(1, 5))
    split = None
    if kind == 0:               # in the buffer
        tokens = int(draw.integers(1, min(buffer, 3 * cfg.rows) + 1))
        first = int(draw.integers(buffer - tokens + 1))
    elif kind == 1:             # beyond it
        tokens = int(draw.integers(1, 3 * cfg.rows + 1))
        first = int(draw.integers(max(buffer - tokens + 1, 0), cfg.max_keys - tokens + 1))
    else:
        tokens = int(draw.integers(1, cfg.rows // group + 1))
        first, split = int(draw.integers(cfg.max_keys - tokens + 1)), 1 << int(draw.integers(system.engines.bit_length()))
    options = TileOptions(fused=bool(draw.integers(2)), skip=bool(draw.integers(2)), octaves=int(draw.integers(32)),
                          tau=int(draw.integers(3)))
    groups = [random_group(cfg, draw, group, tokens, first + tokens, kind="peaked") for _ in range(heads)]
    return Call(groups, options, kind == 0 and bool(draw.integers(2)), split)


def random_pace(draw: np.random.Generator) -> Pace:
    """A memory of any speed."""
    beats = int(draw.integers(1, 9))
    return Pace(int(draw.integers(2, 300)), *((0, 0) if draw.integers(3) == 0 else (beats, int(draw.integers(beats, 4 * beats)))))


def _calls_for(system: SystemConfig, draw: np.random.Generator,
               shapes: Sequence[tuple[int, int, int, int, int | None]]) -> Iterator[Call]:
    """Calls that skip blocks; a shape: KV heads, query heads of each, tokens, keys before them, split. What fits the buffer
    behind other keys begins with a start of its own."""
    for heads, group, tokens, first, split in shapes:
        groups = [random_group(system.engine, draw, group, tokens, first + tokens, kind="peaked") for _ in range(heads)]
        own_start = split is None and 0 < first <= system.buffer_keys - tokens
        yield Call(groups, TileOptions(fused=True, skip=True, octaves=3), own_start, split)


def _calls(job: Job, draw: np.random.Generator) -> tuple[SystemConfig, list[Call], Pace, int]:
    what, options = job.parameters.get("what"), TileOptions(fused=True)
    if what == "random":
        system = random_system(draw)
        return system, [random_call(system, draw) for _ in range(6)], random_pace(draw), int(draw.choice([1, 2, 3, 6]))
    if what in ("slow", "quick"):
        system = SystemConfig("slow", small(8, head_dim=32, max_keys=128), engines=2, buffer_keys=32, data_bits=128, max_burst=8,
                              outstanding=4, read_beats=32)
        rows = system.engine.rows
        shapes = [(2, 4, rows, 0, None), (2, 3, rows + 1, 11, None), (2, 4, rows + 1, 32, None), (1, 4, 3, 125, None),
                  (3, 4, 1, 60, 1), (5, 2, 3, 77, 2)]
        return system, list(_calls_for(system, draw, shapes)), Pace(200, 2, 7) if what == "slow" else Pace(2), 1
    if what == "sixteen":
        system = SystemConfig("sixteen", small(8, max_keys=512), engines=16, buffer_keys=256, data_bits=128, outstanding=8)
        shapes = [(1, 1, 160, 0, None), (1, 1, 128, 200, None), (2, 2, 1, 420, 16)]
        return system, list(_calls_for(system, draw, shapes)), Pace(), 1
    if what == "decode":
        system = SystemConfig("decode", small(8, max_keys=KEYS), engines=8, buffer_keys=256, data_bits=128, outstanding=16)
        groups = [random_group(system.engine, draw, 4, 1, KEYS, kind="peaked") for _ in range(3)]
        return system, [Call(groups, options, split=int(str(job.parameters["split"])))], Pace(60), 1
    raise FcimError(f"what = '{what}' is unknown; use random, slow, quick, sixteen, decode or events")


def _events(job: Job) -> Outcome:
    options = RunOptions(sim=job.sim, seed=job.seed, waves=job.waves, repeat=job.repeat)
    try:
        result = run_events(np.random.default_rng(job.seed), options)
    except BenchFailed as failure:
        return Outcome(False, str(failure), log=failure.result.log, waves=failure.result.waves)
    return Outcome(result.passed == TESTS, f"{result.passed} of {TESTS} tests ran" if result.passed != TESTS else "",
                   tests=result.passed, log=result.log, waves=result.waves)


def run(job: Job) -> Outcome:
    """The calls of one job, against the golden results of their tiles.

    Raises:
        FcimError: an unknown ``what``.
    """
    if job.parameters.get("what") == "events":
        return _events(job)
    system, calls, pace, at_once = _calls(job, np.random.default_rng(job.seed))
    metrics: dict[str, int | float | str] = {"engines": system.engines, "calls": len(calls)}
    options = RunOptions(sim=job.sim, seed=job.seed, waves=job.waves, repeat=job.repeat)
    # by blocks no lines are counted, but only so are many engines built in time
    by_block = job.sim == "verilator" and system.engines > 1 and (system.engines > 4 or not coverage_folder())
    try:
        runs = run_calls(system, calls, pace, at_once, run=options, by_block=by_block)
    except BenchFailed as failure:
        return Outcome(False, f"{failure}\n{system}\n{pace}", metrics, log=failure.result.log, waves=failure.result.waves)
    problems = [problem for one in runs for problem in one.problems]
    cycles = [one.cycles for one in runs]
    digest = hashlib.sha256(b"".join(out.tobytes() for one in runs for out in one.outs) + repr(cycles).encode())
    return Outcome(not problems, "\n".join([*problems, f"{system}", f"{pace}"]) if problems else "",
                   metrics | {"cycles": sum(cycles)}, digest.hexdigest()[:16], tests=len(calls))
