"""What ``fcim_engine`` must ask for, and what is wrong with what it asked: beside the scoreboard of the core inside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from models.hardware.config import EngineConfig
from models.hardware.interface import ENGINE
from models.hardware.tile import TileResult
from tb.core.checker import EngineRun, check_record
from tb.core.transactions import Record
from tb.engine.sequences import Fetch


def expected_requests(cfg: EngineConfig, fetches: Sequence[Fetch], results: Sequence[TileResult]
                      ) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Requests for keys ``(start, count, last)`` and for values ``(start, count, last, first)``, those of blocks that run."""
    keys: list[tuple[int, ...]] = []
    values: list[tuple[int, ...]] = []
    for fetch, result in zip(fetches, results, strict=True):
        requests = [(*block, 0) for block in fetch.blocks(cfg)]
        requests[-1] = (*requests[-1][:2], 1)
        running = [block for block, ran in zip(requests, result.ran.tolist(), strict=True) if ran]
        keys += requests
        values += [(*block, int(i == 0)) for i, block in enumerate(running)]
    return keys, values


def most_ahead(asked: Sequence[int], decided: Sequence[int]) -> int:
    """The most blocks that were asked for and not decided, at the end of any cycle, from the cycles of both."""
    inside = np.searchsorted(asked, asked, side="right") - np.searchsorted(decided, asked, side="right")
    return int(inside.max())


def _problems(cfg: EngineConfig, fetches: Sequence[Fetch], results: Sequence[TileResult], record: Record,
              ahead: int) -> list[str]:
    """What is wrong with the requests and with their order, beside what the engine's check finds."""
    problems = []
    for name, want in zip(("kreq", "vreq"), expected_requests(cfg, fetches, results)):
        got = list(zip(*(record[f"{name}_{field}"].tolist() for field in ENGINE[name].names)))
        if got != want:
            at = next((i for i, pair in enumerate(zip(got, want)) if pair[0] != pair[1]), min(len(got), len(want)))
            problems.append(f"m_{name}: {len(got)} requests, {len(want)} expected; number {at} is {got[at:at + 1]}, "
                            f"expected {want[at:at + 1]}")
    if record["error_order"]:
        problems.append("error_order is up")
    if record["left_over"]:
        problems.append(f"{record['left_over']} words were asked for and not taken")
    if (most := most_ahead(record["kreq_cycle"], record["decision_cycle"])) > ahead:
        problems.append(f"{most} blocks were asked for ahead of their decision, {ahead} may be")
    return problems


def check_engine(cfg: EngineConfig, fetches: Sequence[Fetch], results: Sequence[TileResult], record: Record, pattern: str,
                 at_speed: bool, sent: Mapping[str, np.ndarray], ahead: int) -> EngineRun:
    """One recorded run, judged by the core's scoreboard and, for its requests, by this module.

    Args:
        results: what the golden model gives for the tiles. sent: their streams, see :meth:`tb.core.checker.Scoreboard.check`.
        ahead: BLOCKS_AHEAD.

    Returns:
        A run whose ``taken`` also has the streams tile, kreq and vreq.
    """
    run = check_record(cfg, [fetch.tile for fetch in fetches], record, pattern, at_speed, sent)
    run.problems += _problems(cfg, fetches, results, record, ahead)
    run.taken |= {name: (record[f"{name}_cycle"] - record["q_cycle"][0]).tolist() for name in ("tile", "kreq", "vreq")}
    return run
