"""Compares what an engine's monitors saw with what its models expect, and says what is wrong.

The models are fed with what the monitors saw at the engine's ports, not with what the drivers were told to send; that the two
agree is checked as well.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from models.hardware.config import EngineConfig
from models.hardware.progress import TIMING_COUNTERS
from models.hardware.tile import TileJob, TileResult
from scripts.flow.simulator import repeat_command
from tb.core.model import Expected, Predictor
from tb.core.transactions import Record, Transactions, chunk_arrays, streams_to_send

SHOWN = 3      # rows, and lanes of a row, that a message shows


@dataclass
class EngineRun:
    """One pattern's outcome.

    ``out`` int16 ``[rows, D]`` and ``empty`` bool ``[rows]`` as the engine gave them, without the rows of partial tiles, whose
    chunks ``part`` has (:func:`tb.core.transactions.chunk_arrays`); ``golden`` what the model gives for the monitored inputs;
    ``mismatches`` per row of all tiles ``[rows]``; ``problems`` everything else that is wrong.
    ``predicted`` are the counters that the models give for the pace at which the streams came.
    ``taken`` holds per stream (q, k, v, o, part, decision) the cycle in which each beat was taken, counted from the first row
    of Q. ``waves`` is the waveform, of all patterns, if one was asked for. ``simulated_seconds`` are the CPU seconds in which
    Python only waited for the simulator, if the bench measures them, ``check_seconds`` those of the models and the comparison.
    """

    pattern: str
    out: torch.Tensor
    empty: torch.Tensor
    part: dict[str, torch.Tensor]
    golden: list[TileResult]
    mismatches: torch.Tensor
    counters: dict[str, int]
    predicted: dict[str, int]
    problems: list[str] = field(default_factory=list)
    taken: dict[str, list[int]] = field(default_factory=dict)
    waves: Path | None = None
    simulated_seconds: float | None = None
    check_seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """No bit differs and nothing else is wrong."""
        return not self.problems and not bool(self.mismatches.any())


class Scoreboard:
    """Judges the runs of one engine, each against the tiles that were sent to it; ``runs`` keeps what came of them.

    A bench of several engines has a scoreboard for each.
    """

    def __init__(self, cfg: EngineConfig) -> None:
        self.cfg = cfg
        self.predictor = Predictor(cfg)
        self.runs: list[EngineRun] = []

    def check(self, tiles: Sequence[TileJob], seen: Transactions, pattern: str = "none", at_speed: bool = False,
              sent: Mapping[str, np.ndarray] | None = None) -> EngineRun:
        """The verdict on one run of ``tiles``.

        Args:
            pattern: the stall pattern, for messages.
            at_speed: the streams came as fast as the engine could use them: each counter is also what it is if they are always
                ready.
            sent: what :func:`streams_to_send` gives for ``tiles``, if it is known already.
        """
        began = time.process_time()
        if sent is None:
            sent = streams_to_send(self.cfg, tiles)
        problems = [f"the engine's port saw other {name} than was sent" for name, values in sent.items()
                    if not np.array_equal(values, seen.beats[name])]
        given = list(tiles)
        if not problems:
            try:
                given = seen.tiles(self.cfg)
            except ValueError as error:
                problems.append(str(error))
        expected = self.predictor.predict(given, seen, at_speed)
        mismatches = self._mismatches(seen, expected)
        problems += [*self._rows(seen, expected), *self._chunks(seen, expected), *self._decisions(seen, expected),
                     *self._cycles(seen, expected), *self._counters(seen, expected)]
        run = EngineRun(pattern, seen.out.to(torch.int16), seen.empty, seen.part, expected.golden, mismatches,
                        seen.counters, expected.timeline.counters, problems, dict(seen.taken),
                        check_seconds=time.process_time() - began)
        self.runs.append(run)
        return run

    def _mismatches(self, seen: Transactions, expected: Expected) -> torch.Tensor:
        """Per row of all tiles, how many values and flags differ ``[rows]``; 1 in all rows of a stream that has another number
        of beats."""
        golden, per_row = expected.golden, self.cfg.cycles_per_key
        out = torch.cat([g.out for g in golden]).to(torch.int64)
        divided = torch.ones(len(out), dtype=torch.int64)
        if len(seen.out) == len(out):
            divided = (seen.out != out).sum(-1) + (seen.empty != torch.cat([g.empty for g in golden]))
        want = chunk_arrays(self.cfg, [g.partial for g in golden if g.partial is not None])
        undivided = torch.ones(len(want["sum"]) // per_row, dtype=torch.int64)
        if len(seen.part["sum"]) == len(want["sum"]):
            acc, total, row_max = (seen.part[name] != want[name] for name in ("acc", "sum", "max"))
            undivided = (acc.sum(-1) + total + row_max).reshape(len(undivided), per_row).sum(-1)
        sides = {False: divided, True: undivided}
        found = []
        for result in golden:
            side, rows = result.partial is not None, result.stats.rows
            found.append(sides[side][:rows])
            sides[side] = sides[side][rows:]
        return torch.cat(found)

    @staticmethod
    def _rows(seen: Transactions, expected: Expected) -> Iterator[str]:
        """What is wrong with the rows of O, beside their bits."""
        ends = np.cumsum([0, *(len(g.out) for g in expected.golden if g.partial is None)])
        if len(seen.out) != ends[-1]:
            yield f"{len(seen.out)} rows came, {ends[-1]} were expected"
        elif not np.array_equal(np.flatnonzero(seen.out_last), ends[1:] - 1):
            yield "last is not on each tile's last row"

    def _chunks(self, seen: Transactions, expected: Expected) -> Iterator[str]:
        """What is wrong with the chunks of partial tiles, beside their bits."""
        last = chunk_arrays(self.cfg, [g.partial for g in expected.golden if g.partial is not None])["last"]
        if len(seen.part["last"]) != len(last):
            yield f"{len(seen.part['last'])} chunks of partial tiles came, {len(last)} were expected"
        elif not torch.equal(seen.part["last"], last):
            yield "last is not on each partial tile's last chunk"

    @staticmethod
    def _decisions(seen: Transactions, expected: Expected) -> Iterator[str]:
        """What is wrong with the decisions: one per block, skipped or not and last of its tile or not as in the model."""
        skip = np.concatenate([~g.ran.numpy() for g in expected.golden])
        if len(seen.skip) != len(skip):
            yield f"{len(seen.skip)} decisions came, {len(skip)} were expected"
        else:
            for block in np.flatnonzero(seen.skip != skip)[:1]:
                yield f"decision {block}: skip is {int(seen.skip[block])}, the model says {int(skip[block])}"
            if not np.array_equal(np.flatnonzero(seen.last), np.cumsum([len(g.ran) for g in expected.golden]) - 1):
                yield "last is not on each tile's last decision"
        if seen.error_v_count:
            yield "the engine reports that K and V disagree on the keys of a block"

    @staticmethod
    def _cycles(seen: Transactions, expected: Expected) -> Iterator[str]:
        """What is wrong with the cycles in which beats were taken, and in which the engine offered its own; streams that lack
        beats are left to other checks."""
        if expected.problem:
            yield expected.problem
            return
        for what, got, streams in (("taken", seen.taken, expected.timeline.taken),
                                   ("offered", seen.offered, expected.timeline.offered)):
            for name, cycles in streams.items():
                if len(got[name]) == len(cycles):
                    for at in np.flatnonzero(np.asarray(got[name]) != np.asarray(cycles))[:1]:
                        yield f"stream {name}, beat {at}: {what} in cycle {got[name][at]}, the model says {cycles[at]}"

    @staticmethod
    def _counters(seen: Transactions, expected: Expected) -> Iterator[str]:
        """Counters that are not what the model says, what they are at full speed, or what the pins showed."""
        counters, predicted, ideal = seen.counters, expected.timeline.counters, expected.at_full_speed
        for name, value in predicted.items():
            if counters[name] != value:
                yield f"counter {name} is {counters[name]}, the model says {value}"
        for name in TIMING_COUNTERS if ideal is not None else ():
            if predicted[name] != ideal[name]:
                yield f"counter {name} is {predicted[name]} at the pace of the streams, {ideal[name]} at full speed"
        for name, value in seen.pins.items():
            if counters[name] != value:
                yield f"counter {name} is {counters[name]}, the pins say {value}"


def check_record(cfg: EngineConfig, tiles: Sequence[TileJob], record: Record, pattern: str, at_speed: bool = False,
                 sent: Mapping[str, np.ndarray] | None = None) -> EngineRun:
    """One recorded run, judged by a scoreboard of its own, see :meth:`Scoreboard.check`."""
    run = Scoreboard(cfg).check(tiles, Transactions.of(record), pattern, at_speed, sent)
    run.simulated_seconds = float(record["seconds"]) if "seconds" in record else None
    return run


def _differences(run: EngineRun, tile: int, row: int) -> str:
    """What differs in one row of a tile; empty if its stream has another number of beats than it should."""
    want, before = run.golden[tile], run.golden[:tile]
    if want.partial is None:
        index = sum(len(result.out) for result in before) + row
        if len(run.out) != sum(len(result.out) for result in run.golden):
            return ""
        got, right = run.out[index], want.out[row]
        flags = {"empty": (bool(run.empty[index]), bool(want.empty[row]))}
    else:
        undivided = [result.stats.rows if result.partial is not None else 0 for result in run.golden]
        per_row = len(want.partial.acc[row]) // run.part["acc"].shape[1]
        if len(run.part["sum"]) != per_row * sum(undivided):
            return ""
        chunks = slice(first := per_row * (sum(undivided[:tile]) + row), first + per_row)
        got, right = run.part["acc"][chunks].flatten(), want.partial.acc[row]
        flags = {name: (run.part[name][chunks].unique().tolist(), int(value[row]))
                 for name, value in (("sum", want.partial.row_sum), ("max", want.partial.row_max))}
    lanes = (got != right).nonzero().flatten().tolist()
    shown = [", ".join(f"lane {d}: got {int(got[d])}, expected {int(right[d])}" for d in lanes[:SHOWN])]
    shown += [f"{name} {value}, expected {expected}" for name, (value, expected) in flags.items()]
    return f"{len(lanes)} lanes differ; {'; '.join(shown)}"


def describe(run: EngineRun, names: Sequence[str] = ()) -> str:
    """What is wrong with one run: problems, first mismatching rows with their lanes, counters that differ from the model."""
    lines = [f"pattern {run.pattern}: {int((run.mismatches > 0).sum())} of {len(run.mismatches)} rows differ"]
    lines += [f"  {problem}" for problem in run.problems]
    rows = [(tile, row) for tile, result in enumerate(run.golden) for row in range(result.stats.rows)]
    for index in run.mismatches.nonzero().flatten().tolist()[:SHOWN]:
        tile, row = rows[index]
        if shown := _differences(run, tile, row):
            lines.append(f"  tile {tile}{f' ({names[tile]})' if names else ''} row {row}: {shown}")
    lines += [f"  counter {name}: {run.counters[name]}, model {value}" for name, value in run.predicted.items()
              if run.counters[name] != value]
    return "\n".join(lines)


def assert_ok(runs: Sequence[EngineRun], tiles: Sequence[TileJob] | Mapping[str, TileJob], expected: int) -> None:
    """Every one of ``expected`` runs compared all rows of ``tiles`` and found them right.

    Raises:
        AssertionError: with the first mismatches, the seed and the command that repeats the test.
    """
    names = list(tiles) if isinstance(tiles, Mapping) else []
    jobs = list(tiles.values()) if isinstance(tiles, Mapping) else list(tiles)
    assert len(runs) == expected, f"{len(runs)} runs came back, {expected} were wanted"
    for run in runs:
        assert len(run.golden) == len(jobs), f"{len(run.golden)} tiles were compared, {len(jobs)} were sent"
        assert len(run.mismatches) == sum(job.q.shape[0] for job in jobs) > 0
    bad = [describe(run, names) for run in runs if not run.ok]
    if bad:
        test, seed = os.environ.get("PYTEST_CURRENT_TEST", "").rsplit(" ", 1)[0], int(os.environ["SEED"])
        raise AssertionError("\n".join([*bad, f"seed {seed}", f"repeat {repeat_command(test, seed)}"]))
