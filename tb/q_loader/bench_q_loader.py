"""Q loader: rows, banks and row sums, compared with a model in every cycle.

Of the stall patterns, gaps are between rows; under back-pressure the banks come back late.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from tb.common.bench import Bench
from tb.common.clock import cycle
from tb.common.pack import pack, unpack
from tb.common.rng import rng
from tb.common.scoreboard import Scoreboard
from tb.common.stalls import each_pattern
from tb.common.stream import Beat
from tb.q_loader import coverage

FIELDS = ("data", "pos", "mult", "shift", "tau", "fused", "skip", "last")
ROW_FIELDS = ("bank", "index", "data", "pos", "mult", "sum", "shift", "tau", "fused", "skip")
CORNERS = np.array([-128, -127, -1, 0, 1, 127])


class Loader:
    """The pins and their model, and in place of the engine what streams the keys of a tile and gives its bank back."""

    def __init__(self, dut: Any, pattern: str, minimum: int) -> None:
        self.dut = dut
        self.head_dim, self.rows = len(dut.s_q_data) // 8, int(dut.ROWS.value)
        self.bench = Bench(dut, pattern, budget=20_000)
        self.source = self.bench.input("s_q", FIELDS)
        self.board = Scoreboard("row", ROW_FIELDS, {"data": (8, True)})
        self.bench.scoreboards["row"] = (self.board, minimum)
        self.slow = pattern in ("backpressure", "both")
        self.delays = rng("bank delays")
        self.bank = self.index = 0                      # where the next row goes
        self.held = [False, False]                      # has all its rows and was not given back
        self.loaded_at: list[int | None] = [None, None]  # first cycle in which the bank is loaded
        self.write_at = -1                              # cycle in which a row is written
        self.pulses: list[list[tuple[int, int]]] = [[], []]   # streamed, scaled: (cycle, bank) of each tile's pulse
        self.blocked = self.both_loaded = 0             # cycles
        dut.streamed.value = dut.scaled.value = 0

    def _delay(self) -> int:
        if self.slow and not self.pulses[0]:        # the first tile stays until the second is there and the third waits
            return 4 * self.rows + 100
        return int(self.delays.integers(0, 2 * self.rows)) if self.slow and self.delays.integers(0, 3) else 0

    def _check(self, now: int) -> None:
        """The outputs of the cycle that ends."""
        dut = self.dut
        ready, write = str(dut.s_q_ready.value), str(dut.row_we.value)
        assert ready == str(int(not self.held[self.bank])), f"cycle {now}: ready is {ready}, banks held {self.held}"
        assert write == str(int(self.write_at == now)), f"cycle {now}: row_we is {write}"
        opens = int(ready == "1" and self.index == 0 and dut.s_q_valid.value == 1)
        assert str(dut.tile_open.value) == str(opens), f"cycle {now}: tile_open is {dut.tile_open.value}"
        loaded = sum((at is not None and now >= at) << bank for bank, at in enumerate(self.loaded_at))
        assert str(dut.loaded.value) == f"{loaded:02b}", f"cycle {now}: loaded is {dut.loaded.value}, not {loaded:02b}"
        coverage.sample_cycle(sum(self.held), loaded, dut.s_q_valid.value == 1, ready == "1",
                                   any(at == now for at, _ in self.pulses[1][-3:]))
        self.blocked += ready == "0" and dut.s_q_valid.value == 1
        self.both_loaded += loaded == 3
        if write == "1":
            row = {field: int(getattr(dut, f"row_{field}").value) for field in ROW_FIELDS if field != "sum"}
            self.board.got({**row, "sum": dut.row_sum.value.to_signed()})

    def _accept(self, now: int) -> None:
        """The row that the cycle's end takes. A tile ends with its last row, or with row ROWS - 1 whether marked or not."""
        beat: Beat = {field: int(getattr(self.dut, f"s_q_{field}").value) for field in FIELDS}
        total = int(unpack(beat["data"], self.head_dim, 8, signed=True).sum())
        self.board.expect([{**beat, "bank": self.bank, "index": self.index, "sum": total}])
        coverage.sample_row(self.bank, total, self.index, bool(beat["last"]), self.rows, self.head_dim)
        self.write_at = now + 1
        self.index += 1
        if beat["last"] or self.index == self.rows:
            self.held[self.bank], self.loaded_at[self.bank] = True, now + 2
            before = [pulses[-1][0] if pulses else 0 for pulses in self.pulses]
            streamed = max(now + 2, before[0] + 1) + self._delay()
            scaled = max(streamed, before[1]) + 1 + self._delay()
            self.pulses[0].append((streamed, self.bank))
            self.pulses[1].append((scaled, self.bank))
            self.bank, self.index = 1 - self.bank, 0

    def _drive(self, now: int) -> None:
        """The pulses of cycle ``now + 1``, and what those of this cycle do."""
        for port, pulses in ((self.dut.streamed, self.pulses[0]), (self.dut.scaled, self.pulses[1])):
            port.value = sum(1 << bank for at, bank in pulses[-3:] if at == now + 1)
        for at, bank in self.pulses[0][-3:]:
            if at == now:
                self.loaded_at[bank] = None
        for at, bank in self.pulses[1][-3:]:
            if at == now:
                self.held[bank] = False

    async def watch(self) -> None:
        """Run the model beside the pins, cycle by cycle; the monitor beside it watches the protocol."""
        edge, dut = RisingEdge(self.dut.clk), self.dut
        while True:
            await edge
            if dut.rst_n.value != 1:
                continue
            now = cycle()
            self._check(now)
            if dut.s_q_valid.value == 1 and dut.s_q_ready.value == 1:
                self._accept(now)
            self._drive(now)

    def beats(self, lengths: list[int]) -> list[Beat]:
        """Rows of tiles of these lengths, the last of each marked: random, of extreme values, and of one value throughout."""
        draw, count = self.bench.rng, sum(lengths)
        data = draw.integers(-128, 128, (count, self.head_dim))
        for row in np.flatnonzero(draw.integers(0, 3, count) == 0):
            data[row] = draw.choice(CORNERS, self.head_dim)
        for row in np.flatnonzero(draw.integers(0, 4, count) == 0):
            data[row] = draw.choice(CORNERS)
        data[:2] = np.array([[-128], [127]])
        limits = {field: 1 << len(getattr(self.dut, f"s_q_{field}")) for field in FIELDS if field not in ("data", "last")}
        last = set((np.cumsum(lengths) - 1).tolist())
        return [{"data": pack(row, 8), "last": int(i in last), **{f: int(draw.integers(0, n)) for f, n in limits.items()}}
                for i, row in enumerate(data)]


def tile_lengths(generator: np.random.Generator, rows: int) -> list[int]:
    """Full tiles, tiles of one row, tiles one row too long, a very long one, and random ones."""
    return [rows, rows, 1, 1, 1, rows - 1, rows + 1, 2, 2 * rows + 3, *generator.integers(1, rows + 1, 3).tolist()]


@cocotb.test()
@each_pattern()
async def tiles(dut: Any, pattern: str) -> None:
    """Tiles of all lengths; an overlong one is cut every ROWS rows."""
    loader = Loader(dut, pattern, minimum=1)
    lengths = tile_lengths(loader.bench.rng, loader.rows)
    watcher = cocotb.start_soon(loader.watch())
    async with loader.bench:
        await loader.source.send(loader.beats(lengths))
        while loader.pulses[1][-1][0] > cycle():
            await RisingEdge(dut.clk)
    watcher.cancel()
    tile_count = sum(-(-length // loader.rows) for length in lengths)
    assert loader.board.compared == sum(lengths) == len(loader.bench.monitors["s_q"].beats)
    assert len(loader.pulses[0]) == tile_count
    assert not any(loader.held), "at the end both banks are free"
    if loader.slow:
        assert loader.blocked >= loader.rows, f"the rows waited only {loader.blocked} cycles"
        assert loader.both_loaded > 0, "both banks were never loaded at once"


@cocotb.test()
async def a_row_per_cycle_across_tiles(dut: Any) -> None:
    """While a bank is free, rows move in every cycle, also from the last of a tile to the first of the next."""
    loader = Loader(dut, "none", minimum=4 * int(dut.ROWS.value))
    watcher = cocotb.start_soon(loader.watch())
    async with loader.bench:
        await loader.source.send(loader.beats([loader.rows] * 4))
    watcher.cancel()
    assert (np.diff(loader.bench.monitors["s_q"].cycles) == 1).all()


@cocotb.test()
async def waits_for_the_older_bank(dut: Any) -> None:
    """With two tiles in the banks nothing is taken, however long; streaming alone frees nothing; scaling frees its own bank."""
    loader = Loader(dut, "none", minimum=1)
    loader._delay = lambda: 40          # type: ignore[method-assign]
    watcher = cocotb.start_soon(loader.watch())
    async with loader.bench:
        await loader.source.send(loader.beats([1, 2, 1]))
    watcher.cancel()
    accepted = loader.bench.monitors["s_q"].cycles
    assert accepted[3] == loader.pulses[1][0][0] + 1
    assert loader.pulses[1][0][0] - loader.pulses[0][0][0] == 41 and loader.blocked >= 80
