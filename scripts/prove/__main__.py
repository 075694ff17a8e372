"""``make prove``: what ``formal/proofs.yaml`` says of blocks, proven by a solver; a report in ``build/prove``."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

from models.errors import run_cli
from models.values import parse_names
from scripts.flow.arguments import Parser
from scripts.flow.files import write_atomic
from scripts.flow.processes import locked, of_its_own, shown
from scripts.flow.progress import Told, teller
from scripts.flow.proofs import Proof, chosen, load_proofs
from scripts.flow.sources import ROOT
from scripts.flow.tables import Column, Table, say
from scripts.flow.tool_versions import git_state
from scripts.prove.solve import PROVEN, Verdict, prove, require

FOLDER = ROOT / "build" / "prove"
REPORT = "report.json"
COLUMNS = (Column("block", text=True, key=True), Column("parameters", text=True, rank=2), Column("properties"),
           Column("proof", text=True), Column("covers", rank=1), Column("s"), Column("result", text=True))


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    return Parser("prove", "Properties of blocks, proven by a solver.", jobs=2).parse_args(arguments)


def run(proofs: Sequence[Proof], folder: Path, jobs: int, told: Told) -> list[Verdict]:
    """All proofs, several at a time, each in a folder of its name; their verdicts in their order.

    Raises:
        FcimError: RTL or statements cannot be read.
    """
    verdicts: dict[str, Verdict] = {}
    pool = ThreadPoolExecutor(jobs)
    try:
        running = [pool.submit(prove, proof, folder / proof.name) for proof in proofs]
        for job in as_completed(running):
            verdict = job.result()
            verdicts[verdict.name] = verdict
            told(f"{verdict.name}: {verdict.state} ({verdict.seconds:.1f} s)", len(verdicts), len(proofs))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [verdicts[proof.name] for proof in proofs]


def show(proofs: Sequence[Proof], verdicts: Sequence[Verdict]) -> None:
    """The table."""
    table = Table(COLUMNS)
    for proof, verdict in zip(proofs, verdicts, strict=True):
        given = ", ".join(f"{name} {value}" for name, value in proof.parameters.items())
        table.add(proof.name, given, str(len(proof.properties)), proof.how, str(len(verdict.covers)), f"{verdict.seconds:.1f}",
                  verdict.state, style=None if verdict.state == PROVEN else "red")
    table.show()


def main() -> int:
    """0: all is proven; 1: something is false, or could not be decided."""
    args = parse_args()
    proofs = chosen(parse_names(args.block, "BLOCK") if args.block else [], load_proofs())
    require()
    began = time.monotonic()
    with locked(FOLDER, "prove", chosen=False), of_its_own(FOLDER / "runs"):
        bar, told = teller()
        with bar:
            verdicts = run(proofs, FOLDER, args.jobs, told)
    show(proofs, verdicts)
    failed = [verdict for verdict in verdicts if verdict.state != PROVEN]
    rows = [{**asdict(verdict), "module": proof.module, "parameters": dict(proof.parameters), "proof": proof.how,
             "properties": {p.name: p.says for p in proof.properties}} for proof, verdict in zip(proofs, verdicts, strict=True)]
    state = git_state()
    report = {"command": f"make prove{f' BLOCK={args.block}' if args.block else ''}", "verdict": "FAIL" if failed else "PASS",
              "revision": state["revision"], "changes": state["dirty"], "seconds": round(time.monotonic() - began, 1),
              "blocks": rows}
    write_atomic(FOLDER / REPORT, json.dumps(report, indent=1) + "\n")
    for verdict in failed:
        say(f"{verdict.name}: {verdict.why}{f'; {verdict.trace}' if verdict.trace else ''}", style="red")
    word, style = ("FAIL", "bold red") if failed else ("PASS", "bold green")
    say(f"{word}: {shown(FOLDER / REPORT)}", style=style)
    return 1 if failed else 0


if __name__ == "__main__":
    run_cli(main)
