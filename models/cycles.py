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
    "stall_bank", "stall_o", "ip_bit_ops", "op_bit_ops", "skipped_blocks", "stall_req",
)
# those that depend on when the streams are ready
TIMING_COUNTERS = {"cycles", "stall_softmax", "stall_q", "stall_k", "stall_v", "stall_op", "stall_bank", "stall_o", "stall_req"}

BUFFERS = 3         # blocks of scores between the scaling and the exponentials
PIPE_SCALE = 3      # from the last group's turn in the scaler until the block counts as scaled
PIPE_JUDGE = 1      # from the last group's turn in the judgement until the block counts as judged
PIPE_EXP = 3        # from a block's last exponential until its probabilities are there
PIPE_ROW_LOAD = 2   # from a row's acceptance until its bank is loaded
PIPE_RMW = 3        # from the cycle after the last slice's read-modify-write has begun its last group until the drain starts
PIPE_SKIP = 2       # from the decision to skip a tile's last block until the drain starts
PIPE_DIVIDE = 20    # from a row's first read until the first part of it is out


@dataclass
class _Run:
    """The events of a run so far; letters as in the page's table."""

    cfg: HardwareConfig
    stalls: dict[str, int] = field(default_factory=lambda: dict.fromkeys(
        ("stall_softmax", "stall_q", "stall_op", "stall_v", "stall_bank"), 0))
    handoff: int = 0                                        # H of the last key
    column: int = 0                                         # C of the last key
    scaled: list[int] = field(default_factory=list)         # cycle from which a block counts as scaled
    count: list[int] = field(default_factory=list)          # n of every block
    judged: list[int] = field(default_factory=list)         # J
    starts: list[int] = field(default_factory=list)         # E
    ends: list[int] = field(default_factory=list)           # cycle from which the exponential phase is free again
    outer: list[int] = field(default_factory=list)          # X of the blocks that run
    value_time: int = 0                                     # earliest cycle of the next value

    def __post_init__(self) -> None:
        self.column = -self.cfg.cycles_per_key

    def columns(self, count: int, loaded: int) -> None:
        """The keys of the next block, whose bank of Q is readable from ``loaded`` on, into the softmax unit."""
        cpk, block = self.cfg.cycles_per_key, len(self.scaled)
        for key in range(count):
            accept = max(self.handoff, loaded)
            self.stalls["stall_q"] += accept - self.handoff
            handoff = max(accept + cpk, self.column)
            column = max(handoff + 1, self.column + cpk)
            if key == 0 and block >= BUFFERS:
                column = max(column, self.starts[block - BUFFERS] + 1)
            self.stalls["stall_softmax"] += column - (handoff + 1)
            self.handoff, self.column = handoff, column
        self.scaled.append(self.column + cpk + PIPE_SCALE)
        self.count.append(count)

    def decide(self, joint: bool, runs: bool, bank_free: int) -> None:
        """The next block's judgement, its start or its end if it is skipped, and its outer products.

        Args:
            joint: it waits for the block after it. bank_free: when its accumulators are drained.
        """
        cpk, block = self.cfg.cycles_per_key, len(self.starts)
        judged = self.scaled[block + joint]
        if block:
            judged = max(judged, self.judged[-1] + cpk)
        if block >= BUFFERS:
            judged = max(judged, self.ends[block - BUFFERS])
        self.judged.append(judged)
        ready = max(judged + cpk + PIPE_JUDGE, self.ends[-1] if block else 0)
        if not runs:
            self.starts.append(ready)
            self.ends.append(ready + 1)
            return
        start = max(ready, self.outer[-2] + self.cfg.block_cycles - 3) if len(self.outer) >= 2 else ready
        self.stalls["stall_op"] += start - ready
        self.stalls["stall_bank"] += max(0, bank_free - start)
        start = max(start, bank_free)
        self.starts.append(start)
        self.ends.append(start + self.count[block] * cpk)
        self._outer_product(block)

    def _outer_product(self, block: int) -> None:
        """Values of a block that runs, one per cycle, into the ring; then its outer product."""
        cfg, slots = self.cfg, 3 if self.cfg.cycles_per_key == 1 else 2
        if len(self.outer) >= slots:
            self.value_time = max(self.value_time, self.outer[-slots] + (cfg.keys_per_block - 1) * cfg.cycles_per_key + 1)
        self.value_time += self.count[block]
        probabilities = self.ends[block] + PIPE_EXP
        if self.outer:
            probabilities = max(probabilities, self.outer[-1] + cfg.block_cycles)
        self.outer.append(max(probabilities, self.value_time))
        self.stalls["stall_v"] += self.outer[-1] - probabilities


def schedule(cfg: HardwareConfig, shapes: Sequence[tuple[int, int]], fused: Sequence[bool] | None = None,
             ran: Sequence[Sequence[bool]] | None = None) -> dict[str, int]:
    """Cycles and stalls of tiles with ``(rows, keys)`` each; time 0 is the first row's acceptance.

    Args:
        fused: per tile, whether its first two blocks are judged as one; by default none.
        ran: per tile, which of its blocks run; by default all.
    """
    cpk, per_block = cfg.cycles_per_key, cfg.keys_per_block
    run = _Run(cfg)
    q_free, acc_free = [0, 0], [0, 0]   # when the banks of Q and of accumulators are free again
    row_time = 0                        # earliest cycle of the next row
    drained = end = 0
    for tile, (rows, keys) in enumerate(shapes):
        bank = tile % 2
        row_time = max(row_time, q_free[bank])
        loaded = row_time + rows - 1 + PIPE_ROW_LOAD
        row_time += rows
        sizes = [min(per_block, keys - first) for first in range(0, keys, per_block)]
        runs = [True] * len(sizes) if ran is None else [bool(r) for r in ran[tile]]
        joint = bool(fused is not None and fused[tile]) and len(sizes) > 1
        for block, size in enumerate(sizes):
            run.columns(size, loaded)
            # the first of two blocks that are judged as one waits for the second
            for now in {0: (), 1: (0, 1)}.get(block, (block,)) if joint else (block,):
                run.decide(joint and now == 0, runs[now], 0 if any(runs[:now]) else acc_free[bank])
        q_free[bank] = run.column + cpk + 1
        drain = max(run.outer[-1] + cfg.block_cycles + cpk + PIPE_RMW, run.starts[-1] + PIPE_SKIP, drained)
        drained = acc_free[bank] = drain + rows * cpk
        end = drained - 1 + PIPE_DIVIDE
    return {"cycles": end + 1, **run.stalls}


def predict(cfg: HardwareConfig, tiles: Sequence[TileJob], results: Sequence[TileResult] | None = None) -> dict[str, int]:
    """Every counter of the engine after ``tiles``; ``results`` spares running the golden model again.

    Stalls that only slow streams cause (``stall_k``, ``stall_o``, ``stall_req``) are 0 here.
    """
    results = results if results is not None else [run_tile(cfg, tile) for tile in tiles]
    total = {name: sum(getattr(r.stats, name) for r in results) for name in
             ("keys", "blocks", "zero_blocks", "rescaled_rows", "rescale_amount", "saturations", "ip_bit_ops", "op_bit_ops",
              "skipped_blocks")}
    rows = sum(r.stats.rows for r in results)
    values = sum(int(r.ran.repeat_interleave(cfg.keys_per_block)[:r.stats.keys].sum()) for r in results)
    timing = schedule(cfg, [(t.q.shape[0], t.k.shape[0]) for t in tiles], [t.fused for t in tiles],
                      [r.ran.tolist() for r in results])
    return {
        **total, **timing, "tiles": len(tiles),
        "q_bytes": rows * cfg.head_dim, "k_bytes": total["keys"] * cfg.head_dim, "v_bytes": values * cfg.head_dim,
        "o_bytes": 2 * rows * cfg.head_dim, "ip_busy": total["keys"] * cfg.cycles_per_key,
        "op_busy": (total["blocks"] - total["skipped_blocks"]) * cfg.block_cycles, "stall_k": 0, "stall_o": 0, "stall_req": 0,
    }
