"""Share of the ideal cycles, by block size and group size, from the schedule model (which the RTL equals cycle by cycle)."""

from __future__ import annotations

import dataclasses

from models.errors import run_cli
from models.hardware.config import HardwareConfig, load_config
from models.hardware.tiling import tokens_per_tile
from models.hardware.timeline import schedule
from scripts.flow.arguments import Parser
from scripts.flow.tables import Column, Table

GROUPS = (1, 3, 4, 8, 16)
BLOCKS = (16, 32, 64)


def share_of_ideal(cfg: HardwareConfig, group: int, tokens: int, fused: bool = False) -> float:
    """Causal prefill of ``tokens`` tokens with ``group`` query heads a KV head: ideal cycles / predicted cycles;
    ``fused`` if every tile is."""
    step = tokens_per_tile(cfg, group)
    shapes = [(min(step, tokens - first) * group, min(first + step, tokens)) for first in range(0, tokens, step)]
    return cfg.cycles_per_key * sum(keys for _, keys in shapes) / schedule(cfg, shapes, [fused] * len(shapes))["cycles"]


def share_table(base: HardwareConfig, tokens: int) -> Table:
    """The shares in percent, a row per block size that ``base`` can have, a column per group size."""
    table = Table([Column("keys per block"), *(Column(f"group {group}") for group in GROUPS)],
                  f"share of the ideal cycles, prefill of {tokens} tokens, configuration {base.name}")
    for block in (size for size in BLOCKS if size <= base.head_dim):
        cfg = dataclasses.replace(base, keys_per_block=block)
        cells = ["-" if group > cfg.rows else f"{100 * share_of_ideal(cfg, group, tokens):.2f} %" for group in GROUPS]
        table.add(str(block), *cells)
    return table


def main() -> int:
    args = Parser("efficiency", "Share of the ideal cycles, by block and group size.", config="default", tokens=1024).parse_args()
    share_table(load_config(args.config), args.tokens).show()
    return 0


if __name__ == "__main__":
    run_cli(main)
