"""IP-CIM macro: exact columns, all banks, the cycle of every handshake, and the activity it reports."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, Timer

from tb.common.clock import reset, start_clock, start_watchdog
from tb.common.geometry import Geometry
from tb.common.operands import EXTREMES, operands
from tb.common.stalls import each_pattern
from tb.ip_cim import coverage
from tb.ip_cim.agents import TileDriver
from tb.ip_cim.checker import Checker


def tile_shapes(generator: np.random.Generator, rows: int, banks: int) -> list[int]:
    """Rows of eight tiles, or more: in each bank a full tile and then shorter ones, which must not see what it left."""
    shapes = [*[rows] * banks, 1, rows - 1, int(generator.integers(2, rows)), 2, rows, int(generator.integers(1, rows + 1))]
    return shapes + generator.integers(1, rows, max(2 * banks - len(shapes), 0)).tolist()


@cocotb.test()
@each_pattern()
async def streams(dut: Any, pattern: str) -> None:
    """Tiles of all kinds of operands, all banks in turn, rows written while keys of another bank stream."""
    checker = Checker(dut, pattern, budget=20_000)
    driver = TileDriver(checker)
    draw, head_dim = checker.bench.rng, checker.size.head_dim
    kinds = ["random", "extremes", "random", "uniform", "planes", "random", "onehot", "extremes"]
    shapes = tile_shapes(draw, checker.size.rows, checker.size.banks)
    kinds += draw.choice(kinds, len(shapes) - len(kinds)).tolist()
    counts = [12, *draw.integers(1, 13, len(kinds) - 1).tolist()]       # keys of each tile
    tiles = [(operands(draw, kind, rows, head_dim), operands(draw, str(draw.choice(kinds)), count, head_dim))
             for kind, rows, count in zip(kinds, shapes, counts, strict=True)]
    watcher = cocotb.start_soon(checker.watch())
    async with checker.bench:
        await driver.send(tiles)
    watcher.cancel()
    assert checker.board.compared == sum(counts) == len(checker.accepted)
    assert len(checker.writes) == sum(len(rows) for rows, _ in tiles)
    checker.check_cycles()
    checker.check_activity()
    if pattern == "none":
        steps = np.delete(np.diff(checker.accepted), np.cumsum(counts)[:-1] - 1)
        cpk = checker.size.cpk
        assert (steps == cpk).all(), f"within a tile keys must follow each other every {cpk} cycles: {steps}"
        during = sum(write + 1 in checker.activity for write, _, _ in checker.writes)
        assert during >= 6, f"only {during} rows were written while the array switched"


@cocotb.test()
async def every_bit(dut: Any) -> None:
    """Each plane of a row against each plane of a key, the extremes against each other, and each element of a key alone."""
    checker = Checker(dut, "none", budget=20_000)
    driver = TileDriver(checker)
    draw, head_dim = checker.bench.rng, checker.size.head_dim
    planes = operands(draw, "planes", 8, head_dim)
    single = operands(draw, "onehot", head_dim, head_dim)
    rows = np.concatenate([planes, operands(draw, "random", checker.size.rows - 8, head_dim)])
    watcher = cocotb.start_soon(checker.watch())
    async with checker.bench:
        uniform = operands(draw, "uniform", len(EXTREMES), head_dim)
        await driver.send([(rows, np.concatenate([planes, uniform])),
                           (operands(draw, "uniform", checker.size.rows, head_dim), np.concatenate([uniform, single]))])
    watcher.cancel()
    assert checker.board.compared == 8 + 2 * len(EXTREMES) + head_dim
    checker.check_cycles()
    checker.check_activity()


@cocotb.test()
async def first_key_right_after_the_last_row(dut: Any) -> None:
    """A bank is readable in the cycle after its last row is written, even its only one; keys keep their pace across tiles."""
    checker = Checker(dut, "none", budget=2_000)
    driver = TileDriver(checker)
    draw, head_dim = checker.bench.rng, checker.size.head_dim
    tiles = [(operands(draw, "random", 1, head_dim), operands(draw, "random", 1, head_dim)),
             (operands(draw, "random", 3, head_dim), operands(draw, "random", 2, head_dim))]
    watcher = cocotb.start_soon(checker.watch())
    async with checker.bench:
        await driver.send(tiles, early=True)
    watcher.cancel()
    assert checker.accepted[0] == checker.writes[0][0] + 1
    assert checker.accepted[1] == max(checker.writes[3][0] + 1, checker.accepted[0] + checker.size.cpk)
    assert checker.accepted[2] == checker.accepted[1] + checker.size.cpk
    checker.check_cycles()


@cocotb.test()
async def reset_drops_what_is_in_flight(dut: Any) -> None:
    """A key half through the array and a column that waits both vanish with a reset; the macro then takes keys again."""
    start_clock(dut)
    start_watchdog(500)
    dut.q_we.value = dut.m_col_ready.value = dut.s_key_data.value = dut.s_key_user.value = dut.s_key_bank.value = 0
    dut.s_key_valid.value = 0
    await reset(dut, quiet=("active", "m_col_valid"))
    dut.s_key_valid.value = 1
    await RisingEdge(dut.m_col_valid)       # the next key is under way, or waits for the column to go
    await ClockCycles(dut.clk, 1)
    coverage.sample_reset()
    dut.s_key_valid.value = 0
    await reset(dut, quiet=("active", "m_col_valid"))
    for _ in range(2 * Geometry(dut).cpk + 4):
        await FallingEdge(dut.clk)
        await Timer(1, "ns")
        assert (str(dut.m_col_valid.value), str(dut.s_key_ready.value)) == ("0", "1")
        assert str(dut.active.value) == "0"
