"""The bench around ``fcim_axi_reader``: a memory, its monitors, and what commands must lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cocotb.triggers import RisingEdge

from tb.axi_bursts.checker import AddressRules
from tb.axi_reader import coverage
from tb.common.axi import PORT, Pace, ReadMemory, SparseMemory, random_bytes
from tb.common.bench import Bench
from tb.common.bursts import COMMAND_FIELDS, OKAY, SPACE, Command
from tb.common.clock import cycle
from tb.common.rng import rng
from tb.common.stream import Beat, StreamMonitor

DATA_FIELDS = ("data", "error", "last")


class Reader:
    """The reader with all around it; every accepted command adds the beats that it must give to what is expected."""

    def __init__(self, dut: Any, pattern: str = "none", pace: Pace | None = None, answers: Mapping[int, int] | None = None,
                 budget: int = 40_000) -> None:
        """``answers``: of bursts by number, where it is not OKAY."""
        self.dut, self.width = dut, int(dut.DATA_BITS.value) // 8
        self.buffer = int(dut.BUFFER_BEATS.value)
        self.memory, self.answers = SparseMemory(SPACE), answers or {}
        self.bench = Bench(dut, pattern, budget)
        self.source = self.bench.input("s_cmd", COMMAND_FIELDS, self._command)
        self.board = self.bench.output("m_data", DATA_FIELDS)
        self.given = self.bench.monitors["m_data"]
        self.rules = AddressRules(dut, "reader")
        self.beats = StreamMonitor(dut, PORT, ("id", "data", "resp", "last"), self._beat, "r")
        self.port = ReadMemory(dut, self.memory, pace or Pace(), self.rules.monitor.cycles, self.answers)
        self.rules.monitor.add_callback(self._address)
        self.content = rng("content")
        self.commanded = self.bursts = 0        # beats and bursts of all commands
        self.dropped = 0                        # beats that were read and not given
        self.resets = 0
        dut.stop.value = dut.clear.value = 0

    def _command(self, beat: Beat) -> None:
        command = Command.from_beat(beat)
        coverage.sample_command(command, self.width)
        for burst in self.rules.command(command):
            failed = int(self.answers.get(self.bursts, OKAY) != OKAY)
            self.bursts += 1
            addresses = burst.addresses(self.width)
            for address in addresses:
                data = int.from_bytes(self.memory.read(address, self.width), "little")
                self.board.expect([{"data": data, "error": failed, "last": int(burst.last and address == addresses[-1])}])
                self.commanded += 1

    def _address(self, _: Beat) -> None:
        """Room was kept for every beat whose address is out."""
        asked = sum(burst.beats for burst in self.rules.issued)
        kept = asked - self.taken
        assert kept <= self.buffer, f"{kept} beats are asked for or wait, the buffer holds {self.buffer}"
        coverage.sample_address(kept, self.buffer)

    @property
    def taken(self) -> int:
        """Beats that have left, or were dropped."""
        return len(self.given.beats) + self.dropped

    def _beat(self, beat: Beat) -> None:
        coverage.sample_beat(beat["resp"], bool(beat["last"]))
        if beat["last"]:
            self.rules.answered()

    def fill(self, commands: Sequence[Command]) -> None:
        """Random bytes wherever the commands read; elsewhere the memory is 0."""
        for command in commands:
            random_bytes(self.memory, self.content, command.addresses(self.width), self.width)

    async def send(self, commands: Sequence[Command]) -> None:
        """Fill the memory, give the commands, and return when the last one is accepted."""
        self.fill(commands)
        await self.source.send([command.as_beat() for command in commands])

    async def read(self, commands: Sequence[Command]) -> None:
        """The same, and wait for the last beat."""
        await self.send(commands)
        edge = RisingEdge(self.dut.clk)
        while self.board.pending():
            await edge

    def finish(self) -> None:
        """Nothing is under way, RREADY never fell."""
        assert not self.rules.expected and not self.rules.outstanding, f"bursts are missing: {self.rules.expected}"
        assert str(self.dut.idle.value) == "1", "it is not idle at the end"
        if self.resets == 0:
            assert len(self.beats.ready_changes) == 1, f"RREADY changed in the cycles {self.beats.ready_changes}"

    def forget(self) -> None:
        """The reader was stopped or reset: what is expected does not come."""
        self.rules.forget()
        self.board.forget()
        self.dropped = sum(burst.beats for burst in self.rules.issued) - len(self.given.beats)
        self.bursts = len(self.rules.issued)

    async def stop(self, pulse: bool = False) -> None:
        """Stop it, wait until the bus is clean, let it go on: from the cycle after ``stop`` on nothing is given or taken.

        ``pulse``: stop is high for one cycle, else until the bus is clean.
        """
        edge, dut = RisingEdge(self.dut.clk), self.dut
        coverage.sample_stop(self.rules.outstanding > 0, dut.m_data_valid.value == 1)
        self.rules.stopped()
        dut.stop.value = 1
        await edge                  # stop is seen
        self.given.watching = False
        self.rules.last_offer = cycle() + 1
        clean = False
        dut.stop.value = int(not pulse)
        while not clean:
            await edge
            assert str(dut.s_cmd_ready.value) == "0", "a command is taken while it stops"
            assert str(dut.m_data_valid.value) == "0", "a beat is given while it stops"
            clean = dut.idle.value == 1
        assert not self.rules.outstanding and str(dut.m_axi_arvalid.value) == "0", "idle, but the bus is not"
        dut.stop.value = 0
        await edge
        self.rules.last_offer = None
        self.forget()
        self.given.watching = True
