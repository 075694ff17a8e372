"""The verdict on engine runs: a failure says where, what, and how to see it again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from models.hardware.tile import TileJob
from scripts.flow.simulator import repeat_command
from tb.core.environment import EngineRun

SHOWN = 3      # rows, and lanes of a row, that a message shows


def describe(run: EngineRun, names: Sequence[str] = ()) -> str:
    """What is wrong with one run: problems, first mismatching rows with their lanes, counters that differ from the model."""
    lines = [f"pattern {run.pattern}: {int((run.mismatches > 0).sum())} of {len(run.mismatches)} rows differ"]
    lines += [f"  {problem}" for problem in run.problems]
    rows = [(tile, row) for tile, result in enumerate(run.golden) for row in range(len(result.out))]
    if len(rows) == len(run.out):
        for index in run.mismatches.nonzero().flatten().tolist()[:SHOWN]:
            tile, row = rows[index]
            want, got = run.golden[tile], run.out[index]
            lanes = (got != want.out[row]).nonzero().flatten().tolist()
            name = f" ({names[tile]})" if names else ""
            shown = ", ".join(f"lane {d}: got {int(got[d])}, expected {int(want.out[row, d])}" for d in lanes[:SHOWN])
            lines.append(f"  tile {tile}{name} row {row}: {len(lanes)} lanes differ; {shown}; "
                         f"empty {bool(run.empty[index])}, expected {bool(want.empty[row])}")
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
