"""The bench around ``fcim_read_router``: who asks, a reader that answers, and what must come of it."""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from tb.common.bench import Bench
from tb.common.bursts import COMMAND_FIELDS
from tb.common.clock import cycle
from tb.common.rng import rng
from tb.common.stream import Beat
from tb.read_router import coverage
from tb.read_router.model import FETCH_KINDS, LOAD_KINDS, Model, Size
from tb.read_router.sequences import Commands

FIELDS = {"s_desc": COMMAND_FIELDS, "s_fetch": ("kind", "engine", "head", "pos", "last", *COMMAND_FIELDS),
          "s_load": ("kind", "slot", "page", *COMMAND_FIELDS)}
PULSES = {"m_desc": ("m_desc_valid", {"data": "m_desc_data", "error": "m_desc_error", "last": "m_desc_last"}),
          "k": ("k_we", {"address": "k_address", "data": "k_data", "mult": "k_mult", "v_mult": "k_v_mult"}),
          "v": ("v_we", {"address": "v_address", "data": "v_data"}),
          "loaded": ("loaded", {"slot": "loaded_slot"}), "read_error": ("read_error", {})}
QUERIES = 16        # cycles less one for which a beat of a row of Q counts as having come
Q_FIELDS = ("engine", "data", "pos", "mult", "shift", "partial", "last")
NAMES = ("ENGINES", "ROWS", "HEAD_DIM", "KEYS_PER_BLOCK", "MAX_KEYS", "BUFFER_KEYS", "DATA_BITS")


class Router:
    """The router with all around it.

    Attributes:
        errors: of how many beats one has an error; 0 for none, and then none may be told.
        answering: while False the reader gives no beats of further commands.
    """

    def __init__(self, dut: Any, pattern: str = "none", errors: int = 5, budget: int = 15_000) -> None:
        self.dut, self.errors = dut, errors
        self.size = Size(*(int(getattr(dut, name).value) for name in NAMES))
        self.most = int(dut.COMMANDS.value)
        self.bench = Bench(dut, pattern, budget)
        self.sources = {name: self.bench.input(name, fields, lambda beat, name=name: self._asked(name, beat))
                        for name, fields in FIELDS.items()}
        self.data = self.bench.input("s_data", ("data", "error", "last"), self._beat)
        self.commands = self.bench.output("m_cmd", COMMAND_FIELDS)
        self.bench.monitors["m_cmd"].add_callback(self._read)
        boards = {name: self.bench.pulses(name, valid, fields) for name, (valid, fields) in PULSES.items()
                  if errors or name != "read_error"}
        boards["m_q"] = self.bench.output("m_q", Q_FIELDS)
        self.boards = boards
        self.model = Model(self.size, lambda name, beat: boards[name].expect([beat]))
        self.draw = Commands(self.size, rng("commands"))
        self.content = rng("content")
        self.answering = True
        self.held: deque[list[Beat]] = deque()
        self.asked_at: deque[int] = deque()     # cycles in which the commands were accepted whose beats are not all taken
        self.ended_at = 0                       # cycle in which the last beat of a command was taken
        self.first, self.before = True, None    # the next beat is a command's first; what the one before it was for
        self.query_at = [-QUERIES, -QUERIES]    # cycles in which the two latest beats of rows of Q were taken
        dut.call_decode.value = dut.hold_loads.value = dut.loads_first.value = 0
        coverage.sample_parameters(self.size)
        cocotb.start_soon(self._watch())
        cocotb.start_soon(self._rank(rng("ranks")))

    # ---- what the streams tell
    def _asked(self, name: str, beat: Beat) -> None:
        kind = {"s_desc": "desc", "s_fetch": FETCH_KINDS[beat.get("kind", 0)], "s_load": LOAD_KINDS[beat.get("kind", 0)]}[name]
        self.model.asked(kind, beat)
        self.asked_at.append(cycle())
        coverage.sample_command(kind, beat["beats"], beat["rows"], self.model.decode)
        self.commands.expect([{field: beat[field] for field in COMMAND_FIELDS}])

    def _read(self, command: Beat) -> None:
        count = command["beats"] * command["rows"]
        beats = [{"data": int.from_bytes(self.content.bytes(self.size.width), "little"),
                  "error": int(self.errors > 0 and self.content.integers(self.errors) == 0), "last": int(number == count - 1)}
                 for number in range(count)]
        self.held.append(beats)
        self.answer()

    def answer(self) -> None:
        """Give the beats of all commands that wait for them, unless they are to wait."""
        while self.held and self.answering:
            self.data.append(self.held.popleft())

    def _beat(self, beat: Beat) -> None:
        command = self.model.beat(beat["data"], bool(beat["error"]), bool(beat["last"]), cycle())
        if beat["error"]:
            coverage.sample_error(command.kind)
        if self.first:
            coverage.sample_order(command.kind, self.before)
        self.first, self.before = bool(beat["last"]), command.kind
        if command.kind == FETCH_KINDS[2]:
            self.query_at = [self.query_at[1], cycle()]
        if beat["last"]:
            self.asked_at.popleft()
            self.ended_at = cycle()

    async def _rank(self, draw: np.random.Generator) -> None:
        """Key blocks go first or wait, or neither, for a while each."""
        while True:
            self.dut.loads_first.value, self.dut.hold_loads.value = int(draw.integers(2)), int(draw.integers(2))
            await ClockCycles(self.dut.clk, int(draw.integers(1, 20)))

    async def _watch(self) -> None:
        edge, dut = RisingEdge(self.dut.clk), self.dut
        gives = [getattr(dut, name) for name in ("m_desc_valid", "k_we", "v_we", "loaded", "m_q_valid")]
        while True:
            await edge
            if dut.rst_n.value != 1:
                continue
            waits = [getattr(dut, f"{name}_valid").value == 1 for name in FIELDS]
            taken = [getattr(dut, f"{name}_ready").value == 1 for name in FIELDS]
            assert not (taken[2] and dut.hold_loads.value == 1), "a key block would be taken while these are held"
            assert not (taken[1] and waits[2] and dut.loads_first.value == 1 and dut.hold_loads.value == 0), \
                "a query would be taken though a key block goes first"
            assert not (taken[2] and waits[1] and dut.loads_first.value == 0), "a key block would be taken before a query"
            for number, name in enumerate(FIELDS):
                if waits[number] and taken[number]:
                    assert not (number and waits[0]), f"{name} is taken before a descriptor"
                    coverage.sample_turn(number, any(wait for other, wait in enumerate(waits) if other != number))
            coverage.sample_ahead(len(self.asked_at), self.most)
            if dut.m_q_valid.value == 1 and dut.m_q_ready.value == 0:
                coverage.sample_waits(self.model.commands[0].kind if dut.s_data_valid.value == 1 else None)
            if dut.s_data_valid.value == 1 and dut.s_data_ready.value == 0:
                assert dut.m_q_valid.value == 1 and dut.m_q_ready.value == 0, "a beat waits for nothing"
            queries = any(0 < cycle() - at < QUERIES for at in self.query_at)
            assert str(dut.queries.value) == str(int(queries)), f"queries is {dut.queries.value} at cycle {cycle()}"
            missing = any(at < cycle() for at in self.asked_at) or self.ended_at == cycle()
            assert self.errors or str(dut.read_error.value) == "0", "an error is told that is none"
            busy = missing or any(handle.value == 1 for handle in gives)
            assert str(dut.idle.value) == str(int(not busy)), f"idle is {dut.idle.value} at cycle {cycle()}"

    # ---- stimulus
    async def quiet(self) -> None:
        """Return when all commands were accepted and everything that they lead to has come."""
        edge = RisingEdge(self.dut.clk)
        for source in self.sources.values():
            await source.drain()
        while self.asked_at or any(board.pending() for board in self.boards.values()):
            await edge

    async def call(self, tiles: int, blocks: int, descriptors: int, decode: bool) -> None:
        """One call: shifts of its heads, tiles, key blocks, and descriptors of later calls; returns when all has come."""
        await RisingEdge(self.dut.clk)
        self.dut.call_decode.value = int(decode)
        self.model.decode = decode
        heads = self.draw.heads()
        self.sources["s_fetch"].append([self.draw.h_table(heads)])
        for _ in range(tiles):
            self.sources["s_fetch"].append(self.draw.tile(heads))
        for _ in range(blocks):
            self.sources["s_load"].append(self.draw.block())
        for _ in range(descriptors):
            self.sources["s_desc"].append([self.draw.descriptor()])
        await self.quiet()

    def forget(self) -> None:
        """The router was reset: nothing that is expected comes."""
        for board in (*self.boards.values(), self.commands):
            board.forget()
        self.model.commands.clear()
        self.asked_at.clear()
        self.held.clear()
        self.query_at = [-QUERIES, -QUERIES]
        self.first, self.before = True, None
