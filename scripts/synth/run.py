"""All blocks of some configurations: synthesized several at a time, then timed, children before parents."""

from __future__ import annotations

import json
import lzma
import multiprocessing
from collections.abc import Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from models.errors import FcimError
from models.hardware.config import EngineConfig
from scripts.flow.gates.netlist import netlist_of
from scripts.flow.gates.yosys import YosysFailed
from scripts.flow.progress import Told
from scripts.synth.block import KEPT, Gates, Timed, gates_key, synthesize, time_block, timing_key
from scripts.synth.elaborate import MEMORIES, OTHER_TOPS, PREFIX, TOPS, Block, elaborate, elaborate_other
from scripts.synth.libraries import Chosen, choose
from scripts.synth.ready import MADE_OF_BLOCKS, Chain, chains, of_block
from scripts.synth.record import BlockResult, Result


@dataclass
class _Part:
    """A configuration under way, or a top of its own, whose name is its configuration's."""

    config: str
    blocks: dict[str, Block]
    tops: tuple[str, ...]
    keys: dict[str, str]
    gates: dict[str, Gates] = field(default_factory=dict)
    timed: dict[str, Timed] = field(default_factory=dict)
    times: dict[str, str] = field(default_factory=dict)       # keys of the timings


@dataclass(frozen=True)
class Outcome:
    """What came of it; a block that failed, and those above it, are in no result."""

    results: list[Result]
    problems: list[str]


def tops_of(names: Sequence[str], blocks: Collection[str]) -> tuple[str, ...]:
    """Blocks by their names, with or without the prefix; without a name the engine and the units beside it.

    Raises:
        FcimError: there is no such block.
    """
    found = []
    for name in names or TOPS:
        full = name if name.startswith(PREFIX) else PREFIX + name
        sizes = [block for block in blocks if full in MEMORIES and block.startswith(f"{full}_")]
        if full not in blocks and sizes:
            found += sizes
            continue
        if full not in blocks:
            known = ", ".join(sorted(block.removeprefix(PREFIX) for block in blocks))
            raise FcimError(f"TOP = '{name}' is no block; use {known}")
        found.append(full)
    return tuple(dict.fromkeys(found))


def _below(tops: Sequence[str], blocks: dict[str, Block]) -> dict[str, Block]:
    """The tops and what is in them, children before parents."""
    needed: set[str] = set()

    def add(name: str) -> None:
        needed.add(name)
        for child in blocks[name].children.values():
            add(child)

    for top in tops:
        add(top)
    return {name: block for name, block in blocks.items() if name in needed}


_library = cache(choose)        # once for each process


def _synthesize(block: Block, given: str, place: Path) -> Gates:
    return synthesize(block, _library(given), place)


def _time(block: Block, given: str, place: Path, key: str, children: dict[str, Timed]) -> Timed:
    return time_block(block, _library(given), place, key, children)


def run(configs: Sequence[EngineConfig], given: str, names: Sequence[str], folder: Path, jobs: int, told: Told) -> Outcome:
    """Synthesize and time.

    Args:
        configs: the configurations.
        given: what LIB says.
        names: what TOP says; a top that no configuration has is synthesized once, at its own parameters.
        folder: what is found stays in it, so that only what has changed is done again.
        jobs: how many blocks at a time.
        told: called with a line, how much is done and how much there is.

    Raises:
        FcimError: an unknown top, a library that cannot be used, or RTL that cannot be elaborated.
    """
    library = _library(given)
    parts = []
    others = [top for top in OTHER_TOPS if {top, top.removeprefix(PREFIX)} & set(names)]
    left = [name for name in names if PREFIX + name.removeprefix(PREFIX) not in others]
    for cfg in configs if left or not names else ():
        told(f"{cfg.name}: reading the RTL", 0, 1)
        blocks = elaborate(cfg, folder / "rtl" / cfg.name)
        parts.append(_part(cfg.name, blocks, tops_of(left, blocks), library))
    for top in others:
        config = top.removeprefix(PREFIX)
        told(f"{config}: reading the RTL", 0, 1)
        parts.append(_part(config, elaborate_other(top, folder / "rtl" / config), (top,), library))
    return _work(parts, library, given, folder / "gates", jobs, told)


def _part(config: str, blocks: dict[str, Block], tops: tuple[str, ...], library: Chosen) -> _Part:
    blocks = _below(tops, blocks)
    return _Part(config, blocks, tops, {name: gates_key(block, library) for name, block in blocks.items()})


def _work(parts: list[_Part], library: Chosen, given: str, folder: Path, jobs: int, told: Told) -> Outcome:
    total = 2 * sum(len(part.blocks) for part in parts)
    problems: list[str] = []
    running: dict[Future, tuple[_Part, str, bool]] = {}
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))

    def place(part: _Part, name: str) -> Path:
        return folder / f"{name}-{part.keys[name]}"

    def time_ready() -> None:
        """Start the timing of what has its gates and its children's timings, once."""
        for part in parts:
            for name, block in part.blocks.items():
                below = set(block.children.values())
                if name in part.gates and name not in part.times and below <= part.timed.keys():
                    part.times[name] = timing_key(part.keys[name], {child: part.times[child] for child in sorted(below)})
                    job = pool.submit(_time, block, given, place(part, name), part.times[name],
                                      {child: part.timed[child] for child in below})
                    running[job] = part, name, True

    try:
        largest = sorted(((part, block) for part in parts for block in part.blocks.values()), key=lambda item: -item[1].size)
        for part, block in largest:
            running[pool.submit(_synthesize, block, given, place(part, block.name))] = part, block.name, False
        done = 0
        while running:
            for job in wait(running, return_when=FIRST_COMPLETED).done:
                part, name, is_timing = running.pop(job)
                done += 1
                try:
                    if is_timing:
                        part.timed[name] = timed = job.result()
                        line = f"longest path {timed.worst.ps:,.0f} ps" if timed.worst else "no path"
                    else:
                        part.gates[name] = gates = job.result()
                        line = f"{gates.cells:,} cells, {gates.area:,.0f} um2 ({gates.seconds:.0f} s)"
                except (YosysFailed, FcimError) as failure:
                    problems.append(f"{part.config}: {name}: {failure}")
                    line = "failed"
                told(f"{part.config}: {name.removeprefix(PREFIX)}, {line}", done, total)
            time_ready()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return Outcome([_result(part, library, folder) for part in parts], problems)


def _chains(part: _Part, library: Chosen, folder: Path) -> dict[str, Chain]:
    """The longest chain of ready in each module that is made of blocks."""
    arcs, found = {}, {}
    for name in part.blocks:
        if name not in part.timed:
            continue
        if name in MADE_OF_BLOCKS:
            with lzma.open(folder / f"{name}-{part.keys[name]}" / KEPT, "rt") as text:
                netlist = netlist_of(json.load(text), name)
            arcs[name], found[name] = chains(netlist, library.cells, arcs)
        else:
            arcs[name] = of_block(part.timed[name].model.through)
    return found


def _result(part: _Part, library: Chosen, folder: Path) -> Result:
    """What is complete: blocks whose children are."""
    blocks = {name: BlockResult(name, block.children, part.gates[name], part.timed[name])
              for name, block in part.blocks.items() if name in part.timed}
    return Result(part.config, library, blocks, tuple(top for top in part.tops if top in blocks),
                  _chains(part, library, folder))
