"""Compare the orders in which keys can visit a query tile: rescales, skipped blocks, accuracy, cycles (``make ablation``).

On the heads of a checkpoint, on the same with a planted attention sink, and on random tensors.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from models.errors import run_cli
from models.hardware.config import EngineConfig
from models.hardware.tiling import tokens_per_tile
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.fit import choose_config, fit_note, fit_tensors
from models.tensors.head_stats import head_kinds
from models.tensors.source import open_checkpoint, parse_indices, tell_first_token
from models.tensors.token_ids import read_text
from scripts.checks import check_call
from scripts.flow.arguments import Parser
from scripts.flow.files import check_writable, replaced
from scripts.flow.processes import of_its_own, shown
from scripts.flow.simulator import require_simulator
from scripts.flow.sources import ROOT
from scripts.flow.tables import say
from scripts.flow.tool_versions import git_state, tool_versions
from scripts.studies.schedules import goals as gl
from scripts.studies.schedules.figures import write_figures
from scripts.studies.schedules.measure import Task, run_tasks
from scripts.studies.schedules.report import FILES, write_json, write_markdown
from scripts.studies.schedules.rows import Row, rows_of
from scripts.studies.schedules.rtl import confirm
from scripts.studies.schedules.settings import SCORED_LENGTHS, Selection, choose, chosen_lengths, sweeps
from scripts.studies.schedules.sources import GAUSSIAN_HEADS, gaussian
from scripts.studies.schedules.tables import all_sheets, goals_sheet, rtl_sheet

FOLDER = ROOT / "build" / "ablation"
SEED = 1            # fixed, so that every run prints the same table


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser("ablation", "Compare the orders of the keys: rescales, skipped blocks, accuracy, cycles.",
                    sim="icarus", seed=SEED, jobs=2, out=FOLDER)
    parser.add_argument("--no-rtl", action="store_true", help="leave out the tiles that the Verilog confirms")
    return parser.parse_args(argv)


def plan(cfg: EngineConfig, layers: list[AttentionTensors], random: AttentionTensors, lengths: list[int],
         chosen: Selection) -> list[Task]:
    """All tasks, the longest first, so that no process is left with a long one at the end."""
    sources = [(gl.TRAINED, False, layers), (gl.PLANTED, True, layers), (gl.RANDOM, False, [random])]
    tasks = []
    for tokens in reversed(lengths):
        scored = tokens in SCORED_LENGTHS or tokens == lengths[-1] < SCORED_LENGTHS[-1]
        for source, sink, tensors in sources:
            work = sweeps(cfg, chosen, scored and (source == gl.TRAINED or tokens > SCORED_LENGTHS[0]), source == gl.TRAINED)
            tasks += [Task(source, "prefill", tokens, t, sink, work) for t in tensors]
    for source, sink, tensors in sources[:2]:
        tasks += [Task(source, "decode", lengths[-1], t, sink, sweeps(cfg, chosen, True, False)) for t in tensors]
    return tasks


def measure(console: Console, cfg: EngineConfig, tasks: list[Task], jobs: int, kinds: dict[str, str],
            chosen: Selection) -> list[Row]:
    """The rows of all tasks, with a bar on a terminal."""
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
                  console=console, transient=True) as progress:
        bar = progress.add_task("layers measured", total=len(tasks))
        measured = run_tasks(tasks, jobs, lambda task: progress.advance(bar))
    return [row for key, found in measured.items() for row in rows_of(cfg, *key, found, kinds, chosen.shows)]


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write; 1 if the Verilog disagrees. Goals that are not reached are printed, not failed."""
    args = parse_args(argv)
    check_call(args, FOLDER)
    console, began = Console(), time.perf_counter()
    jobs, seed = args.jobs, args.seed
    if not args.no_rtl:
        require_simulator(args.sim)
    model = open_checkpoint(args.checkpoint)
    cfg = choose_config(args.config, model.config.head_dim, cut=not args.checkpoint)
    lengths = chosen_lengths(args.tokens, min(model.config.max_position_embeddings, cfg.max_keys))
    chosen = choose(cfg, args.schedule, args.tau, args.keys_per_block, args.full)
    cfg = replace(cfg, keys_per_block=chosen.sizes[0])
    text = read_text(args.text) if args.text else None
    picked = parse_indices(args.layer or "all", model.config.num_hidden_layers, "LAYER")
    heads = parse_indices(args.heads, model.config.num_attention_heads, "HEADS")
    tokens_per_tile(cfg, model.config.num_attention_heads // model.config.num_key_value_heads)
    check_writable(args.out)
    say(f"seed {seed}, configuration {cfg.name}, {cfg.keys_per_block} keys a block, "
        f"lengths {', '.join(map(str, lengths))}")
    layers = [fit_tensors(layer, cfg) for layer in model.capture(picked, heads, text, lengths[-1])]
    if note := fit_note(model.config.head_dim, cfg):
        say(note)
    tell_first_token(layers[0].source)
    kinds = {head: kind for head, kind in head_kinds(model, text, min(512, lengths[-1])).items()
             if any(head in layer.heads for layer in layers)}
    tasks = plan(cfg, layers, gaussian(lengths[-1], seed, cfg.head_dim), lengths, chosen)
    with of_its_own(args.out), ThreadPoolExecutor(1) as beside:   # the simulator runs beside the processes that measure
        middle = layers[len(layers) // 2]
        asked = None if args.no_rtl else beside.submit(confirm, cfg, middle, seed, args.sim, chosen.measured)
        rows = measure(console, cfg, tasks, jobs, kinds, chosen)
        confirmed = asked.result() if asked else []
    goals = gl.check_goals(rows, cfg.prob_bits, cfg.keys_per_block)
    sheets = all_sheets(cfg, rows, kinds)
    sheets += [rtl_sheet(confirmed)] if confirmed else []
    sheets += [goals_sheet(goals)] if goals else []
    lines = gl.goal_lines(goals)
    for sheet in sheets:
        sheet.table().show()
        print()
    for line in lines:
        say(line)
    facts = {
        "what": "rescales, skipped blocks, accuracy and cycles by schedule; see docs/schedules.md", "seed": seed,
        "chosen": asdict(chosen), "config": asdict(cfg), "source": layers[0].source,
        "fit": fit_note(model.config.head_dim, cfg), "gaussian_heads": GAUSSIAN_HEADS,
        "head_kinds": kinds, "environment": {**tool_versions(args.sim), **git_state()},
        "seconds": round(time.perf_counter() - began, 1), "goals": [goal.as_dict() for goal in goals],
        "rtl": [c.as_dict() for c in confirmed]}
    with replaced(args.out, FILES) as folder:
        write_json(folder / "ablation.json", facts, rows)
        write_markdown(folder / "ablation.md", sheets, lines)
        write_figures(folder, cfg, rows, kinds, layers)
    seconds = time.perf_counter() - began
    say(f"{shown(args.out.resolve())}: ablation.md, ablation.json and the figures, {seconds:.0f} s")
    return 0 if all(c.ok for c in confirmed) else 1


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_cli(main)
