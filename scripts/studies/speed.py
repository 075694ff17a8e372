"""How fast the engine is, as a share of the ideal cycles, and how fast the simulators run it.

All runs of simulators do the same kind of work, causal heads of random int8 tensors, and every output bit is compared with the
golden model. All times are CPU seconds, each measured where it is spent, so that other work on the machine does not count.
Beside them the same attention in NumPy, with the int8 operands as float32 (products and sums are exact), as the floor of what
the arithmetic costs.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import TypeVar

import numpy as np

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from models.hardware.interface import CORE
from models.hardware.schedules import DEFAULT_OPTIONS
from models.hardware.tile import TileJob
from models.hardware.tiling import build_tiles, tokens_per_tile
from models.hardware.timeline import predict, predict_cycles
from scripts.flow.bench_environment import own_environment
from scripts.flow.processes import WORK
from scripts.flow.simulator import FAST_ARRAYS, FASTEST_ARGS, RunOptions, require_simulator
from scripts.flow.sources import ROOT, rtl_files
from scripts.flow.tables import Column, Table
from tb.core.played import idle_cycles, read_beats, write_sink, write_source
from tb.core.run import BENCHES, PLAYER, run_core
from tb.core.sequences import random_group
from tb.core.transactions import stream_arrays

GROUPS = (1, 3, 4, 8, 16)   # query heads on a KV head
BLOCKS = (16, 32, 64)       # keys per block
FULL, SHORT = 2048, 128     # tokens of the head for the fast simulator, and for what is slow
T = TypeVar("T")
ALONE = ROOT / "tb" / "hdl" / "alone" / "tb_core_alone.v"


def share_of_ideal(cfg: EngineConfig, group: int, tokens: int, fused: bool = DEFAULT_OPTIONS.fused) -> float:
    """Causal prefill of ``tokens`` tokens with ``group`` query heads a KV head: ideal cycles / predicted cycles;
    ``fused`` if every tile is. Nothing else of an order moves cycles."""
    step = tokens_per_tile(cfg, group)
    shapes = [(min(step, tokens - first) * group, min(first + step, tokens)) for first in range(0, tokens, step)]
    return cfg.cycles_per_key * sum(keys for _, keys in shapes) / predict_cycles(cfg, shapes, [fused] * len(shapes))["cycles"]


def share_table(base: EngineConfig, tokens: int) -> Table:
    """The shares in percent, a row per block size that ``base`` can have, a column per group size."""
    table = Table([Column("keys per block"), *(Column(f"group {group}") for group in GROUPS)],
                  f"share of the ideal cycles, prefill of {tokens} tokens, configuration {base.name}")
    for block in (size for size in BLOCKS if size <= base.head_dim):
        cfg = replace(base, keys_per_block=block)
        cells = ["-" if group > cfg.rows else f"{100 * share_of_ideal(cfg, group, tokens):.2f} %" for group in GROUPS]
        table.add(str(block), *cells)
    return table


@dataclass
class Line:
    """One row of the table; all times are CPU seconds of the run after the build.

    ``simulator``: of the simulator's process, with the bench's Python inside; None where there is none. ``playing``: of that,
    what passed between the first cycle and the last while Python only waited; None where Python drives every beat, since no
    clock tells the two apart then. ``python``: of this program, which writes the streams, runs the golden model and compares.
    """

    name: str
    tokens: int
    cycles: int
    macs: int
    simulator: float | None
    python: float
    playing: float | None = None

    @property
    def seconds(self) -> float:
        """Everything."""
        return (self.simulator or 0.0) + self.python

    @property
    def cycles_per_second(self) -> float:
        """Simulated clock cycles."""
        return self.cycles / self.seconds

    @property
    def macs_per_second(self) -> float:
        """INT8 multiply-accumulates of QK^T and PV that the tiles hold."""
        return self.macs / self.seconds


@dataclass
class Spent:
    """CPU seconds of a piece of work: of this program, and of the programs that it started and waited for."""

    own: float
    children: float


def spent(work: Callable[[], T]) -> tuple[T, Spent]:
    """What a piece of work gives, and what it cost."""
    own, before = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    result = work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return result, Spent(time.process_time() - own, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def head(cfg: EngineConfig, tokens: int, seed: int) -> list[TileJob]:
    """The tiles of one causal head of ``tokens`` tokens."""
    return build_tiles(cfg, random_group(cfg, np.random.default_rng([seed, tokens]), 1, tokens, kind="outliers"))


def mac_count(tiles: Sequence[TileJob]) -> int:
    """Multiply-accumulates of both products over all rows and keys of the tiles."""
    return sum(2 * t.q.shape[0] * t.k.shape[0] * t.k.shape[1] for t in tiles)


def under_cocotb(name: str, cfg: EngineConfig, tokens: int, seed: int, sim: str, feed: str,
                 build_args: Sequence[str] | None = None) -> Line:
    """A checked run through :func:`run_core`, after one that makes sure that the build is there.

    Raises:
        FcimError: the run was wrong; a benchmark of wrong results means nothing.
    """
    options, bench = RunOptions(sim=sim, seed=seed, build_args=build_args), BENCHES[feed]
    run_core(cfg, head(cfg, 16, seed), options=options, bench=bench)
    tiles = head(cfg, tokens, seed)
    (run,), cost = spent(lambda: run_core(cfg, tiles, options=options, bench=bench))
    if not run.ok:
        raise FcimError(f"{name}: the RTL differs from the golden model; run: make test")
    return Line(name, tokens, run.counters["cycles"], mac_count(tiles), cost.children, cost.own, run.simulated_seconds)


def alone(name: str, cfg: EngineConfig, tokens: int, seed: int) -> Line:
    """The same in Verilator without cocotb: a clock in Verilog, streams from files; nothing crosses the interface.

    Raises:
        FcimError: the build failed, or the output is wrong.
    """
    tiles = head(cfg, tokens, seed)
    streams, expected = stream_arrays(tiles), np.concatenate([run_tile(cfg, t).out.numpy() for t in tiles])
    with tempfile.TemporaryDirectory(prefix="fusioncim-", dir=os.environ.get(WORK)) as place:
        folder = Path(place)
        for stream in "qkv":
            beats = len(streams[f"{stream}_last"])
            write_source(folder / f"{stream}.bin", CORE[stream], cfg, streams, idle_cycles(None, beats))
        for stream in ("o", "part", "decision"):
            write_sink(folder / f"{stream}_ready.bin", repeat((1 << 30, 0)))
        sources, build = [*rtl_files(), *PLAYER, ALONE], folder / "build"
        parameters = [f"-G{key}={value}" for key, value in cfg.verilog_parameters().items()]
        command = [require_simulator("verilator"), "--binary", "--timing", *FASTEST_ARGS, FAST_ARRAYS, *parameters,
                   "-Mdir", str(build), "--top-module", ALONE.stem, *sorted({f"-I{s.parent}" for s in sources}),
                   *map(str, sources)]
        with own_environment():
            built = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if built.returncode:
            raise FcimError(f"Verilator could not build {ALONE.name}:\n{built.stdout[-1500:]}")
        done, cost = spent(lambda: subprocess.run([build / f"V{ALONE.stem}", f"+rows={len(expected)}"], cwd=folder,
                                                  capture_output=True, text=True, check=False))
        got = read_beats(folder / "o_beats.bin", CORE["o"], cfg)
    if "error 0" not in done.stdout or not np.array_equal(got["o_data"], expected):
        raise FcimError(f"{name}: the RTL differs from the golden model; run: make test")
    return Line(name, tokens, predict(cfg, tiles)["cycles"], mac_count(tiles), cost.children, 0.0, cost.children)


def in_numpy(cfg: EngineConfig, tokens: int, seed: int) -> Line:
    """Causal attention of the same tiles in NumPy, int8 operands as float32, a softmax between the two products."""
    tiles = [(t.q.numpy().astype(np.float32), t.k.numpy().astype(np.float32), t.v.numpy().astype(np.float32),
              t.q_pos.numpy()[:, None] < t.k_pos.numpy()[None, :]) for t in head(cfg, tokens, seed)]
    factor = np.float32(1 / 4096)

    def attend() -> None:
        for q, k, v, hidden in tiles:
            scores = np.where(hidden, np.float32(-1e9), q @ k.T * factor)
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            _ = (weights @ v) / weights.sum(-1, keepdims=True)

    return Line("NumPy, same tiles, float32 BLAS", tokens, 0, mac_count(head(cfg, tokens, seed)), None, best_of(attend))


def best_of(work: Callable[[], None], runs: int = 3) -> float:
    """CPU seconds of the fastest run."""
    return min(spent(work)[1].own for _ in range(runs))


def speed_table(lines: Sequence[Line]) -> Table:
    """A row per run, with its speed against the first one's."""
    table = Table([Column("run", text=True, key=True), Column("tokens"), Column("cycles"), Column("CPU s"), Column("cycles/s"),
                   Column("INT8 MAC/s"), Column("against Icarus", rank=1), Column("simulator s"), Column("playing s", rank=2),
                   Column("Python s")], "CPU seconds after the build")
    for line in lines:
        times = ("" if x is None else f"{x:.2f}" for x in (line.simulator, line.playing, line.python))
        table.add(line.name, str(line.tokens), f"{line.cycles:,}" if line.cycles else "", f"{line.seconds:.2f}",
                  f"{line.cycles_per_second:,.0f}" if line.cycles else "", f"{line.macs_per_second / 1e6:,.1f} M",
                  f"{line.macs_per_second / lines[0].macs_per_second:,.1f}x", *times)
    return table
