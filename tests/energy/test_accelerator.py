"""Events of a call of the accelerator: one by hand, others against the golden model, the model in time and the plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

import pytest
import torch

from models.energy.accelerator import USUAL, accelerator_run, call_activity, engine_events, loaded_blocks, system_events
from models.energy.constants import load_constants
from models.energy.events import Events
from models.energy.formula import energy
from models.errors import FcimError
from models.hardware.quantise import quantise
from models.hardware.schedules import TileOptions
from models.hardware.tile import QuantisedGroup, TileStats
from models.hardware.timeline import row_cycles
from models.system.call import Call, Shape, golden
from models.system.config import load_system
from models.system.descriptor import DESCRIPTOR_BYTES
from models.system.timeline import predict_call
from models.tensors.attention_tensors import AttentionTensors
from scripts.system.figures import FILL, OUT, STALLS, figures_of
from tb.accelerator.run import CallRun

TINY = load_system("tiny")
DIM, SIZE = TINY.engine.head_dim, TINY.engine.keys_per_block
FUSED = TileOptions(fused=True)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The tensors are tiny: more threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def random_call(seed: int, heads: int, group: int, tokens: int, first: int, options: TileOptions = FUSED,
                own_start: bool = False, split: int | None = None) -> Call:
    """A call whose scores spread over several octaves; where tiles skip, those of the first block lie far above all others."""
    g = torch.Generator().manual_seed(seed)
    q = 3 * torch.randn(heads * group, tokens, DIM, generator=g)
    k, v = torch.randn(2, heads, first + tokens, DIM, generator=g)
    if options.skip:
        q, k = q + 3, k - 2
        k[:, :SIZE] += 4
    groups = quantise(AttentionTensors(q, k, v, DIM**-0.5, {}, [str(i) for i in range(heads * group)]))
    return Call(groups, options, own_start=own_start, split=split)


def test_by_hand() -> None:
    """One KV head, one query head, two tokens on `tiny`: rows of 32 bytes, blocks of 8 keys, beats of 16 bytes, passes of 4 rows.

    All multipliers are 0, so all scores are 0 and p is 1.0, one set bit. Codes: q 127 has 255 (8 bits), k -1 has 127 (7 bits),
    v 1 has 129 (2 bits); the six keys that fill the block are 0 and have 128 (1 bit).
    """
    def whole(*shape: int) -> torch.Tensor:
        return torch.zeros(*shape, dtype=torch.int64)

    group = QuantisedGroup(
        q=torch.full((1, 2, 32), 127, dtype=torch.int8), q_mult=whole(1, 2), q_pos=torch.arange(2),
        k=torch.full((2, 32), -1, dtype=torch.int8), k_mult=whole(2), v=torch.full((2, 32), 1, dtype=torch.int8),
        v_scale=torch.ones(32), shift=0)
    run = accelerator_run(TINY, Call([group], FUSED, own_start=True))
    assert run.events == Events(
        cycles=run.prediction.cycles,
        useful_macs=3 * 32 * 2,                             # a token sees one key, the other two
        inner_pairs=32 * 2 * 8 * (2 * 7 + 6),
        outer_pairs=32 * 3 * 2,
        accumulator_bits_read=4 * 32 * 34 + 2 * 4 * 32 * 34,    # a block for 4 rows; two rows drained, each from words of 4
        accumulator_bits_written=4 * 32 * 34,
        o_adder_bits=2 * 4 * 32 * 34,
        cell_bits_written=2 * 32 * 8 + 4 * 8 * 16,          # two rows of Q; p of 4 rows and 8 keys
        score_scales=4 * 8, comparisons=4 * 8, exponentials=4 * 8,
        weigh_bit_products=4 * 8 * 16 * 4,
        sum_adder_bits=4 * 8 * (26 + 19),                   # the row's sum and the block's
        divisions=2 * 32,
        local_bits_read=8 * (256 + 16 + 4 + 11) + 8 * (16 * 20 + 256),      # keys, scores of all 16 rows, values
        local_bits_written=8 * (256 + 16 + 4 + 11) + 8 * (16 * 20 + 256),
        buffer_read_bytes=2 * 8 * 32 + 8 * 20 // 8, buffer_written_bytes=2 * 8 * 32 + 8 * 20 // 8,
        stage_read_bytes=49 * 16 + 2 * 64, stage_written_bytes=49 * 16 + 2 * 64,
        bus_bits=8 * (2 * 8 * 32 + 20 + 2 * 32 + 2 * 64),   # K, V and their multipliers, Q, O
        # descriptor 8 beats, head's shift 1, rows' multipliers 2, keys' 2, Q 4, K and V 32; O 8 and the completion word
        dram_read_bytes=49 * 16, dram_written_bytes=9 * 16)
    found = energy(run.events, load_constants())
    assert found.parts["inner product macros"] == pytest.approx(10_240 * 4.6875e-15)
    assert found.parts["accumulators"] == pytest.approx((13_056 * 11.25 + 4352 * 22.5 + 8704 * 2.41) * 1e-15)
    assert found.parts["cell writes"] == pytest.approx(1024 * 15e-15)
    assert found.dram == pytest.approx(928 * 64e-12)


CALLS = {
    "own-start": dict(heads=2, group=4, tokens=33, first=0, own_start=True),
    "chunk": dict(heads=3, group=2, tokens=20, first=30, options=TileOptions(tau=2)),
    "streamed": dict(heads=1, group=3, tokens=17, first=90),
    "decode": dict(heads=3, group=4, tokens=1, first=100, split=2),
    "skip": dict(heads=2, group=4, tokens=60, first=0, options=TileOptions(fused=True, skip=True, octaves=3)),
    "skip-decode": dict(heads=2, group=2, tokens=3, first=80, split=2, options=TileOptions(skip=True, octaves=2)),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_against_the_other_models(name: str, seed: int) -> None:
    """Activity is the golden model's; cycles and bytes are those that the model in time says with the golden results."""
    call = random_call(seed, **CALLS[name])
    run = accelerator_run(TINY, call)
    _, placed = golden(TINY, call)
    stats = run.activity.total.stats
    assert stats == TileStats(**{f.name: sum(getattr(one.result.stats, f.name) for one in placed) for f in fields(TileStats)})
    assert [one.result.ran.tolist() for one in run.activity.placed] == [one.result.ran.tolist() for one in placed]
    assert run.prediction == predict_call(TINY, call.shape, USUAL, placed)
    cycles = row_cycles(TINY.engine, [(len(one.tile.q), len(one.tile.k)) for one in placed],
                        [one.result.ran.tolist() for one in placed])
    total, cpk = run.activity.total, TINY.engine.cycles_per_key
    assert (total.scores * cpk, total.run_scores * cpk) == (cycles["ip"], cycles["op"])
    assert total.visible * DIM * 2 == run.events.useful_macs and stats.keys == call.stream_keys(TINY)
    events = run.events
    assert events.cycles == run.prediction.cycles
    assert events.dram_read_bytes == 16 * run.prediction.beats_read
    assert events.dram_written_bytes == 16 * run.prediction.beats_written
    inside, acc = engine_events(TINY.engine, total), 16 + 10 + 8
    passes = [-(-len(one.tile.q) // 4) for one in placed]        # of 4 rows
    ran = [int(one.result.ran.sum()) for one in placed]
    assert inside.o_shift_bits == sum(one.result.stats.rescaled_rows for one in placed) * DIM * acc > 0
    assert inside.accumulator_bits_written == sum(4 * n * blocks for n, blocks in zip(passes, ran)) * DIM * acc
    assert inside.accumulator_bits_read - inside.accumulator_bits_written == stats.rows * 4 * DIM * acc
    assert inside.score_scales == inside.comparisons == sum(4 * n * len(one.tile.k) for n, one in zip(passes, placed))
    assert inside.exponentials == sum(4 * n * blocks * SIZE for n, blocks in zip(passes, ran))
    if name.startswith("skip"):
        assert stats.skipped_blocks > 0 and total.run_scores < total.scores


@pytest.mark.parametrize("name", CALLS)
def test_what_is_loaded_is_what_memory_gave(name: str, seed: int) -> None:
    """Bytes read are the descriptor, tables, Q for each engine that has a part, and the blocks that go into the buffer."""
    call = random_call(seed, **CALLS[name])
    shape = call.shape
    run = predict_call(TINY, replace(call, options=replace(call.options, skip=False)).shape, USUAL)
    parts = sum(map(bool, call.decode(TINY).parts())) if call.split else 1
    rows = shape.heads * shape.group * shape.tokens
    tiles = shape.heads * (parts if call.split else call.prefill(TINY).tiles)
    others = DESCRIPTOR_BYTES + 16 + tiles * TINY.q_table_bytes + parts * rows * DIM
    blocks = loaded_blocks(TINY, shape)
    assert run.beats_read * 16 == others + blocks * (2 * SIZE * DIM + TINY.k_table_bytes)
    events = system_events(TINY, shape, run)
    assert events.buffer_written_bytes == blocks * (2 * SIZE * DIM + SIZE * 20 // 8)
    assert events.buffer_read_bytes == (run.k_blocks + run.v_blocks) * SIZE * DIM + run.k_blocks * SIZE * 20 // 8
    assert run.k_blocks == sum(call.decode(TINY).reads() if call.split else call.prefill(TINY).reads(call.own_start))


def test_a_decode_merges(seed: int) -> None:
    """Two engines have a part of each of 12 rows: every element of every part is shifted and added, and travels."""
    call = random_call(seed, **CALLS["decode"])
    run = accelerator_run(TINY, call)
    inside = engine_events(TINY.engine, run.activity.total)
    merged = 2 * 12 * DIM * TINY.engine.acc_bits
    assert run.events.o_shift_bits - inside.o_shift_bits == run.events.o_adder_bits - inside.o_adder_bits == merged
    blocks = 2 * 3 * 13 * SIZE * DIM + 3 * 13 * SIZE * 20 // 8     # K and V of 101 keys for each of 3 heads
    assert run.events.bus_bits == 8 * (blocks + 2 * 12 * DIM + 2 * 12 * DIM) + merged
    assert run.events.divisions == 12 * DIM
    assert inside.cell_bits_written == 2 * 12 * DIM * 8 + 4 * 3 * 13 * SIZE * 16     # Q twice; p of one pass of 4 rows


def test_some_heads_stand_for_all(seed: int) -> None:
    """Heads are counted as they lie in the whole call, up and down; all but their activity stays as it is."""
    call = random_call(seed, 3, 2, 33, 0, own_start=True)
    whole = accelerator_run(TINY, call)
    each = [call_activity(TINY, call, [head]).total for head in range(3)]
    total = call_activity(TINY, call).total
    assert [sum(getattr(one, f.name) for one in each) for f in fields(total)[1:]] == \
        [getattr(total, f.name) for f in fields(total)[1:]]
    two = accelerator_run(TINY, call, heads=[0, 2])
    assert two.activity.heads == 2 and not two.activity.placed
    assert two.events.outer_pairs == 1.5 * (each[0].outer_pairs + each[2].outer_pairs)
    kept = ("cycles", "useful_macs", "divisions", "buffer_read_bytes", "bus_bits", "dram_read_bytes")
    assert all(getattr(two.events, name) == getattr(whole.events, name) for name in kept)


def test_what_is_refused(seed: int) -> None:
    call = random_call(seed, 2, 2, 9, 0, options=TileOptions(skip=True))
    for heads in ([2], [], [-1]):
        with pytest.raises(FcimError, match="are not those of the call; choose from 0 to 1"):
            call_activity(TINY, call, heads)
    with pytest.raises(FcimError, match="count all KV heads where tiles skip"):
        accelerator_run(TINY, call, heads=[0])
    with pytest.raises(FcimError, match="exceed max_keys"):
        loaded_blocks(TINY, Shape(1, 1, TINY.engine.max_keys + 1))


def test_channels_that_are_padding_are_no_use(seed: int) -> None:
    call = random_call(seed, 1, 2, 9, 0)
    half = accelerator_run(TINY, call, channels=DIM // 2).events
    whole = accelerator_run(TINY, call).events
    assert half == whole.replaced(useful_macs=whole.useful_macs / 2)


@pytest.mark.parametrize("name", CALLS)
def test_bytes_are_those_of_the_report(name: str, seed: int) -> None:
    """What ``make system`` says of a run that counts what the model in time does."""
    call = random_call(seed, **CALLS[name])
    run = accelerator_run(TINY, call)
    timed = run.prediction
    counters = [dict.fromkeys(STALLS, 0) | {"cycles": 0, "keys": 0, "blocks": 0, "skipped_blocks": 0} for _ in timed.counters]
    figures = figures_of(TINY, call, CallRun([], timed.cycles, timed.beats_read, timed.beats_written, timed.k_blocks,
                                             timed.v_blocks, counters, [], {}))
    events, tables = run.events, SIZE * 20 // 8
    assert (figures.cycles, figures.useful_macs) == (events.cycles, events.useful_macs)
    assert (figures.dram_read, figures.dram_written) == (events.dram_read_bytes, events.dram_written_bytes)
    assert figures.traffic[OUT].moved == events.buffer_read_bytes - timed.k_blocks * tables
    assert figures.traffic[FILL].moved == events.buffer_written_bytes - loaded_blocks(TINY, call.shape) * tables
