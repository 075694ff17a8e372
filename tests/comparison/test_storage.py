"""Accumulators of one tile: what they hold, and what waits for what, by hand where a few tiles can be followed."""

from __future__ import annotations

import pytest

from models.comparison.cells import own_cells
from models.comparison.chip import Memories
from models.comparison.storage import KIB, KINDS, Accumulators, OneBank, cycles
from models.hardware.config import load_config
from models.hardware.progress import PIPE_RMW, Progress
from models.hardware.quantise import quantise
from models.hardware.schedules import TileOptions
from models.system.call import Call
from models.system.config import load_system
from models.tensors.fit import fit_tensors
from models.tensors.synthetic import synthetic_tensors

CFG = load_config("tiny")
BLOCKS = 4


def run(engine: Progress, tiles: int, pause: int = 0) -> Progress:
    """Full tiles of some blocks, everything there from the start; each row of O is taken ``pause`` cycles after it is offered."""
    size = CFG.keys_per_block
    for _ in range(tiles):
        engine.add_tile(CFG.rows, [size] * BLOCKS, [True] * BLOCKS, False, False)
        for _ in range(CFG.rows):
            engine.add_row(0)
        for _ in range(BLOCKS):
            engine.add_keys(range(size))
            engine.add_values(range(size))
    engine.advance()
    while engine.head is not None:
        engine.take(engine.head[1] + pause)
        engine.advance()
    assert len(engine.landed) == tiles
    return engine


def one(columns: int, queued: int) -> OneBank:
    return OneBank(CFG, columns, queued)


def test_memory_is_half_the_accumulators_and_the_queue() -> None:
    system = load_system("default")
    cells = own_cells(system)
    assert Accumulators().kib(system) == sum(cells.values()) / KIB
    assert Accumulators(1, 16).kib(system) == (sum(cells.values()) - cells["accumulators"] / 2) / KIB
    assert Accumulators(1, 32, 64).kib(system) - Accumulators(1, 32).kib(system) == 16 * 64 * 128 * 2 / 1024
    assert len({str(kind) for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("columns", [CFG.head_dim // CFG.cycles_per_key, CFG.head_dim])
@pytest.mark.parametrize("queued", [0, 3, CFG.rows])
@pytest.mark.parametrize("pause", [0, 7])
def test_nothing_is_written_over(columns: int, queued: int, pause: int) -> None:
    engine = one(columns, queued)
    run(engine, 4, pause)
    for tile in range(1, 4):
        written = engine.outer[tile * BLOCKS] + engine.cpk + PIPE_RMW      # its first accumulators
        complete = engine.outer[tile * BLOCKS - 1] + CFG.block_cycles + engine.cpk + PIPE_RMW
        assert written >= complete + CFG.rows * CFG.head_dim // columns, "what has not left yet"
        waiting = sum(cycle >= written for cycle in engine.rows_taken[:tile * CFG.rows])
        assert waiting <= queued, "rows that have no place"


def test_more_room_or_more_dividers_never_cost_time() -> None:
    def last(columns: int, queued: int) -> int:
        return run(one(columns, queued), 6, 5).landed[-1]

    slow, fast = CFG.head_dim // CFG.cycles_per_key, CFG.head_dim
    assert last(slow, 0) >= last(slow, CFG.rows) >= last(fast, CFG.rows)
    assert last(slow, 0) > last(fast, CFG.rows), "nothing ever waits"
    assert last(fast, CFG.rows) >= run(Progress(CFG, keep=False), 6, 5).landed[-1]


def test_a_call_takes_longer_with_one_tile() -> None:
    system = load_system("tiny")
    tensors = fit_tensors(synthetic_tensors("llama3.2-1b", tokens=64, seed=1), system.engine)
    shape = Call(quantise(tensors), TileOptions(fused=True), own_start=True).shape
    columns = system.engine.head_dim // system.engine.cycles_per_key
    found = [cycles(system, shape, Memories(), kind) for kind in (Accumulators(), Accumulators(1, columns))]
    assert found[0] < found[1]
