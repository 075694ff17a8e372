"""How far an engine has come: each cycle of ``docs/cycles.md``'s table as soon as what it waits for is known.

Beats of Q, K and V are announced, and what the engine offers is answered, by whoever stands outside: in
:mod:`models.hardware.timeline` a list of offers, in :mod:`models.system.timeline` the accelerator around it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from models.hardware.config import EngineConfig
from models.hardware.interface import COUNTERS
from models.hardware.pace import EARLY

TIMING_COUNTERS = ("cycles", *(name for name in COUNTERS if name.startswith("stall_")))
"""The counters that depend on when the streams are ready."""

BUFFERS = 3         # blocks of scores between the scaling and the exponentials
PIPE_SCALE = 4      # from the last pass's turn in the scaler until the block counts as scaled
PIPE_JUDGE = 1      # from the last pass's turn in the judgement until the block counts as judged
PIPE_EXP = 3        # from a block's last exponential until its probabilities are there
PIPE_ROW_LOAD = 2   # from a row's acceptance until its bank is loaded
PIPE_RMW = 3        # from the cycle after the last slice's read-modify-write has begun its last pass until the drain starts
PIPE_SKIP = 2       # from the decision to skip a tile's last block until the drain starts
PIPE_DIVIDE = 21    # from a row's first read until the first part of it is out
PIPE_PART = 1       # from the read of a chunk of a partial tile until it is out


class _Drain:
    """Reads of the accumulators, dividers and row register: all of them move, or all stand while a finished row is not taken.
    A partial tile is read when no row is on its way, and its chunks pass the dividers by.

    Steps are the cycles in which it moves; ``step`` lies in ``cycle``, and no row waits between them and the next of ``rows``.
    """

    def __init__(self, cycles_per_key: int) -> None:
        self.cpk = cycles_per_key
        self.cycle, self.step = EARLY, 0
        self.rows: deque[int] = deque()     # of rows that are read and not taken: the step that takes it
        self.last_row = EARLY               # when the last row was taken
        self.chunks = 0                     # of a partial tile, that are to be taken
        self.offer = EARLY                  # of the next of them
        self.last_read: int | None = None   # step of a tile's last read, until its cycle is known

    def _cycle_of(self, step: int) -> int:
        return self.cycle + step - self.step

    @property
    def head(self) -> tuple[str, int] | None:
        """What is offered next, and from which cycle on."""
        if self.chunks:
            return "part", self.offer
        return ("o", self._cycle_of(self.rows[0])) if self.rows else None

    def take(self, cycle: int) -> None:
        """It is taken in ``cycle``."""
        if self.chunks:
            # the next read has its cycle
            self.chunks, self.cycle, self.offer = self.chunks - 1, cycle, cycle + PIPE_PART
        else:
            self.cycle, self.step, self.last_row = cycle, self.rows.popleft(), cycle

    def begin(self, done: int, rows: int, partial: bool) -> bool:
        """Read a tile that is complete in cycle ``done``; False as long as it is not known when that begins."""
        if self.chunks or (self.rows and (partial or self._cycle_of(self.rows[0]) <= done)):
            return False
        if partial:
            self.chunks, self.offer = rows * self.cpk, max(done, self.cycle, self.last_row + 1) + PIPE_PART
        else:
            first = self.step + max(done, self.cycle) - self.cycle
            self.rows.extend(first + (row + 1) * self.cpk - 1 + PIPE_DIVIDE for row in range(rows))
            self.last_read = first + rows * self.cpk - 1
        return True

    def free(self) -> int | None:
        """The cycle from which the bank is free that is being read; None as long as that is not known."""
        if self.last_read is None:
            return self.offer - PIPE_PART + 1 if self.chunks == 1 else None
        return None if self.rows[0] <= self.last_read else self._cycle_of(self.last_read) + 1


class Progress:
    """The events of an engine so far; letters as in the page's table.

    Announce what comes (:meth:`add_tile`, :meth:`add_row`, :meth:`add_keys`, :meth:`add_values`), call :meth:`advance`, and
    answer :attr:`head` with :meth:`take` and ``advance`` again. Cycles may be announced ahead of time.

    Args:
        decided: the cycle in which a decision that is asked for in a cycle is taken; by default that one.
        skips_wait: a skipped block waits for that too.

    Attributes:
        stalls: the counters of :data:`TIMING_COUNTERS` so far, but for those of :meth:`count_flight`.
        taken: per stream (q, k, v, decision, o, part) the cycle of each beat's acceptance, if they are to be kept. offered: of
            decision, o and part the cycles from which they were valid.
        first_rows, loaded: of each tile R of its first row; the cycle from which its bank of Q is readable.
        q_free: of each tile the cycle from which its bank of Q is free again.
        key_taken: of each block A of its last key.
        starts: E of each block. outer: X of each block that runs.
        landed: of each tile the cycle in which its last output beat was taken.
    """

    def __init__(self, cfg: EngineConfig, decided: Callable[[int], int] | None = None, skips_wait: bool = True,
                 keep: bool = True) -> None:
        self.cfg, self.cpk, self.keep = cfg, cfg.cycles_per_key, keep
        self.decided, self.skips_wait = decided, skips_wait
        self.value_slots = 3 if self.cpk == 1 else 2
        self.stalls = dict.fromkeys(TIMING_COUNTERS, 0)
        self.taken: dict[str, list[int]] = {name: [] for name in ("q", "k", "v", "decision", "o", "part")}
        self.offered: dict[str, list[int]] = {name: [] for name in ("decision", "o", "part")}
        # tiles: rows, whether partial, the last block, the last of those that run
        self.tile_rows: list[int] = []
        self.partial: list[bool] = []
        self.last_block: list[int] = []
        self.last_run: list[int] = []
        # blocks: keys, tile, whether it runs, is judged with the one behind, is its tile's first, its tile's first that runs
        self.count: list[int] = []
        self.tile_of: list[int] = []
        self.runs: list[bool] = []
        self.joint: list[bool] = []
        self.opens: list[bool] = []
        self.opens_bank: list[bool] = []
        self.run_blocks: list[int] = []                         # blocks that run
        # what was announced and not used
        self.row_offers: deque[int] = deque()
        self.key_offers: deque[Sequence[int]] = deque()
        self.value_offers: deque[Sequence[int]] = deque()
        # what has become known
        self.rows_in = 0                                        # of the tile that is loading
        self.row = EARLY                                        # R of the last row
        self.first_rows: list[int] = []
        self.loaded: list[int] = []
        self.q_free: list[int] = []
        self.q_waits: list[int] = []                            # per tile a cycle from which its first key waits
        self.handoff = EARLY                                    # H of the last key
        self.column = EARLY                                     # C of the last key
        self.key_taken: list[int] = []
        self.scaled: list[int] = []                             # cycle from which a block counts as scaled
        self.judged = EARLY                                     # J of the last block
        self.starts: list[int] = []
        self.ends: list[int] = []                               # cycle from which the exponential phase is free again
        self.decided_runs = 0
        self.value = EARLY                                      # acceptance of the last value
        self.outer: list[int] = []
        self.drain = _Drain(self.cpk)
        self.reading = 0                                        # tiles whose read has begun
        self.acc_free: list[int] = []                           # per tile: when its accumulators are drained
        self.out = 0                                            # output beats of the tile that is leaving
        self.landed: list[int] = []

    # ---- what comes
    def add_tile(self, rows: int, sizes: Sequence[int], ran: Sequence[bool], fused: bool, partial: bool) -> None:
        """The next tile: its rows of Q, the keys of each of its blocks, and which of these run."""
        tile, first = len(self.tile_rows), len(self.count)
        self.tile_rows.append(rows)
        self.partial.append(partial)
        self.last_block.append(first + len(sizes) - 1)
        self.count.extend(sizes)
        self.tile_of.extend([tile] * len(sizes))
        self.runs.extend(ran)
        self.joint.extend(fused and len(sizes) > 1 and block == 0 for block in range(len(sizes)))
        self.opens.extend(block == 0 for block in range(len(sizes)))
        running = [first + block for block, runs in enumerate(ran) if runs]
        self.opens_bank.extend(first + block == running[0] for block in range(len(sizes)))
        self.run_blocks.extend(running)
        self.last_run.append(len(self.run_blocks) - 1)

    def add_row(self, offer: int) -> None:
        """The next row of Q is valid from ``offer`` on."""
        self.row_offers.append(offer)

    def add_keys(self, offers: Sequence[int]) -> None:
        """The keys of the next block, each valid from that cycle on; a ``range`` if it is one key a cycle."""
        self.key_offers.append(offers)

    def add_values(self, offers: Sequence[int]) -> None:
        """The values of the next block that runs, in the same way."""
        self.value_offers.append(offers)

    @property
    def head(self) -> tuple[str, int] | None:
        """The stream (o or part) whose next beat is not taken yet, and from which cycle on it is valid, if that is known."""
        return self.drain.head

    def take(self, cycle: int) -> None:
        """That beat is taken in ``cycle``."""
        head = self.drain.head
        assert head is not None and head[1] <= cycle
        stream, offer = head
        self.drain.take(cycle)
        self.stalls["stall_o"] += cycle - offer
        if self.keep:
            self.offered[stream].append(offer)
            self.taken[stream].append(cycle)
        tile = len(self.landed)
        self.out += 1
        if self.out == self.tile_rows[tile] * (self.cpk if self.partial[tile] else 1):
            self.landed.append(cycle)
            self.out = 0

    def value_room(self) -> int | None:
        """The cycle from which the next block of values finds room; None as long as that is not known."""
        block = len(self.outer) + len(self.value_offers) - self.value_slots
        if block < 0:
            return EARLY
        return self.outer[block] + (self.cfg.keys_per_block - 1) * self.cpk + 1 if block < len(self.outer) else None

    def row_room(self) -> int | None:
        """The cycle from which the next row of Q is taken, if none waits; None as long as that is not known."""
        tile = len(self.first_rows)
        if self.rows_in or tile < 2:
            return self.row + 1
        return max(self.row + 1, self.q_free[tile - 2]) if len(self.q_free) > tile - 2 else None

    # ---- what follows
    def advance(self) -> None:
        """Work out all that is decided by what is known."""
        while self._rows() or self._columns() or self._decide() or self._outer() or self._drain():
            pass

    def _rows(self) -> bool:
        """The next row of Q."""
        if not self.row_offers:
            return False
        room = self.row_room()
        if room is None:
            return False
        self.row = max(self.row_offers.popleft(), room)
        if self.keep:
            self.taken["q"].append(self.row)
        if self.rows_in == 0:
            self.first_rows.append(self.row)
        self.rows_in += 1
        if self.rows_in == self.tile_rows[len(self.loaded)]:
            self.loaded.append(self.row + PIPE_ROW_LOAD)
            self.rows_in = 0
        return True

    def _columns(self) -> bool:
        """The keys of the next block into the softmax unit."""
        block = len(self.scaled)
        if not self.key_offers or self.tile_of[block] >= len(self.loaded):
            return False
        if block >= BUFFERS and len(self.starts) <= block - BUFFERS:
            return False
        offers, cpk, tile = self.key_offers.popleft(), self.cpk, self.tile_of[block]
        if self.opens[block]:
            self.q_waits.append(max(self.handoff, offers[0]))
        bound = self.starts[block - BUFFERS] + 1 if block >= BUFFERS else EARLY
        handoff, column, loaded = self.handoff, self.column, self.loaded[tile]
        stall_k = stall_softmax = 0
        steady = isinstance(offers, range)
        accept = EARLY
        for offer in offers[:1] if steady else offers:
            open_from = max(handoff, loaded)
            accept = max(offer, open_from)
            stall_k += accept - open_from
            handoff = max(accept + cpk, column)
            column = max(handoff + 1, column + cpk, bound)
            bound = EARLY
            stall_softmax += column - (handoff + 1)
            if self.keep:
                self.taken["k"].append(accept)
        if steady and len(offers) > 1:
            # a key a cycle comes in time behind its first one, and is taken as it is handed off
            more = len(offers) - 1
            second = max(handoff + cpk, column)
            if self.keep:
                self.taken["k"].extend([handoff, *range(second, second + (more - 1) * cpk, cpk)])
            accept = handoff if more == 1 else second + (more - 2) * cpk
            column += more * cpk
            handoff = second + (more - 1) * cpk
            stall_softmax += more * (column - handoff - 1)
        self.handoff, self.column = handoff, column
        self.stalls["stall_k"] += stall_k
        self.stalls["stall_softmax"] += stall_softmax
        self.key_taken.append(accept)
        self.scaled.append(column + cpk + PIPE_SCALE)
        if block == self.last_block[tile]:
            self.q_free.append(column + cpk + 1)
        return True

    def _decide(self) -> bool:
        """The next block's judgement, and its start, or its end if it is skipped."""
        block = len(self.starts)
        if len(self.scaled) <= block or (self.joint[block] and len(self.scaled) <= block + 1):
            return False
        runs, tile = self.runs[block], self.tile_of[block]
        before = self.decided_runs
        if runs:
            if before >= 2 and len(self.outer) < before - 1:
                return False
            if self.opens_bank[block] and tile >= 2 and len(self.acc_free) < tile - 1:
                return False
        cpk = self.cpk
        judged = self.scaled[block + self.joint[block]]
        if block:
            judged = max(judged, self.judged + cpk)
        if block >= BUFFERS:
            judged = max(judged, self.ends[block - BUFFERS])
        self.judged = judged
        ready = max(judged + cpk + PIPE_JUDGE, self.ends[-1] if block else EARLY)
        if runs:
            room = max(ready, self.outer[before - 2] + self.cfg.block_cycles - 3) if before >= 2 else ready
            self.stalls["stall_op"] += room - ready
            ready = max(room, self.acc_free[tile - 2]) if self.opens_bank[block] and tile >= 2 else room
            self.stalls["stall_bank"] += ready - room
            self.decided_runs += 1
        start = ready if self.decided is None or not (runs or self.skips_wait) else self.decided(ready)
        self.stalls["stall_decision"] += start - ready
        if self.keep:
            self.offered["decision"].append(ready)
            self.taken["decision"].append(start)
        self.starts.append(start)
        self.ends.append(start + (self.count[block] * cpk if runs else 1))
        return True

    def _outer(self) -> bool:
        """Values of the next block that runs into the ring; then its outer product."""
        run = len(self.outer)
        if not self.value_offers or run >= self.decided_runs:
            return False
        cfg, slots = self.cfg, self.value_slots
        offers = self.value_offers.popleft()
        if run >= slots:
            self.value = max(self.value, self.outer[run - slots] + (cfg.keys_per_block - 1) * self.cpk)
        for offer in offers[:1] if isinstance(offers, range) else offers:
            self.value = max(offer, self.value + 1)
            if self.keep:
                self.taken["v"].append(self.value)
        if isinstance(offers, range):
            if self.keep:
                self.taken["v"].extend(range(self.value + 1, self.value + len(offers)))
            self.value += len(offers) - 1
        probabilities = self.ends[self.run_blocks[run]] + PIPE_EXP
        if run:
            probabilities = max(probabilities, self.outer[-1] + cfg.block_cycles)
        self.outer.append(max(probabilities, self.value + 1))
        self.stalls["stall_v"] += self.outer[-1] - probabilities
        return True

    def _drain(self) -> bool:
        """The next tile's accumulators out, and their bank's release."""
        if self.reading > len(self.acc_free):
            free = self.drain.free()
            if free is None:
                return False
            self.acc_free.append(free)
            self.drain.last_read = None
            return True
        tile = self.reading
        if tile == len(self.tile_rows) or self.last_run[tile] >= len(self.outer) or self.last_block[tile] >= len(self.starts):
            return False
        done = max(self.outer[self.last_run[tile]] + self.cfg.block_cycles + self.cpk + PIPE_RMW,
                   self.starts[self.last_block[tile]] + PIPE_SKIP, self.acc_free[-1] if tile else EARLY)
        if not self.drain.begin(done, self.tile_rows[tile], self.partial[tile]):
            return False
        self.reading += 1
        return True

    def count_flight(self) -> None:
        """What counts only while a tile is in flight: from its first row of Q to its last output beat, once all are out."""
        landed = EARLY
        for first, waits, loaded, last in zip(self.first_rows, self.q_waits, self.loaded, self.landed, strict=True):
            on_ground = max(0, first - max(waits, landed + 1))
            self.stalls["stall_q"] += max(0, loaded - waits - on_ground)
            self.stalls["cycles"] += last - max(first - 1, landed)
            landed = last
