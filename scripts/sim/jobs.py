"""The engine runs of a simulation: one per layer, KV group and phase, several at a time, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.hardware.schedules import TileOptions
from models.hardware.tile import QuantisedGroup
from models.hardware.tiling import assemble, build_tiles, ideal_cycles
from scripts.sim.record import WrongValue

if TYPE_CHECKING:
    from tb.core.checker import EngineRun

POLL_SECONDS = 0.5
LISTED = 100        # wrong values of a run that are listed one by one


@dataclass
class GroupJob:
    """One KV group of one layer in one phase; ``group`` is what the engine gets."""

    name: str
    layer: int
    kv_head: int
    phase: str
    heads: list[str]
    group: QuantisedGroup
    keys: int = 0           # keys of all its tiles: the unit of progress
    cycles: int = 0         # predicted; an upper bound where blocks are skipped
    options: TileOptions = field(default_factory=TileOptions)


@dataclass
class GroupOutcome:
    """What the engine gave for a job.

    ``output`` float32 ``[G, Tq, D]``, dequantised; ``mismatches`` int64 ``[G]``: output values (and empty flags) of each
    head that differ from the golden model; ``wrong`` bool ``[G, Tq, D]``: where they are, empty if nothing differs, and
    ``wrong_values`` the first of them; ``problems``: one line each; ``waves``: the waveform, if one was asked for.
    """

    tiles: int = 0
    ideal_cycles: int = 0
    output: torch.Tensor = field(default_factory=lambda: torch.zeros(0))
    mismatches: torch.Tensor = field(default_factory=lambda: torch.zeros(0))
    counters: dict[str, int] = field(default_factory=dict)
    predicted: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    wrong: torch.Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.bool))
    wrong_values: list[WrongValue] = field(default_factory=list)
    waves: Path | None = None


def find_wrong_values(run: EngineRun, name: str, heads: Sequence[str],
                      tokens: Sequence[int]) -> tuple[torch.Tensor, list[WrongValue]]:
    """Where a run's output differs from the golden model: bool ``[G, Tq, D]``, and the first ``LISTED`` values as they came out.

    ``tokens``: positions ``[Tq]`` of the query tokens; rows of the run are (token, head).
    """
    expected = torch.cat([g.out for g in run.golden]).long()
    wrong = run.out.long() != expected
    rows = [(tile, row) for tile, result in enumerate(run.golden) for row in range(len(result.out))]
    found = []
    for index in run.mismatches.nonzero().flatten().tolist():
        tile, row = rows[index]
        where = (name, heads[index % len(heads)], tile, row)
        token, cycle, empty = tokens[index // len(heads)], run.taken["o"][index], run.golden[tile].empty[row]
        if run.empty[index] != empty:
            found.append(WrongValue(*where, None, token, cycle, int(run.empty[index]), int(empty)))
        for channel in wrong[index].nonzero().flatten().tolist()[:LISTED]:
            found.append(WrongValue(*where, channel, token, cycle, int(run.out[index, channel]), int(expected[index, channel])))
        if len(found) >= LISTED:
            break
    return wrong.unflatten(0, (-1, len(heads))).transpose(0, 1), found[:LISTED]


def _work(folder: Path, cfg: EngineConfig, sim: str, seed: int, waves: bool, repeat: str) -> None:
    """Body of a worker process: job.pt in, outcome.pt out (files, so that no tensor crosses a process boundary).

    The simulator's log, streams and waveform go to ``folder`` too.
    """
    from models.hardware.tile import TileResult
    from scripts.flow.simulator import BenchFailed, RunOptions
    from tb.core.run import BENCHES, run_core

    torch.set_num_threads(1)
    os.environ["FCIM_RUNS"] = str(folder)
    job: GroupJob = torch.load(folder / "job.pt", weights_only=False)
    group = job.group
    tiles = build_tiles(cfg, group, **asdict(job.options))
    outcome = GroupOutcome(tiles=len(tiles), ideal_cycles=ideal_cycles(cfg, tiles))
    try:
        # under Icarus the RTL is what takes time; Verilator is so fast that beats driven by Python would
        bench = BENCHES["files" if sim == "verilator" else "python"]
        run = run_core(cfg, tiles, options=RunOptions(sim=sim, seed=seed, waves=waves, repeat=repeat),
                       progress=folder / "progress", bench=bench)[0]
    except BenchFailed as failure:
        outcome.problems = [line for line in str(failure).splitlines() if line.strip()]
    else:
        heads = group.q.shape[0]
        outcome.counters, outcome.predicted, outcome.problems = run.counters, run.predicted, run.problems
        outcome.mismatches, outcome.waves = run.mismatches.reshape(-1, heads).sum(0), run.waves
        if run.out.shape[0] == run.mismatches.shape[0]:
            outcome.output = assemble(group, [TileResult(run.out, run.empty)])
            if run.mismatches.any():
                outcome.wrong, outcome.wrong_values = find_wrong_values(run, job.name, job.heads, group.q_pos.tolist())
    torch.save(outcome, folder / "outcome.pt")


def _read_progress(folder: Path) -> int:
    try:
        return int((folder / "progress").read_text() or 0)
    except (OSError, ValueError):
        return 0


def run_jobs(jobs: Sequence[GroupJob], cfg: EngineConfig, sim: str, seed: int, waves: bool, repeat: str, folder: Path,
             workers: int, advance: Callable[[int, int], None]) -> list[GroupOutcome]:
    """Run every job in a folder of its own in ``folder``; ``advance(keys_done, jobs_done)`` is called about twice a second.

    A run whose process dies has that as its problem, and no output.

    Raises:
        FcimError: a simulator is missing, or the build failed.
    """
    folders = [folder / f"{i:03d}" for i in range(len(jobs))]
    for job, place in zip(jobs, folders, strict=True):
        place.mkdir(parents=True)
        torch.save(job, place / "job.pt")
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        # waves of the first run only: a waveform of every run would fill the disk
        futures: list[Future[None]] = [pool.submit(_work, place, cfg, sim, seed, waves and i == 0, repeat)
                                       for i, place in enumerate(folders)]
        while not all(f.done() for f in futures):
            time.sleep(POLL_SECONDS)
            for future in futures:
                if future.done() and isinstance(error := future.exception(), FcimError):
                    raise error
            keys = sum(job.keys if f.done() else _read_progress(place)
                       for job, f, place in zip(jobs, futures, folders, strict=True))
            advance(keys, sum(f.done() for f in futures))
        return [torch.load(place / "outcome.pt", weights_only=False) if (error := future.exception()) is None
                else GroupOutcome(problems=[f"the process of this run died: {error!r}"])
                for future, place in zip(futures, folders, strict=True)]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
