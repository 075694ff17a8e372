"""``make mutate``: try deliberate faults in the RTL and say which of them no bench notices, see docs/mutation.md."""

from __future__ import annotations

import argparse
import json
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from models.errors import FcimError, run_cli
from models.values import parse_names
from scripts.flow.arguments import Parser
from scripts.flow.files import write_atomic
from scripts.flow.html import render
from scripts.flow.mutants import OPERATORS
from scripts.flow.processes import locked, of_its_own, shown
from scripts.flow.progress import teller
from scripts.flow.simulator import require_simulator
from scripts.flow.sources import ROOT
from scripts.flow.tables import Column, Table, say
from scripts.mutate.choice import VERDICTS, Bench, Design, chain, choose, read_benches, read_design, read_verdicts
from scripts.mutate.run import ALIVE, INVALID, KILLED, RESULTS, Kept, Runner, Verdict

FOLDER = ROOT / "build" / "mutate"
MUTANTS, SEED = 600, 1
TEMPLATES = Path(__file__).parent / "templates"
COLUMNS = ("mutants", "by its own bench", "by one above", "equivalent", "alive")


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    return Parser("mutate", "Try deliberate faults in the RTL and say which of them no bench notices.", mutants=MUTANTS,
                  seed=SEED, jobs=2).parse_args(arguments)


def modules_of(text: str | None, design: Design, chains: Mapping[str, Sequence[Bench]]) -> list[str]:
    """The modules to try: those that BLOCK names, else all that a bench is known for.

    Raises:
        FcimError: a name is no module, or no bench is known for it.
    """
    if not text:
        return [name for name in design.files if chains[name] and design.mutants[name]]
    found = []
    for name in parse_names(text, "BLOCK"):
        module = name if name.startswith("fcim_") else f"fcim_{name}"
        if not chains.get(module):
            known = ", ".join(m.removeprefix("fcim_") for m, benches in chains.items() if benches)
            raise FcimError(f"BLOCK = '{name}' is no module that benches are known for; use {known}")
        found.append(module)
    return found


def row(module: str, verdicts: Sequence[Verdict], reasons: Mapping[str, str]) -> dict[str, int | str]:
    """The counts of one module, or of all; mutants that the simulator does not take count nowhere."""
    alive = [v for v in verdicts if v.state == ALIVE]
    equivalent = sum(v.mutant.id in reasons for v in alive)
    killed = [v for v in verdicts if v.state == KILLED]
    own = sum(v.by == v.mutant.module for v in killed)
    counts = (len(killed) + len(alive), own, len(killed) - own, equivalent, len(alive) - equivalent)
    return {"module": module, **dict(zip(COLUMNS, counts, strict=True))}


def score(total: Mapping[str, int | str]) -> float | None:
    """The share of the faults that can be noticed, and are; None if there is none."""
    real = int(total["mutants"]) - int(total["equivalent"])
    return (real - int(total["alive"])) / real if real else None


def difference(verdict: Verdict, design: Design) -> list[str]:
    """The lines that the fault changes, before and after."""
    mutant = verdict.mutant
    text = design.files[mutant.module].read_text()
    before, after = text.split("\n"), mutant.applied(text).split("\n")
    end = mutant.line + mutant.old.count("\n")
    new_end = mutant.line + mutant.new.count("\n")
    return [*(f"- {line}" for line in before[mutant.line - 1:end]), *(f"+ {line}" for line in after[mutant.line - 1:new_end])]


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every fault was noticed or is judged; 1: one was not, or one that was said to be equivalent was noticed."""
    args = parse_args(arguments)
    require_simulator("icarus")
    design = read_design()
    reasons, benches = read_verdicts(design), read_benches(design)
    chains = {module: chain(module, design, benches) for module in design.files}
    modules = modules_of(args.block, design, chains)
    mutants = choose(design, modules, args.mutants, args.seed)
    command = " ".join(["make mutate", f"MUTANTS={args.mutants}", f"SEED={args.seed}",
                        *([f"BLOCK={shlex.quote(args.block)}"] if args.block else [])])
    made = sum(len(design.mutants[m]) for m in modules)
    say(f"{len(mutants)} of {made} mutants of {len(modules)} modules; repeat: {command}")
    if without := [m for m in design.files if not chains[m]]:
        say(f"{len(without)} modules have no bench in tb/benches.yaml, of their own or above them, and are left out")
    began = time.monotonic()
    with locked(FOLDER, "mutation run"), of_its_own(FOLDER / "runs") as work:
        runner = Runner(design, work, Kept(FOLDER / RESULTS))
        bar, told = teller()
        with bar:
            verdicts = runner.run(mutants, chains, args.jobs, told)
    rows = [row(module, of, reasons) for module in modules if (of := [v for v in verdicts if v.mutant.module == module])]
    total = row("all", verdicts, reasons)
    table = Table([Column("module", text=True, key=True), *(Column(name) for name in COLUMNS)])
    for entry in (*rows, total):
        table.add(*(str(value) for value in entry.values()), last=entry is rows[-1])
    table.show()
    survivors = [v for v in verdicts if v.state == ALIVE and v.mutant.id not in reasons]
    wrong = [v for v in verdicts if v.state == KILLED and v.mutant.id in reasons]
    share, invalid = score(total), sum(v.state == INVALID for v in verdicts)
    facts = {"score": f"{share:.1%}" if share is not None else "-", "not taken by the simulator": str(invalid),
             "test runs": str(runner.runs), "seconds": f"{time.monotonic() - began:.0f}"}
    seeded = f"SEED={args.seed}"
    shown_alive = [{"id": v.mutant.id, "module": v.mutant.module, "file": v.mutant.file, "line": v.mutant.line,
                    "operator": v.mutant.operator, "difference": difference(v, design),
                    "repeat": f"make mutate BLOCK={v.mutant.module.removeprefix('fcim_')} MUTANTS={args.mutants} {seeded}",
                    "asked": list(v.asked)} for v in survivors]
    data = {"command": command, "made": made, "modules": len(modules), "invalid": invalid, "facts": facts,
            "score": share, "rows": [*rows, total], "alive": shown_alive, "operators": OPERATORS,
            "wrong_verdicts": [v.mutant.id for v in wrong],
            "verdicts": [{"id": v.mutant.id, "module": v.mutant.module, "operator": v.mutant.operator, "state": v.state,
                          "by": v.by, "why": v.why} for v in verdicts]}
    write_atomic(FOLDER / "report.json", json.dumps(data, indent=1) + "\n")
    write_atomic(FOLDER / "report.html", render(TEMPLATES, "report.html.j2", **data))
    for entry in shown_alive:
        say(f"alive: {entry['id']} {entry['file']}:{entry['line']} ({entry['operator']})", style="red")
        say("\n".join(entry["difference"]))
        say(f"  repeat: {entry['repeat']}")
    for verdict in wrong:
        say(f"{VERDICTS.name} says that {verdict.mutant.id} is equivalent, but {verdict.why}", style="red")
    failed = bool(survivors or wrong)
    files = ", ".join(shown(FOLDER / name) for name in ("report.html", "report.json"))
    say(f"{'FAIL' if failed else 'PASS'}: score {facts['score']}; {files}",
        style="bold red" if failed else "bold green")
    return int(failed)


if __name__ == "__main__":
    run_cli(main)
