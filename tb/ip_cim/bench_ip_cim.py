"""IP-CIM macro: exact columns, both banks, the cycle of every handshake, and the activity it reports.

Environment: IP_BITS_PER_CYCLE.
"""

from __future__ import annotations

import os
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, Timer

from tb.common.bench import Bench
from tb.common.clock import cycle, reset, start_clock, start_watchdog
from tb.common.pack import pack, unpack
from tb.common.rng import rng
from tb.common.stalls import each_pattern
from tb.common.stream import Beat
from tb.ip_cim import coverage

BITS_PER_CYCLE = int(os.environ["IP_BITS_PER_CYCLE"])
CPK = 8 // BITS_PER_CYCLE
CORNERS = np.array([-128, -127, -1, 0, 1, 127])
KEY_FIELDS, COLUMN_FIELDS = ("bank", "data", "user"), ("data", "ksum", "user")
# Operands are signed bytes at the ports and offset binary in the array.
OFFSET = 128


def operands(generator: np.random.Generator, kind: str, count: int, head_dim: int) -> np.ndarray:
    """Signed operands [count, head_dim] of one kind; the one-hot kinds have a single one per byte of offset binary."""
    if kind == "random":
        return generator.integers(-128, 128, (count, head_dim))
    if kind == "corners":
        return generator.choice(CORNERS, (count, head_dim))
    if kind == "extremes":          # a whole vector of one value
        return np.repeat(CORNERS[np.arange(count) % len(CORNERS)], head_dim).reshape(count, head_dim)
    if kind == "planes":            # one bit-plane is all ones
        return np.repeat((1 << (np.arange(count) % 8)) - OFFSET, head_dim).reshape(count, head_dim)
    assert kind == "onehot", kind   # one bit of the whole vector
    values = np.full((count, head_dim), -OFFSET)
    values[np.arange(count), generator.permutation(count) % head_dim] += 1 << (np.arange(count) % 8)
    return values


class Macro:
    """The macro's pins and its model, which is fed from the pins alone."""

    def __init__(self, dut: Any, pattern: str, budget: int) -> None:
        self.dut = dut
        self.head_dim = len(dut.q_data) // 8
        self.lane = 16 + (self.head_dim - 1).bit_length()
        self.rows = len(dut.m_col_data) // self.lane
        self.cells = np.zeros((2, self.rows, self.head_dim), dtype=np.int64)    # offset binary, 0 where unused
        self.used = [0, 0]                          # rows of the tile in each bank
        self.user_top = 1 << len(dut.s_key_user)
        self.bench = Bench(dut, pattern, budget)
        self.gaps = rng("write gaps") if pattern in ("gaps", "both") else None
        self.board = self.bench.output("m_col", COLUMN_FIELDS, lanes={"data": (self.lane, False)})
        self.source = self.bench.input("s_key", KEY_FIELDS, callback=self._expect)
        self.accepted, self.given = (self.bench.monitors[name].cycles for name in ("s_key", "m_col"))
        self.keys: list[np.ndarray] = []            # accepted keys, offset binary
        self.offered: list[int] = []                # first cycle in which key k was valid
        self.shown: list[int] = []                  # first cycle in which column k was valid
        self.activity: dict[int, int] = {}          # cycle to bit operations, where active
        self.writes: list[int] = []                 # cycle of each row write
        self.handoff: list[int] = []                # cycle in which the rules hand key k's result to the output register
        dut.q_we.value = 0

    def _expect(self, beat: Beat) -> None:
        key = unpack(beat["data"], self.head_dim, 8, signed=True) + OFFSET
        self.keys.append(key)
        coverage.sample_key(key, self.cells[beat["bank"]][:self.used[beat["bank"]]])
        self.board.expect([{"data": pack(self.cells[beat["bank"]] @ key, self.lane), "ksum": int(key.sum()),
                            "user": beat["user"]}])

    async def watch(self) -> None:
        """Mirror the cells and note the cycles of events, from reset on."""
        dut, edge = self.dut, RisingEdge(self.dut.clk)
        key_waits = column_waits = False
        while True:
            await edge
            if dut.rst_n.value != 1:
                continue
            if dut.q_we.value == 1:
                bank, row = int(dut.q_bank.value), int(dut.q_row.value)
                if row == 0:
                    self.cells[bank] = 0
                self.cells[bank, row] = unpack(int(dut.q_data.value), self.head_dim, 8, signed=True) + OFFSET
                self.used[bank] = row + 1
                coverage.sample_write(row, dut.active.value == 1)
                self.writes.append(cycle())
            if dut.s_key_valid.value == 1:
                if not key_waits:
                    self.offered.append(cycle())
                key_waits = dut.s_key_ready.value == 0
            if dut.m_col_valid.value == 1:
                if not column_waits:
                    self.shown.append(cycle())
                column_waits = dut.m_col_ready.value == 0
            active = str(dut.active.value)
            assert active in ("0", "1"), f"active is {active} in cycle {cycle()}"
            if active == "1":       # bit_ops means nothing otherwise
                self.activity[cycle()] = int(dut.bit_ops.value)

    async def write(self, bank: int, row: int, values: np.ndarray) -> None:
        """Write one row [head_dim] of signed operands in the next cycle (with gaps: some cycles later)."""
        edge = RisingEdge(self.dut.clk)
        if self.gaps is not None:
            for _ in range(self.gaps.integers(0, 4) * self.gaps.integers(0, 2)):
                await edge
        self._port(1, bank, row, pack(values, 8))
        await edge
        # an idle port names row 0 of the other bank, which must not clear anything
        self._port(0, 1 - bank, 0, (1 << len(self.dut.q_data)) - 1)

    def _port(self, we: int, bank: int, row: int, data: int) -> None:
        self.dut.q_we.value, self.dut.q_bank.value, self.dut.q_row.value, self.dut.q_data.value = we, bank, row, data

    def beats(self, bank: int, keys: np.ndarray) -> list[Beat]:
        """Key beats from signed operands [count, head_dim], with a random sideband."""
        user = [int.from_bytes(self.bench.rng.bytes(8), "little") % self.user_top for _ in keys]
        return [{"bank": bank, "data": pack(k, 8), "user": u} for k, u in zip(keys, user, strict=True)]

    async def run_tiles(self, tiles: list[tuple[np.ndarray, np.ndarray]], early: bool = False) -> None:
        """Tiles of (rows, keys), ping-pong: each tile is written as early as the one before last allows it.

        ``early``: an idle source offers the first key in the cycle after the tile's last row, which is the first one in which
        the bank may be read. A source that is still busy with the tile before must not be told so early.
        """
        edge, last_column = RisingEdge(self.dut.clk), []
        for tile, (rows, keys) in enumerate(tiles):
            coverage.sample_rows(len(rows), self.rows)
            if tile >= 2:
                # A bank is free again CPK + 1 cycles after its last column; its first row is written a cycle later.
                while len(self.given) < last_column[tile - 2]:
                    await edge
                free = self.given[last_column[tile - 2] - 1] + CPK + 2
                while cycle() < free - 1:
                    await edge
            for row, values in enumerate(rows):
                if early and row == len(rows) - 1:
                    self.source.append(self.beats(tile % 2, keys))
                await self.write(tile % 2, row, values)
            if not early:
                self.source.append(self.beats(tile % 2, keys))
            last_column.append(sum(len(k) for _, k in tiles[:tile + 1]))

    def check_cycles(self) -> None:
        """Every handshake at the cycle that the rules of the pipeline give, never earlier nor later."""
        for k, accept in enumerate(self.accepted):
            want = max(self.offered[k], self.handoff[k - 1]) if k else self.offered[k]
            assert accept == want, f"key {k} was accepted in cycle {accept}, not {want}"
            self.handoff.append(max(accept + CPK, self.given[k - 1] if k else 0))
            shown = self.handoff[k] + 1
            assert self.shown[k] == shown, f"column {k} came in cycle {self.shown[k]}, not {shown}"
        banks = [beat["bank"] for beat in self.bench.monitors["s_key"].beats]
        coverage.sample_cycles(self.accepted, self.given, self.shown, self.handoff, banks, CPK)

    def check_activity(self) -> None:
        """Each key switches the array CPK times, between its acceptance and its handoff, with the most significant planes first,
        and counts the ones that it puts on the bit-lines. To be called after :meth:`check_cycles`."""
        events = sorted(self.activity.items())
        assert len(events) == CPK * len(self.keys), f"{len(events)} active cycles for {len(self.keys)} keys"
        for i, (when, ones) in enumerate(events):
            k, step = divmod(i, CPK)
            planes = self.keys[k] >> (8 - (step + 1) * BITS_PER_CYCLE) & ((1 << BITS_PER_CYCLE) - 1)
            want = sum(plane.bit_count() for plane in planes.tolist())
            assert ones == want, f"key {k}, step {step}: {ones} bit operations, not {want}"
            assert self.accepted[k] + 2 + step <= when <= self.handoff[k] + 1, f"key {k}, step {step} was active in cycle {when}"


def tile_shapes(generator: np.random.Generator, rows: int) -> list[int]:
    """Rows of eight tiles: in each bank a full tile and then shorter ones, which must not see what it left."""
    return [rows, rows, 1, rows - 1, int(generator.integers(2, rows)), 2, rows, int(generator.integers(1, rows + 1))]


@cocotb.test()
@each_pattern()
async def streams(dut: Any, pattern: str) -> None:
    """Tiles of all kinds of operands, both banks in turn, rows written while keys of the other bank stream."""
    macro = Macro(dut, pattern, budget=20_000)
    draw, head_dim = macro.bench.rng, macro.head_dim
    kinds = ["random", "corners", "random", "extremes", "planes", "random", "onehot", "corners"]
    counts = [12, *draw.integers(1, 13, len(kinds) - 1).tolist()]       # keys of each tile
    tiles = [(operands(draw, kind, rows, head_dim), operands(draw, str(draw.choice(kinds)), count, head_dim))
             for kind, rows, count in zip(kinds, tile_shapes(draw, macro.rows), counts, strict=True)]
    watcher = cocotb.start_soon(macro.watch())
    async with macro.bench:
        await macro.run_tiles(tiles)
    watcher.cancel()
    assert macro.board.compared == sum(counts) == len(macro.accepted)
    assert len(macro.writes) == sum(len(rows) for rows, _ in tiles)
    macro.check_cycles()
    macro.check_activity()
    if pattern == "none":
        steps = np.delete(np.diff(macro.accepted), np.cumsum(counts)[:-1] - 1)
        assert (steps == CPK).all(), f"within a tile keys must follow each other every {CPK} cycles: {steps}"
        during = sum(write + 1 in macro.activity for write in macro.writes)
        assert during >= 6, f"only {during} rows were written while the array switched"


@cocotb.test()
async def every_bit(dut: Any) -> None:
    """Each plane of a row against each plane of a key, the extremes against each other, and each element of a key alone."""
    macro = Macro(dut, "none", budget=20_000)
    draw, head_dim = macro.bench.rng, macro.head_dim
    planes = operands(draw, "planes", 8, head_dim)
    single = operands(draw, "onehot", head_dim, head_dim)
    rows = np.concatenate([planes, operands(draw, "random", macro.rows - 8, head_dim)])
    watcher = cocotb.start_soon(macro.watch())
    async with macro.bench:
        extremes = operands(draw, "extremes", len(CORNERS), head_dim)
        await macro.run_tiles([(rows, np.concatenate([planes, extremes])),
                               (operands(draw, "extremes", macro.rows, head_dim), np.concatenate([extremes, single]))])
    watcher.cancel()
    assert macro.board.compared == 8 + 2 * len(CORNERS) + head_dim
    macro.check_cycles()
    macro.check_activity()


@cocotb.test()
async def first_key_right_after_the_last_row(dut: Any) -> None:
    """A bank is readable in the cycle after its last row is written, even its only one; keys keep their pace across tiles."""
    macro = Macro(dut, "none", budget=2_000)
    draw, head_dim = macro.bench.rng, macro.head_dim
    tiles = [(operands(draw, "random", 1, head_dim), operands(draw, "random", 1, head_dim)),
             (operands(draw, "random", 3, head_dim), operands(draw, "random", 2, head_dim))]
    watcher = cocotb.start_soon(macro.watch())
    async with macro.bench:
        await macro.run_tiles(tiles, early=True)
    watcher.cancel()
    assert macro.accepted[0] == macro.writes[0] + 1
    assert macro.accepted[1] == max(macro.writes[3] + 1, macro.accepted[0] + CPK)
    assert macro.accepted[2] == macro.accepted[1] + CPK
    macro.check_cycles()


@cocotb.test()
async def reset_drops_what_is_in_flight(dut: Any) -> None:
    """A key half through the array and a column that waits both vanish with a reset; the macro then takes keys again."""
    start_clock(dut)
    start_watchdog(500)
    dut.q_we.value = dut.m_col_ready.value = dut.s_key_data.value = dut.s_key_user.value = dut.s_key_bank.value = 0
    dut.s_key_valid.value = 0
    await reset(dut)
    dut.s_key_valid.value = 1
    await RisingEdge(dut.m_col_valid)       # the next key is under way, or waits for the column to go
    await ClockCycles(dut.clk, 1)
    coverage.sample_reset()
    dut.s_key_valid.value = 0
    await reset(dut, cycles=1)
    for _ in range(2 * CPK + 4):
        await FallingEdge(dut.clk)
        await Timer(1, "ns")
        assert (str(dut.m_col_valid.value), str(dut.s_key_ready.value)) == ("0", "1")
        assert str(dut.active.value) == "0"
