"""The timeline model: cycles and counters of a run, exactly as the RTL counts them, without running it.

It follows the handshake rules of ``docs/cycles.md``. What the streams do outside comes in as a
:class:`~models.hardware.pace.Pace`; without one they are always ready.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from models.hardware.interface import COUNTERS
from models.hardware.pace import EARLY, Pace, Ready, offers
from models.hardware.tile import TileJob, TileResult

# those that depend on when the streams are ready
TIMING_COUNTERS = ("cycles", *(name for name in COUNTERS if name.startswith("stall_")))

BUFFERS = 3         # blocks of scores between the scaling and the exponentials
PIPE_SCALE = 4      # from the last pass's turn in the scaler until the block counts as scaled
PIPE_JUDGE = 1      # from the last pass's turn in the judgement until the block counts as judged
PIPE_EXP = 3        # from a block's last exponential until its probabilities are there
PIPE_ROW_LOAD = 2   # from a row's acceptance until its bank is loaded
PIPE_RMW = 3        # from the cycle after the last slice's read-modify-write has begun its last pass until the drain starts
PIPE_SKIP = 2       # from the decision to skip a tile's last block until the drain starts
PIPE_DIVIDE = 21    # from a row's first read until the first part of it is out
PIPE_PART = 1       # from the read of a chunk of a partial tile until it is out


@dataclass
class Prediction:
    """What the ports of a run show, in cycles counted from the first row's acceptance, and what its counters hold.

    ``taken``: per stream (q, k, v, decision, o, part) the cycle of each beat's acceptance. ``offered``: the same for the engine's
    own offers, of decision, o and part. ``counters``: cycles and stalls alone (:func:`handshakes`), or all of them
    (:func:`predict_run`).
    """

    taken: dict[str, list[int]]
    offered: dict[str, list[int]]
    counters: dict[str, int]


class _Drain:
    """Reads of the accumulators, dividers and row register: all of them move, or all stand while a finished row is not taken.
    A partial tile is read when no row is on its way, and its chunks pass the dividers by.

    Steps are the cycles in which it moves; ``step`` lies in ``cycle``, and no row waits between them and the next of ``rows``.
    """

    def __init__(self, pace: Pace | None) -> None:
        self.ready = {name: Ready(pace, name) for name in ("o", "part")}
        self.cycle, self.step = EARLY, 0
        self.rows: deque[int] = deque()     # of rows that are read and not taken: the step that takes it
        self.offered: dict[str, list[int]] = {name: [] for name in self.ready}
        self.taken: dict[str, list[int]] = {name: [] for name in self.ready}

    def _cycle_of(self, step: int) -> int:
        return self.cycle + step - self.step

    def _take(self, stream: str, offered: int) -> int:
        self.offered[stream].append(offered)
        self.taken[stream].append(self.ready[stream].first(offered))
        return self.taken[stream][-1]

    def _take_row(self) -> None:
        step = self.rows.popleft()
        self.cycle, self.step = self._take("o", self._cycle_of(step)), step

    def read_partial(self, done: int, chunks: int) -> int:
        """Read a partial tile that is complete in cycle ``done``; the cycle from which its bank is free."""
        self.finish()
        read = max(done, self.cycle, self.taken["o"][-1] + 1 if self.taken["o"] else EARLY)
        for chunk in range(chunks):
            # the read after it has its cycle
            read = self.cycle if chunk else read
            self.cycle = self._take("part", read + PIPE_PART)
        return read + 1

    def read(self, done: int, rows: int, cpk: int) -> int:
        """Read a tile that is complete in cycle ``done``; the cycle from which its bank is free."""
        while self.rows and self._cycle_of(self.rows[0]) <= done:
            self._take_row()
        first = self.step + max(done, self.cycle) - self.cycle
        self.rows.extend(first + (row + 1) * cpk - 1 + PIPE_DIVIDE for row in range(rows))
        last = first + rows * cpk - 1
        while self.rows[0] <= last:
            self._take_row()
        return self._cycle_of(last) + 1

    def finish(self) -> None:
        """The rows that are left."""
        while self.rows:
            self._take_row()


@dataclass
class _Run:
    """The events of a run so far; letters as in the page's table."""

    cfg: EngineConfig
    pace: Pace | None
    beats: dict[str, int]                                   # of q, k and v
    stalls: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TIMING_COUNTERS, 0))
    taken: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in ("q", "k", "v", "decision")})
    asked: list[int] = field(default_factory=list)          # cycle from which a block's request is valid
    row: int = EARLY                                        # R of the last row
    handoff: int = EARLY                                    # H of the last key
    column: int = EARLY                                     # C of the last key
    block_offer: int = EARLY                                # of the first key of the last block
    scaled: list[int] = field(default_factory=list)         # cycle from which a block counts as scaled
    count: list[int] = field(default_factory=list)          # n of every block
    judged: list[int] = field(default_factory=list)         # J
    starts: list[int] = field(default_factory=list)         # E
    ends: list[int] = field(default_factory=list)           # cycle from which the exponential phase is free again
    outer: list[int] = field(default_factory=list)          # X of the blocks that run
    value: int = EARLY                                      # acceptance of the last value

    def __post_init__(self) -> None:
        self.offers = {name: offers(self.pace, name, beats) for name, beats in self.beats.items()}
        self.decision = Ready(self.pace, "decision")
        self.skips_wait = self.pace is None or self.pace.skips_wait
        self.drain = _Drain(self.pace)

    def rows(self, count: int, free: int) -> int:
        """The next tile's rows, whose bank is free from ``free`` on; the cycle from which it is readable."""
        for index in range(count):
            self.row = max(next(self.offers["q"]), self.row + 1, EARLY if index else free)
            self.taken["q"].append(self.row)
        return self.row + PIPE_ROW_LOAD

    def columns(self, count: int, loaded: int) -> None:
        """The keys of the next block, whose bank of Q is readable from ``loaded`` on, into the softmax unit."""
        cpk, block = self.cfg.cycles_per_key, len(self.scaled)
        for key in range(count):
            offer = next(self.offers["k"])
            if key == 0:
                self.block_offer = offer
            open_from = max(self.handoff, loaded)
            accept = max(offer, open_from)
            self.stalls["stall_k"] += accept - open_from
            handoff = max(accept + cpk, self.column)
            column = max(handoff + 1, self.column + cpk)
            if key == 0 and block >= BUFFERS:
                column = max(column, self.starts[block - BUFFERS] + 1)
            self.stalls["stall_softmax"] += column - (handoff + 1)
            self.taken["k"].append(accept)
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
        ready = max(judged + cpk + PIPE_JUDGE, self.ends[-1] if block else EARLY)
        if runs:
            room = max(ready, self.outer[-2] + self.cfg.block_cycles - 3) if len(self.outer) >= 2 else ready
            self.stalls["stall_op"] += room - ready
            ready = max(room, bank_free)
            self.stalls["stall_bank"] += ready - room
        start = self.decision.first(ready) if runs or self.skips_wait else ready
        self.stalls["stall_decision"] += start - ready
        self.asked.append(ready)
        self.taken["decision"].append(start)
        self.starts.append(start)
        self.ends.append(start + (self.count[block] * cpk if runs else 1))
        if runs:
            self._outer_product(block)

    def _outer_product(self, block: int) -> None:
        """Values of a block that runs into the ring; then its outer product."""
        cfg, slots = self.cfg, 3 if self.cfg.cycles_per_key == 1 else 2
        if len(self.outer) >= slots:
            self.value = max(self.value, self.outer[-slots] + (cfg.keys_per_block - 1) * cfg.cycles_per_key)
        for _ in range(self.count[block]):
            self.value = max(next(self.offers["v"]), self.value + 1)
            self.taken["v"].append(self.value)
        probabilities = self.ends[block] + PIPE_EXP
        if self.outer:
            probabilities = max(probabilities, self.outer[-1] + cfg.block_cycles)
        self.outer.append(max(probabilities, self.value + 1))
        self.stalls["stall_v"] += self.outer[-1] - probabilities

    def count_flight(self, rows: Sequence[int], partial: Sequence[bool], q_waits: Sequence[tuple[int, int]]) -> None:
        """What counts only while a tile is in flight: from its first row of Q to its last output beat.

        Args:
            rows: of each tile. partial: whether these are given out as partial results. q_waits: per tile a cycle from which its
                first key waits, and the one from which Q is readable.
        """
        taken, cpk = self.drain.taken, self.cfg.cycles_per_key
        self.stalls["stall_o"] = sum(sum(taken[name]) - sum(self.drain.offered[name]) for name in taken)
        row, landed = 0, EARLY
        out = dict.fromkeys(taken, 0)       # beats of the tiles so far
        for count, undivided, (waits, loaded) in zip(rows, partial, q_waits, strict=True):
            stream, beats = ("part", count * cpk) if undivided else ("o", count)
            out[stream] += beats
            first, last = self.taken["q"][row], taken[stream][out[stream] - 1]
            on_ground = max(0, first - max(waits, landed + 1))
            self.stalls["stall_q"] += max(0, loaded - waits - on_ground)
            self.stalls["cycles"] += last - max(first - 1, landed)
            row, landed = row + count, last


def handshakes(cfg: EngineConfig, shapes: Sequence[tuple[int, int]], fused: Sequence[bool] | None = None,
               ran: Sequence[Sequence[bool]] | None = None, pace: Pace | None = None,
               partial: Sequence[bool] | None = None) -> Prediction:
    """Every handshake, and the counters of cycles and stalls, of tiles with ``(rows, keys)`` each.

    Args:
        fused: per tile, whether its first two blocks are judged as one; by default none.
        ran: per tile, which of its blocks run; by default all.
        pace: what the streams do; by default they are always ready, and the inputs valid from cycle 0 on.
        partial: per tile, whether its rows are given out as partial results; by default none.

    Raises:
        ValueError: the pace does not fit the tiles: another number of beats, or an output that stays not ready.
    """
    cpk, per_block = cfg.cycles_per_key, cfg.keys_per_block
    sizes = [[min(per_block, keys - first) for first in range(0, keys, per_block)] for _, keys in shapes]
    runs = [[True] * len(blocks) if ran is None else [bool(r) for r in ran[tile]] for tile, blocks in enumerate(sizes)]
    values = sum(size for blocks, r in zip(sizes, runs, strict=True) for size, now in zip(blocks, r, strict=True) if now)
    run = _Run(cfg, pace, {"q": sum(rows for rows, _ in shapes), "k": sum(keys for _, keys in shapes), "v": values})
    partial = [False] * len(shapes) if partial is None else partial
    q_free, acc_free = [EARLY, EARLY], [EARLY, EARLY]   # when the banks of Q and of accumulators are free again
    q_waits: list[tuple[int, int]] = []     # per tile: its first key waits from the one cycle on, Q is readable from the other on
    for tile, (rows, _) in enumerate(shapes):
        bank = tile % 2
        loaded = run.rows(rows, q_free[bank])
        idle_from = run.handoff
        joint = bool(fused is not None and fused[tile]) and len(sizes[tile]) > 1
        for block, size in enumerate(sizes[tile]):
            run.columns(size, loaded)
            if block == 0:
                q_waits.append((max(idle_from, run.block_offer), loaded))
            # the first of two blocks that are judged as one waits for the second
            for now in {0: (), 1: (0, 1)}.get(block, (block,)) if joint else (block,):
                run.decide(joint and now == 0, runs[tile][now], EARLY if any(runs[tile][:now]) else acc_free[bank])
        q_free[bank] = run.column + cpk + 1
        done = max(run.outer[-1] + cfg.block_cycles + cpk + PIPE_RMW, run.starts[-1] + PIPE_SKIP, acc_free[1 - bank])
        acc_free[bank] = run.drain.read_partial(done, rows * cpk) if partial[tile] else run.drain.read(done, rows, cpk)
    run.drain.finish()
    run.count_flight([rows for rows, _ in shapes], partial, q_waits)
    return Prediction({**run.taken, **run.drain.taken}, {"decision": run.asked, **run.drain.offered}, run.stalls)


def predict_cycles(cfg: EngineConfig, shapes: Sequence[tuple[int, int]], fused: Sequence[bool] | None = None,
                   ran: Sequence[Sequence[bool]] | None = None, pace: Pace | None = None) -> dict[str, int]:
    """The counters of cycles and stalls alone, see :func:`handshakes`."""
    return handshakes(cfg, shapes, fused, ran, pace).counters


def row_cycles(cfg: EngineConfig, shapes: Sequence[tuple[int, int]], ran: Sequence[Sequence[bool]] | None = None
               ) -> dict[str, int]:
    """Rows in use, summed over the cycles in which an array switches: what its energy goes with, beside that of a cycle.

    Of a tile of ``rows`` rows the IP-CIM has ``rows * CYCLES_PER_KEY`` for each key, the OP-CIM ``rows * BLOCK_CYCLES`` for each
    block that runs. Where all tiles have as many rows, these are ``rows`` times the counters ``ip_busy`` and ``op_busy``.

    Args:
        shapes: per tile its rows in use and its keys.
        ran: per tile, which of its blocks run; by default all.

    Returns:
        ``ip`` and ``op``, in rows times cycles.
    """
    blocks = [-(-keys // cfg.keys_per_block) if ran is None else sum(map(bool, ran[tile]))
              for tile, (_, keys) in enumerate(shapes)]
    return {"ip": sum(rows * keys for rows, keys in shapes) * cfg.cycles_per_key,
            "op": sum(rows * count for (rows, _), count in zip(shapes, blocks, strict=True)) * cfg.block_cycles}


def predict_run(cfg: EngineConfig, tiles: Sequence[TileJob], results: Sequence[TileResult],
                pace: Pace | None = None) -> Prediction:
    """Every handshake of a run of ``tiles`` from reset, and every counter after it; ``results`` are the golden model's.

    Raises:
        ValueError: the pace does not fit, see :func:`handshakes`.
    """
    total = {name: sum(getattr(r.stats, name) for r in results) for name in
             ("keys", "blocks", "zero_blocks", "rescaled_rows", "rescale_amount", "saturations", "ip_bit_ops", "op_bit_ops",
              "skipped_blocks")}
    rows = sum(r.stats.rows for r in results)
    run = handshakes(cfg, [(t.q.shape[0], t.k.shape[0]) for t in tiles], [t.fused for t in tiles],
                     [r.ran.tolist() for r in results], pace, [t.partial for t in tiles])
    run.counters = {
        **total, **run.counters, "tiles": len(tiles),
        "q_bytes": rows * cfg.head_dim, "k_bytes": total["keys"] * cfg.head_dim, "v_bytes": len(run.taken["v"]) * cfg.head_dim,
        "o_bytes": 2 * sum(len(r.out) for r in results) * cfg.head_dim,
        "partial_rows": sum(len(r.partial.row_sum) for r in results if r.partial is not None),
        "ip_busy": total["keys"] * cfg.cycles_per_key,
        "op_busy": (total["blocks"] - total["skipped_blocks"]) * cfg.block_cycles,
    }
    return run


def predict(cfg: EngineConfig, tiles: Sequence[TileJob], results: Sequence[TileResult] | None = None) -> dict[str, int]:
    """Every counter of the engine after ``tiles`` on streams that are always ready.

    ``results`` spares running the golden model again. Stalls that only slow streams cause (``stall_k``, ``stall_o``,
    ``stall_decision``) are 0 here.
    """
    return predict_run(cfg, tiles, results if results is not None else [run_tile(cfg, tile) for tile in tiles]).counters
