"""Planner: calls one after the other; what it says on every stream, and in which order it may say it.

Environment: PLANNER_CALLS, a JSON file: per call ``pins`` and per stream the beats that are expected.
"""

from __future__ import annotations

import json
import os
from collections import deque
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from tb.common.bench import Bench
from tb.common.rng import rng
from tb.common.stalls import each_pattern
from tb.common.stream import Beat
from tb.planner import coverage

STREAMS = {
    "run": ("slot", "head", "first", "blocks", "descending"),
    "tile": ("engine", "head", "q_head", "tile", "token", "tokens"),
    "job": ("slot", "q_head", "token", "tokens"),
    "wave": ("ascending", "own_start", "stream", "tag", "mode", "blocks", "first"),
    "merge": ("parts",),
}


class World:
    """What is around the planner: a loader that fills the buffer, engines that finish their tiles, both as slow as they like."""

    def __init__(self, dut: Any, pattern: str) -> None:
        self.dut, self.draw = dut, rng("world")
        self.engines, self.base_bits = int(dut.ENGINES.value), int(dut.BASE_BITS.value)
        self.blocks_bits = int(dut.BLOCKS_BITS.value)
        self.bench = Bench(dut, pattern, budget=200_000)
        self.boards = {name: self.bench.output(f"m_{name}", fields) for name, fields in STREAMS.items()}
        monitors = self.bench.monitors
        monitors["m_run"].add_callback(self._run)
        monitors["m_tile"].add_callback(self._tile)
        monitors["m_wave"].add_callback(self._wave)
        self.resident, self.done_rate, self.load_rate = False, 0.0, 0.0
        self.base, self.loaded, self.wanted = [0, 0], [0, 0], [0, 0]
        self.waiting: list[deque[int]] = [deque() for _ in range(self.engines)]     # tags of tiles that run, per engine
        self.given = [0] * self.engines                                             # tiles whose Q was asked for
        self.heads: deque[int] = deque()                                            # heads that are loaded and not freed
        self.freed = 0
        dut.tile_done.value = dut.tile_done_tag.value = dut.start.value = 0
        dut.head_base.value = dut.head_loaded.value = 0

    def _run(self, beat: Beat) -> None:
        if self.resident:
            slot = beat["slot"]
            assert len(self.heads) < 2, "a third head is to be loaded beside two"
            self.heads.append(beat["head"])
            self.base[slot], self.loaded[slot] = int(self.draw.integers(1 << self.base_bits)), 0
            self.wanted[slot] = beat["blocks"]
            self._show()

    def _show(self) -> None:
        self.dut.head_base.value = self.base[0] | self.base[1] << self.base_bits
        self.dut.head_loaded.value = self.loaded[0] | self.loaded[1] << self.blocks_bits

    def _tile(self, beat: Beat) -> None:
        engine = beat["engine"]
        self.given[engine] += 1
        assert self.given[engine] <= 2, f"engine {engine} is given a third tile's Q"

    def _wave(self, beat: Beat) -> None:
        counts = [beat["blocks"] >> (self.blocks_bits * e) & ((1 << self.blocks_bits) - 1) for e in range(self.engines)]
        if self.resident:
            assert self.loaded[beat["tag"]] >= max(counts), "a wave comes before its blocks are there"
            assert self.dut.m_wave_base.value == self.base[beat["tag"]], "the wave's base is not its head's"
        for engine, count in enumerate(counts):
            if count:
                assert self.given[engine] > len(self.waiting[engine]), f"engine {engine} has a tile without rows of Q"
                self.waiting[engine].append(beat["tag"])
        coverage.sample_wave(beat, sum(map(bool, counts)), self.engines)

    async def run(self) -> None:
        """Every cycle: load, finish tiles, look at what is freed."""
        edge, dut = RisingEdge(self.dut.clk), self.dut
        while True:
            await edge
            if dut.head_freed.value == 1:
                slot = int(dut.head_freed_slot.value)
                head = self.heads.popleft()
                assert self.resident and head % 2 == slot, "another head is freed than the oldest"
                assert not any(slot in tags for tags in self.waiting), "a head is freed before its tiles are done"
                self.freed += 1
            done = tags = 0
            for engine, waiting in enumerate(self.waiting):
                if waiting and self.draw.random() < self.done_rate:
                    done |= 1 << engine
                    tags |= waiting.popleft() << engine
                    self.given[engine] -= 1
            dut.tile_done.value, dut.tile_done_tag.value = done, tags
            coverage.sample_done(done.bit_count())
            for slot in range(2):
                if self.loaded[slot] < self.wanted[slot] and self.draw.random() < self.load_rate:
                    self.loaded[slot] += 1
                    self._show()


@cocotb.test()
@each_pattern()
async def calls(dut: Any, pattern: str) -> None:
    """Every call says what it should on every stream, in order; nothing is said after it, and every head is freed."""
    todo = json.loads(Path(os.environ["PLANNER_CALLS"]).read_text())
    world, edge = World(dut, pattern), RisingEdge(dut.clk)
    async with world.bench:
        cocotb.start_soon(world.run())
        for number, call in enumerate(todo):
            for name, value in call["pins"].items():
                getattr(dut, f"call_{name}").value = value
            coverage.sample_call(call["pins"])
            world.resident = not call["pins"]["decode"] and not call["pins"]["streamed"]
            world.freed = 0
            world.done_rate, world.load_rate = ((0.02, 0.5), (0.3, 0.03), (0.02, 0.03), (0.3, 0.5))[number % 4]
            for name, board in world.boards.items():
                board.expect(call["said"][name])
            dut.start.value = 1
            await edge
            dut.start.value = 0
            await edge
            await edge
            while dut.idle.value != 1:
                await edge
            assert not any(world.waiting), "the call ends before its tiles"
            assert world.freed == (call["pins"]["heads"] if world.resident else 0), "not every head is freed"
            for name, board in world.boards.items():
                assert not board.pending(), f"the call ends and m_{name} has not said all: {board}"
            await ClockCycles(dut.clk, 5)
