"""Figures of the accelerator: its plan of a prefill, which follows from the models alone, and what ``make system`` measured."""

from __future__ import annotations

from models.hardware.config import load_config
from models.system.plan import Prefill, estimate
from scripts.figures.pages import Piece
from scripts.figures.reports import Data
from scripts.figures.text import exact, near, table, timed
from scripts.system.figures import CLOCK_MHZ, LEAST, MEMORY

PAGE = "docs/system.md"
ENGINES, HEADS, GROUP = 16, 8, 4        # the paper's accelerator, LLaMA-3-8B
LENGTHS = (256, 512, 1000, 1024, 2048, 4096)
MEGABYTE = 1e6
USUAL_MEMORY = (51.2, 100)      # GB/s, cycles
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
    """What layers took from memory to memory, cycles and what engines waited for; what they moved against the least possible."""
    rows, moves = [], []
    for report in data.values():
        figures, engines, source = report["figures"], report["system"]["engines"], report["source"]
        everything = engines * figures["cycles"]
        traffic, waits = figures["traffic"], figures["waits"]
        moved = traffic[MEMORY]["moved"]
        name = f"{source.get('geometry', 'fixture')}, {report['phase']}, {exact(report['keys'])} keys"
        if source.get("of_kv_heads", source["kv_heads"]) != source["kv_heads"]:
            name += f", {exact(source['kv_heads'])} KV heads"
        gbs, latency = report["dram"]["GB/s"], report["dram"]["latency"]
        if (gbs, latency) != USUAL_MEMORY:
            name += f", memory of {exact(gbs, '.1f')} GB/s, {exact(latency)} cycles"
        took = moved * CLOCK_MHZ / 1000 / figures["cycles"]
        times = report["seconds"]
        rows.append([name, exact(figures["cycles"]), _percent(figures["roof"]),
                     exact(took, ".1f"), exact(gbs / took, ".3f"), near(figures["sqnr_db"][0], ".1f", 0.1),
                     *(_percent(waits[name] / everything) for name in WAITS), timed(times["all"] - times["build"], ".0f")])
        moves.append([name, *(cell for place in LEAST for cell in (
            exact(traffic[place]["moved"] / MEGABYTE, ".2f"), exact(traffic[place]["moved"] / traffic[place]["least"], ".3f")))])
    columns = ("run", "cycles", "% of the roof", "GB/s", "times the memory's", "SQNR dB",
               *(f"% {name}" for name in WAITS.values()), "s")
    places = ("run", *(text for place in LEAST for text in (f"MB {place}", "times the least")))
    return [Piece(PAGE, table(columns, rows), "system-runs"), Piece(PAGE, table(places, moves), "system-traffic")]
