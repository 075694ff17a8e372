"""``make power``: what an operation of every block costs in fJ, from its gates' toggles on real operands."""

from __future__ import annotations

import argparse
import json
import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from models.errors import run_cli
from models.hardware.config import load_config
from models.values import parse_names
from scripts.flow.arguments import Parser
from scripts.flow.files import write_atomic
from scripts.flow.gates import yosys
from scripts.flow.gates.energies import load_behaviours
from scripts.flow.processes import locked, of_its_own, shown
from scripts.flow.progress import teller
from scripts.flow.sources import ROOT
from scripts.flow.tables import say
from scripts.flow.tool_versions import git_state
from scripts.power.measure import Measured
from scripts.power.page import page
from scripts.power.run import kinds_of, run, sources_of, streams_of
from scripts.power.table import show
from scripts.synth.libraries import DEFAULT, choose

FOLDER, GATES = ROOT / "build" / "power", ROOT / "build" / "synth"
CONFIG, TOKENS = "default", 256
REPORT, PAGE = "power.json", "index.html"


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    return Parser("power", "What an operation of every block costs, from its gates' toggles on real operands.", config=CONFIG,
                  lib=DEFAULT, tokens=TOKENS, jobs=2, out=FOLDER).parse_args(arguments)


def repeat(args: argparse.Namespace) -> str:
    """The ``make`` line of this run."""
    given = [("CONFIG", args.config if args.config != CONFIG else None), ("TOP", args.top),
             ("LIB", args.lib if args.lib != DEFAULT else None), ("MODEL", args.model),
             ("CHECKPOINT", None if args.model else args.checkpoint), ("TOKENS", args.tokens if args.tokens != TOKENS else None)]
    return " ".join(["make power", *(f"{name}={shlex.quote(str(value))}" for name, value in given if value)])


def block_data(block: Measured) -> dict[str, Any]:
    """A block as JSON takes it."""
    data = asdict(block)
    for cost, found in zip(data["costs"], block.costs, strict=True):
        cost["total"] = found.total
    for part, found in zip(data["parts"], block.parts, strict=True):
        part["total"] = found.total
    return data


def main() -> int:
    """0: all blocks were measured, and their gates give what the models give; 1: not so."""
    args = parse_args()
    cfg = load_config(args.config)
    kinds = kinds_of(parse_names(args.top, "TOP") if args.top else [])
    library = choose(args.lib)
    volt = load_behaviours(library.file, library.settings.slew).volt
    yosys.require()
    sources = sources_of(args.checkpoint, args.model)
    skipped = [f"{source.name}: {source.missing}" for source in sources if source.missing]
    began, out = time.monotonic(), args.out.resolve()
    with locked(out, "measurement", chosen=out != FOLDER), of_its_own(out / "runs"):
        bar, told = teller()
        with bar:
            streams = streams_of(cfg, sources, kinds, args.tokens, told)
            outcome = run(cfg, args.lib, kinds, streams, GATES if out == FOLDER else out, args.jobs, told)
    state = git_state()
    settings = library.settings
    about = {"library": settings.what or library.cells.name, "configuration": cfg.name, "file": shown(library.file),
             "yosys": yosys.VERSION, "supply": f"{volt:g} V", "transition of inputs": f"{settings.slew:g} ps",
             "operands": ", ".join(source.name for source in sources if not source.missing), "tokens": str(args.tokens),
             "revision": f"{state['revision'][:12]}{' with changes' if state['dirty'] else ''}",
             "seconds": f"{time.monotonic() - began:.0f}"}
    command = repeat(args)
    if outcome.measured:
        show(outcome.measured, f"{cfg.name}, {about['library']}: fJ per operation", library, volt)
    for line in skipped:
        say(f"skipped: {line}", style="yellow")
    data = {"command": command, "about": about, "config": asdict(cfg), "volt": volt, "skipped": skipped,
            "faults": outcome.problems, "blocks": {block.name: block_data(block) for block in outcome.measured}}
    write_atomic(out / REPORT, json.dumps(data, indent=1) + "\n")
    write_atomic(out / PAGE, page(outcome.measured, outcome.problems, skipped, command, about, library, volt))
    for line in outcome.problems:
        say(line, style="red")
    verdict, style = ("FAIL", "bold red") if outcome.problems else ("PASS", "bold green")
    say(f"{verdict}: {shown(out / PAGE)}, {shown(out / REPORT)}", style=style)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    run_cli(main)
