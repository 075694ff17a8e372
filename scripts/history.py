"""``make history``: pass rate, coverage, cycles and seconds of runs over commits, as a page in ``build/history``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from models.errors import run_cli
from scripts.flow.arguments import Parser
from scripts.flow.coverage.results import percent
from scripts.flow.files import write_atomic
from scripts.flow.history import page, store
from scripts.flow.history.changes import Changes, Group, groups_of
from scripts.flow.processes import shown
from scripts.flow.regress.console import duration
from scripts.flow.sources import ROOT
from scripts.flow.tables import Column, Table, say

FOLDER = ROOT / "build" / "history"
PAGE, SUMMARY = "index.html", "history.json"
SCHEMA = 1      # of the summary
SHOWN_RUNS, SHOWN_GROUPS, SHOWN_JOBS = 8, 4, 10     # in the terminal; the page has all


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = Parser("history", "Pass rate, coverage, cycles and seconds over commits, from the records of runs.")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the page (default: build/history)")
    return parser.parse_args(arguments)


def runs_table(group: Group) -> Table:
    """The last runs of a group, newest first."""
    names = page.coverage_names(group.runs[:SHOWN_RUNS])
    table = Table([Column("commit", text=True, key=True), Column("started (UTC)", text=True),
                   Column("machine", text=True, rank=3), Column("passed"), Column("failed"), Column("not run", rank=1),
                   Column("rate"), Column("time"), Column("cycles", rank=2), *(Column(name) for name in names)],
                  title=f"{group.name} ({group.runs[0].list})")
    for run in group.runs[:SHOWN_RUNS]:
        cells = [percent(page.coverage_of(run, name)) for name in names]
        table.add(run.short_commit, page.day(run), run.machine_name, f"{run.totals['passed']:,}", f"{run.failed:,}",
                  f"{run.totals['not_run']:,}", percent(run.pass_rate), duration(run.seconds), f"{run.cycles:,}", *cells,
                  style="red" if run.failed else "dim" if not run.complete else None)
    return table


def _few(lines: Sequence[str]) -> list[str]:
    more = len(lines) - SHOWN_JOBS
    return [*lines[:SHOWN_JOBS], *([f"  and {more:,} more"] if more > 0 else [])]


def change_lines(changes: Changes) -> list[str]:
    """What changed, in short."""
    before, after = changes.before, changes.after
    lines = [f"since {before.short_commit} ({page.day(before)}): {changes.sentence()}"]
    lines += _few([f"  broke    {move.job}: {move.before}, now {move.after}" for move in changes.broke])
    lines += _few([f"  mended   {move.job}" for move in changes.mended])
    lines += _few([f"  cycles   {c.job}: {page.figure(c.before)}, now {page.figure(c.after)}"
                   f"{'' if c.same_seed else ' (another seed)'}" for c in changes.cycles])
    lines += _few([f"  slower   {s.job}: {duration(s.before)}, now {duration(s.after)}" for s in changes.slower])
    lines += [f"  coverage {name}: {percent(was)}, now {percent(now)}" for name, was, now in changes.coverage]
    if after.machine_name != before.machine_name:
        lines.append(f"  machine  {before.machine_name}, now {after.machine_name}: times are not comparable")
    return lines


def show(groups: Sequence[Group]) -> None:
    """The history in the terminal."""
    for group in groups[:SHOWN_GROUPS]:
        runs_table(group).show()
        if len(group.runs) > SHOWN_RUNS:
            say(f"and {len(group.runs) - SHOWN_RUNS:,} older", style="dim")
        changes = group.changes
        for line in change_lines(changes) if changes else ["nothing to compare yet: that takes two runs that came to their end"]:
            say(line)
        print()
    if len(groups) > SHOWN_GROUPS:
        say(f"{len(groups) - SHOWN_GROUPS:,} more groups are on the page")


def main(arguments: Sequence[str] | None = None) -> int:
    """0: there is a history, and the page tells it; 1: there is none.

    Raises:
        FcimError: the history cannot be read or the page not be written.
    """
    args = parse_args(arguments)
    path = Path(args.history).absolute() if args.history else store.FILE
    runs, damaged = store.read(path)
    for line in damaged:
        print(f"warning: {line}", file=sys.stderr, flush=True)
    if not runs:
        why = f"{shown(path)} tells of no run" if path.exists() else f"there is no history {shown(path)}"
        print(f"error: {why}; each make regress and make coverage adds a line to it", file=sys.stderr)
        return 1
    groups, out = groups_of(runs), args.out.resolve()
    summary = {"schema": SCHEMA, "history": shown(path), "left_out": damaged, "groups": [group.as_json() for group in groups]}
    write_atomic(out / SUMMARY, json.dumps(summary, indent=1, allow_nan=False) + "\n")
    write_atomic(out / PAGE, page.render_page(groups, damaged, shown(path)))
    show(groups)
    print(f"report: {shown(out / PAGE)}")
    return 0


if __name__ == "__main__":
    run_cli(main)
