"""Figures of the accelerator: its plan of a prefill, which follows from the models alone, and what ``make system`` measured."""

from __future__ import annotations

from models.hardware.config import load_config
from models.system.plan import Prefill, estimate
from scripts.figures.pages import Piece
from scripts.figures.reports import Data
from scripts.figures.text import exact, table
from scripts.system.figures import CLOCK_MHZ

PAGE = "docs/system.md"
ENGINES, HEADS, GROUP = 16, 8, 4        # the paper's accelerator, LLaMA-3-8B
LENGTHS = (256, 512, 1000, 1024, 2048, 4096)
MEGABYTE = 1e6
WAITS = {"no tile": "no tile", "no rows of Q": "no Q", "no key": "no key", "no values": "no value",
         "accumulators not drained": "not drained"}


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


def _percent(part: float) -> str:
    return exact(100 * part, ".1f")


def system_runs(data: Data) -> list[Piece]:
    """What a layer took from memory to memory: cycles, bytes, and what engines waited for."""
    rows = []
    for report in data.values():
        figures, engines = report["figures"], report["system"]["engines"]
        moved = figures["dram_read"] + figures["dram_written"]
        everything = engines * figures["cycles"]
        waits = figures["waits"]
        rows.append([f"{report['phase']}, {exact(report['source']['tokens'])} keys", exact(figures["cycles"]),
                     _percent(figures["roof"]), exact(moved / MEGABYTE, ".2f"),
                     exact(moved * CLOCK_MHZ / 1000 / figures["cycles"], ".1f"), exact(moved / figures["least"], ".3f"),
                     exact(figures["buffer_read"] / MEGABYTE, ".2f"), *(_percent(waits[name] / everything) for name in WAITS)])
    columns = ("run", "cycles", "% of the roof", "MB of memory", "GB/s", "times the least", "MB out of the buffer",
               *(f"% {name}" for name in WAITS.values()))
    return [Piece(PAGE, table(columns, rows), "system-runs")]
