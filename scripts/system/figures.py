"""What a run through the accelerator says of itself: shares of the roof, bytes against the least possible, cycles by cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.hardware.tiling import tokens_per_tile
from models.system.call import Call
from models.system.config import OPERAND_BYTES, OUT_BYTES, SystemConfig
from models.system.descriptor import DESCRIPTOR_BYTES
from tb.accelerator.run import CallRun

CLOCK_MHZ = 400
STALLS = {
    "stall_q": "no rows of Q", "stall_k": "no key", "stall_v": "no values", "stall_bank": "accumulators not drained",
    "stall_o": "rows of O not taken",
}

MEMORY, FILL, OUT, ENGINES = "memory", "into the buffer", "out of the buffer", "into engines"
LEAST = {
    MEMORY: "Q, K and V read and O written once", FILL: "K and V once",
    OUT: "K and V of each key block once for every wave that needs it",
    ENGINES: "K and V of the keys that a tile's last token sees, for each tile",
}


def macs_per_cycle(system: SystemConfig) -> int:
    """Products of all engines' macros, inner and outer, in a cycle."""
    cfg = system.engine
    return 2 * system.engines * cfg.rows * cfg.head_dim // cfg.cycles_per_key


@dataclass(frozen=True)
class Traffic:
    """Bytes that went somewhere, and the fewest that a call of this shape can do with."""

    moved: int
    least: int

    @property
    def times(self) -> float:
        """Moved over least."""
        return self.moved / self.least


@dataclass(frozen=True)
class Figures:
    """Of one call; cycles of all engines together in ``waits``.

    ``traffic`` by place: what memory, buffer and row buses moved; :data:`LEAST` says against what. A row that a bus sends to
    several engines at once leaves the buffer once and goes into each.
    """

    cycles: int
    useful_macs: int
    roof: float
    dram_read: int
    dram_written: int
    tables: int
    traffic: Mapping[str, Traffic]
    waits: Mapping[str, int]

    @property
    def milliseconds(self) -> float:
        """At 400 MHz."""
        return self.cycles / (CLOCK_MHZ * 1000)

    @property
    def dram_gbs(self) -> float:
        """Bytes that the memory moved in a second, in 10^9."""
        return (self.dram_read + self.dram_written) * CLOCK_MHZ / 1000 / self.cycles


def tile_keys(system: SystemConfig, call: Call) -> int:
    """Keys that the last token of each tile sees, of all tiles together."""
    step = tokens_per_tile(system.engine, call.group)
    return len(call.groups) * sum(call.first + min(start + step, call.tokens) for start in range(0, call.tokens, step))


def figures_of(system: SystemConfig, call: Call, run: CallRun) -> Figures:
    """The figures of a call from what the memory saw and the counters say."""
    cfg, heads = system.engine, len(call.groups)
    rows = heads * call.group * call.tokens
    visible = heads * call.group * (call.tokens * call.first + call.tokens * (call.tokens + 1) // 2)
    useful = 2 * visible * cfg.head_dim
    kv = 2 * heads * call.keys * cfg.head_dim * OPERAND_BYTES
    block = cfg.keys_per_block * cfg.head_dim * OPERAND_BYTES
    read, written = run.beats_read * system.beat_bytes, run.beats_written * system.beat_bytes
    tiles = -(-call.tokens // tokens_per_tile(cfg, call.group))
    others = DESCRIPTOR_BYTES + -(-heads // system.beat_bytes) * system.beat_bytes + heads * tiles * system.q_table_bytes
    q = rows * cfg.head_dim * OPERAND_BYTES
    loaded = (read - q - others) // (2 * block + system.k_table_bytes)
    reads = call.prefill(system).reads(False) if call.split is None else call.decode(system).reads()
    sent = sum(counters["keys"] + (counters["blocks"] - counters["skipped_blocks"]) * cfg.keys_per_block
               for counters in run.counters)
    row = cfg.head_dim * OPERAND_BYTES
    traffic = {
        MEMORY: Traffic(read + written, kv + q + rows * cfg.head_dim * OUT_BYTES),
        FILL: Traffic(loaded * 2 * block, kv),
        OUT: Traffic((run.k_blocks + run.v_blocks) * block, 2 * sum(reads) * block),
        ENGINES: Traffic(sent * row, 2 * tile_keys(system, call) * row),
    }
    waits = {text: sum(counters[name] for counters in run.counters) for name, text in STALLS.items()}
    waits["no tile"] = sum(run.cycles - counters["cycles"] for counters in run.counters)
    return Figures(cycles=run.cycles, useful_macs=useful, roof=useful / (run.cycles * macs_per_cycle(system)), dram_read=read,
                   dram_written=written, tables=read - q - loaded * 2 * block, traffic=traffic, waits=waits)
