"""``make encodings``: what the encoding of the operand that streams costs in the bit-serial arrays, in fJ from gates.

Arrays of :mod:`scripts.studies.encodings.arrays` are synthesized and run on real operands as :mod:`scripts.power` does it, and
each one's outputs are compared with what its encoding must give; see docs/power.md.
"""

from __future__ import annotations

import argparse
import json
import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict

from models.errors import FcimError, run_cli
from models.hardware.config import load_config
from models.place import BUILD
from models.values import parse_names
from scripts.flow.arguments import Parser
from scripts.flow.files import write_atomic
from scripts.flow.gates import yosys
from scripts.flow.gates.energies import load_behaviours
from scripts.flow.processes import locked, of_its_own, shown
from scripts.flow.progress import teller
from scripts.flow.tables import say
from scripts.flow.tool_versions import git_state
from scripts.power.run import run, sources_of, streams_of
from scripts.studies.encodings.arrays import VARIANTS, arrays
from scripts.studies.encodings.table import block_data, energies, said, sizes
from scripts.synth.libraries import DEFAULT, choose

FOLDER, GATES = BUILD / "encodings", BUILD / "synth"
CONFIG, TOKENS = "default", 256
REPORT = "encodings.json"


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    return Parser("encodings", "What the encoding of the streamed operand costs in the arrays, from gates on real operands.",
                  config=CONFIG, lib=DEFAULT, tokens=TOKENS, jobs=2, out=FOLDER).parse_args(arguments)


def repeat(args: argparse.Namespace) -> str:
    """The ``make`` line of this run."""
    given = [("CONFIG", args.config if args.config != CONFIG else None), ("TOP", args.top),
             ("LIB", args.lib if args.lib != DEFAULT else None), ("MODEL", args.model),
             ("CHECKPOINT", None if args.model else args.checkpoint),
             ("TOKENS", args.tokens if args.tokens != TOKENS else None)]
    return " ".join(["make encodings", *(f"{name}={shlex.quote(str(value))}" for name, value in given if value)])


def chosen(given: str | None) -> list[str]:
    """Names of arrays, all of them if none is given.

    Raises:
        FcimError: one that there is not.
    """
    found = parse_names(given, "TOP") if given else []
    for name in found:
        if name not in VARIANTS:
            raise FcimError(f"TOP = '{name}' is no array of the study; use {', '.join(VARIANTS)}")
    return list(dict.fromkeys(found)) or list(VARIANTS)


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all arrays were measured, and their gates give what their encodings must give; 1: not so."""
    args = parse_args(arguments)
    cfg = load_config(args.config)
    names = chosen(args.top)
    library = choose(args.lib)
    volt = load_behaviours(library.file, library.settings.slew).volt
    yosys.require()
    sources = sources_of(args.checkpoint, args.model)
    skipped = [f"{source.name}: {source.missing}" for source in sources if source.missing]
    began, out = time.monotonic(), args.out.resolve()
    with locked(out, "measurement", chosen=out != FOLDER), of_its_own(out / "runs"):
        bar, told = teller()
        with bar:
            streams = streams_of(cfg, sources, names, args.tokens, told, arrays)
            outcome = run(cfg, args.lib, names, streams, GATES if out == FOLDER else out, args.jobs, told, arrays)
    state = git_state()
    about = {"library": library.settings.what or library.cells.name, "supply": f"{volt:g} V",
             "operands": ", ".join(source.name for source in sources if not source.missing), "tokens": str(args.tokens),
             "revision": f"{state['revision'][:12]}{' with changes' if state['dirty'] else ''}",
             "seconds": f"{time.monotonic() - began:.0f}"}
    found = {block.name: block_data(block) for block in outcome.measured}
    if found:
        energies(found, f"{cfg.name}, {about['library']}: fJ an operation").show()
        sizes(found).show()
        say(said(found))
    for text in skipped:
        say(f"skipped: {text}", style="yellow")
    data = {"command": repeat(args), "about": about, "config": asdict(cfg), "volt": volt, "skipped": skipped,
            "faults": outcome.problems, "arrays": found}
    write_atomic(out / REPORT, json.dumps(data, indent=1) + "\n")
    for text in outcome.problems:
        say(text, style="red")
    verdict, style = ("FAIL", "bold red") if outcome.problems else ("PASS", "bold green")
    say(f"{verdict}: {shown(out / REPORT)}", style=style)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    run_cli(main)
