"""Columns of inner products and row tables for ``fcim_score_scaler`` and ``fcim_online_softmax``, which share these ports.

The model of the row tables and of the scaled scores is fed from the pins alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge

from tb.common import spec
from tb.common.pack import pack, unpack
from tb.common.rng import rng
from tb.common.stalls import source_stalls
from tb.common.stream import Beat, StreamSource

COLUMN_FIELDS = ("data", "ksum", "pos", "mult", "bank", "last")
SPREADS = (9, 12, 16, 20)  # log2 of the spread of the scaled scores: flat to often saturated


class Sizes:
    """Parameters of the device, and what follows from them."""

    def __init__(self, dut: Any) -> None:
        def parameter(name: str) -> int:
            return int(getattr(dut, name).value)

        self.rows, self.head_dim, self.block = parameter("ROWS"), parameter("HEAD_DIM"), parameter("KEYS_PER_BLOCK")
        self.cpk = 8 // parameter("BITS_PER_CYCLE")
        self.pos_bits = parameter("POS_BITS")
        self.lanes = self.rows // self.cpk
        log_dim = self.head_dim.bit_length() - 1
        self.lane, self.ksum_bits = 16 + log_dim, 8 + log_dim
        self.limit = self.head_dim << 14  # of a score
        self.max_keys = 2 ** (self.pos_bits - 1)
        self.padding = spec.padding_pos(self.max_keys)


@dataclass
class TileStimulus:
    """One tile: rows as ``(pos, mult, sum)``, keys as ``(scores of the rows, ksum, pos, mult)``."""

    rows: list[tuple[int, int, int]]
    keys: list[tuple[list[int], int, int, int]]
    shift: int
    tau: int = 0
    fused: bool = False
    skip: bool = False

    def beats(self, size: Sizes, bank: int, g: np.random.Generator) -> list[Beat]:
        """The columns. Rows that are not used carry noise."""
        beats = []
        for j, (scores, ksum, pos, mult) in enumerate(self.keys):
            u = [s + 128 * (ksum + row[2]) for s, row in zip(scores, self.rows, strict=True)]
            assert min(u) >= 0 and max(u) < 2**size.lane, "the stimulus is not a legal inner product"
            noise = g.integers(0, 2**size.lane, size.rows - len(u)).tolist()
            beats.append({"data": pack([*u, *noise], size.lane), "ksum": ksum, "pos": pos, "mult": mult, "bank": bank,
                          "last": int(j == len(self.keys) - 1)})
        return beats


def offsets(g: np.random.Generator, size: Sizes, rows: int, keys: int) -> tuple[list[int], list[int]]:
    """Sums of Q's rows and of K's rows with which any score is a legal inner product."""
    dim = size.head_dim
    return g.integers(-8 * dim, 8 * dim + 1, rows).tolist(), g.integers(136 * dim, 200 * dim, keys).tolist()


def random_tile(g: np.random.Generator, size: Sizes, rows: int, keys: int, tau: int = 0,
                spread: int | None = None) -> TileStimulus:
    """Random scores of a random (or the given) spread, multipliers of random width, positions of all kinds."""
    sums, ksums = offsets(g, size, rows, keys)
    bits, spread = int(g.integers(2, 17)), int(g.choice(SPREADS)) if spread is None else spread
    scores = g.integers(-size.limit, size.limit + 1, (keys, rows)) >> g.integers(0, 12, (keys, rows))
    shift = min(max(12 + size.head_dim.bit_length() + 2 * bits - 1 - spread, 0), 63)
    top = min(2 * keys, size.padding - 1)
    q_pos, k_pos = g.integers(0, top + 1, rows), g.integers(0, top + 1, keys)
    k_pos[g.integers(0, 8, keys) == 0] = size.padding
    if not g.integers(0, 4):
        q_pos[:] = top  # all but padding is visible
    return TileStimulus([*zip(q_pos.tolist(), g.integers(0, 2**bits, rows).tolist(), sums)],
                        [*zip(scores.tolist(), ksums, k_pos.tolist(), g.integers(0, 2**bits, keys).tolist())], shift, tau)


@dataclass
class ScaledColumn:
    """One accepted column: scaled scores and clampings of all rows; ``first`` and ``end`` of its block, ``last`` of its tile."""

    cycle: int
    key: int
    bank: int
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


class ColumnModel:
    """Row tables and scaled scores, from the pins. Call :meth:`row_write` and :meth:`accept` when they happen."""

    def __init__(self, size: Sizes) -> None:
        self.size = size
        self.tables = [Table(), Table()]
        self.key = 0

    def row_write(self, dut: Any) -> None:
        """Take a write to the row table from the ports; row 0 begins the bank anew."""
        table = self.tables[int(dut.row_bank.value)]
        if int(dut.row_index.value) == 0:
            table.rows = []
        assert int(dut.row_index.value) == len(table.rows)
        table.rows.append((int(dut.row_pos.value), int(dut.row_mult.value), dut.row_sum.value.to_signed()))
        table.shift = int(dut.row_shift.value)
        if hasattr(dut, "row_tau"):
            table.tau = int(dut.row_tau.value)
            table.fused, table.skip = dut.row_fused.value == 1, dut.row_skip.value == 1

    def accept(self, beat: Beat, cycle: int) -> ScaledColumn:
        """The scaled scores of an accepted column."""
        table, size = self.tables[beat["bank"]], self.size
        z, saturated = [spec.MASKED] * size.rows, [0] * size.rows
        u = unpack(beat["data"], size.rows, size.lane).tolist()
        for i, (pos, mult, q_sum) in enumerate(table.rows):
            if spec.visible(True, beat["pos"], pos):
                value, clamped = spec.scale(u[i] - 128 * (beat["ksum"] + q_sum), mult, beat["mult"], table.shift)
                z[i], saturated[i] = value, int(clamped)
        end = beat["last"] == 1 or self.key == size.block - 1
        column = ScaledColumn(cycle, self.key, beat["bank"], z, saturated, end, beat["last"] == 1)
        self.key = 0 if end else self.key + 1
        return column


class Feeder:
    """Writes row tables as early as the engine may, and sends each tile's columns once its table is complete."""

    def __init__(self, dut: Any, size: Sizes, source: StreamSource, pattern: str, tau_port: bool = False) -> None:
        self.dut, self.size, self.source, self.tau_port = dut, size, source, tau_port
        self.released: deque[int] = deque()  # banks whose table is free again, in order
        self._rng, self._stalls = rng("columns"), source_stalls(pattern, rng("stalls rows"))
        self._names = ("row_bank", "row_index", "row_pos", "row_mult", "row_sum", "row_shift",
                       *(["row_tau", "row_fused", "row_skip"] if tau_port else []))
        dut.row_we.value = 0
        for name in self._names:
            getattr(dut, name).value = 0

    async def _write_row(self, values: Sequence[int]) -> None:
        dut, edge = self.dut, RisingEdge(self.dut.clk)
        for name, value in zip(self._names, values, strict=True):
            getattr(dut, name).value = value
        dut.row_we.value = 1
        await edge
        dut.row_we.value = 0
        pause = next(self._stalls)[1] if self._stalls else 0
        if pause:
            for name in self._names:  # noise, which must not be taken
                port = getattr(dut, name)
                port.value = int(self._rng.integers(0, 2 ** min(len(port), 30))) % 2 ** max(len(port) - 1, 1)
            for _ in range(pause):
                await edge

    async def feed(self, tiles: Sequence[TileStimulus]) -> None:
        """Return when the last tile's columns are queued; tile t uses bank ``t % 2``."""
        edge = RisingEdge(self.dut.clk)
        for t, tile in enumerate(tiles):
            bank = t & 1
            while t >= 2 and not self.released:
                await edge
            if t >= 2:
                freed = self.released.popleft()
                assert freed == bank, f"tile_scaled came for bank {freed}, not {bank}"
            for i, (pos, mult, q_sum) in enumerate(tile.rows):
                # The tile's last row decides shift, tau and the flags.
                end = i == len(tile.rows) - 1
                shift = tile.shift if end else int(self._rng.integers(0, 64))
                tau = tile.tau if end else int(self._rng.integers(0, 7))
                flags = [int(tile.fused), int(tile.skip)] if end else self._rng.integers(0, 2, 2).tolist()
                await self._write_row([bank, i, pos, mult, q_sum, shift, *([tau, *flags] if self.tau_port else [])])
            # The engine leaves at least two cycles between a tile's last row and its first column.
            await edge
            await edge
            self.source.append(tile.beats(self.size, bank, self._rng))
