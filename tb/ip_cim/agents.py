"""Driver of the row port of ``fcim_ip_cim`` and of the keys that stream while the other bank is written."""

from __future__ import annotations

import numpy as np
from cocotb.triggers import RisingEdge

from tb.common.clock import cycle
from tb.common.pack import pack
from tb.common.rng import rng
from tb.common.stream import Beat
from tb.ip_cim import coverage
from tb.ip_cim.checker import Checker


class TileDriver:
    """Writes rows, with gaps between them if the pattern has gaps, and sends keys as early as the banks allow.

    Tiles take the banks in turn, in an order that the seed draws.
    """

    def __init__(self, checker: Checker) -> None:
        self.dut, self.checker = checker.dut, checker
        self.user_top = 1 << len(self.dut.s_key_user)
        self.order = [int(bank) for bank in rng("order of banks").permutation(checker.size.banks)]
        self.gaps = rng("write gaps") if checker.bench.pattern in ("gaps", "both") else None
        self.dut.q_we.value = 0

    async def write(self, bank: int, row: int, values: np.ndarray) -> None:
        """Write one row [head_dim] of signed operands in the next cycle (with gaps: some cycles later)."""
        edge = RisingEdge(self.dut.clk)
        if self.gaps is not None:
            for _ in range(self.gaps.integers(0, 4) * self.gaps.integers(0, 2)):
                await edge
        self._port(1, bank, row, pack(values, 8))
        await edge
        # an idle port names row 0 of another bank, which must not clear anything
        self._port(0, (bank + 1) % self.checker.size.banks, 0, (1 << len(self.dut.q_data)) - 1)

    def _port(self, we: int, bank: int, row: int, data: int) -> None:
        self.dut.q_we.value, self.dut.q_bank.value, self.dut.q_row.value, self.dut.q_data.value = we, bank, row, data

    def beats(self, bank: int, keys: np.ndarray) -> list[Beat]:
        """Key beats from signed operands [count, head_dim], with a random sideband."""
        user = [int.from_bytes(self.checker.bench.rng.bytes(8), "little") % self.user_top for _ in keys]
        return [{"bank": bank, "data": pack(k, 8), "user": u} for k, u in zip(keys, user, strict=True)]

    async def send(self, tiles: list[tuple[np.ndarray, np.ndarray]], early: bool = False) -> None:
        """Tiles of (rows, keys): each is written as early as the last one in its bank allows it.

        ``early``: an idle source offers the first key in the cycle after the tile's last row, which is the first one in which
        the bank may be read. A source that is still busy with the tile before must not be given keys so early.
        """
        edge, checker, banks = RisingEdge(self.dut.clk), self.checker, self.checker.size.banks
        last_column: list[int] = []
        for tile, (rows, keys) in enumerate(tiles):
            coverage.sample_rows(len(rows), checker.size.rows)
            bank = self.order[tile % banks]
            if tile >= banks:
                # A bank is free again CYCLES_PER_KEY + 1 cycles after its last column; its first row is written a cycle later.
                while len(checker.given) < last_column[tile - banks]:
                    await edge
                free = checker.given[last_column[tile - banks] - 1] + checker.size.cpk + 2
                while cycle() < free - 1:
                    await edge
            for row, values in enumerate(rows):
                if early and row == len(rows) - 1:
                    checker.source.append(self.beats(bank, keys))
                await self.write(bank, row, values)
            if not early:
                checker.source.append(self.beats(bank, keys))
            last_column.append(sum(len(k) for _, k in tiles[:tile + 1]))
