"""Share of the ideal cycles, by block size and group size, from the schedule model (which the RTL equals cycle by cycle)."""

from __future__ import annotations

import dataclasses

from rich.console import Console
from rich.table import Table

from models.config import HardwareConfig, load_config
from models.cycles import schedule
from models.errors import run_cli
from models.tiling import tokens_per_tile
from scripts.arguments import Parser

GROUPS = (1, 3, 4, 8, 16)
BLOCKS = (16, 32, 64)


def share_of_ideal(cfg: HardwareConfig, group: int, tokens: int) -> float:
    """Causal prefill of ``tokens`` tokens with ``group`` query heads a KV head: ideal cycles / predicted cycles."""
    step = tokens_per_tile(cfg, group)
    shapes = [(min(step, tokens - first) * group, min(first + step, tokens)) for first in range(0, tokens, step)]
    return cfg.cycles_per_key * sum(keys for _, keys in shapes) / schedule(cfg, shapes)["cycles"]


def main() -> int:
    args = Parser("efficiency", "Share of the ideal cycles, by block and group size.", config="default", tokens=1024).parse_args()
    base = load_config(args.config)
    table = Table(title=f"share of the ideal cycles, prefill of {args.tokens} tokens, configuration {base.name}")
    table.add_column("keys per block")
    for group in GROUPS:
        table.add_column(f"group {group}", justify="right")
    for block in BLOCKS:
        if block <= base.head_dim:
            cfg = dataclasses.replace(base, keys_per_block=block)
            cells = ["-" if group > cfg.rows else f"{100 * share_of_ideal(cfg, group, args.tokens):.2f} %" for group in GROUPS]
            table.add_row(str(block), *cells)
    Console().print(table)
    return 0


if __name__ == "__main__":
    run_cli(main)
