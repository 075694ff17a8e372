"""Row tables and scaled scores of ``fcim_score_scaler`` and ``fcim_online_softmax``, fed from the pins alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tb.common import spec
from tb.common.geometry import Geometry
from tb.common.pack import unpack
from tb.common.stream import Beat


@dataclass
class ScaledColumn:
    """One accepted column: scaled scores and clampings of all rows; ``first`` and ``end`` of its block, ``last`` of its tile."""

    cycle: int
    key: int
    bank: int
    v_mult: int
    z: list[int]
    saturated: list[int]
    end: bool
    last: bool


@dataclass
class Table:
    """A bank of the row table as it was written."""

    rows: list[tuple[int, int, int]] = field(default_factory=list)
    shift: int = 0
    tau: int = 0
    fused: bool = False
    skip: bool = False
    octaves: int = 0
    partial: bool = False


class ColumnModel:
    """Row tables and scaled scores, from the pins. Call :meth:`row_write` and :meth:`accept` when they happen."""

    def __init__(self, size: Geometry) -> None:
        self.size = size
        self.tables = [Table(), Table()]
        self.key = 0

    def row_write(self, dut: Any) -> None:
        """Take a write to the row table from the ports; row 0 begins the bank anew."""
        table = self.tables[int(dut.row_bank.value)]
        if int(dut.row_index.value) == 0:
            table.rows = []
        assert int(dut.row_index.value) == len(table.rows)
        table.rows.append((int(dut.row_pos.value), int(dut.row_mult.value), dut.q_sum.value.to_signed()))
        table.shift = int(dut.row_shift.value)
        if hasattr(dut, "row_tau"):
            table.tau = int(dut.row_tau.value)
            table.fused, table.skip = dut.row_fused.value == 1, dut.row_skip.value == 1
            table.octaves, table.partial = int(dut.row_octaves.value), dut.row_partial.value == 1

    def accept(self, beat: Beat, cycle: int) -> ScaledColumn:
        """The scaled scores of an accepted column."""
        table, size = self.tables[beat["bank"]], self.size
        z, saturated = [spec.MASKED] * size.rows, [0] * size.rows
        u = unpack(beat["data"], size.rows, size.ip_bits).tolist()
        for i, (pos, mult, q_sum) in enumerate(table.rows):
            if spec.visible(True, beat["pos"], pos):
                value, clamped = spec.scale(u[i] - 128 * (beat["ksum"] + q_sum), mult, beat["mult"], table.shift)
                z[i], saturated[i] = value, int(clamped)
        end = beat["last"] == 1 or self.key == size.keys_per_block - 1
        column = ScaledColumn(cycle, self.key, beat["bank"], beat["v_mult"], z, saturated, end, beat["last"] == 1)
        self.key = 0 if end else self.key + 1
        return column
