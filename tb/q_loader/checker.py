"""Every pin of ``fcim_q_loader`` against a model in every cycle, and the driver of the pulses that give its banks back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cocotb.triggers import RisingEdge

from tb.common.bench import Bench
from tb.common.clock import cycle
from tb.common.geometry import Geometry
from tb.common.pack import unpack
from tb.common.rng import rng
from tb.common.scoreboard import Scoreboard
from tb.common.stream import Beat
from tb.q_loader import coverage

FIELDS = ("data", "pos", "mult", "shift", "tau", "fused", "skip", "octaves", "partial", "last")
ROW_FIELDS = ("bank", "index", "data", "pos", "mult", "sum", "shift", "tau", "fused", "skip", "octaves", "partial")


class Checker:
    """Pins and model of the loader, and the driver that gives banks back in place of what streams and scales a tile's keys."""

    def __init__(self, dut: Any, pattern: str, minimum: int, delay: Callable[[], int] | None = None) -> None:
        """``delay``: cycles until a bank's pulses, drawn by default."""
        self.dut = dut
        size = Geometry(dut)
        self.head_dim, self.rows = size.head_dim, size.rows
        assert len(dut.s_q_data) == 8 * self.head_dim
        self.bench = Bench(dut, pattern, budget=20_000)
        self.source = self.bench.input("s_q", FIELDS)
        self.board = Scoreboard("row", ROW_FIELDS, {"data": (8, True)})
        self.bench.scoreboards["row"] = (self.board, minimum)
        self.slow = pattern in ("backpressure", "both")
        self.delays, self.delay = rng("bank delays"), delay or self._delay
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
            self.board.got({**row, "sum": dut.q_sum.value.to_signed()})

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
            streamed = max(now + 2, before[0] + 1) + self.delay()
            scaled = max(streamed, before[1]) + 1 + self.delay()
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
