#!/usr/bin/env python3
"""The result of a simulation as a table in the terminal: ``scripts/sim/table.py build/sim/report.json``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.errors import run_cli
from scripts.flow.arguments import Parser
from scripts.flow.tables import Column, Table, say
from scripts.sim.record import SimRecord, load_record

SHOWN = 10         # wrong values that the terminal lists
COLUMNS = (Column("head", text=True, key=True), Column("phase", text=True, key=True), Column("mismatches"), Column("cosine"),
           Column("rel. L1", rank=3), Column("SQNR dB"), Column("float dB", rank=2), Column("max abs", rank=4), Column("cycles"),
           Column("% ideal", rank=1), Column("rescales"))


def head_cells(record: SimRecord) -> list[tuple[str, ...]]:
    """One row of text per head, in the columns ``COLUMNS``; cycles and rescales are those of the head's engine run."""
    runs = {r.name: r for r in record.runs}
    rows = []
    for h in record.heads:
        run, m = runs.get(h.run), h.metrics
        cost = ("", "", "") if run is None else (
            f"{run.cycles:,}", f"{run.percent_of_ideal:.1f}", "" if run.rescales is None else f"{run.rescales:,}")
        rows.append((h.name, h.phase, f"{h.mismatches:,}", f"{m.cosine:.6f}", f"{m.relative_l1:.4f}", f"{m.sqnr_db:.2f}",
                     f"{h.quantised_sqnr_db:.2f}", f"{m.max_abs:.2e}", *cost))
    return rows


def print_table(record: SimRecord, file: IO[str] | None = None) -> None:
    """Print the heads, what failed, and the verdict; colours and lines only on a terminal."""
    table = Table(COLUMNS)
    for head, cells in zip(record.heads, head_cells(record), strict=True):
        table.add(*cells, style="red" if head.mismatches else None)
    table.show(file)
    for line in failures(record):
        say(line, file, "red")
    for line in causes(record):
        say(line, file, "yellow")
    if record.octaves:
        say(f"OCTAVES = {record.octaves}: blocks more than {record.octaves} octaves below their rows' maxima were left out, "
            "which costs accuracy by choice", file)
    say(record.verdict(), file, "bold green" if record.passed else "bold red")
    if explanation := record.explanation():
        say(explanation, file)


def failures(record: SimRecord) -> list[str]:
    """Everything that made the run fail, one line each; of the wrong values the first ``SHOWN``."""
    lines = [f"{h.name} {h.phase}: {h.mismatches:,} of {h.elements:,} values differ from the golden model"
             for h in record.heads if h.mismatches]
    wrong, total = record.wrong_values, record.totals()["mismatches"]
    lines += [f"  {value}" for value in wrong[:SHOWN]]
    if wrong and total > SHOWN:
        listed = "them" if len(wrong) == total else f"{len(wrong):,} of them"
        lines.append(f"  ... {total:,} in all; the report lists {listed}")
    for run in record.runs:
        lines += [f"{run.name}: counter {name} is {got:,}, predicted {wanted:,}"
                  for name, (got, wanted) in run.counter_mismatches().items()]
    return lines + [str(c) for c in record.checks if not c.passed] + record.problems


def causes(record: SimRecord) -> list[str]:
    """What costs heads accuracy that comes from their input: one line per cause, with the heads and the largest cost."""
    found: dict[str, list[tuple[float, str, str]]] = {}
    for head in record.heads:
        for cause in head.causes:
            found.setdefault(cause.kind, []).append((cause.cost_db, f"{head.name} {head.phase}", cause.text))
    lines = []
    for kind, heads in found.items():
        cost, worst, text = max(heads)
        share = f"costs {worst} {cost:.2f} dB" if cost else worst
        others = f", and {len(heads) - 1} more heads" if len(heads) > 2 else ", and one more head" if len(heads) == 2 else ""
        lines.append(f"{kind} ({share}{others}): {text}")
    return lines


def main() -> int:
    parser = Parser(None, "The result of a simulation as a table in the terminal.")
    parser.add_argument("report", type=Path, nargs="?", default=Path("build/sim/report.json"), help="a report.json")
    print_table(load_record(parser.parse_args().report))
    return 0


if __name__ == "__main__":
    run_cli(main)
