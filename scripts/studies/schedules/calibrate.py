"""Choose the order of the keys for each KV head, or each layer, on calibration texts (``make calibrate``).

Orders and thresholds of 0 to 4 are measured on every KV head. Of all sets of orders one with few rescales is taken in which
query heads lose no more than ``BUDGET_DB`` on average against natural order, and none more than ``LIMIT_DB`` on any text.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from models.errors import run_cli
from models.hardware.config import EngineConfig
from models.hardware.orders import Effect, Orders
from models.hardware.schedules import TileOptions
from models.hardware.tiling import tokens_per_tile
from models.place import BUILD
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.checkpoint import Checkpoint
from models.tensors.fit import choose_config, fit_note, fit_tensors
from models.tensors.source import kinds_of, open_checkpoint, tell_first_token
from models.tensors.text import CODE, PROSE, default_text, load_corpus, load_prose
from models.tensors.token_ids import read_text
from scripts.checks import check_call
from scripts.flow.arguments import Parser
from scripts.flow.files import check_writable, write_atomic
from scripts.flow.processes import of_its_own, shown
from scripts.flow.tables import Column, Table, say
from scripts.studies.schedules.budget import Offer, Picked, pick
from scripts.studies.schedules.costs import CANDIDATES, CHECK_TILES, TILES, HeadCosts, all_costs, layer_costs, together
from scripts.studies.schedules.report import number, percent
from scripts.studies.schedules.settings import NATURAL

FILE = BUILD / "calibrate" / "orders.json"
TOKENS = 2048       # of each text
BUDGET_DB = 0.04    # SQNR that query heads may lose on average against natural order; another text loses up to 0.01 dB more
LIMIT_DB = 0.3      # that one of them may; on another text up to twice as much
BYTES = 12          # of a text for each token that is wanted; no tokenizer needs as many
PIECE = 4000        # characters of each source of a calibration text, so that it has many


class Text(NamedTuple):
    """A text to run the model on; ``name`` says to people which it is."""

    name: str
    content: str


def calibration_text(tokens: int, kind: str = CODE) -> str:
    """Pieces of many sources of the standard library, or of the prose of Python's help, none of which the default text of a
    measurement is taken from."""
    if kind == PROSE:
        pieces = [topic[first:first + PIECE] for topic in load_prose(held_out=False) for first in range(0, len(topic), PIECE)]
    else:
        pieces = [data.decode("utf-8", errors="replace")[:PIECE] for data in load_corpus(held_out=False)]
    return "\n".join(pieces[::max(1, len(pieces) * PIECE // (BYTES * tokens))])


def units_of(layers: Sequence[Sequence[HeadCosts]], whole: bool) -> list[HeadCosts]:
    """What gets an order of its own in a layer, each KV head or all together (``whole``), from the KV heads on every text."""
    heads = [together(texts) for texts in zip(*layers, strict=True)]
    return [together(heads)] if whole else heads


def choose(units: Sequence[HeadCosts], budget_db: float = BUDGET_DB,
           limit_db: float = LIMIT_DB) -> tuple[list[TileOptions], Picked]:
    """An order for each unit, a KV head or several that are to have the same.

    Args:
        budget_db: what the query heads of all may lose on average over all texts, where one that gains counts as one that loses
            nothing. limit_db: what one of them may lose on any text.
    """
    allowed = [[of for of, cost in unit.costs.items() if max(cost.lost_db) <= limit_db] for unit in units]
    offers = [[Offer(unit.costs[of].rescales, sum(max(0.0, db) for db in unit.costs[of].lost_db)) for of in some]
              for unit, some in zip(units, allowed, strict=True)]
    picked = pick(offers, budget_db * sum(len(unit.costs[NATURAL].lost_db) for unit in units))
    return [some[number] for some, number in zip(allowed, picked.numbers, strict=True)], picked


def effect(text: str, heads: Sequence[HeadCosts], chosen: Sequence[TileOptions]) -> Effect:
    """What the orders that were chosen did to the KV heads on a text."""
    lost = [db for head, of in zip(heads, chosen, strict=True) for db in head.costs[of].lost_db]
    return Effect(text, sum(head.rows for head in heads), sum(head.costs[NATURAL].rescales for head in heads),
                  sum(head.costs[of].rescales for head, of in zip(heads, chosen, strict=True)), sum(lost) / len(lost), max(lost))


def walk_text(model: Checkpoint, text: Text, tokens: int, cfg: EngineConfig) -> Iterator[AttentionTensors]:
    """The layers of a model on a text, one after the other, as the configuration takes them."""
    every = list(range(model.config.num_hidden_layers))
    return (fit_tensors(tensors, cfg) for tensors in model.each_layer(every, None, text.content, tokens))


def choices_table(units: Sequence[HeadCosts], chosen: Sequence[TileOptions], title: str) -> Table:
    """How many KV heads or layers got which order, and what that does to them; a line for all."""
    table = Table([Column("order", text=True, key=True), Column("chosen"), Column("natural"), Column("its own"),
                   Column("fewer %"), Column("lost dB"), Column("worst head")], title)
    lines = [[of] for of, _ in Counter(chosen).most_common()]
    for some in [*lines, list(dict.fromkeys(chosen))] if len(lines) > 1 else lines:
        theirs = [(unit, of) for unit, of in zip(units, chosen, strict=True) if of in some]
        did = effect("", [unit for unit, _ in theirs], [of for _, of in theirs])
        table.add(some[0].name if len(some) == 1 else "all", str(len(theirs)), *_figures(did))
    return table


def effects_table(effects: Sequence[Effect]) -> Table:
    """What the orders do on each text."""
    table = Table([Column("text", text=True, key=True), Column("natural"), Column("its own"), Column("fewer %"),
                   Column("lost dB"), Column("worst head")], "rescales per row and SQNR lost, by text")
    for did in effects:
        table.add(did.text, *_figures(did))
    return table


def _figures(did: Effect) -> list[str]:
    return [number(did.natural / did.rows, 3), number(did.rescales / did.rows, 3), percent(did.fewer), number(did.lost_db, 3),
            number(did.worst_db, 2)]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    return Parser("calibrate", "Choose the order of the keys for each KV head on calibration texts.", jobs=2,
                  grain="head").parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Choose, print, write."""
    args = parse_args(argv)
    check_call(args)
    out = Path(args.out) if args.out else FILE
    model = open_checkpoint(args.checkpoint)
    cfg = choose_config(args.config, model.config.head_dim, cut=not args.checkpoint)
    heads, kv_heads, count = (getattr(model.config, f"num_{what}") for what in (
        "attention_heads", "key_value_heads", "hidden_layers"))
    tokens_per_tile(cfg, heads // kv_heads)
    tokens = args.tokens or min(TOKENS, model.config.max_position_embeddings, cfg.max_keys)
    kinds, held_out = kinds_of(model), []
    if args.text:
        texts = [Text(Path(args.text).name, read_text(args.text))]
        told = texts[0].name
    else:
        texts = [Text(f"{kind}, calibration", calibration_text(tokens, kind)) for kind in kinds]
        held_out = [Text(f"{kind}, held out", default_text(BYTES * tokens, kind)) for kind in kinds]
        told = f"{' and '.join(kinds)} that come with Python, none of it held out"
    check_writable(out.absolute().parent)
    walks = [walk_text(model, text, tokens, cfg) for text in (*texts, *held_out)]
    first = next(walks[0])    # what is wrong with text or weights is told before anything else
    walks[0] = chain([first], walks[0])
    say(f"configuration {cfg.name}, {cfg.keys_per_block} keys a block, {tokens:,} tokens of {told}")
    if note := fit_note(model.config.head_dim, cfg):
        say(note)
    tell_first_token(first.source)
    with (of_its_own(out.absolute().parent), Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
            console=Console(stderr=True), transient=True) as progress):
        bar = progress.add_task("layers", total=count * len(walks))

        def measured(walk: Iterable[AttentionTensors], candidates: Iterable[Sequence[Sequence[TileOptions]]],
                     **how: float) -> list[list[HeadCosts]]:
            """Of each layer its KV heads; ``how``: what else :func:`layer_costs` takes."""
            found = []
            for layer in all_costs(walk, candidates, args.jobs, partial(layer_costs, cfg=cfg, **how)):
                found.append(layer)
                progress.advance(bar)
            return found

        whole = args.grain == "layer"   # what is no use to one KV head may be to another
        of_texts = [measured(walk, repeat([CANDIDATES] * kv_heads), tiles=TILES, limit_db=LIMIT_DB, useful=not whole)
                    for walk in walks[:len(texts)]]
        units = [unit for layers in zip(*of_texts, strict=True) for unit in units_of(layers, whole)]
        chosen, picked = choose(units)
        of_each = [of for of in chosen for _ in range(kv_heads if whole else 1)]
        orders = [of_each[first:first + kv_heads] for first in range(0, count * kv_heads, kv_heads)]
        own = [[[of] for of in layer] for layer in orders]
        of_texts += [measured(walk, own, tiles=CHECK_TILES) for walk in walks[len(texts):]]
    effects = tuple(effect(text.name, [head for layer in layers for head in layer], of_each)
                    for text, layers in zip((*texts, *held_out), of_texts, strict=True))
    name = first.source["model"]
    choices_table(units, chosen, f"{name}: rescales per row and SQNR lost, {tokens:,} tokens of each text").show()
    print()
    effects_table(effects).show()
    say(f"no choice within {BUDGET_DB} dB on average and {LIMIT_DB} dB on each query head rescales less than "
        f"{picked.at_least / max(1, picked.rescales):.1%} as often")
    sha = f", sha256 {first.source['text_sha256'][:12]}" if args.text else ""
    write_atomic(out, Orders(name, told + sha, tokens, cfg.name, cfg.keys_per_block, heads // kv_heads,
                             tuple(map(tuple, orders)), effects).text_form())
    say(f"written: {shown(out.resolve())}; take it with ORDERS={shown(out.resolve())}")
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_cli(main)
