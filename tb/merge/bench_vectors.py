"""Partial results that the models made, through ``fcim_merge``: the golden model's rows must leave.

The file that FCIM_VECTORS names has them: for tile i ``acc_i`` [P, R, HEAD_DIM], ``sum_i`` and ``max_i`` [P, R], ``out_i``
[R, HEAD_DIM], ``empty_i`` [R]. The cycles in which rows leave go into the file that FCIM_CYCLES names. FCIM_PATTERN: the stalls.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from tb.common.pack import pack
from tb.common.spec import Row
from tb.common.stream import Beat
from tb.merge.bench_merge import MergeBench
from tb.merge.sequences import LOWEST, Tile


def read_tile(file: Any, number: int) -> tuple[Tile, list[Beat]]:
    """A tile of the file, and the rows that must leave."""
    acc, total, maximum = (file[f"{name}_{number}"].tolist() for name in ("acc", "sum", "max"))
    rows = {part: [Row(None if m == LOWEST and not t else m, t, o) for m, t, o in zip(*of_part, strict=True)]
            for part, of_part in enumerate(zip(maximum, total, acc, strict=True))}
    out, empty = file[f"out_{number}"], file[f"empty_{number}"]
    beats = [{"data": pack(row, 16), "empty": int(flag), "last": int(i == len(out) - 1)}
             for i, (row, flag) in enumerate(zip(out, empty, strict=True))]
    return Tile(rows), beats


@cocotb.test()
async def rows_of_the_golden_model(dut: Any) -> None:
    """Every bit of every row."""
    with np.load(os.environ["FCIM_VECTORS"]) as file:
        tiles = [read_tile(file, number) for number in range(len(file.files) // 5)]
    bench = MergeBench(dut, os.environ["FCIM_PATTERN"], minimum=sum(tile.count for tile, _ in tiles), budget=2_000_000)
    bench.model.expect = lambda _: None
    async with bench.bench:
        for tile, beats in tiles:
            bench.offer(tile)
            bench.board.expect(beats)
        await bench.done()
    Path(os.environ["FCIM_CYCLES"]).write_text("\n".join(map(str, bench.bench.monitors["m_o"].cycles)) + "\n")
