"""What ``fcim_block_exponential`` must give, cycle by cycle, from what its inputs carried."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from tb.common import spec
from tb.common.geometry import Geometry

WRITE_DELAY = 3     # from the address of a pass to its write, and to its part in the rows' sums


@dataclass
class ExpectedBlock:
    """A started block; ``v_mult`` grows with its keys, ``shift`` of its rows with its first key, ``total`` with every key."""

    number: int
    start: int
    cpk: int
    buf: int
    slot: int
    last_key: int
    first: bool
    last: bool
    bank: int
    tau: int
    v_mult: list[int] = field(default_factory=list)
    shift: list[int] = field(default_factory=list)
    total: list[int] = field(default_factory=list)

    @property
    def end(self) -> int:
        """Last cycle of its walk."""
        return self.start + (self.last_key + 1) * self.cpk

    @property
    def first_write(self) -> int:
        """Cycle of its first write."""
        return self.start + 1 + WRITE_DELAY

    @property
    def finish(self) -> int:
        """Cycle of its last write, in which it is offered."""
        return self.end + WRITE_DELAY

    @property
    def settled(self) -> int:
        """First cycle in which its rows' sums may be asked for."""
        return self.finish + 1


@dataclass(frozen=True)
class Write:
    """The probabilities of one pass, weighed with their value's multiplier."""

    block: ExpectedBlock
    key: int
    pass_: int
    p: list[int]


class Model:
    """Call :meth:`begin` in every cycle, then the other methods with what happened in it."""

    def __init__(self, size: Geometry) -> None:
        self.size = size
        self.blocks: list[ExpectedBlock] = []
        self.pending: deque[ExpectedBlock] = deque()        # not finished yet
        self.queue: deque[ExpectedBlock] = deque()          # finished, not taken
        self.taken: list[int] = []                          # cycle in which each block was taken
        self.writes: dict[int, Write] = {}                  # by cycle
        self.held: list[ExpectedBlock | None] = [None, None]    # per slot, whose shift and sum must be there
        self.sums: list[list[int] | None] = [None, None]    # per bank
        # per bank, of its last block; None: unknown
        self.maxima: list[list[int | None]] = [[None] * size.rows for _ in range(2)]
        self.answer: tuple[int, int | None] | None = None   # of the last request: the row's sum and maximum
        self._settled = [0, 0]                              # per bank, of the last block that was started

    def begin(self, now: int) -> None:
        """Blocks that are finished from the cycle ``now`` on, and slots that are written again."""
        for block in self.pending:
            if block.first_write == now:
                self.held[block.slot] = None
        if self.pending and self.pending[0].finish == now:
            self.queue.append(self.pending.popleft())
        if self.queue:
            self.held[self.queue[0].slot] = self.queue[0]

    def walk(self, now: int) -> ExpectedBlock | None:
        """The block of which passes are read in the cycle ``now``."""
        return self.blocks[-1] if self.blocks and self.blocks[-1].start < now <= self.blocks[-1].end else None

    def ready(self, now: int) -> bool:
        """A block may start in the cycle ``now``."""
        walk = self.walk(now)
        return walk is None or now == walk.end

    def place(self, now: int) -> tuple[int, int]:
        """Key and pass that are read in a cycle of a walk."""
        return divmod(now - self.blocks[-1].start - 1, self.size.cpk)

    def idle(self, bank: int, now: int) -> bool:
        """Whether the bank's sums take nothing more, in the cycle ``now`` or later, from blocks started before it."""
        return self._settled[bank] <= now

    def start(self, block: ExpectedBlock) -> None:
        """A block is started in this cycle."""
        self.blocks.append(block)
        self.pending.append(block)
        self._settled[block.bank] = block.settled

    def scores(self, now: int, block: ExpectedBlock, place: tuple[int, int], z: list[int], row_max: list[int | None],
               shift: list[int] | None, v_mult: int | None) -> Write:
        """What the address of a pass, which the cycle ``now`` showed, was answered with; ``place`` is its key and pass,
        ``shift`` counts with the first key, ``v_mult`` with a key's first pass."""
        key, pass_ = place
        if key == 0 and pass_ == 0 and block.first:
            self.sums[block.bank] = [0] * self.size.rows
        if v_mult is not None:
            block.v_mult.append(v_mult)
        sums, written = self.sums[block.bank], []
        assert sums is not None, "the stimulus continues a tile that was never begun"
        for lane, value in enumerate(z):
            row = pass_ * self.size.lanes + lane
            m = row_max[lane]
            assert m is not None or value == spec.MASKED, "the stimulus has no running maximum for a visible score"
            p = 0 if m is None else spec.probability(value, m, block.tau, self.size.prob_bits)
            written.append(spec.weighed(p, block.v_mult[key]))
            if key == 0:
                self.maxima[block.bank][row] = m
                assert shift is not None
                block.shift.append(shift[lane])
                block.total.append(0)
                sums[row] = 0 if block.first else spec.round_shift(sums[row], shift[lane])
            block.total[row] += written[-1]
            sums[row] += p
            assert sums[row] < 1 << self.size.sum_bits, "the stimulus has too many keys in a tile"
        write = self.writes[now + WRITE_DELAY] = Write(block, key, pass_, written)
        return write

    def take(self, now: int) -> None:
        """The offered block is taken in the cycle ``now``."""
        self.queue.popleft()
        self.taken.append(now)

    def read(self, now: int, bank: int, row: int) -> None:
        """A row is asked for in the cycle ``now``: its sum and maximum are the answer from the next cycle on."""
        sums = self.sums[bank]
        assert sums is not None and self.idle(bank, now), "the stimulus asks for a sum that is not settled"
        self.answer = sums[row], self.maxima[bank][row]
