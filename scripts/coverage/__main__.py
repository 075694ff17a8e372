"""``python -m scripts.coverage``: merge the coverage data of all runs, write the site, hold the numbers against their floors."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from models.errors import run_cli
from scripts.flow.arguments import Parser
from scripts.flow.coverage.report import report
from scripts.flow.sources import ROOT
from tb.coverage import INPUTS, new_coverage


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(None, "Merge the coverage data of all runs, write the site, hold the numbers against their floors.")
    parser.add_argument("--data", type=Path, default=INPUTS.data, help="folder of the runs' data")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "coverage", help="folder to write to")
    parser.add_argument("--regress", type=Path, help="record of the regression, for the verification plan's page")
    parser.add_argument("--design", type=Path, default=INPUTS.design, help="folder of the Verilog files that count")
    parser.add_argument("--exclusions", type=Path, default=INPUTS.exclusions, help="YAML file of excluded points; empty for none")
    parser.add_argument("--floors", type=Path, default=INPUTS.floors, help="YAML file of the numbers' floors")
    parser.add_argument("--update-floors", action="store_true", help="raise the floors to what was reached; never lower one")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Write the report; 1 if a number is below its floor or something else is wrong."""
    options = _arguments(arguments)
    inputs = replace(INPUTS, data=options.data, design=options.design, exclusions=options.exclusions, floors=options.floors,
                     record=options.regress)
    return 0 if report(inputs, new_coverage(), options.out, options.update_floors) else 1


if __name__ == "__main__":
    run_cli(main)
