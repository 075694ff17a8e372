"""One run of ``make paper``: work everything out, print the tables, write the report."""

from __future__ import annotations

import argparse
import base64
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from models.energy.constants import DEFAULT, load_constants
from models.place import FRONT
from models.tensors.source import load_tensors
from scripts.flow.files import replaced
from scripts.flow.html import render
from scripts.flow.processes import shown
from scripts.flow.progress import teller
from scripts.flow.sources import ROOT
from scripts.flow.tables import Column, Table
from scripts.flow.tool_versions import git_state, tool_versions
from scripts.paper import charts, study
from scripts.paper.goals import goals
from scripts.paper.modes import MODES, measure_modes, spread
from scripts.paper.options import FOLDER, USUAL_SEED, lengths_of
from scripts.paper.study import OURS, USUAL, Task

TEMPLATES = Path(__file__).parent / "templates"
NAMES = ("report.json", "report.html", "time.png", "dram.png", "buffer.png", "energy.png", "sensitivity.png")
PAGES = ("paper", "paper-accounting", "paper-cells")     # their figures
MB = 1e6
FIXTURE_TOKENS = 512


def work(args: argparse.Namespace, seed: int) -> dict[str, Any]:
    """The whole study.

    Raises:
        FcimError: a length or the model cannot be used.
    """
    tasks = [Task(study.GEOMETRY, tokens, seed, study.RATES if tokens <= study.ALL_RATES else (USUAL,), args.constants)
             for tokens in lengths_of(args.tokens)]
    bar, told = teller()
    done = 0

    def one_more(task: Task) -> None:
        nonlocal done
        done += 1
        told(f"{task.tokens:,} tokens", done, len(tasks))

    with bar:
        told("all designs at all lengths", 0, len(tasks))
        parts = study.run_tasks(tasks, args.jobs, one_more)
    found: dict[str, Any] = {name: [row for part in parts for row in part[name]]
                             for name in ("times", "energy", "assumed", "storage")}
    found["sensitivity"] = parts[-1]["sensitivity"]
    print("counting rescales on real tensors ...", flush=True)
    layers = load_tensors(args.checkpoint, layers="all", tokens=FIXTURE_TOKENS)
    found["rescale_source"] = f"{layers[0].source['model']}, {len(layers)} layers, {layers[0].q.shape[1]} tokens"
    found["rescales"] = study.count_rescales(layers)
    some = spread(layers)
    found["mode_source"] = f"{layers[0].source['model']}, {len(some)} of {len(layers)} layers, {layers[0].q.shape[1]} tokens"
    bar, said = teller()
    with bar:
        said("energy by phase, order, skipping and bits of p", 0, len(MODES))
        found["modes"] = measure_modes(some, load_constants(args.constants), args.jobs,
                                       lambda done, of: said("energy by phase, order, skipping and bits of p", done, of))
    found["accounting"] = study.accounts(seed)
    found["layers"] = study.whole_layers(found["times"])
    found["verdicts"] = study.verdicts(found)
    found["goals"] = goals(found)
    return found


def tables(found: dict[str, Any]) -> list[Table]:
    """What is printed."""
    claims = Table((Column("claim", text=True, key=True), Column("paper"), Column("by plain accounting"),
                    Column("here", text=True), Column("it hangs on", text=True, rank=1)), "the paper's claims")
    for row in found["verdicts"]:
        claims.add(f"{row['where']}: {row['what']}", row["paper"], row["accounting"], row["here"], row["hangs"])
    lengths = sorted({row["tokens"] for row in found["times"]})
    usual = [row for row in found["times"] if row["gbs"] == USUAL]
    many = Table((Column("design", text=True, key=True), *(Column(f"{t}") for t in lengths)),
                 f"time over this project's, by tokens, {USUAL} GB/s (this project: ms)")
    for design in dict.fromkeys(row["design"] for row in usual):
        own = {row["tokens"]: row for row in usual if row["design"] == design}
        many.add(design, *(f"{own[t]['milliseconds']:.3f}" if design == OURS else f"{own[t]['times']:.2f}" for t in lengths))
    moved = Table((Column("design", text=True, key=True), *(Column(f"{t}: outside") for t in lengths),
                   *(Column(f"{t}: buffer", rank=1) for t in lengths)), "MB moved, by tokens")
    for design in dict.fromkeys(row["design"] for row in usual):
        own = {row["tokens"]: row for row in usual if row["design"] == design}
        moved.add(design, *(f"{own[t][key] / MB:.1f}" for key in ("dram_bytes", "buffer_bytes") for t in lengths))
    last = lengths[-1]
    cost = Table((Column("design", text=True, key=True), Column("mJ on chip"), Column("low to high"), Column("mJ with memory"),
                  Column("TOPS/W on chip"), Column("TOPS/W with memory")), f"energy, {last:,} tokens, typical constants")
    for row in found["energy"]:
        if row["tokens"] == last:
            cost.add(row["design"], f"{1e3 * row['typical']['chip']:.2f}",
                     f"{1e3 * row['low']['chip']:.2f} to {1e3 * row['high']['chip']:.2f}", f"{1e3 * row['typical']['total']:.2f}",
                     f"{row['typical']['tops_chip']:.1f}", f"{row['typical']['tops_total']:.1f}")
    modes = Table((Column("call", text=True, key=True), Column("cycles"), Column("% blocks skipped", rank=1),
                   Column("uJ on chip"), Column("of which arrays"), Column("TOPS/W on chip"), Column("with memory"),
                   Column("uJ a token, all")),
                  f"a layer of {found['mode_source']}, typical constants")
    for row in found["modes"]:
        usual = row["typical"]
        modes.add(f"{row['phase']}: {row['mode']}", f"{row['cycles']:,.0f}", f"{row['skipped']:.1f}",
                  f"{1e6 * usual['chip']:.1f}", f"{1e6 * usual['arrays']:.1f}", f"{usual['tops_chip']:.2f}",
                  f"{usual['tops_total']:.2f}", f"{1e6 * usual['token']:.2f}")
    reached = Table((Column("goal", text=True, key=True), Column("found", text=True), Column("met")),
                    "what this design was to reach")
    for goal in found["goals"]:
        reached.add(goal["goal"], goal["found"], goal["met"])
    return [claims, many, moved, cost, modes, reached]


def pictures(found: dict[str, Any]) -> dict[str, bytes]:
    """The plots by file name."""
    last = max(row["tokens"] for row in found["times"])
    own = next(row for row in found["energy"] if row["design"] == OURS and row["tokens"] == last)
    return {
        "time.png": charts.ratios(found["times"], "cycles", f"time, {USUAL} GB/s"),
        "dram.png": charts.ratios(found["times"], "dram_bytes", "bytes of the memory outside"),
        "buffer.png": charts.ratios(found["times"], "buffer_bytes", "bytes of the buffer on the chip"),
        "energy.png": charts.energies(found["energy"], last),
        "sensitivity.png": charts.swings(found["sensitivity"], own["typical"]["chip"], last),
    }


def write_pages() -> int:
    """Bring the last report of a usual run into docs/paper.md and README.md; gives the exit code."""
    # a process of its own: the figures of all pages know of this command
    called = [sys.executable, "-m", "scripts.figures", "--figures", ",".join(PAGES)]
    return subprocess.run(called, cwd=ROOT, check=False).returncode


def run(args: argparse.Namespace, seed: int) -> int:
    """Everything after the options; gives the exit code.

    Raises:
        FcimError: anything the user can get wrong, in one line.
    """
    clock = time.monotonic()
    found = work(args, seed)
    given = [("TOKENS", args.tokens), ("MODEL", args.model), ("CHECKPOINT", None if args.model else args.checkpoint),
             ("CONSTANTS", None if args.constants == DEFAULT else args.constants), ("SEED", seed)]
    command = " ".join([f"{FRONT} paper",
                        *(f"{name}={shlex.quote(str(value))}" for name, value in given if value not in (None, ""))])
    for table in tables(found):
        table.show()
        print()
    drawn = pictures(found)
    values = {"command": command, "seed": seed, "constants": args.constants, "seconds": round(time.monotonic() - clock, 1),
              "versions": tool_versions(None), "git": git_state(), **found}
    args.out.mkdir(parents=True, exist_ok=True)
    with replaced(args.out, NAMES) as folder:
        (folder / NAMES[0]).write_text(json.dumps(values, indent=1) + "\n")
        (folder / NAMES[1]).write_text(render(TEMPLATES, "paper.html.j2", pictures={
            name.removesuffix(".png"): base64.b64encode(data).decode() for name, data in drawn.items()},
            lengths=sorted({row["tokens"] for row in found["times"]}), ours=OURS, usual=USUAL, short=charts.short, **values))
        for name, data in drawn.items():
            (folder / name).write_bytes(data)
    paths = " and ".join(shown((args.out / name).resolve()) for name in NAMES[:2])
    print(f"report: {paths}; repeat with: {command}")
    if command != f"make paper SEED={USUAL_SEED}" or args.out.resolve() != FOLDER:
        return 0
    print("docs/paper.md and README.md:", flush=True)
    return write_pages()
