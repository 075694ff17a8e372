"""What a run through the accelerator says of itself: shares of the roof, bytes against the least possible, cycles by cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.system.call import Call
from models.system.config import OPERAND_BYTES, OUT_BYTES, SystemConfig
from tb.accelerator.run import CallRun

CLOCK_MHZ = 400
STALLS = {
    "stall_q": "no rows of Q", "stall_k": "no key", "stall_v": "no values", "stall_bank": "accumulators not drained",
    "stall_o": "rows of O not taken",
}


def macs_per_cycle(system: SystemConfig) -> int:
    """Products of all engines' macros, inner and outer, in a cycle."""
    cfg = system.engine
    return 2 * system.engines * cfg.rows * cfg.head_dim // cfg.cycles_per_key


@dataclass(frozen=True)
class Figures:
    """Of one call; bytes without those of multipliers where ``least`` is said, cycles of all engines together in ``waits``."""

    cycles: int
    useful_macs: int
    roof: float
    dram_read: int
    dram_written: int
    least: int
    tables: int
    buffer_read: int
    buffer_written: int
    waits: Mapping[str, int]

    @property
    def milliseconds(self) -> float:
        """At 400 MHz."""
        return self.cycles / (CLOCK_MHZ * 1000)

    @property
    def dram_gbs(self) -> float:
        """Bytes that the memory moved in a second, in 10^9."""
        return (self.dram_read + self.dram_written) * CLOCK_MHZ / 1000 / self.cycles

    @property
    def times_least(self) -> float:
        """DRAM bytes against Q, K, V and O once."""
        return (self.dram_read + self.dram_written) / self.least


def figures_of(system: SystemConfig, call: Call, run: CallRun) -> Figures:
    """The figures of a call from what the memory saw and the counters say."""
    cfg, heads = system.engine, len(call.groups)
    rows = heads * call.group * call.tokens
    visible = heads * call.group * (call.tokens * call.first + call.tokens * (call.tokens + 1) // 2)
    useful = 2 * visible * cfg.head_dim
    least = cfg.head_dim * (rows * (OPERAND_BYTES + OUT_BYTES) + 2 * heads * call.keys * OPERAND_BYTES)
    block = cfg.keys_per_block * cfg.head_dim
    read = run.beats_read * system.beat_bytes
    tables = read - cfg.head_dim * rows
    waits = {text: sum(counters[name] for counters in run.counters) for name, text in STALLS.items()}
    waits["no tile"] = sum(run.cycles - counters["cycles"] for counters in run.counters)
    loaded = (read - rows * cfg.head_dim) // (2 * block + system.k_table_bytes) * 2 * block
    return Figures(cycles=run.cycles, useful_macs=useful, roof=useful / (run.cycles * macs_per_cycle(system)), dram_read=read,
                   dram_written=run.beats_written * system.beat_bytes, least=least, tables=tables - loaded,
                   buffer_read=(run.k_blocks + run.v_blocks) * block, buffer_written=loaded, waits=waits)
