"""Several engines in one bench: each has a predictor and a scoreboard of its own, whatever order their runs end in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.hardware.config import EngineConfig
from models.hardware.tile import TileJob
from scripts.flow.simulator import RunOptions
from scripts.flow.sources import rtl_files
from tb.core.checker import Scoreboard, check_record
from tb.core.configs import BYTE, TINY
from tb.core.run import BENCHES, PLAYER, record_runs
from tb.core.sequences import flagged, random_tiles, vanishing_tiles
from tb.core.transactions import Record, Transactions, streams_to_send

Run = tuple[EngineConfig, list[TileJob], dict[str, Record]]


@pytest.fixture(scope="module")
def engines(run_seed: int) -> list[Run]:
    """Three engines, two of them alike, with tiles of their own; what their monitors saw without pauses and with them."""
    found = []
    for number, cfg in enumerate((TINY, BYTE, TINY)):
        generator = np.random.default_rng([run_seed, number])
        tiles = [*flagged(generator, random_tiles(cfg, generator, 2)), *vanishing_tiles(cfg, generator, 3)]
        options = RunOptions(seed=run_seed + number, sources=[*rtl_files(), *PLAYER])
        _, records = record_runs("tb_core", BENCHES["files"], cfg.verilog_parameters(), streams_to_send(cfg, tiles),
                                 ("none", "both"), 40_000, options)
        found.append((cfg, tiles, records))
    return found


def verdicts(engines: list[Run], broken: tuple[int, str] | None = None) -> list[Scoreboard]:
    """The runs of all engines in turn, one with a value of its output flipped."""
    boards = [Scoreboard(cfg) for cfg, _, _ in engines]
    for pattern in ("none", "both"):
        for number, (board, (_, tiles, records)) in enumerate(zip(boards, engines, strict=True)):
            seen = Transactions.of(records[pattern])
            if (number, pattern) == broken:
                seen = replace(seen, out=seen.out.clone())
                seen.out[0, 0] ^= 1
            board.check(tiles, seen, pattern, at_speed=pattern == "none")
    return boards


def test_each_engine_is_judged_as_if_it_were_alone(engines: list[Run]) -> None:
    for board, (cfg, tiles, records) in zip(verdicts(engines), engines, strict=True):
        assert [run.pattern for run in board.runs] == ["none", "both"]
        for run in board.runs:
            assert run.ok, run.problems
            alone = check_record(cfg, tiles, records[run.pattern], run.pattern, run.pattern == "none")
            assert (run.predicted, run.taken, run.counters) == (alone.predicted, alone.taken, alone.counters)


@pytest.mark.parametrize("broken", [(0, "none"), (1, "both"), (2, "none")])
def test_a_fault_of_one_engine_is_that_engines_alone(broken: tuple[int, str], engines: list[Run]) -> None:
    boards = verdicts(engines, broken)
    wrong = [(number, run.pattern) for number, board in enumerate(boards) for run in board.runs if not run.ok]
    assert wrong == [broken]


def test_another_engines_transactions_are_refused(engines: list[Run]) -> None:
    """Of the two that are alike: the scoreboard compares with the tiles that were sent to its own engine."""
    (cfg, tiles, _), _, (_, _, records) = engines
    run = Scoreboard(cfg).check(tiles, Transactions.of(records["none"]))
    assert "the engine's port saw other q_data than was sent" in run.problems


def test_nothing_is_shared(engines: list[Run]) -> None:
    boards = verdicts(engines)
    kept = [item for board in boards for item in (board.runs, board.predictor, *board.runs)]
    kept += [part for board in boards for run in board.runs for part in (run.problems, run.taken, run.counters, run.golden)]
    assert len({id(item) for item in kept}) == len(kept)
