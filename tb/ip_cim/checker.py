"""Columns, cycles and activity of ``fcim_ip_cim`` against a model that is fed from the pins alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge

from tb.common.bench import Bench
from tb.common.clock import cycle
from tb.common.geometry import Geometry
from tb.common.operands import OFFSET
from tb.common.pack import pack, unpack
from tb.common.stream import Beat
from tb.ip_cim import coverage

KEY_FIELDS, COLUMN_FIELDS = ("bank", "data", "user"), ("data", "ksum", "user")


class Checker:
    """Mirror of the cells, expected columns, and what happened in which cycle."""

    def __init__(self, dut: Any, pattern: str, budget: int) -> None:
        self.dut, self.size = dut, Geometry(dut)
        assert len(dut.q_data) == 8 * self.size.head_dim and len(dut.m_col_data) == self.size.rows * self.size.ip_bits
        banks = self.size.banks
        assert len(dut.q_bank) == len(dut.s_key_bank) == (banks - 1).bit_length()
        # offset binary, 0 where unused
        self.cells = np.zeros((banks, self.size.rows, self.size.head_dim), dtype=np.int64)
        self.used = [0] * banks                     # rows of the tile in each bank,
        self.most = [0] * banks                     # and of the largest one so far
        self.bench = Bench(dut, pattern, budget)
        self.board = self.bench.output("m_col", COLUMN_FIELDS, lanes={"data": (self.size.ip_bits, False)})
        self.source = self.bench.input("s_key", KEY_FIELDS, callback=self._expect)
        self.accepted, self.given = (self.bench.monitors[name].cycles for name in ("s_key", "m_col"))
        self.keys: list[np.ndarray] = []            # accepted keys, offset binary
        self.offered: list[int] = []                # first cycle in which key k was valid
        self.shown: list[int] = []                  # first cycle in which column k was valid
        self.activity: dict[int, int] = {}          # cycle to bit operations, where active
        self.writes: list[tuple[int, int, int]] = []    # cycle, bank and row of each write
        self.handoff: list[int] = []                # cycle in which the rules hand key k's result to the output register

    def _expect(self, beat: Beat) -> None:
        key = unpack(beat["data"], self.size.head_dim, 8, signed=True) + OFFSET
        self.keys.append(key)
        bank = beat["bank"]
        coverage.sample_key(key, self.cells[bank][:self.used[bank]])
        coverage.sample_bank(bank, self.size.banks)
        coverage.sample_unused(self.used[bank], self.most[bank], self.size.rows)
        self.board.expect([{"data": pack(self.cells[bank] @ key, self.size.ip_bits), "ksum": int(key.sum()),
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
                self.cells[bank, row] = unpack(int(dut.q_data.value), self.size.head_dim, 8, signed=True) + OFFSET
                self.used[bank] = row + 1
                self.most[bank] = max(self.most[bank], row + 1)
                coverage.sample_write(row, self.cells[bank, row], dut.active.value == 1)
                self.writes.append((cycle(), bank, row))
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

    def check_cycles(self) -> None:
        """Every handshake at the cycle that the rules of the pipeline give, never earlier nor later."""
        for k, accept in enumerate(self.accepted):
            want = max(self.offered[k], self.handoff[k - 1]) if k else self.offered[k]
            assert accept == want, f"key {k} was accepted in cycle {accept}, not {want}"
            self.handoff.append(max(accept + self.size.cpk, self.given[k - 1] if k else 0))
            shown = self.handoff[k] + 1
            assert self.shown[k] == shown, f"column {k} came in cycle {self.shown[k]}, not {shown}"
        banks = [beat["bank"] for beat in self.bench.monitors["s_key"].beats]
        coverage.sample_cycles(self.accepted, self.given, self.shown, self.handoff, banks, self.size.cpk)

    def check_activity(self) -> None:
        """Each key switches the array CYCLES_PER_KEY times, between its acceptance and its handoff, with the most significant
        planes first, and counts the ones that it puts on the bit-lines. To be called after :meth:`check_cycles`."""
        events = sorted(self.activity.items())
        assert len(events) == self.size.cpk * len(self.keys), f"{len(events)} active cycles for {len(self.keys)} keys"
        for i, (when, ones) in enumerate(events):
            k, step = divmod(i, self.size.cpk)
            planes = self.keys[k] >> (8 - (step + 1) * self.size.bits_per_cycle) & ((1 << self.size.bits_per_cycle) - 1)
            want = sum(plane.bit_count() for plane in planes.tolist())
            assert ones == want, f"key {k}, step {step}: {ones} bit operations, not {want}"
            assert self.accepted[k] + 2 + step <= when <= self.handoff[k] + 1, f"key {k}, step {step} was active in cycle {when}"
        banks = [beat["bank"] for beat in self.bench.monitors["s_key"].beats]
        adds = {when - 1: banks[i // self.size.cpk] for i, (when, _) in enumerate(events)}
        coverage.sample_array(self.writes, adds, self.size.cpk)
