"""Runs the bench of what happens around calls, on the smallest accelerator."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.hardware.schedules import TileOptions
from models.place import BUILD
from models.system.call import Call, golden
from models.system.config import SystemConfig
from models.system.layout import lay_out
from scripts.flow.processes import WORK
from scripts.flow.simulator import BenchResult, RunOptions, run_bench
from tb.accelerator.job import Events, Known
from tb.accelerator.run import TOP, simulation
from tb.core.configs import small
from tb.core.sequences import random_group

BENCH = "tb.accelerator.bench_events"
SYSTEM = SystemConfig("events", small(8, max_keys=128), engines=2, buffer_keys=32, data_bits=128, max_burst=4, outstanding=4,
                      read_beats=32, o_rows=1)
ROOM, RANGES = 1 << 18, 8        # bytes of memory; regions that may be written
TESTS = 16


def known_calls(generator: np.random.Generator) -> dict[str, Known]:
    """A small call of each kind."""
    cfg, options = SYSTEM.engine, TileOptions(fused=True)
    calls = {"resident": Call([random_group(cfg, generator, 2, 9, 12) for _ in range(2)], options),
             "streamed": Call([random_group(cfg, generator, 2, 9, 36)], replace(options, skip=True, octaves=3)),
             "decode": Call([random_group(cfg, generator, 2, 1, 20) for _ in range(2)], options, split=2)}
    return {name: Known(lay_out(SYSTEM, call, 0, 0), golden(SYSTEM, call)[0].numpy()) for name, call in calls.items()}


@contextmanager
def _environment(generator: np.random.Generator) -> Iterator[dict[str, str]]:
    """The bench's, as long as it runs."""
    place = Path(os.environ.get("FCIM_RUNS") or os.environ.get(WORK) or BUILD)
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix="accelerator-") as folder:
        file = Path(folder) / "events.pickle"
        file.write_bytes(pickle.dumps(Events(SYSTEM, known_calls(generator))))
        yield {"ACCELERATOR_EVENTS": str(file)}


def run_events(generator: np.random.Generator, run: RunOptions, bench: str = BENCH) -> BenchResult:
    """The bench, or another one on the same accelerator.

    Raises:
        BenchFailed: a test failed. FcimError: no simulator.
    """
    parameters, options = simulation(SYSTEM, ROOM, RANGES, run, False)
    parameters["FAULTS"] = 1
    with _environment(generator) as environment:
        return run_bench(TOP, bench, parameters, replace(options, extra_env=environment))
