"""Driver of the row table and the columns of ``fcim_score_scaler`` and ``fcim_online_softmax``, which share these ports."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from cocotb.triggers import RisingEdge

from tb.common.geometry import Geometry
from tb.common.rng import rng
from tb.common.stalls import source_stalls
from tb.common.stream import StreamSource
from tb.score_scaler.sequences import TileStimulus

COLUMN_FIELDS = ("data", "ksum", "pos", "mult", "v_mult", "bank", "last")


class TileDriver:
    """Writes row tables as early as the engine may, and sends each tile's columns once its table is complete."""

    def __init__(self, dut: Any, size: Geometry, source: StreamSource, pattern: str, tau_port: bool = False) -> None:
        self.dut, self.size, self.source, self.tau_port = dut, size, source, tau_port
        self.released: deque[int] = deque()  # banks whose table is free again, in order
        self._rng, self._stalls = rng("columns"), source_stalls(pattern, rng("stalls rows"))
        self._names = ("row_bank", "row_index", "row_pos", "row_mult", "q_sum", "row_shift",
                       *(["row_tau", "row_fused", "row_skip", "row_octaves", "row_partial"] if tau_port else []))
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

    async def send(self, tiles: Sequence[TileStimulus]) -> None:
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
                flags = ([int(tile.fused), int(tile.skip), tile.octaves, int(tile.partial)] if end else
                         self._rng.integers(0, (2, 2, 32, 2)).tolist())
                await self._write_row([bank, i, pos, mult, q_sum, shift, *([tau, *flags] if self.tau_port else [])])
            # The engine leaves at least two cycles between a tile's last row and its first column.
            await edge
            await edge
            self.source.append(tile.beats(self.size, bank, self._rng))
