"""Both sides of ``fcim_block_queue``, handshakes and payloads, against a list of the blocks inside."""

from __future__ import annotations

from collections import deque
from typing import Any

from cocotb.triggers import RisingEdge

from tb.block_queue import coverage
from tb.common.clock import cycle
from tb.common.stream import Beat

FIELDS = ("start", "count", "last")
NOTHING = dict.fromkeys(FIELDS, 0)


class Checker:
    """Checks all pins in every cycle; the blocks inside are the model."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.depth = dut, int(dut.BLOCKS_AHEAD.value)
        self.inside: deque[Beat] = deque()
        self.error, self.first, self.skipped = False, True, 0
        self.fullest = 0

    def payload(self, stream: str) -> Beat:
        """The payload on the pins of a stream."""
        return {field: int(getattr(self.dut, f"{stream}_{field}").value) for field in FIELDS}

    def bit(self, name: str) -> bool:
        """A pin that is 0 or 1."""
        value = str(getattr(self.dut, name).value)
        assert value in "01", f"cycle {cycle()}: {name} is {value}"
        return value == "1"

    def expect(self, name: str, want: bool) -> bool:
        """The pin ``name`` is ``want``; returns it."""
        got = self.bit(name)
        assert got == want, f"cycle {cycle()}: {name} is {int(got)} with {len(self.inside)} of {self.depth} blocks inside"
        return got

    def step(self) -> None:
        """The cycle that ends: what the outputs must have been, and what is inside after it."""
        full = len(self.inside) == self.depth
        offered, request, skip = self.bit("s_blk_valid"), self.bit("s_decision_valid"), self.bit("s_decision_skip")
        kreq = self.expect("m_kreq_valid", offered and not full)
        self.expect("s_blk_ready", self.bit("m_kreq_ready") and not full)
        vreq = self.expect("m_vreq_valid", request and not skip)
        ready = self.bit("m_vreq_ready")
        if request:
            self.expect("s_decision_ready", skip or ready)
        if kreq:
            got, want = self.payload("m_kreq"), self.payload("s_blk")
            assert got == want, f"cycle {cycle()}: m_kreq is {got}, offered was {want}"
        head = self.inside[0] if self.inside else NOTHING
        if vreq:
            got = self.payload("m_vreq")
            assert got == head, f"cycle {cycle()}: m_vreq is {got}, the oldest block is {head}"
            self.expect("m_vreq_first", self.first)
        self.expect("error_order", self.error)
        pushed, decided = kreq and self.bit("m_kreq_ready"), request and (skip or ready)
        coverage.sample_cycle(len(self.inside), self.depth, pushed, decided, skip)
        coverage.sample_waits(offered and not pushed, full, vreq and not ready)
        last = self.bit("s_decision_last") if request else False
        self.error = self.error or (request and (not self.inside or last != bool(head["last"])))
        if decided:
            self._decide(skip, last)
        if pushed:
            self.inside.append(self.payload("s_blk"))
            self.fullest = max(self.fullest, len(self.inside))

    def _decide(self, skip: bool, last: bool) -> None:
        if self.inside:
            self.inside.popleft()
        if self.first and not skip:
            coverage.sample_first(self.skipped, last)
        self.first = last or (self.first and skip)
        self.skipped = 0 if last else self.skipped + skip

    async def watch(self) -> None:
        """Run the model beside the pins."""
        edge = RisingEdge(self.dut.clk)
        while True:
            await edge
            if self.dut.rst_n.value == 1:
                self.step()

    def reset(self) -> None:
        """What a reset leaves."""
        self.inside.clear()
        self.error, self.first, self.skipped = False, True, 0
