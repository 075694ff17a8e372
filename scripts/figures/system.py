"""Figures of the accelerator: its plan of a prefill, which follows from the models alone, and what ``make system`` measured."""

from __future__ import annotations

from models.hardware.config import load_config
from models.system.call import Shape
from models.system.config import OPERAND_BYTES, OUT_BYTES, load_system
from models.system.plan import Prefill, estimate
from models.system.timed.bus import Pace
from models.system.timeline import predict_call
from scripts.figures.pages import Piece
from scripts.figures.reports import Data
from scripts.figures.text import exact, near, table
from scripts.system.figures import CLOCK_MHZ, LEAST, MEMORY
from scripts.system.run import RATE_CYCLES, rate_of

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


def _prefill(tokens: int) -> Shape:
    return Shape(HEADS, GROUP, tokens, own_start=tokens <= load_system("default").buffer_keys)


MODELLED = (
    *((_prefill(tokens), USUAL_MEMORY) for tokens in (512, 1024, 2048, 4096, 8192)),
    *((_prefill(2048), memory) for memory in ((51.2, 50), (51.2, 1000), (25.6, 100))),
    *((Shape(HEADS, GROUP, 1, keys - 1, split=ENGINES // HEADS), USUAL_MEMORY) for keys in (4096, 16384, 131072)))


def system_model() -> list[Piece]:
    """What the model in time says of calls that take the RTL long: LLaMA-3-8B's heads on the paper's accelerator."""
    system, rows = load_system("default"), []
    cfg = system.engine
    roof = 2 * ENGINES * cfg.rows * cfg.head_dim / cfg.cycles_per_key      # products per cycle
    for shape, (gbs, latency) in MODELLED:
        run = predict_call(system, shape, Pace(latency, rate_of(system, gbs), RATE_CYCLES))
        queries = shape.heads * shape.group * shape.tokens
        scores = queries * shape.first + shape.heads * shape.group * shape.tokens * (shape.tokens + 1) // 2
        least = cfg.head_dim * (queries * (OPERAND_BYTES + OUT_BYTES) + 2 * shape.heads * shape.keys * OPERAND_BYTES)
        moved = (run.beats_read + run.beats_written) * system.beat_bytes
        rows.append([f"{'decode' if shape.split else 'prefill'}, {exact(shape.keys)} keys", exact(gbs, ".1f"), exact(latency),
                     exact(run.cycles), _percent(2 * scores * cfg.head_dim / (run.cycles * roof)),
                     exact(run.cycles * gbs * 1000 / CLOCK_MHZ / moved, ".3f"), exact(moved / least, ".3f"),
                     exact((run.k_blocks + run.v_blocks) * cfg.keys_per_block * cfg.head_dim / MEGABYTE, ".1f")])
    columns = ("call", "GB/s", "latency", "cycles", "% of the roof", "times the memory's", "bytes, times the least",
               "MB out of the buffer")
    return [Piece(PAGE, table(columns, rows), "system-model")]


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
        rows.append([name, exact(figures["cycles"]), _percent(figures["roof"]),
                     exact(took, ".1f"), exact(gbs / took, ".3f"), near(figures["sqnr_db"][0], ".1f", 0.1),
                     *(_percent(waits[name] / everything) for name in WAITS)])
        moves.append([name, *(cell for place in LEAST for cell in (
            exact(traffic[place]["moved"] / MEGABYTE, ".2f"), exact(traffic[place]["moved"] / traffic[place]["least"], ".3f")))])
    columns = ("run", "cycles", "% of the roof", "GB/s", "times the memory's", "SQNR dB",
               *(f"% {name}" for name in WAITS.values()))
    places = ("run", *(text for place in LEAST for text in (f"MB {place}", "times the least")))
    return [Piece(PAGE, table(columns, rows), "system-runs"), Piece(PAGE, table(places, moves), "system-traffic")]
