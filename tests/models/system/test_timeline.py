"""The accelerator in time without its RTL: bounds that no call can beat, and the parts by themselves.

Every run of calls in ``tb`` holds the model to the RTL, counter for counter.
"""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.hardware.progress import TIMING_COUNTERS
from models.system.call import Shape
from models.system.config import SystemConfig, load_system
from models.system.timed.bus import Command, Pace, bursts
from models.system.timed.kernel import Clock, Fifo, Part
from models.system.timeline import predict_call, predict_calls

PAGE = Path(__file__).resolve().parents[3] / "docs" / "system.md"
TINY = load_system("tiny")
SHAPES = [Shape(2, 4, 33, own_start=True), Shape(3, 2, 20, 30), Shape(1, 3, 17, 90), Shape(3, 4, 1, 100, split=2)]


def beats_of(shape: Shape) -> tuple[int, int]:
    """Beats that a call on TINY reads and writes if each wave that is streamed reads its blocks anew."""
    system, plan = TINY, shape.plan(TINY)
    row, size = system.engine.head_dim // system.beat_bytes, system.engine.keys_per_block
    block = 2 * size * row + system.k_table_bytes // system.beat_bytes
    if shape.split is None and shape.streamed(system):
        blocks = sum(max(plan.blocks(tile) for tile in wave.tiles.values()) for wave in plan.waves())
        tiles = shape.heads * plan.tiles
    elif shape.split is None:
        blocks, tiles = shape.heads * plan.blocks(plan.tiles - 1), shape.heads * plan.tiles
    else:
        blocks, tiles = shape.heads * plan.blocks, shape.heads * sum(bool(part) for part in plan.parts())
    copies = 1 if shape.split is None else sum(bool(part) for part in plan.parts())
    rows = shape.heads * shape.group * shape.tokens
    read = (blocks * block + copies * rows * row + tiles * system.q_table_bytes // system.beat_bytes + 1
            + 128 // system.beat_bytes)
    return read, 2 * rows * row + 1


@pytest.mark.parametrize("shape", SHAPES)
def test_beats(shape: Shape) -> None:
    got = predict_call(TINY, shape, Pace(30, 1, 2))
    assert (got.beats_read, got.beats_written) == beats_of(shape)
    assert got.rows == shape.heads * shape.group * shape.tokens


@pytest.mark.parametrize("shape", SHAPES)
def test_a_slower_memory_takes_longer(shape: Shape) -> None:
    """And no rate is beaten. Engines are never in flight for longer than the call."""
    runs = {(latency, rate): predict_call(TINY, shape, Pace(latency, *rate))
            for latency, rate in product((2, 100), ((0, 0), (1, 1), (2, 7)))}
    quick, slow = runs[2, (0, 0)], runs[100, (2, 7)]
    assert quick.cycles < runs[2, (2, 7)].cycles < slow.cycles
    for (latency, (beats, cycles)), run in runs.items():
        moved = run.beats_read + run.beats_written - 128 // TINY.beat_bytes - 1
        assert run.cycles > latency and (not cycles or run.cycles > moved * cycles / beats)
        for engine in run.counters:
            assert set(engine) == set(TIMING_COUNTERS) and 0 <= engine["cycles"] < run.cycles
            assert all(0 <= value <= run.cycles for value in engine.values())
        assert (run.k_blocks, run.beats_read) == (quick.k_blocks, quick.beats_read)


def test_the_example_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    """A decode that takes nearly all that the memory gives: a beat a cycle."""
    _, code = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    exec(code, {})
    cycles, beats, waited = map(int, capsys.readouterr().out.split())
    assert beats < cycles < 1.1 * beats and waited > cycles // 2


def test_turns_go_on() -> None:
    """The first call's last row comes from engine 0, so in the next one engine 1 goes first where both have a row."""
    cfg = EngineConfig("c", rows=8, head_dim=32, bits_per_cycle=8, keys_per_block=8, prob_bits=16, max_keys=128)
    system = SystemConfig("c", cfg, engines=2, buffer_keys=32, data_bits=128, max_burst=8, outstanding=4, read_beats=32)
    one, two, pace = Shape(1, 4, 2), Shape(3, 4, 8), Pace(25)
    first, second = predict_calls(system, [one, two], pace)
    alone = predict_call(system, two, pace)
    assert first == predict_call(system, one, pace)
    assert (second.beats_read, second.rows) == (alone.beats_read, alone.rows) and second.counters != alone.counters


def test_a_call_that_does_not_fit() -> None:
    with pytest.raises(FcimError, match="exceed max_keys"):
        predict_call(TINY, Shape(1, 1, TINY.engine.max_keys + 1), Pace())


@pytest.mark.parametrize(("command", "expected"), [
    (Command(0, 4, 8, 64), (16, 16)), (Command(0x40, 4, 8, 64), (16, 16)), (Command(0xF80, 4, 8, 64), (8, 16, 8)),
    (Command(0, 4, 3, 128), (4, 4, 4)), (Command(0xFE0, 4, 2, 128), (2, 2, 4)), (Command(0xFE0, 3, 1, 0), (2, 1)),
])
def test_bursts(command: Command, expected: tuple[int, ...]) -> None:
    """Beats of 16 bytes: bursts of 16 at most, never across 4 KB, on from row to row where rows lie one behind the other."""
    assert bursts(command, TINY) == expected


def test_a_fifo_of_two() -> None:
    """In cycle 2 what came in 0; full with two; room and the next one in the cycle after one has left."""
    fifo = Fifo(2)
    fifo.push(0)
    assert not fifo.empty(1) and not fifo.valid(1) and fifo.valid(2) and fifo.room(1)
    fifo.push(1)
    assert fifo.room(1) and not fifo.room(2)
    fifo.take(5)
    assert not fifo.room(5) and fifo.room(6) and fifo.valid(6) and not fifo.valid(5)


def test_a_clock_that_nobody_winds() -> None:
    clock = Clock()
    clock.parts = [Part()]
    with pytest.raises(RuntimeError, match="stands still from cycle 7"):
        clock.run(7, lambda now: False)
