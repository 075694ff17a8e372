#!/usr/bin/env python3
"""Print what kind of attention each head of a checkpoint has: sink, previous-token, local, induction.

Sink, previous, local mass and entropy come from held-out text, induction mass from random tokens that repeat.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import torch
from rich.text import Text
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from models.errors import run_cli
from models.tensors.checkpoint import Checkpoint, Probe
from models.tensors.head_stats import LOCAL_WINDOW, HeadStats, head_statistics, repeated_random
from models.tensors.source import open_checkpoint, tell_first_token
from models.tensors.token_ids import read_text, token_ids
from scripts.call import check_call
from scripts.flow.arguments import Parser
from scripts.flow.tables import Column, Table, say

PERIOD, REPEATS, BATCH, SEED = 64, 4, 4, 1
MIN_TOKENS = 4 * LOCAL_WINDOW  # the first 2 * LOCAL_WINDOW queries are not counted
# a head is marked with a kind when its mean mass there is above this
THRESHOLDS = {"sink": 0.2, "previous": 0.3, "local": 0.5, "induction": 0.3}


def kinds(stats: HeadStats) -> list[str]:
    """The kinds whose threshold this head passes."""
    return [kind for kind, limit in THRESHOLDS.items() if getattr(stats, kind) > limit]


def _probabilities(probe: Probe) -> Tensor:
    """Causal attention probabilities ``[B, Hq, T, T]`` of a layer."""
    length = probe.q.shape[2]
    keys = probe.k.repeat_interleave(probe.q.shape[1] // probe.k.shape[1], dim=1)
    later = torch.ones(length, length, dtype=torch.bool).triu(1)
    scores = probe.q @ keys.transpose(2, 3) * probe.scale
    return scores.masked_fill(later, float("-inf")).softmax(-1)


class _WalkedLayer:
    """Stands in for a model of one layer whose attention is known already; tells its sequences apart by their shape."""

    def __init__(self, probes: list[Probe]):
        self._maps = {(p.q.shape[0], p.q.shape[2]): _probabilities(p) for p in probes}

    def __call__(self, input_ids: Tensor, **_: bool) -> SimpleNamespace:
        return SimpleNamespace(attentions=[self._maps[tuple(input_ids.shape)]])


def checkpoint_stats(model: Checkpoint, text_ids: Tensor) -> Iterator[HeadStats]:
    """Statistics of every head, layer by layer, with one layer in memory at a time.

    Args:
        model: the checkpoint.
        text_ids: int64 ``[T]``, as the tokenizer begins it, T at least ``MIN_TOKENS``.
    """
    generator = torch.Generator().manual_seed(SEED)
    repeated = repeated_random(BATCH, PERIOD, REPEATS, 0, model.tokenizer.ordinary, model.tokenizer.bos, generator)
    sequences = [text_ids[None], repeated]
    for layer, probes in model.walk(sequences):
        for stats in head_statistics(_WalkedLayer(probes), *sequences, PERIOD):
            yield replace(stats, layer=layer)


def stats_table(stats: list[HeadStats], title: str) -> Table:
    """A line per head; masses beyond their kind's threshold stand out on a terminal."""
    table = Table([Column("layer", key=True), Column("head", key=True), *map(Column, THRESHOLDS), Column("entropy"),
                   Column("kind", text=True)], title)
    for i, s in enumerate(stats):
        cells = [Text(f"{getattr(s, k):.3f}", "bold" if getattr(s, k) > limit else "") for k, limit in THRESHOLDS.items()]
        last_of_layer = i + 1 == len(stats) or stats[i + 1].layer != s.layer
        table.add(str(s.layer), str(s.head), *cells, f"{s.entropy:.2f}", ", ".join(kinds(s)), last=last_of_layer)
    return table


def main(argv: list[str] | None = None) -> int:
    """Print the table, or JSON; gives the exit code."""
    parser = Parser("head-stats", "What kind of attention each head has: sink, previous-token, local, induction.", tokens=512)
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    args = parser.parse_args(argv)
    check_call(args)
    model = open_checkpoint(args.checkpoint)
    text = read_text(args.text) if args.text else None
    taken = token_ids(model.tokenizer, text, args.tokens, model.config.vocab_size, model.config.max_position_embeddings)
    facts = {**model.facts(model.config.num_hidden_layers - 1), **taken.facts}
    tell_first_token(facts)
    stats = list(checkpoint_stats(model, taken.ids))
    if args.json:
        print(json.dumps({"source": facts, "thresholds": THRESHOLDS,
                          "heads": [{**s.as_dict(), "kinds": kinds(s)} for s in stats]}, indent=1))
        return 0
    stats_table(stats, f"{facts['model']}: mean attention mass over {len(taken.ids)} tokens").show()
    found = {kind: sum(kind in kinds(s) for s in stats) for kind in THRESHOLDS}
    say(", ".join(f"{n} of {len(stats)} heads {kind} (> {THRESHOLDS[kind]})" for kind, n in found.items()))
    return 0


if __name__ == "__main__":
    run_cli(main)
