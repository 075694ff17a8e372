"""The schedule model: cycles and counters of a run, exactly as the RTL counts them, without running it.

It follows the handshake rules of ``docs/engine.md``; every stream is taken to be always ready.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from models.config import HardwareConfig
from models.golden import run_tile
from models.tile import TileJob, TileResult

COUNTERS = (
    "cycles", "tiles", "keys", "blocks", "q_bytes", "k_bytes", "v_bytes", "o_bytes", "ip_busy", "op_busy", "zero_blocks",
    "rescaled_rows", "rescale_amount", "saturations", "stall_softmax", "stall_q", "stall_k", "stall_v", "stall_op",
    "stall_bank", "stall_o", "ip_bit_ops", "op_bit_ops",
)
# those that depend on when the streams are ready
TIMING_COUNTERS = {"cycles", "stall_softmax", "stall_q", "stall_k", "stall_v", "stall_op", "stall_bank", "stall_o"}

PIPE_SCALE = 3      # from the last group's turn in the scaler until the block counts as scaled
PIPE_EXP = 3        # from a block's last exponential until its probabilities are there
PIPE_ROW_LOAD = 2   # from a row's acceptance until its bank is loaded
PIPE_RMW = 3        # from the cycle after the last slice's read-modify-write has begun its last group until the drain starts
PIPE_DIVIDE = 20    # from a row's first read until the first part of it is out


@dataclass
class _Bank:
    """When the banks of Q, of accumulators and the ring of V become free again."""

    q_free: list[int] = field(default_factory=lambda: [0, 0])
    acc_free: list[int] = field(default_factory=lambda: [0, 0])


def schedule(cfg: HardwareConfig, shapes: Sequence[tuple[int, int]]) -> dict[str, int]:
    """Cycles and stalls of tiles with ``(rows, keys)`` each; time 0 is the first row's acceptance."""
    cpk, block_cycles, per_block = cfg.cycles_per_key, cfg.block_cycles, cfg.keys_per_block
    slots = 3 if cpk == 1 else 2
    stalls = dict.fromkeys(("stall_softmax", "stall_q", "stall_op", "stall_v", "stall_bank"), 0)
    banks = _Bank()
    row_time = 0                        # earliest cycle of the next row
    accept = handoff = column = -cpk    # last key's A, H, C
    starts_exp: list[int] = []          # E of every block
    starts_op: list[int] = []           # X of every block
    keys_of: list[int] = []
    value_time = 0                      # earliest cycle of the next value
    drain_free = 0
    end = 0
    for tile, (rows, keys) in enumerate(shapes):
        bank = tile % 2
        row_time = max(row_time, banks.q_free[bank])
        loaded = row_time + rows - 1 + PIPE_ROW_LOAD
        row_time += rows
        for first in range(0, keys, per_block):
            count = min(per_block, keys - first)
            block = len(starts_exp)
            for key in range(count):
                free = handoff if handoff >= 0 else 0
                accept = max(free, loaded)
                if first + key == 0 or free < loaded:
                    stalls["stall_q"] += max(0, loaded - max(free, 0))
                handoff_now = max(accept + cpk, column)
                column_now = max(handoff_now + 1, column + cpk)
                if key == 0 and block >= 2:
                    column_now = max(column_now, starts_exp[block - 2] + 1)
                stalls["stall_softmax"] += column_now - (handoff_now + 1)
                handoff, column = handoff_now, column_now
            # the values of the block, one per cycle, into the ring
            if block >= slots:
                value_time = max(value_time, starts_op[block - slots] + (per_block - 1) * cpk + 1)
            value_time += count
            # exponentials
            ready = column + cpk + PIPE_SCALE
            if block >= 1:
                ready = max(ready, starts_exp[-1] + keys_of[-1] * cpk)
            start = ready
            if block >= 2:
                start = max(start, starts_op[block - 2] + block_cycles - 3)
            stalls["stall_op"] += start - ready
            if first == 0 and start < banks.acc_free[bank]:
                stalls["stall_bank"] += banks.acc_free[bank] - start
                start = banks.acc_free[bank]
            starts_exp.append(start)
            keys_of.append(count)
            # outer products
            probabilities = start + count * cpk + PIPE_EXP
            if block >= 1:
                probabilities = max(probabilities, starts_op[-1] + block_cycles)
            begin = max(probabilities, value_time)
            stalls["stall_v"] += begin - probabilities
            starts_op.append(begin)
        banks.q_free[bank] = column + cpk + 1
        drain = max(starts_op[-1] + block_cycles + cpk + PIPE_RMW, drain_free)
        drain_free = drain + rows * cpk
        banks.acc_free[bank] = drain_free
        end = drain_free - 1 + PIPE_DIVIDE
    return {"cycles": end + 1, **stalls}


def predict(cfg: HardwareConfig, tiles: Sequence[TileJob], results: Sequence[TileResult] | None = None) -> dict[str, int]:
    """Every counter of the engine after ``tiles``; ``results`` spares running the golden model again.

    Stalls that only slow streams cause (``stall_k``, ``stall_o``) are 0 here.
    """
    results = results if results is not None else [run_tile(cfg, tile) for tile in tiles]
    total = {name: sum(getattr(r.stats, name) for r in results) for name in
             ("keys", "blocks", "zero_blocks", "rescaled_rows", "rescale_amount", "saturations", "ip_bit_ops", "op_bit_ops")}
    rows = sum(r.stats.rows for r in results)
    timing = schedule(cfg, [(t.q.shape[0], t.k.shape[0]) for t in tiles])
    return {
        **total, **timing, "tiles": len(tiles),
        "q_bytes": rows * cfg.head_dim, "k_bytes": total["keys"] * cfg.head_dim, "v_bytes": total["keys"] * cfg.head_dim,
        "o_bytes": 2 * rows * cfg.head_dim, "ip_busy": total["keys"] * cfg.cycles_per_key,
        "op_busy": total["blocks"] * cfg.block_cycles, "stall_k": 0, "stall_o": 0,
    }
