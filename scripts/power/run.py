"""Operands, gates and measurements of the blocks that were asked for, several blocks at a time."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.tensors.packaged import MODELS, model_file
from scripts.flow.gates.energies import Behaviours, load_behaviours
from scripts.flow.gates.yosys import YosysFailed
from scripts.flow.progress import Told
from scripts.power.measure import SWEPT, Measured, measure
from scripts.power.streams import BLOCKS, KINDS, Kind, Stream
from scripts.synth.elaborate import elaborate_module
from scripts.synth.libraries import Chosen, choose
from scripts.synth.netlists import flat

Streams = dict[str, tuple[Stream, list[str]]]
"""Of each block its stream, and of each lane of that the source."""
LANES = 32              # tiles of a source
ARRAYS = ("ip_array", "op_array")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Source:
    """Where operands come from; ``missing`` says why there are none."""

    name: str
    checkpoint: str | None
    missing: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of it; a block that failed is a line of ``problems``."""

    measured: list[Measured]
    problems: list[str]


def kinds_of(names: Sequence[str]) -> list[str]:
    """Blocks by their names, with or without the prefix, all of them if there is none.

    Raises:
        FcimError: a block that is not measured.
    """
    found = [name.removeprefix("fcim_") for name in names]
    for name in found:
        if name not in KINDS:
            raise FcimError(f"TOP = '{name}' is no block whose energy is measured; use {', '.join(KINDS)}")
    return list(dict.fromkeys(found)) or list(KINDS)


def sources_of(checkpoint: str | None, model: str | None) -> list[Source]:
    """The checkpoint that is given; without one the fixture model, and the packaged ones that were fetched before."""
    if checkpoint:
        return [Source(model or Path(checkpoint).name, checkpoint)]
    return [Source("fixture", None), *(
        Source(name, str(model_file(name)), "" if model_file(name).is_file() else f"was never fetched; MODEL={name} does it")
        for name in MODELS)]


def blocks() -> Mapping[str, Kind]:
    """What is measured by its name, here the blocks of the engine."""
    return KINDS


def streams_of(cfg: EngineConfig, sources: Sequence[Source], kinds: Sequence[str], tokens: int, told: Told,
               known: Callable[[], Mapping[str, Kind]] = blocks) -> Streams:
    """What every block gets.

    Raises:
        FcimError: a checkpoint cannot be used, or is too short.
    """
    from scripts.power.operands import swept, walks  # late: it loads PyTorch

    lanes = []
    for source in sources:
        if not source.missing:
            told(f"operands of {source.name}", 0, 1)
            lanes += [(source.name, tile) for tile in walks(cfg, source.checkpoint, tokens, BLOCKS + 1, LANES)]
    more = [(SWEPT, tile) for tile in swept(cfg, BLOCKS)] if set(kinds) & set(ARRAYS) else []
    found = {}
    for kind in kinds:
        chosen = lanes + more if kind in ARRAYS else lanes
        found[kind] = known()[kind].stream(cfg, [tile for _, tile in chosen]), [name for name, _ in chosen]
    return found


@cache
def _library(given: str) -> tuple[Chosen, Behaviours]:
    library = choose(given)
    return library, load_behaviours(library.file, library.settings.slew)


def _gates(known: Callable[[], Mapping[str, Kind]], name: str, cfg: EngineConfig, given: str, folder: Path) -> Path:
    """The gates of a block's slice; the folder that holds them."""
    library, _ = _library(given)
    kind = known()[name]
    found = elaborate_module(kind.top, kind.slice_of(cfg), folder / "rtl" / f"power-{cfg.name}-{name}", f"at {cfg.name}",
                             more=kind.files)
    return flat(kind.top, found, library, folder / "gates")


def _measure(known: Callable[[], Mapping[str, Kind]], name: str, cfg: EngineConfig, given: str, place: Path, stream: Stream,
             lanes: Sequence[str]) -> Measured:
    return measure(known()[name], cfg, place, *_library(given), stream, lanes)


def run(cfg: EngineConfig, given: str, kinds: Sequence[str], streams: Streams, folder: Path, jobs: int, told: Told,
        known: Callable[[], Mapping[str, Kind]] = blocks) -> Outcome:
    """Synthesize and measure.

    Args:
        given: what LIB says.
        folder: gates stay in it, in the same place as those of ``make synth``.
        jobs: how many blocks at a time.
        told: called with a line, how much is done and how much there is.
        known: of a module, so that another process can call it too.
    """
    for name in THREADS:        # small matrices: threads only wait for one another
        os.environ[name] = "1"
    problems: list[str] = []
    found: dict[str, Measured] = {}
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    running: dict[Future, tuple[str, bool]] = {pool.submit(_gates, known, kind, cfg, given, folder): (kind, False)
                                               for kind in kinds}
    done, total = 0, 2 * len(kinds)
    try:
        while running:
            for job in wait(running, return_when=FIRST_COMPLETED).done:
                kind, measured = running.pop(job)
                done += 1
                try:
                    if measured:
                        found[kind] = job.result()
                        line = ", ".join(f"{cost.source} {cost.total:,.1f} fJ" for cost in found[kind].costs
                                         if cost.source != SWEPT)
                    else:
                        running[pool.submit(_measure, known, kind, cfg, given, job.result(), *streams[kind])] = kind, True
                        line = "synthesized"
                except (YosysFailed, FcimError) as failure:
                    problems.append(f"{kind}: {failure}")
                    line, done = "failed", done + (not measured)
                told(f"{kind}: {line}", done, total)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return Outcome([found[kind] for kind in kinds if kind in found], problems)
