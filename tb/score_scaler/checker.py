"""What ``fcim_score_scaler`` gives, and in which cycle."""

from __future__ import annotations

from typing import Any

from cocotb.triggers import RisingEdge

from models.hardware.config import Z_BITS
from tb.common.clock import cycle
from tb.common.geometry import Geometry
from tb.common.pack import pack, unpack
from tb.common.rng import rng
from tb.common.stalls import sink_stalls, source_stalls
from tb.common.stream import Beat, StreamMonitor, StreamSource
from tb.score_scaler import coverage
from tb.score_scaler.agents import COLUMN_FIELDS, TileDriver
from tb.score_scaler.model import ColumnModel, ScaledColumn

LATENCY = 4  # pass g of a column accepted in cycle C has its turn in C + 1 + g, and three registers lie behind


class Checker:
    """Checks in every cycle what comes, when it comes, and that nothing else comes."""

    def __init__(self, dut: Any, pattern: str) -> None:
        self.dut, self.size = dut, Geometry(dut)
        self.model = ColumnModel(self.size)
        self.source = StreamSource(dut, "s_col", COLUMN_FIELDS, source_stalls(pattern, rng("stalls s_col")))
        self.monitor = StreamMonitor(dut, "s_col", COLUMN_FIELDS, self.accept)
        self.driver = TileDriver(dut, self.size, self.source, pattern)
        self.room = sink_stalls(pattern, rng("stalls block_free"))
        self.passes: dict[int, dict[str, int]] = {}  # expected outputs by cycle
        self.freed: dict[int, int] = {}              # expected tile_scaled: bank by cycle
        self.columns: list[ScaledColumn] = []
        self.compared = self.tiles = self.held = 0
        self.waited = False                          # for room behind, since the last column
        dut.block_free.value = 0

    def accept(self, beat: Beat) -> None:
        """Model an accepted column."""
        column, size = self.model.accept(beat, cycle()), self.size
        for g in range(size.cpk):
            part = slice(g * size.lanes, (g + 1) * size.lanes)
            end = column.end and g == size.cpk - 1
            coverage.sample_group(sum(column.saturated[part]), size.lanes)
            self.passes[column.cycle + LATENCY + g] = {
                "z_key": column.key, "z_pass": g, "z_block_end": int(end), "z_tile_end": int(end and column.last),
                "z_v_mult": column.v_mult, "z_data": pack(column.z[part], Z_BITS), "z_saturations": sum(column.saturated[part])}
        if column.last:
            self.freed[column.cycle + size.cpk] = column.bank
        rows, full = len(self.model.tables[column.bank].rows), column.key == size.keys_per_block - 1
        coverage.sample_column(column.key, column.end, column.last, full, rows, size.rows)
        if self.columns:
            coverage.sample_pace(column.cycle - self.columns[-1].cycle, size.cpk, self.waited)
        self.waited = False
        self.columns.append(column)

    def check_ready(self, now: int, free: int) -> None:
        """A waiting column is taken as soon as, and not before, the rule allows."""
        before = self.columns[-1] if self.columns else None
        may = before is None or now >= before.cycle + self.size.cpk
        first = before is None or before.end
        taken = self.dut.s_col_ready.value == 1
        assert taken == (may and (not first or free == 1)), f"cycle {now}: s_col_ready is {int(taken)}, block_free {free}"
        self.held += may and first and not free
        self.waited |= may and first and not free
        opened = self.dut.block_open.value == 1
        assert opened == (taken and first), f"cycle {now}: block_open is {int(opened)}"

    def check_outputs(self, now: int) -> None:
        """``z`` and ``tile_scaled`` come in their cycles."""
        dut, want = self.dut, self.passes.pop(now, None)
        valid = str(dut.z_valid.value)
        assert valid == str(int(want is not None)), f"cycle {now}: z_valid is {valid}, expected {want}"
        if want is not None:
            for name, value in want.items():
                bits = str(getattr(dut, name).value)
                if bits != format(value, f"0{len(bits)}b"):
                    shown = (unpack(int(bits, 2), self.size.lanes, Z_BITS, signed=True).tolist(),
                             unpack(value, self.size.lanes, Z_BITS, signed=True).tolist()) if name == "z_data" else (bits, value)
                    raise AssertionError(f"cycle {now}: {name} got {shown[0]} expected {shown[1]}, pass {self.compared}")
            self.compared += 1
        bank = self.freed.pop(now, None)
        scaled = str(dut.tile_scaled.value)
        assert scaled == str(int(bank is not None)), f"cycle {now}: tile_scaled is {scaled}, expected bank {bank}"
        if bank is not None:
            assert int(dut.tile_scaled_bank.value) == bank
            self.tiles += 1
            self.driver.released.append(bank)

    async def watch(self) -> None:
        """Once per cycle, from the end of reset on."""
        dut, edge = self.dut, RisingEdge(self.dut.clk)
        on, off, free = *next(self.room), 0
        while True:
            if on > 0:
                on, wanted = on - 1, 1
            elif off > 0:
                off, wanted = off - 1, 0
            else:
                on, off = next(self.room)
                continue
            if wanted != free:
                dut.block_free.value = wanted
            free = wanted
            await edge
            now = cycle()
            if dut.s_col_valid.value == 1:
                # The monitor may already have taken this very column.
                late = self.columns.pop() if self.columns and self.columns[-1].cycle == now else None
                self.check_ready(now, free)
                if late:
                    self.columns.append(late)
            else:
                assert dut.block_open.value == 0, f"cycle {now}: block_open without a column"
            self.check_outputs(now)
            if dut.row_we.value == 1:
                coverage.sample_table(bool(self.passes))
                self.model.row_write(dut)
