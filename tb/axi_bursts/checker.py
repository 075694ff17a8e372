"""What the address side of an AXI engine may do: the protocol, the bursts that were commanded, and how many are under way."""

from __future__ import annotations

from collections import deque
from typing import Any

from tb.axi_bursts import coverage
from tb.common.axi import PORT
from tb.common.bursts import PAGE, Burst, Command
from tb.common.stream import Beat, StreamMonitor

INCR, CACHE, PROT = 1, 0b0011, 0b010
ADDRESS_FIELDS = ("id", "addr", "len", "size", "burst", "cache", "prot")


class AddressRules:
    """The address channel of a reader or writer: each address against the protocol, the bursts against those commanded.

    Attributes:
        monitor: of the channel.
        outstanding: bursts without an answer. Who sees the answers calls :meth:`answered`.
        issued: bursts whose address was accepted, in order.
        last_offer: no address may be offered later than in this cycle, None where nothing forbids it.
    """

    def __init__(self, dut: Any, engine: str) -> None:
        channel = {"reader": "ar", "writer": "aw"}[engine]
        self.dut, self.engine = dut, engine
        self._waits = getattr(dut, f"m_axi_{channel}valid"), getattr(dut, f"m_axi_{channel}ready")
        self.width, self.most, self.limit = int(dut.DATA_BITS.value) // 8, int(dut.MAX_BURST.value), int(dut.OUTSTANDING.value)
        self.monitor = StreamMonitor(dut, PORT, ADDRESS_FIELDS, self._accepted, channel)
        self.expected: deque[Burst] = deque()
        self.issued: list[Burst] = []
        self.outstanding = 0
        self.last_offer: int | None = None

    def command(self, command: Command) -> list[Burst]:
        """The command was accepted; these bursts are to come."""
        bursts = list(command.bursts(self.width, self.most))
        self.expected.extend(bursts)
        return bursts

    def _accepted(self, beat: Beat) -> None:
        length, start = (beat["len"] + 1) * self.width, beat["addr"]
        fixed = beat["id"], beat["size"], beat["burst"], beat["cache"], beat["prot"]
        assert fixed == (0, self.width.bit_length() - 1, INCR, CACHE, PROT), f"id, size, burst, cache, prot are {fixed}"
        assert start % self.width == 0, f"the address {start:#x} is not that of a beat"
        assert start // PAGE == (start + length - 1) // PAGE, f"a burst of {length} bytes at {start:#x} crosses 4 KB"
        assert beat["len"] < self.most, f"a burst of {beat['len'] + 1} beats"
        assert self.expected, f"a burst at {start:#x} that nothing has commanded"
        burst = self.expected.popleft()
        got = start, beat["len"] + 1
        assert got == (burst.address, burst.beats), f"a burst of {got[1]} beats at {start:#x}, not {burst}"
        offer = self.monitor.offers[-1]
        assert self.last_offer is None or offer <= self.last_offer, f"an address is offered in cycle {offer}, after stop"
        self.issued.append(burst)
        self.outstanding += 1
        assert self.outstanding <= self.limit, f"{self.outstanding} bursts have no answer, at most {self.limit} may"
        coverage.sample_address(self.engine, self.outstanding, self.limit, offer < self.monitor.cycles[-1])

    def answered(self) -> Burst:
        """The oldest burst without an answer has got its last one."""
        assert self.outstanding, "an answer to no burst"
        burst = self.issued[-self.outstanding]
        self.outstanding -= 1
        return burst

    def flags(self) -> tuple[str, str]:
        """The error flags SLVERR and DECERR as they are."""
        return str(self.dut.error_slave.value), str(self.dut.error_decode.value)

    def error_comes(self, resp: int, cleared: bool = False) -> None:
        """Sample that a burst is going to fail, with the flags as they are or being cleared."""
        coverage.sample_error(self.engine, self.flags(), resp, cleared)

    def stopped(self) -> None:
        """Sample what there is while it is being stopped."""
        valid, ready = self._waits
        coverage.sample_stop(self.engine, bool(self.expected), valid.value == 1 and ready.value == 0, self.outstanding > 0)

    def forget(self) -> None:
        """The master was reset: bursts that are still expected do not come."""
        self.expected.clear()
        self.outstanding = 0
