"""Random accelerators and calls against the model in time, which every run is held to; and RTL that is right but takes longer."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from models.hardware.schedules import TileOptions
from models.system.call import Call
from models.system.config import SystemConfig
from models.system.timed.bus import Pace
from scripts.flow.simulator import RunOptions
from tb.accelerator.run import run_calls
from tb.accelerator.test_accelerator import SMALL, call_of, check
from tb.common.mutation import mutated_sources
from tb.core.configs import small

MOST_KEYS = 256
KINDS = ("resident", "own start", "cache", "streamed", "decode")
T = TypeVar("T")


def some(generator: np.random.Generator, *values: T) -> T:
    """One of them."""
    return values[int(generator.integers(len(values)))]


def random_system(generator: np.random.Generator) -> SystemConfig:
    """Up to four engines of any pace, with little room everywhere."""
    head_dim, bits = some(generator, 16, 32), some(generator, 1, 2, 4, 8)
    cfg = small(bits, rows=8 * int(generator.integers(1, 3)), head_dim=head_dim, max_keys=MOST_KEYS)
    engines, burst = some(generator, 1, 2, 4), some(generator, 1, 2, 4, 8, 16)
    least = 2 * max(engines, 2) * cfg.keys_per_block
    return SystemConfig("random", cfg, engines=engines, buffer_keys=some(generator, 1, 2) * least,
                        data_bits=some(generator, 128, 8 * head_dim), max_burst=burst,
                        outstanding=int(generator.integers(1, 17)), read_beats=max(burst, some(generator, 16, 32, 64)),
                        o_rows=some(generator, 1, 2, 4, 16, 64))


def random_pace(generator: np.random.Generator) -> Pace:
    """From a beat of each kind a cycle down to one in eight."""
    latency = int(generator.integers(1, 120))
    return some(generator, Pace(latency), Pace(latency, 1, 1), Pace(latency, int(generator.integers(1, 4)),
                                                                    int(generator.integers(2, 9))))


def random_call(system: SystemConfig, generator: np.random.Generator, kind: str) -> Call:
    """A call of a kind."""
    heads, group, room = int(generator.integers(1, 4)), int(generator.integers(1, 5)), system.buffer_keys
    options = TileOptions(fused=some(generator, False, True), skip=some(generator, False, True), octaves=some(generator, 0, 3))
    if kind == "decode":
        split = some(generator, *(1 << i for i in range(system.engines.bit_length())))
        tokens, first = int(generator.integers(1, 3)), int(generator.integers(0, 200))
        return call_of(system, generator, heads, group, tokens, first, split=split, options=options)
    tokens = int(generator.integers(1, min(room, 40) + 1))
    least, most = {"cache": (0, room - tokens), "streamed": (room - tokens + 1, MOST_KEYS - tokens)}.get(kind, (0, 0))
    first = int(generator.integers(least, min(most, least + 60) + 1))
    return call_of(system, generator, heads, group, tokens, first, kind == "own start", options=options)


def test_random_systems(seed: int, generator: np.random.Generator) -> None:
    for _ in range(2):
        system = random_system(generator)
        calls = [random_call(system, generator, kind) for kind in generator.permutation(KINDS).tolist()]
        check(run_calls(system, calls, random_pace(generator), run=RunOptions(seed=seed)), len(calls))


@pytest.mark.faults
def test_what_takes_longer_is_found(seed: int, generator: np.random.Generator, tmp_path: Path) -> None:
    """One command after the other to the memory: every bit is right."""
    sources = mutated_sources(tmp_path, "rtl/system/fcim_call_unit.v", ".COMMANDS(2 * OUTSTANDING)", ".COMMANDS(1)")
    calls = [call_of(SMALL, generator, 1, 4, 12, own_start=True)]
    (run,) = run_calls(SMALL, calls, run=RunOptions(seed=seed, sources=sources, build_root=tmp_path / "build"))
    assert run.problems and all("predicted" in problem for problem in run.problems)
