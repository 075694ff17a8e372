"""Compare the orders in which keys can visit a query tile: rescales, skipped blocks, accuracy, cycles (``make ablation``).

On the heads of a checkpoint, on the same with a planted attention sink if it has few of its own, and on random tensors.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from models.errors import FcimError, run_cli
from models.hardware.config import EngineConfig
from models.hardware.orders import Orders, load_orders
from models.hardware.tiling import tokens_per_tile
from models.place import BUILD
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.checkpoint import Checkpoint
from models.tensors.fit import choose_config, fit_note, fit_tensors
from models.tensors.head_stats import head_kinds
from models.tensors.source import open_checkpoint, parse_indices, tell_first_token
from models.tensors.token_ids import read_text
from scripts.checks import check_call
from scripts.flow.arguments import Parser
from scripts.flow.files import check_writable, replaced
from scripts.flow.processes import of_its_own, shown
from scripts.flow.simulator import require_simulator
from scripts.flow.tables import say
from scripts.flow.tool_versions import git_state, tool_versions
from scripts.studies.schedules import goals as gl
from scripts.studies.schedules.figures import EXAMPLE_TOKENS, write_figures
from scripts.studies.schedules.measure import Task, run_tasks
from scripts.studies.schedules.report import FILES, write_json, write_markdown
from scripts.studies.schedules.rows import Row, rows_of
from scripts.studies.schedules.rtl import confirm
from scripts.studies.schedules.settings import SCORED_LENGTHS, Selection, choose, chosen_lengths, sweeps
from scripts.studies.schedules.skipping import TOKENS as SKIP_TOKENS
from scripts.studies.schedules.skipping import measure_skipping, skipping_layers_sheet, skipping_sheet
from scripts.studies.schedules.sources import GAUSSIAN_HEADS, gaussian, store_layer
from scripts.studies.schedules.tables import all_sheets, goals_sheet, rtl_sheet, shown_tokens

FOLDER = BUILD / "ablation"
SEED = 1            # fixed, so that every run prints the same table
OWN_SINKS = 0.25    # a model with more of its heads resting on the first token gets no planted ones beside them


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser("ablation", "Compare the orders of the keys: rescales, skipped blocks, accuracy, cycles.",
                    sim="icarus", seed=SEED, jobs=2, out=FOLDER)
    parser.add_argument("--no-rtl", action="store_true", help="leave out the tiles that the Verilog confirms")
    return parser.parse_args(argv)


def store(found: Iterable[AttentionTensors], cfg: EngineConfig, folder: Path, count: int,
          console: Console) -> tuple[list[Path], list[AttentionTensors]]:
    """Files of the layers as they are captured, and the beginning of each, which pictures and the Verilog are about."""
    files, beginnings = [], []
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console,
                  transient=True) as progress:
        bar = progress.add_task("layers captured", total=count)
        for tensors in found:
            layer = fit_tensors(tensors, cfg)
            files.append(store_layer(layer, folder / f"{len(files)}.pt"))
            begin = layer.first_tokens(min(EXAMPLE_TOKENS, layer.k.shape[1]))
            beginnings.append(replace(begin, **{name: getattr(begin, name).clone() for name in "qkv"}))
            progress.advance(bar)
    return files, beginnings


def plan(cfg: EngineConfig, layers: list[Path], random: AttentionTensors, lengths: list[int], chosen: Selection,
         planted: bool = True, orders: Orders | None = None) -> list[Task]:
    """All tasks, the longest first, so that no process is left with a long one at the end."""
    sources = [(gl.TRAINED, False, layers), *([(gl.PLANTED, True, layers)] if planted else []), (gl.RANDOM, False, [random])]
    tasks = []
    for tokens in reversed(lengths):
        scored = tokens in SCORED_LENGTHS or tokens == lengths[-1] < SCORED_LENGTHS[-1]
        for source, sink, tensors in sources:
            work = sweeps(cfg, chosen, scored and (source == gl.TRAINED or tokens > SCORED_LENGTHS[0]), source == gl.TRAINED)
            own = orders if source == gl.TRAINED else None
            tasks += [Task(source, "prefill", tokens, t, sink, work, own) for t in tensors]
    for source, sink, tensors in sources[:-1]:
        own, work = orders if source == gl.TRAINED else None, sweeps(cfg, chosen, True, False)
        tasks += [Task(source, "decode", lengths[-1], t, sink, work, own) for t in tensors]
    return tasks


def orders_for(path: str, model: Checkpoint, cfg: EngineConfig) -> Orders:
    """The orders of a file for a model and a configuration.

    Raises:
        FcimError: the file cannot be used, or is another model's or another configuration's.
    """
    config = model.config
    found = load_orders(path).check(cfg)
    return found.check_model(config.num_hidden_layers, config.num_attention_heads, config.num_key_value_heads)


def measure(console: Console, cfg: EngineConfig, tasks: list[Task], jobs: int, kinds: dict[str, str],
            chosen: Selection) -> list[Row]:
    """The rows of all tasks, with a bar on a terminal."""
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
                  console=console, transient=True) as progress:
        bar = progress.add_task("layers measured", total=len(tasks))
        measured = run_tasks(tasks, jobs, lambda task: progress.advance(bar))
    return [row for key, found in measured.items() for row in rows_of(cfg, *key, found, kinds, chosen.shows)]


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write; 1 if the Verilog disagrees. Goals that are not reached are printed, not failed.

    Raises:
        FcimError: the configuration cuts row sums, whose raises nothing here follows.
    """
    args = parse_args(argv)
    check_call(args, FOLDER)
    console, began = Console(), time.perf_counter()
    jobs, seed = args.jobs, args.seed
    if not args.no_rtl:
        require_simulator(args.sim)
    model = open_checkpoint(args.checkpoint)
    cfg = choose_config(args.config, model.config.head_dim, cut=not args.checkpoint)
    if cfg.sum_cut:
        raise FcimError(f"configuration '{cfg.name}' cuts row sums, which the studies of orders do not follow; use one without")
    lengths = chosen_lengths(args.tokens, min(model.config.max_position_embeddings, cfg.max_keys))
    chosen = choose(cfg, args.schedule, args.tau, args.keys_per_block, args.full)
    cfg = replace(cfg, keys_per_block=chosen.sizes[0])
    text = read_text(args.text) if args.text else None
    picked = parse_indices(args.layer or "all", model.config.num_hidden_layers, "LAYER")
    heads = parse_indices(args.heads, model.config.num_attention_heads, "HEADS")
    tokens_per_tile(cfg, model.config.num_attention_heads // model.config.num_key_value_heads)
    orders = orders_for(args.orders, model, cfg) if args.orders else None
    check_writable(args.out)
    say(f"seed {seed}, configuration {cfg.name}, {cfg.keys_per_block} keys a block, "
        f"lengths {', '.join(map(str, lengths))}")
    if note := fit_note(model.config.head_dim, cfg):
        say(note)
    with of_its_own(args.out) as work, ThreadPoolExecutor(1) as beside:   # the simulator runs beside the processes that measure
        files, layers = store(model.each_layer(picked, heads, text, lengths[-1]), cfg, work, len(picked), console)
        tell_first_token(layers[0].source)
        kinds = {head: kind for head, kind in head_kinds(model, text, min(512, lengths[-1])).items()
                 if any(head in layer.heads for layer in layers)}
        planted = sum(kind == "sink" for kind in kinds.values()) <= OWN_SINKS * len(kinds)
        tasks = plan(cfg, files, gaussian(lengths[-1], seed, cfg.head_dim), lengths, chosen, planted, orders)
        middle = layers[len(layers) // 2]
        asked = None if args.no_rtl else beside.submit(confirm, cfg, middle, seed, args.sim, chosen.measured)
        rows = measure(console, cfg, tasks, jobs, kinds, chosen)
        with console.status("skipping below octaves"):
            skipping = measure_skipping(cfg, files, tokens := min(SKIP_TOKENS, shown_tokens(rows)), jobs)
        confirmed = asked.result() if asked else []
    goals = gl.check_goals(rows, cfg.prob_bits, cfg.keys_per_block)
    sheets = all_sheets(cfg, rows, kinds)
    sheets += [skipping_sheet(skipping, tokens), skipping_layers_sheet(skipping, tokens)]
    sheets += [rtl_sheet(confirmed)] if confirmed else []
    sheets += [goals_sheet(goals)] if goals else []
    lines = gl.goal_lines(goals) + gl.order_lines(rows, cfg.prob_bits, cfg.keys_per_block)
    for sheet in sheets:
        sheet.table().show()
        print()
    for line in lines:
        say(line)
    facts = {
        "what": "rescales, skipped blocks, accuracy and cycles by schedule; see docs/schedules.md", "seed": seed,
        "chosen": asdict(chosen), "orders": orders and {"model": orders.model, "text": orders.text, "tokens": orders.tokens},
        "config": asdict(cfg), "source": layers[0].source,
        "fit": fit_note(model.config.head_dim, cfg), "gaussian_heads": GAUSSIAN_HEADS,
        "head_kinds": kinds, "environment": {**tool_versions(args.sim), **git_state()},
        "seconds": round(time.perf_counter() - began, 1), "goals": [goal.as_dict() for goal in goals],
        "skipping": [left.as_dict() for left in skipping], "rtl": [c.as_dict() for c in confirmed]}
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
