"""The bench around ``fcim_axi_writer``: a memory, its monitors, and what commands and beats must lead to."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from tb.axi_bursts.checker import AddressRules
from tb.axi_writer import coverage
from tb.common.axi import PORT, Pace, SparseMemory, WriteMemory
from tb.common.bench import Bench
from tb.common.bursts import COMMAND_FIELDS, OKAY, PAGE, SPACE, Command
from tb.common.clock import cycle
from tb.common.rng import rng
from tb.common.scoreboard import Scoreboard
from tb.common.stream import Beat, StreamMonitor

GUARD = 2       # beats before and after each row that nothing may write


class Writer:
    """The writer with all around it.

    Attributes:
        wanted: what ``memory`` must be in the end: what the commands wrote, what was around it, and nothing else.
        addressed, arrivals: cycles in which each burst's address and its last beat were accepted.
    """

    def __init__(self, dut: Any, pattern: str = "none", pace: Pace | None = None, answers: Mapping[int, int] | None = None,
                 budget: int = 40_000) -> None:
        """``answers``: of bursts by number, where it is not OKAY."""
        self.dut, self.width = dut, int(dut.DATA_BITS.value) // 8
        self.memory, self.wanted, self.answers = SparseMemory(SPACE), SparseMemory(SPACE), answers or {}
        self.bench = Bench(dut, pattern, budget)
        self.commands = self.bench.input("s_cmd", COMMAND_FIELDS, self._command)
        self.beats = self.bench.input("s_data", ("data", "strobe"), self._beat_in)
        self.rules = AddressRules(dut, "writer")
        self.rules.monitor.add_callback(self._address)
        self.out = StreamMonitor(dut, PORT, ("data", "strb", "last"), self._beat_out, "w")
        self.replies = StreamMonitor(dut, PORT, ("id", "resp"), self._answer, "b")
        self.done = Scoreboard("done", ("error",))
        self.bench.scoreboards["done"] = (self.done, 1)
        self.addressed: list[int] = []
        self.arrivals: list[int] = []
        self.port = WriteMemory(dut, self.memory, pace or Pace(), self.arrivals, self.answers, self.addressed)
        self.content = rng("content")
        self._filling: deque[tuple[int, bool]] = deque()    # beats that are commanded: address, and whether the burst fails
        self._given: deque[Beat] = deque()                  # beats that are taken, but not on the bus yet
        self._open: deque[int] = deque()                    # bursts whose beats are not all on the bus: beats left
        self.bursts = 0
        self._failed = False
        self.stopping = False
        dut.stop.value = dut.clear.value = 0
        cocotb.start_soon(self._watch())

    # ---- what comes in
    def _command(self, beat: Beat) -> None:
        for burst in self.rules.command(Command.from_beat(beat)):
            failed = self.answers.get(self.bursts, OKAY) != OKAY
            self._filling.extend((address, failed) for address in burst.addresses(self.width))
            self._open.append(burst.beats)
            self.bursts += 1
            if burst.last:
                coverage.sample_done(self._failed, failed)
                self.done.expect([{"error": int(self._failed or failed)}])
            self._failed = (self._failed or failed) and not burst.last

    def _beat_in(self, beat: Beat) -> None:
        assert self._filling, "a beat is taken that no command wants"
        address, failed = self._filling.popleft()
        self._given.append(beat)
        if not failed:
            mask = int.from_bytes(bytes(0xFF * (beat["strobe"] >> i & 1) for i in range(self.width)), "little")
            old = int.from_bytes(self.wanted.read(address, self.width), "little")
            self.wanted.write(address, (old & ~mask | beat["data"] & mask).to_bytes(self.width, "little"))

    # ---- what goes out
    def _address(self, _: Beat) -> None:
        self.addressed.append(cycle())
        if len(self.addressed) <= len(self.arrivals):
            coverage.sample_order(cycle(), self.arrivals[len(self.addressed) - 1])

    def _beat_out(self, beat: Beat) -> None:
        assert self._open, "a beat without a burst"
        self._open[0] -= 1
        assert beat["last"] == (self._open[0] == 0), f"WLAST is {beat['last']} with {self._open[0]} beats to come"
        coverage.sample_strobe(beat["strb"], self.width)
        if self._given:
            want = self._given.popleft()
            assert (beat["data"], beat["strb"]) == (want["data"], want["strobe"]), "the beats on the bus are not those given"
        else:
            assert self.stopping and beat["strb"] == 0, f"a beat that nobody gave, strobes {beat['strb']:#x}"
        if beat["last"]:
            self._open.popleft()
            self.arrivals.append(cycle())
            if len(self.arrivals) <= len(self.addressed):
                coverage.sample_order(self.addressed[len(self.arrivals) - 1], cycle())

    def _answer(self, beat: Beat) -> None:
        burst = self.rules.answered()
        coverage.sample_answer(beat["resp"], burst.last)

    async def _watch(self) -> None:
        edge, dut = RisingEdge(self.dut.clk), self.dut
        while True:
            await edge
            if dut.rst_n.value != 1:
                continue
            if str(dut.done.value) != "0":
                assert not self.stopping, "done while it stops"
                self.done.got({"error": int(dut.done_error.value)})
            coverage.sample_waits(
                bus=dut.m_axi_wvalid.value == 1 and dut.m_axi_wready.value == 0,
                beats=dut.s_data_ready.value == 1 and dut.s_data_valid.value == 0,
                address=dut.s_data_valid.value == 1 and dut.s_data_ready.value == 0 and dut.m_axi_wvalid.value == 0)

    # ---- stimulus
    def guard(self, commands: Sequence[Command]) -> None:
        """Random bytes where the commands write and around it; what they do not write must stay."""
        for command in commands:
            for address, beats in command.runs(self.width):
                first = max(address - GUARD * self.width, 0)
                data = self.content.bytes(min(address + (beats + GUARD) * self.width, SPACE) - first)
                self.memory.write(first, data)
                self.wanted.write(first, data)

    def beats_of(self, command: Command) -> list[Beat]:
        """Random beats for a command; a third of them with all strobes, a third with none or any, a third with a row's."""
        everything, found = (1 << self.width) - 1, []
        for _ in range(command.beats * command.rows):
            kind, row = self.content.integers(3), 1 << int(self.content.integers(self.width.bit_length()))
            strobe = (everything if kind == 0 else int.from_bytes(self.content.bytes(self.width // 8), "little") if kind == 1 else
                      ((1 << row) - 1) << row * int(self.content.integers(self.width // row)))
            if self.content.integers(8) == 0:
                strobe = 0
            found.append({"data": int.from_bytes(self.content.bytes(self.width), "little"), "strobe": strobe})
        return found

    def append(self, commands: Sequence[Command]) -> None:
        """Queue commands with their beats."""
        self.guard(commands)
        self.commands.append([command.as_beat() for command in commands])
        for command in commands:
            self.beats.append(self.beats_of(command))

    async def write(self, commands: Sequence[Command]) -> None:
        """Do commands and return when the last one is done."""
        self.append(commands)
        await self.commands.drain()
        await self.beats.drain()
        edge = RisingEdge(self.dut.clk)
        while self.done.pending():
            await edge

    # ---- verdicts
    def check_memory(self) -> None:
        """Every byte that was written, and none around."""
        pages = sorted({*self.memory.segs, *self.wanted.segs})      # one that is not there holds zeros
        wrong = [f"{page:#x}" for page in pages if self.memory.read(page, PAGE) != self.wanted.read(page, PAGE)]
        assert not wrong, f"memory is wrong in the 4 KB from {', '.join(wrong[:4])} on, {len(wrong)} of them"

    def finish(self) -> None:
        """Nothing is under way, and the memory is as it must be."""
        assert not self.rules.expected and not self.rules.outstanding and not self._given
        assert str(self.dut.idle.value) == "1", "it is not idle at the end"
        self.check_memory()

    def forget(self) -> None:
        """The writer was stopped or reset: what is expected does not come."""
        self.rules.forget()
        self.done.forget()
        self._filling.clear()
        self._given.clear()
        self._open.clear()
        self._failed = False
        self.bursts = max(len(self.addressed), len(self.arrivals))      # of a reset's bursts one side may not have come
        for cycles in (self.addressed, self.arrivals):
            cycles.extend([cycle()] * (self.bursts - len(cycles)))

    async def stop(self, pulse: bool = False) -> None:
        """Stop it, wait until the bus is clean, let it go on: from the cycle after ``stop`` on nothing is taken.

        ``pulse``: stop is high for one cycle, else until the bus is clean.
        """
        edge, dut = RisingEdge(self.dut.clk), self.dut
        coverage.sample_stop(
            missing=len(self.addressed) > len(self.arrivals), waits=dut.m_axi_wvalid.value == 1 and dut.m_axi_wready.value == 0,
            unanswered=len(self.arrivals) > len(self.replies.beats))
        self.rules.stopped()
        dut.stop.value = 1
        await edge                  # stop is seen
        self.stopping = True
        self.rules.last_offer = cycle() + 1
        clean = False
        dut.stop.value = int(not pulse)
        while not clean:
            await edge
            assert str(dut.s_cmd_ready.value) == "0", "a command is taken while it stops"
            assert str(dut.s_data_ready.value) == "0", "a beat is taken while it stops"
            clean = dut.idle.value == 1
        assert not self.rules.outstanding and str(dut.m_axi_awvalid.value) == str(dut.m_axi_wvalid.value) == "0", \
            "idle, but the bus is not"
        dut.stop.value = 0
        await edge
        self.stopping = False
        self.rules.last_offer = None
        self.forget()
