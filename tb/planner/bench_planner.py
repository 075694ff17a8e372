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
from tb.planner.model import DECODE

STREAMS = {
    "run": ("slot", "head", "first", "blocks", "descending"),
    "tile": ("engine", "head", "q_head", "tile", "token", "tokens"),
    "job": ("slot", "q_head", "token", "tokens"),
    "wave": ("ascending", "own_start", "stream", "tag", "mode", "blocks", "first"),
    "merge": ("parts",),
}


BANKS = 2           # for rows of Q of an engine
PATIENCE = 8        # cycles after which the planner must say that a wave waits for its blocks


class Engine:
    """One engine's tiles: ``asked``, rows of Q are asked for; ``banks``, they are there and needed; ``runs``, tags of tiles whose
    waves are given, the first ``scaled`` of which need their rows no more."""

    def __init__(self) -> None:
        self.asked, self.banks, self.scaled = False, 0, 0
        self.tiles = self.jobs = self.waves = 0
        self.runs: deque[int] = deque()


class World:
    """What is around the planner: a loader that fills the buffer, a store that takes jobs, engines that take rows of Q and finish
    their tiles, all as slow as they like."""

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
        self.resident, self.done_rate, self.load_rate, self.q_rate = False, 0.0, 0.0, 0.0
        monitors["m_job"].add_callback(self._job)
        self.base, self.asked, self.loaded, self.wanted = [0, 0], [0, 0], [0, 0], [0, 0]
        self.each = [Engine() for _ in range(self.engines)]
        self.waves: deque[Beat] = deque()                                           # that are still to be given in this call
        self.jobs = self.patience = 0                                               # jobs that the store has not taken
        self.heads: deque[int] = deque()                                            # heads that are loaded and not freed
        self.freed = 0
        dut.tile_done.value = dut.tile_done_tag.value = dut.start.value = 0
        dut.head_base.value = dut.head_asked.value = dut.head_loaded.value = dut.q_taken.value = 0
        dut.q_room.value, dut.jobs_taken.value = (1 << self.engines) - 1, 1

    def _run(self, beat: Beat) -> None:
        if self.resident:
            slot = beat["slot"]
            assert len(self.heads) < 2, "a third head is to be loaded beside two"
            self.heads.append(beat["head"])
            self.base[slot], self.asked[slot], self.loaded[slot] = int(self.draw.integers(1 << self.base_bits)), 0, 0
            self.wanted[slot] = beat["blocks"]
            self._show()

    def _show(self) -> None:
        self.dut.head_base.value = self.base[0] | self.base[1] << self.base_bits
        self.dut.head_asked.value = self.asked[0] | self.asked[1] << self.blocks_bits
        self.dut.head_loaded.value = self.loaded[0] | self.loaded[1] << self.blocks_bits

    def _tile(self, beat: Beat) -> None:
        engine = self.each[beat["engine"]]
        assert not engine.asked and engine.banks < BANKS, f"engine {beat['engine']} has no bank for another tile's Q"
        engine.asked = True
        engine.tiles += 1

    def _job(self, beat: Beat) -> None:
        self.jobs += 1
        if beat["slot"] < self.engines:
            self.each[beat["slot"]].jobs += 1
        self.dut.jobs_taken.value = 0

    def _counts(self, wave: Beat) -> list[int]:
        return [wave["blocks"] >> (self.blocks_bits * e) & ((1 << self.blocks_bits) - 1) for e in range(self.engines)]

    def _wave(self, beat: Beat) -> None:
        counts = self._counts(beat)
        if self.waves:
            self.waves.popleft()
        assert beat["mode"] == DECODE or not self.jobs, "a wave comes before the store has its tiles' jobs"
        if self.resident:
            assert self.loaded[beat["tag"]] >= max(counts), "a wave comes before its blocks are there"
            assert self.dut.m_wave_base.value == self.base[beat["tag"]], "the wave's base is not its head's"
        for number, (engine, count) in enumerate(zip(self.each, counts, strict=True)):
            if count:
                assert engine.tiles > engine.waves, f"engine {number} has a tile without rows of Q"
                engine.waves += 1
                engine.runs.append(beat["tag"])
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
                assert not any(slot in engine.runs for engine in self.each), "a head is freed before its tiles are done"
                self.freed += 1
            self._waits()
            self._engines()
            if self.jobs and self.draw.random() < 0.3:
                self.jobs -= 1
                dut.jobs_taken.value = self.jobs == 0
            for slot in range(2):
                if self.asked[slot] < self.wanted[slot] and self.draw.random() < self.load_rate:
                    self.asked[slot] += 1
                if self.loaded[slot] < self.asked[slot] and self.draw.random() < self.load_rate:
                    self.loaded[slot] += 1
                self._show()

    def _waits(self) -> None:
        """It tells that the next wave lacks blocks that are not asked for when all else of it is given, and only then."""
        lacks = ready = False
        if self.resident and self.waves:
            wave = self.waves[0]
            counts = self._counts(wave)
            lacks = self.asked[wave["tag"]] < max(counts)
            ready = all(min(engine.tiles, engine.jobs) > engine.waves
                        for engine, count in zip(self.each, counts, strict=True) if count)
        waits = self.dut.waits.value == 1
        assert not waits or lacks and ready, "it waits for blocks that are asked for, or before the wave's tiles are given"
        self.patience = self.patience + 1 if lacks and ready and not waits else 0
        assert self.patience <= PATIENCE, "a wave lacks blocks, and nobody is told"
        coverage.sample_waits(waits, self.jobs)

    def _engines(self) -> None:
        taken = done = tags = room = 0
        for number, engine in enumerate(self.each):
            if engine.asked and self.draw.random() < self.q_rate:
                engine.asked = False
                engine.banks += 1
                taken |= 1 << number
            if engine.scaled < min(len(engine.runs), engine.banks) and self.draw.random() < self.done_rate:
                engine.scaled += 1
                engine.banks -= 1
            elif engine.scaled and self.draw.random() < self.done_rate:
                engine.scaled -= 1
                tags |= engine.runs.popleft() << number
                done |= 1 << number
            room |= (engine.banks < BANKS) << number
        dut = self.dut
        dut.q_taken.value, dut.q_room.value = taken, room
        dut.tile_done.value, dut.tile_done_tag.value = done, tags
        coverage.sample_done(done.bit_count())


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
            world.q_rate = (0.05, 0.5)[number % 2]
            world.waves.extend(call["said"]["wave"])
            world.each = [Engine() for _ in range(world.engines)]
            for name, board in world.boards.items():
                board.expect(call["said"][name])
            dut.start.value = 1
            await edge
            dut.start.value = 0
            await edge
            await edge
            while dut.idle.value != 1:
                await edge
            assert not any(engine.runs or engine.asked for engine in world.each), "the call ends before its tiles"
            assert world.freed == (call["pins"]["heads"] if world.resident else 0), "not every head is freed"
            for name, board in world.boards.items():
                assert not board.pending(), f"the call ends and m_{name} has not said all: {board}"
            await ClockCycles(dut.clk, 5)
