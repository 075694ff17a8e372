"""Figures of the accelerator's plan of a prefill, which follow from the models alone."""

from __future__ import annotations

from models.hardware.config import load_config
from models.system.plan import Prefill, estimate
from scripts.figures.pages import Piece
from scripts.figures.text import exact, table

PAGE = "docs/system.md"
ENGINES, HEADS, GROUP = 16, 8, 4        # the paper's accelerator, LLaMA-3-8B
LENGTHS = (256, 512, 1000, 1024, 2048, 4096)
MEGABYTE = 1e6


def system_plan() -> list[Piece]:
    """What is lost and read at several lengths, with streams in turn and with all of them upwards."""
    cfg, rows = load_config("default"), []
    roof = ENGINES * cfg.rows / cfg.cycles_per_key      # scores per cycle
    for tokens in LENGTHS:
        prefill = Prefill(cfg, ENGINES, HEADS, GROUP, tokens)
        own, plain, upwards = estimate(prefill), estimate(prefill, own_start=False), estimate(prefill, alternate=False)
        rows.append([exact(tokens), exact(own.cycles), exact(100 * own.lost(ENGINES), ".1f"),
                     exact(100 * upwards.lost(ENGINES), ".1f"), exact(100 * prefill.visible / own.cycles / roof, ".1f"),
                     *(exact(2 * cfg.head_dim * run.rows / MEGABYTE, ".1f") for run in (plain, own))])
    columns = ("tokens", "cycles", "% lost", "% lost if all go up", "% of the roof", "MB read", "MB read, own start")
    return [Piece(PAGE, table(columns, rows, 0), "system-plan")]
