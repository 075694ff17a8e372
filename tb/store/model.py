"""What ``fcim_store`` makes of jobs, rows and words. No simulator here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

SPACE = 1 << 64
WORD_BYTES = 8
Beat = Mapping[str, int]


@dataclass(frozen=True)
class Call:
    """What a call says of O: query heads of a group, where it lies, bytes from a token and from a head to the next."""

    group: int
    o: int
    o_token_stride: int
    o_head_stride: int


@dataclass(frozen=True)
class Job:
    """The rows of a tile: its first query head, its first token, its tokens."""

    q_head: int
    token: int
    tokens: int

    def rows(self, call: Call) -> list[int]:
        """Addresses of its rows, in order."""
        return [(call.o + (self.q_head + g) * call.o_head_stride + (self.token + t) * call.o_token_stride) % SPACE
                for t in range(self.tokens) for g in range(call.group)]


class Model:
    """Call it with what was accepted; ``expect(output, beat)`` gets what must come, in order.

    Attributes:
        jobs: per slot the addresses that its jobs still want, a list per job.
        unanswered: what was commanded and has no answer: "row" or "word".
        misplaced: a row's ``last`` was not where its job ends.
    """

    def __init__(self, width: int, head_dim: int, slots: int, expect: Callable[[str, Beat], None]) -> None:
        self.width, self.row_bytes, self.expect = width, 2 * head_dim, expect
        self.jobs: list[deque[deque[int]]] = [deque() for _ in range(slots)]
        self.unanswered: deque[str] = deque()
        self.misplaced = False

    def job(self, call: Call, slot: int, job: Job) -> None:
        """A job was accepted."""
        self.jobs[slot].append(deque(job.rows(call)))

    def row(self, slot: int, data: int, last: bool) -> bool:
        """A row was accepted; True if it is the last one of its job."""
        wanted = self.jobs[slot][0]
        self._command(wanted.popleft(), self.row_bytes // self.width)
        mask, everything = (1 << 8 * self.width) - 1, (1 << self.width) - 1
        for beat in range(self.row_bytes // self.width):
            self.expect("m_data", {"data": data >> 8 * self.width * beat & mask, "strobe": everything})
        ends = not wanted
        if ends:
            self.jobs[slot].popleft()
        self.misplaced = self.misplaced or ends != last
        self.unanswered.append("row")
        return ends

    def word(self, address: int, data: int) -> None:
        """A word was accepted: its bytes where they lie in their beat, the others whatever they are."""
        assert not self.unanswered and not any(self.jobs), "a word is taken before all rows are written and answered"
        self._command(address, 1)
        place = address % self.width
        self.expect("m_data", {"data": data << 8 * place, "strobe": (1 << WORD_BYTES) - 1 << place})
        self.unanswered.append("word")

    def _command(self, address: int, beats: int) -> None:
        self.expect("m_cmd", {"address": address // self.width * self.width, "beats": beats, "rows": 1})

    def done(self, error: bool, cycle: int) -> None:
        """The oldest command was answered in this cycle."""
        if self.unanswered.popleft() == "word":
            self.expect("word", {"error": int(error), "cycle": cycle + 1})
        elif error:
            self.expect("write_error", {"cycle": cycle + 1})
