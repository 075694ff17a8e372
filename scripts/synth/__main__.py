"""``make synth``: every block and the engine as gates of a cell library, with areas and longest paths."""

from __future__ import annotations

import argparse
import json
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from models.errors import run_cli
from models.hardware.config import load_config
from models.values import parse_names
from scripts.flow.arguments import Parser
from scripts.flow.files import write_atomic
from scripts.flow.gates import yosys
from scripts.flow.processes import locked, of_its_own, shown
from scripts.flow.progress import teller
from scripts.flow.sources import ROOT, rtl_files
from scripts.flow.tables import say
from scripts.flow.tool_versions import git_state
from scripts.synth import page
from scripts.synth.floors import FILE as FLOORS
from scripts.synth.floors import read_floors, worse, write_floors
from scripts.synth.libraries import DEFAULT, Chosen, choose
from scripts.synth.record import Result
from scripts.synth.run import run, tops_of
from scripts.synth.table import show

FOLDER = ROOT / "build" / "synth"
CONFIGS = "tiny,default"
REPORT, PAGE = "synth.json", "index.html"


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    return Parser("synth", "Every block and the engine as gates of a cell library, with areas and longest paths.",
                  config=CONFIGS, lib=DEFAULT, jobs=2, out=FOLDER).parse_args(arguments)


def repeat(args: argparse.Namespace) -> str:
    """The ``make`` line of this run."""
    given = [("CONFIG", args.config if args.config != CONFIGS else None), ("TOP", args.top),
             ("LIB", args.lib if args.lib != DEFAULT else None)]
    return " ".join(["make synth", *(f"{name}={shlex.quote(str(value))}" for name, value in given if value)])


def about(library: Chosen, seconds: float) -> dict[str, str]:
    """What the figures depend on."""
    settings, state = library.settings, git_state()
    return {"library": settings.what or library.cells.name, "file": shown(library.file), "yosys": yosys.VERSION,
            "input and clock transition": f"{settings.slew:g} ps", "load of an output": f"{settings.load:g} fF",
            "gate equivalent": f"{settings.nand2}, {library.gate:g} um2" if library.gate else "not known",
            "macro": f"{settings.bit:g} um2 a bit" if settings.bit else "no area known",
            "revision": f"{state['revision'][:12]}{' with changes' if state['dirty'] else ''}", "seconds": f"{seconds:.0f}"}


def write(out: Path, results: Sequence[Result], faults: Sequence[str], command: str, facts: dict[str, str]) -> None:
    """The report and its page."""
    data = {"command": command, "about": facts, "faults": list(faults), "configurations": [r.as_data() for r in results]}
    write_atomic(out / REPORT, json.dumps(data, indent=1) + "\n")
    write_atomic(out / PAGE, page.page(results, faults, command, facts))


def main() -> int:
    """0: no latch and nothing worse than its floor; 1: something of that, or a block that yosys refuses."""
    args = parse_args()
    configs = [load_config(name) for name in parse_names(args.config, "CONFIG")]
    names = parse_names(args.top, "TOP") if args.top else []
    tops_of(names, [path.stem for path in rtl_files()])     # before anything takes time
    library, floors = choose(args.lib), read_floors()
    yosys.require()
    began, out = time.monotonic(), args.out.resolve()
    with locked(out, "synthesis", chosen=out != FOLDER), of_its_own(out / "runs"):
        bar, told = teller()
        with bar:
            outcome = run(configs, args.lib, names, out, args.jobs, told)
    for result in outcome.results:
        show(result)
    faults = [*outcome.problems, *(line for result in outcome.results for line in result.faults())]
    if args.floors and not faults:
        write_floors(outcome.results)
        say(f"written: {shown(FLOORS)}")
    else:
        faults += [line for result in outcome.results for line in worse(result, floors)]
    write(out, outcome.results, faults, repeat(args), about(library, time.monotonic() - began))
    for line in faults:
        say(line, style="red")
    verdict, style = ("FAIL", "bold red") if faults else ("PASS", "bold green")
    say(f"{verdict}: {shown(out / PAGE)}, {shown(out / REPORT)}", style=style)
    return 1 if faults else 0


if __name__ == "__main__":
    run_cli(main)
