#!/usr/bin/env python3
"""Print what kind of attention each head of a checkpoint has: sink, previous-token, local, induction.

Sink, previous, local mass and entropy come from held-out text, induction mass from random tokens that repeat.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.text import Text

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from models.errors import run_cli
from models.tensors.head_stats import THRESHOLDS, HeadStats, checkpoint_stats, kinds
from models.tensors.source import open_checkpoint, tell_first_token
from models.tensors.token_ids import read_text, token_ids
from scripts.checks import check_call
from scripts.flow.arguments import Parser
from scripts.flow.tables import Column, Table, say


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
