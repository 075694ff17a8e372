"""The bench around ``fcim_kv_stationary``: the queues, the buffer behind its ports, and what must come when."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from models.baseline.kv_program import (
    COUNTERS,
    HAZARD,
    KvConfig,
    Load,
    Program,
    Rows,
    Timeline,
    load_cycles,
    rows_cycles,
    timeline,
)
from tb.common.bench import Bench
from tb.common.clock import cycle
from tb.common.pack import pack, pack_rows, unpack
from tb.common.rng import rng
from tb.kv_stationary import coverage

COUNTER_BITS = 48
SETTLE = 6              # cycles until the last event is counted
LOAD_FIELDS = ("bank", "start", "keys", "wait")
ROWS_FIELDS = ("bank", "start", "rows", "first", "last", "shift", "wait")
READ_FIELDS = {"q": ("data", "pos", "mult"), "k": ("data", "pos", "mult", "v_mult"), "v": ("data",), "m": ("data",),
               "l": ("data",), "o": ("data",)}


class Case:
    """One program of the file, its operands packed as words of the buffer, and what it must give."""

    def __init__(self, cfg: KvConfig, told: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        self.kind, self.shift, self.counts = told["kind"], told["shift"], told["counts"]
        self.program = Program(tuple(Load(**load) for load in told["loads"]), tuple(Rows(**op) for op in told["rows"]))
        self.arrays = arrays
        self.words: dict[str, list[tuple[int, ...]]] = {
            "q": list(zip(pack_rows(arrays["q"], 8), arrays["q_pos"].tolist(), arrays["q_mult"].tolist(), strict=True)),
            "k": list(zip(pack_rows(arrays["k"], 8), arrays["k_pos"].tolist(), arrays["k_mult"].tolist(),
                          arrays["v_mult"].tolist(), strict=True)),
        }
        # a word of V: one dimension of the values of a group of keys; there is 0 where no key is
        group, v = cfg.v_tiles * cfg.rows, arrays["v"]
        padded = np.zeros((-(-len(v) // group) * group, cfg.head_dim), np.int64)
        padded[:len(v)] = v
        self.words["v"] = [(word,) for g in range(0, len(padded), group) for word in pack_rows(padded[g:g + group].T, 8)]

    def beginning(self, operations: int) -> Case:
        """Its first operations on rows, and the loads that they wait for; without any its first load alone."""
        begun, rows = copy.copy(self), self.program.rows[:operations]
        begun.program = Program(self.program.loads[:max((op.wait for op in rows), default=1)], rows)
        return begun


def read_cases(path: str) -> tuple[KvConfig, list[Case]]:
    """All programs of a file that :func:`tb.kv_stationary.cases.write_cases` wrote."""
    with np.load(Path(path)) as file:
        told = json.loads(str(file["cases"]))
        cfg = KvConfig(**told["config"])
        names = sorted({name.rpartition("_")[0] for name in file.files if name != "cases"})
        return cfg, [Case(cfg, one, {name: file[f"{name}_{number}"] for name in names})
                     for number, one in enumerate(told["cases"])]


class Cluster:
    """The design with its queues and its buffer."""

    def __init__(self, dut: Any, cfg: KvConfig, pattern: str, budget: int) -> None:
        self.dut, self.cfg, self.draw = dut, cfg, rng("nothing")
        for key, parameter in KvConfig.PARAMETERS.items():
            assert int(getattr(dut, parameter).value) == getattr(cfg, key), f"{parameter} is not what the file is for"
        self.bench = Bench(dut, pattern, budget)
        self.loads = self.bench.input("s_load", LOAD_FIELDS)
        self.rows = self.bench.input("s_rows", ROWS_FIELDS)
        self.board = self.bench.pulses("out", "out_valid", {name: f"out_{name}" for name in ("row", "data", "empty")})
        self.monitors = [self.bench.monitors[name] for name in ("s_load", "s_rows")]
        self.before = [0, 0]        # operations of each queue before the last reset
        self.case: Case | None = None
        self.kept: dict[str, dict[int, int]] = {"m": {}, "l": {}, "o": {}}
        self.reads: dict[str, bool] = dict.fromkeys(READ_FIELDS, True)
        dut.clear.value = 0
        self.pins = {port: [getattr(dut, f"{port}_rd_{field}") for field in fields] for port, fields in READ_FIELDS.items()}
        cocotb.start_soon(self._buffer())

    def _nothing(self, port: str) -> None:
        """Between reads a port has anything."""
        for pin in self.pins[port]:
            pin.value = int.from_bytes(self.draw.bytes(-(-len(pin) // 8)), "little") >> (-len(pin) % 8)

    async def _buffer(self) -> None:
        """All ports, and the rows of O, in every cycle."""
        edge, dut = RisingEdge(self.dut.clk), self.dut
        reads = [(port, getattr(dut, f"{port}_rd"), getattr(dut, f"{port}_rd_address")) for port in READ_FIELDS]
        writes = [(port, getattr(dut, f"{port}_wr"), getattr(dut, f"{port}_wr_address"), getattr(dut, f"{port}_wr_data"))
                  for port in self.kept]
        while True:
            await edge
            if dut.rst_n.value != 1:
                continue
            wrote: dict[str, int] = {}
            for port, enable, address, data in writes:
                if str(enable.value) != "0":
                    assert str(enable.value) == "1", f"{port}_wr is {enable.value}"
                    assert data.value.is_resolvable, f"what {port}_wr writes has an X"
                    wrote[port] = int(address.value)
                    self.kept[port][wrote[port]] = int(data.value)
            for port, enable, address in reads:
                if str(enable.value) != "0":
                    assert str(enable.value) == "1", f"{port}_rd is {enable.value}"
                    self._read(port, int(address.value), wrote.get(port))
                    self.reads[port] = True
                elif self.reads[port]:
                    self.reads[port] = False
                    self._nothing(port)

    def _read(self, port: str, address: int, wrote: int | None) -> None:
        assert self.case is not None, f"{port} is read though there is no program"
        if port in self.kept:
            assert wrote != address, f"{port} reads a word in the cycle in which it is written"
            assert address in self.kept[port], f"{port} reads word {address}, which nobody has written"
            values: tuple[int, ...] = (self.kept[port][address],)
        else:
            assert address < len(self.case.words[port]), f"{port} reads word {address}, which is not there"
            values = self.case.words[port][address]
        for pin, value in zip(self.pins[port], values, strict=True):
            pin.value = value & ((1 << len(pin)) - 1)

    def counters(self) -> dict[str, int]:
        """The counters by their names."""
        return dict(zip(COUNTERS, unpack(int(self.dut.counters.value), len(COUNTERS), COUNTER_BITS).tolist(), strict=True))

    def _times(self, case: Case, done: list[int]) -> tuple[int, list[list[int]], list[list[int]], Timeline]:
        """The cycle in which a program began, when each operation was offered and accepted, and when all should happen, from
        there on. ``done``: operations before it."""
        offers = [monitor.offers[n:] for monitor, n in zip(self.monitors, done, strict=True)]
        begin = min(offers[0] + offers[1])
        offers, accepted = ([[at - begin for at in some] for some in kind] for kind in
                            (offers, [monitor.cycles[n:] for monitor, n in zip(self.monitors, done, strict=True)]))
        return begin, offers, accepted, timeline(self.cfg, case.program, *([] if self.bench.pattern == "none" else offers))

    def _expect(self, case: Case, begin: int, given: Iterable[tuple[int, int]]) -> None:
        x = case.arrays
        self.board.expect([{"row": row, "data": pack(x["out"][row], 16), "empty": int(x["empty"][row]), "cycle": begin + at}
                           for at, row in given])
        assert not self.board.pending(), f"rows of O do not come: {self.board}"

    async def break_off(self, case: Case, cycles: int) -> None:
        """A reset of one edge so many cycles after a program's last operation was accepted: what is on its way does not come,
        and nothing of it is counted."""
        done = await self.begin(case)
        await ClockCycles(self.dut.clk, cycles)
        coverage.sample_reset(self.dut.idle.value == 0, bool(case.program.rows))
        self.dut.rst_n.value = 0
        at = cycle()
        await RisingEdge(self.dut.clk)
        begin, _, _, times = self._times(case, done)
        self._expect(case, begin, [(after, row) for after, row in times.given if begin + after <= at])
        self.dut.rst_n.value = 1
        await ClockCycles(self.dut.clk, self.cfg.given + SETTLE)
        left = {name: count for name, count in self.counters().items() if count}
        assert not left, f"counters: after a reset there are {left}"
        self.before = [len(monitor.beats) for monitor in self.monitors]

    async def begin(self, case: Case) -> list[int]:
        """Offer a program to an idle cluster, until its last operation is accepted; how many were accepted before, per queue."""
        dut, edge = self.dut, RisingEdge(self.dut.clk)
        self.case = case
        for kept in self.kept.values():
            kept.clear()
        dut.clear.value = 1
        await edge
        dut.clear.value = 0
        await edge
        assert str(dut.idle.value) == "1", "it is not idle before a program"
        accepted = [len(monitor.beats) for monitor in self.monitors]
        loads, rows = (now - before for now, before in zip(accepted, self.before, strict=True))
        self.loads.append([{"bank": load.bank, "start": load.start, "keys": load.keys, "wait": self._wait(rows, load.wait)}
                           for load in case.program.loads])
        if case.program.rows:
            self.rows.append([{"bank": op.bank, "start": op.start, "rows": op.rows, "first": op.first, "last": op.last,
                               "shift": case.shift, "wait": self._wait(loads, op.wait)} for op in case.program.rows])
        await self.loads.drain()
        await self.rows.drain()
        return accepted

    async def run(self, case: Case) -> None:
        """One program from an idle cluster to an idle one: every bit, every count and the cycle of everything."""
        dut, edge = self.dut, RisingEdge(self.dut.clk)
        done = await self.begin(case)
        await edge
        while dut.idle.value != 1:
            assert str(dut.idle.value) == "0", f"idle is {dut.idle.value}"
            await edge
        ended = cycle()
        for _ in range(SETTLE):
            await edge
        begin, offers, accepted, expected = self._times(case, done)
        for name, found, wanted in zip(("loads", "operations on rows"), accepted,
                                       (expected.load_accepted, expected.rows_accepted), strict=True):
            assert found == list(wanted), f"{name} were accepted in other cycles"
        self._expect(case, begin, expected.given)
        self._check_kept(case)
        assert ended - begin == expected.end + 1, f"idle after {ended - begin} cycles, not {expected.end + 1}"
        counts = dict(case.counts) | {"cycles": expected.cycles}
        found_counts = self.counters()
        wrong = {name: (found_counts[name], counts[name]) for name in COUNTERS if found_counts[name] != counts[name]}
        assert not wrong, f"counters differ (found, expected): {wrong}"
        self._cover(case, offers, expected)

    def _wait(self, before: int, wait: int) -> int:
        return (before + wait if wait else 0) & 0xFFFF

    def _check_kept(self, case: Case) -> None:
        """What is kept of rows that were not given out."""
        x, cfg = case.arrays, self.cfg
        ended = {r: op.last for op in case.program.rows for r in range(op.start, op.start + op.rows)}
        for row in (row for row, last in ended.items() if not last):
            assert self.kept["m"][row] == int(x["m"][row]) & 0x3FF, f"the maximum that is kept of row {row} differs"
            assert self.kept["l"][row] == int(x["l"][row]), f"the sum that is kept of row {row} differs"
            words = [self.kept["o"][row * cfg.o_passes + i] for i in range(cfg.o_passes)]
            kept = np.concatenate([unpack(word, cfg.o_columns, 32, signed=True) for word in words])
            assert (kept == x["acc"][row]).all(), f"the partial O that is kept of row {row} differs"

    def _cover(self, case: Case, offers: list[list[int]], times: Timeline) -> None:
        cfg, program, x = self.cfg, case.program, case.arrays
        coverage.sample_program(case.kind, cfg.step, cfg.cycles_per_input, cfg.passes, cfg.o_passes)
        for load in program.loads:
            groups = -(-load.keys // (cfg.v_tiles * cfg.rows))
            coverage.sample_load(load.keys, cfg.span, load.keys - groups * cfg.head_dim)
        queues = (("a load", [load_cycles(cfg, load) for load in program.loads], times.load_accepted),
                  ("rows", [rows_cycles(cfg, op) for op in program.rows], times.rows_accepted))
        for (what, lengths, accepted), offered in zip(queues, offers, strict=True):
            for number in range(1, len(lengths)):
                free = accepted[number - 1] + lengths[number - 1]
                coverage.sample_wait(what, accepted[number] > max(free, offered[number]))
        for op in program.rows:
            written = {load.bank: i for i, load in enumerate(program.loads[:op.wait])}
            load = program.loads[written[op.bank]]
            coverage.sample_bank(op.bank, cfg.banks)
            coverage.sample_rows(op.first, op.last, cfg.step < HAZARD)
            visible = x["k_pos"][None, load.start:load.start + load.keys] <= x["q_pos"][op.start:op.start + op.rows, None]
            tiles = np.add.reduceat(visible, range(0, load.keys, cfg.rows), axis=1) > 0
            coverage.sample_tiles(tiles.sum(1), tiles.shape[1])
        coverage.sample_counts(case.counts["rescales"], case.counts["saturations"], int(x["empty"].sum()))

