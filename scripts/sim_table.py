#!/usr/bin/env python3
"""The result of a simulation as a table in the terminal: ``scripts/sim_table.py build/sim/report.json``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from models.errors import run_cli
from scripts.arguments import Parser
from scripts.sim_record import SimRecord, load_record

PLAIN_WIDTH = 160  # in a file or a pipe nothing may be cut off
COLUMNS = ("head", "phase", "mismatches", "cosine", "rel. L1", "SQNR dB", "float dB", "max abs", "cycles", "% ideal", "rescales")


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
    file = file or sys.stdout
    on_terminal = file.isatty()
    console = Console(file=file, width=None if on_terminal else PLAIN_WIDTH, highlight=False)
    table = Table(box=box.SIMPLE_HEAD if on_terminal else None, pad_edge=False)
    for i, name in enumerate(COLUMNS):
        table.add_column(name, justify="left" if i < 2 else "right", no_wrap=True)
    for head, cells in zip(record.heads, head_cells(record), strict=True):
        table.add_row(*cells, style="red" if head.mismatches else None)
    console.print(table)
    for line in failures(record):
        console.print(Text(line, style="red"), soft_wrap=True)
    console.print(Text(record.verdict(), style="bold green" if record.passed else "bold red"), soft_wrap=True)


def failures(record: SimRecord) -> list[str]:
    """Everything that made the run fail, one line each."""
    lines = [f"{h.name} {h.phase}: {h.mismatches:,} of {h.elements:,} values differ from the golden model"
             for h in record.heads if h.mismatches]
    for run in record.runs:
        lines += [f"{run.name}: counter {name} is {got:,}, predicted {wanted:,}"
                  for name, (got, wanted) in run.counter_mismatches().items()]
    return lines + [str(c) for c in record.checks if not c.passed] + record.problems


def main() -> int:
    parser = Parser(None, "The result of a simulation as a table in the terminal.")
    parser.add_argument("report", type=Path, nargs="?", default=Path("build/sim/report.json"), help="a report.json")
    print_table(load_record(parser.parse_args().report))
    return 0


if __name__ == "__main__":
    run_cli(main)
