"""Choose the order of the keys for each KV head, or each layer, on a calibration text (``make calibrate``).

Every order, first step and threshold of 0 to 4 is counted on every KV head; the one with the fewest rescales is taken whose
output has lost no more than ``BUDGET_DB`` against natural order.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from models.errors import run_cli
from models.hardware.config import EngineConfig
from models.hardware.orders import Orders
from models.hardware.schedules import SCHEDULES, TileOptions
from models.hardware.tiling import tokens_per_tile
from models.quality.reference import reference_attention
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.checkpoint import Checkpoint
from models.tensors.fit import choose_config, fit_note, fit_tensors
from models.tensors.source import open_checkpoint, tell_first_token
from models.tensors.text import load_corpus
from models.tensors.token_ids import read_text
from scripts.checks import check_call
from scripts.flow.arguments import Parser
from scripts.flow.files import check_writable, write_atomic
from scripts.flow.processes import of_its_own, shown
from scripts.flow.sources import ROOT
from scripts.flow.tables import Column, Table, say
from scripts.studies.schedules.measure import Measured, measure_group
from scripts.studies.schedules.report import number, percent
from scripts.studies.schedules.scores import GroupScores, group_scores
from scripts.studies.schedules.settings import NATURAL, Sweep
from scripts.studies.schedules.sources import prefill

FILE = ROOT / "build" / "calibrate" / "orders.json"
TOKENS = 2048
TAUS = tuple(range(5))  # a larger one has not been seen within the budget
BUDGET_DB = 0.05    # mean SQNR of a KV head that the choice may lose against natural order
PIECE = 4000        # characters of each source of the default text, so that it has many
CANDIDATES = tuple(TileOptions(schedule, fused, tau=tau) for tau in TAUS for fused in (False, True) for schedule in SCHEDULES)


def calibration_text(tokens: int) -> str:
    """Pieces of many sources of the standard library, none of which the default text of a measurement is taken from."""
    wanted, found, size = 12 * tokens, [], 0
    corpus = load_corpus(held_out=False)
    for data in corpus[:: max(1, len(corpus) * PIECE // wanted)]:
        found.append(data.decode("utf-8", errors="replace")[:PIECE])
        size += len(found[-1])
    return "\n".join(found)


@dataclass
class Unit:
    """What gets one choice: a KV head, or all of a layer. Of each KV head the names of its query heads, scores and reference."""

    cfg: EngineConfig
    groups: list[tuple[list[str], GroupScores, torch.Tensor]]

    def measured(self, taus: Iterable[int], schedules: tuple[str, ...], scored: list[TileOptions]) -> Measured:
        """Sums over its KV heads."""
        found = Measured()
        for names, scores, reference in self.groups:
            pairs = [(fused, tau) for fused in (False, True) for tau in taus]
            found.add(measure_group(Sweep(self.cfg, pairs, scored, (), schedules, False), scores, names, reference))
        return found

    def rescales(self) -> dict[TileOptions, int]:
        """Rescaled rows of every candidate."""
        counts = self.measured([tau for tau in TAUS if tau <= self.cfg.max_tau()], SCHEDULES, []).counts
        return {setting: sum(of.rescales) for (_, _, setting), of in counts.items()}

    def sqnr_db(self, setting: TileOptions) -> float:
        """Mean over its heads, against float32 attention."""
        metrics = self.measured([setting.tau], (setting.schedule,), [setting]).scores[
            self.cfg.keys_per_block, self.cfg.prob_bits, setting].metrics
        return sum(of.sqnr_db for of in metrics) / len(metrics)


@dataclass(frozen=True)
class Choice:
    """What was chosen for some heads, rescaled rows in natural order and with it, of so many rows, and dB that it loses."""

    options: TileOptions
    natural: int
    rescales: int
    rows: int
    lost_db: float


def choose(unit: Unit, budget_db: float = BUDGET_DB) -> Choice:
    """The candidate with the fewest rescales that loses at most ``budget_db``; of equals the one without a threshold, then the
    simpler one. Natural order is always within the budget."""
    rescales = unit.rescales()
    rows = sum(int(scores.rows.sum()) for _, scores, _ in unit.groups)
    natural_db = unit.sqnr_db(NATURAL)
    for setting in sorted((c for c in CANDIDATES if c in rescales), key=lambda c: rescales[c]):
        lost = 0.0 if setting == NATURAL else natural_db - unit.sqnr_db(setting)
        if lost <= budget_db:
            return Choice(setting, rescales[NATURAL], rescales[setting], rows, lost)
    raise AssertionError("natural order is a candidate")


def choose_layer(cfg: EngineConfig, tensors: AttentionTensors, whole: bool) -> list[Choice]:
    """A choice for each KV head of a layer, or one for all of them (``whole``)."""
    torch.set_num_threads(1)
    layer, reference = prefill(tensors), reference_attention(tensors)
    groups = [([tensors.heads[row] for row in rows], group_scores(cfg, pieces), reference[rows])
              for pieces, rows in zip(layer.groups, layer.heads, strict=True)]
    return [choose(Unit(cfg, groups))] if whole else [choose(Unit(cfg, [group])) for group in groups]


def choose_all(cfg: EngineConfig, layers: Iterable[AttentionTensors], whole: bool, jobs: int) -> Iterator[list[Choice]]:
    """The choices of each layer in turn. While up to ``jobs`` processes work, the next layer is captured; no more are held."""
    if jobs == 1:
        yield from (choose_layer(cfg, tensors, whole) for tensors in layers)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: list[Future[list[Choice]]] = []
        for tensors in layers:
            waiting.append(pool.submit(choose_layer, cfg, tensors, whole))
            if len(waiting) > jobs:
                yield waiting.pop(0).result()
        yield from (future.result() for future in waiting)


def choices_table(choices: list[list[Choice]], title: str) -> Table:
    """How many KV heads or layers got which order, and what that saves them; a line for all."""
    table = Table([Column("order", text=True, key=True), Column("chosen"), Column("natural"), Column("its own"),
                   Column("fewer %"), Column("lost dB, worst")], title)
    flat = [choice for layer in choices for choice in layer]
    lines = [(options.name, [c for c in flat if c.options == options])
             for options, _ in Counter(c.options for c in flat).most_common()]
    for name, some in [*lines, ("all", flat)]:
        natural, own, rows = (sum(getattr(c, field) for c in some) for field in ("natural", "rescales", "rows"))
        table.add(name, str(len(some)), number(natural / rows, 3), number(own / rows, 3),
                  percent(1 - own / natural if natural else 0.0), number(max(c.lost_db for c in some), 3))
    return table


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    return Parser("calibrate", "Choose the order of the keys for each KV head on a calibration text.", jobs=2,
                  grain="head").parse_args(argv)


def orders_of(choices: list[list[Choice]], model: Checkpoint, cfg: EngineConfig, text: str, tokens: int) -> Orders:
    """The choices as a file's content; a choice for a whole layer goes to all its KV heads."""
    heads, kv_heads = model.config.num_attention_heads, model.config.num_key_value_heads
    chosen = tuple(tuple(of[kv if len(of) > 1 else 0].options for kv in range(kv_heads)) for of in choices)
    return Orders(model.facts()["model"], text, tokens, cfg.name, cfg.keys_per_block, heads // kv_heads, chosen)


def main(argv: list[str] | None = None) -> int:
    """Choose, print, write."""
    args = parse_args(argv)
    check_call(args)
    out = Path(args.out) if args.out else FILE
    model = open_checkpoint(args.checkpoint)
    cfg = choose_config(args.config, model.config.head_dim, cut=not args.checkpoint)
    tokens_per_tile(cfg, model.config.num_attention_heads // model.config.num_key_value_heads)
    text = read_text(args.text) if args.text else None
    tokens = args.tokens or min(TOKENS, model.config.max_position_embeddings, cfg.max_keys)
    check_writable(out.absolute().parent)
    layers = model.each_layer(list(range(model.config.num_hidden_layers)), None, text or calibration_text(tokens), tokens)
    first = next(layers)    # what is wrong with text or weights is told before anything else
    facts = first.source
    say(f"configuration {cfg.name}, {cfg.keys_per_block} keys a block, {tokens:,} tokens")
    if note := fit_note(model.config.head_dim, cfg):
        say(note)
    tell_first_token(facts)
    choices: list[list[Choice]] = []
    with (of_its_own(out.absolute().parent), Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
            console=Console(stderr=True), transient=True) as progress):
        bar = progress.add_task("layers", total=model.config.num_hidden_layers)
        fitted = (fit_tensors(tensors, cfg) for tensors in chain([first], layers))
        for found in choose_all(cfg, fitted, args.grain == "layer", args.jobs):
            choices.append(found)
            progress.advance(bar)
    choices_table(choices, f"{facts['model']}: rescales per row on the calibration text, {tokens:,} tokens").show()
    told = f"{Path(args.text).name}, sha256 {facts['text_sha256'][:12]}" if args.text else (
        "sources of the Python standard library that are not held out")
    write_atomic(out, orders_of(choices, model, cfg, told, tokens).text_form())
    say(f"written: {shown(out.resolve())}; take it with ORDERS={shown(out.resolve())}")
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_cli(main)
