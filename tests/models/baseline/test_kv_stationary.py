"""The K- and V-stationary baseline's models: its bits against the plain specification, its programs, its cycles and events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.baseline.kv_program import (
    COUNTERS,
    HAZARD,
    KvConfig,
    Load,
    Program,
    Rows,
    causal_program,
    check,
    events_of,
    timeline,
)
from models.baseline.kv_stationary import Operands, events, operands_of, output_of, run
from models.errors import FcimError
from models.hardware.config import load_config
from models.hardware.golden import run_tile
from models.hardware.quantise import quantise
from models.hardware.tiling import assemble, build_tiles
from models.quality.metrics import compare
from models.quality.reference import reference_attention
from models.tensors.synthetic import synthetic_tensors
from tb.common import spec
from tb.kv_stationary.cases import KINDS, draw_case

CFG = KvConfig(macros=2, rows=16, head_dim=16, bits_per_cycle=2, lanes=4, o_columns=4, v_tiles=2, max_keys=128, max_rows=64)


def plain(x: Operands, program: Program, met: list[int]) -> dict[int, tuple[spec.Row, bool]]:
    """Every row's last state and whether it was given out, by Python integers and the formulas of docs/numbers.md alone."""
    rows: dict[int, tuple[spec.Row, bool]] = {}
    for op, number in zip(program.rows, met, strict=True):
        load = program.loads[number]
        for r in range(op.start, op.start + op.rows):
            row = spec.Row(acc=[0] * x.q.shape[1]) if op.first else rows[r][0]
            column = []
            for j in range(load.start, load.start + load.keys):
                z, _ = spec.scale(spec.score(x.q[r].tolist(), x.k[j].tolist()), int(x.q_mult[r]), int(x.k_mult[j]), x.shift)
                column.append(z if x.k_pos[j] <= x.q_pos[r] else spec.MASKED)
            keys = range(load.start, load.start + load.keys)
            block = spec.block_step([row], [column], 0, 8, [int(x.v_mult[j]) for j in keys])
            spec.accumulate([row], block, [x.v[j].tolist() for j in keys])
            rows[r] = row, op.last
    return rows


@pytest.mark.parametrize(("kind", "banks"), [*((kind, 2) for kind in KINDS), ("random", 4), ("resident", 8), ("banks", 8)])
def test_the_golden_model_is_the_plain_specification(kind: str, banks: int, seed: int) -> None:
    cfg = replace(CFG, banks=banks)
    case = draw_case(cfg, kind, np.random.default_rng(seed))
    result = run(cfg, case.program, case.operands)
    rows = plain(case.operands, case.program, check(cfg, case.program))
    assert rows
    for r, (row, given) in rows.items():
        assert bool(result.given[r]) == given
        assert result.l[r] == row.total and result.acc[r].tolist() == row.acc
        if row.m is not None:
            assert result.m[r] == row.m
        if given:
            assert result.out[r].tolist() == [spec.divide(o, row.total) for o in row.acc]
            assert bool(result.empty[r]) == (row.total == 0)


def test_what_a_program_does_to_a_row_does_not_depend_on_its_kind(seed: int) -> None:
    """Serial, overlapped, in blocks of rows: the same O, and the same counts of all that is not loading."""
    group, = quantise(synthetic_tensors("llama3-8b", 100, seed, heads=1))
    x, cfg = operands_of(group), KvConfig(macros=1, rows=16, head_dim=128, v_tiles=1)
    results = [run(cfg, causal_program(cfg, x.q_pos.tolist(), 100, block, overlap), x)
               for block, overlap in ((0, True), (0, False), (37, True), (4, False))]
    for other in results[1:]:
        assert torch.equal(other.out, results[0].out)
        same = set(COUNTERS) - {"cycles", "k_reads", "v_reads", "v_rows_written"}
        assert {name: other.counts[name] for name in same} == {name: results[0].counts[name] for name in same}
    assert results[1].counts["cycles"] > results[0].counts["cycles"]
    assert results[2].counts["k_reads"] > results[0].counts["k_reads"]


def test_more_banks_need_fewer_loads_and_change_nothing_else() -> None:
    """Over 8 spans: with 2 banks each is loaded for each block of rows, with 8 once; the operations on rows are the same."""
    positions = list(range(128, 256))
    programs = {banks: causal_program(replace(CFG, banks=banks, max_keys=256), positions, 256, 32) for banks in (2, 4, 8)}
    met = [5, 6, 7, 8]          # spans of each block of 32 rows
    assert len(programs[2].loads) == sum(met) and len(programs[8].loads) == 8
    assert 8 < len(programs[4].loads) < sum(met)
    for program in programs.values():
        assert [replace(op, bank=0, wait=0) for op in program.rows] == [replace(op, bank=0, wait=0) for op in programs[2].rows]


# ---- accuracy
def test_its_output_is_as_good_as_probabilities_of_8_bits_are(seed: int) -> None:
    """Heads of LLaMA-3-8B's geometry: 8 bits of probability cost some of the accuracy that the engine's 18 have."""
    tensors = synthetic_tensors("llama3-8b", 512, seed % 1000, queries=64, heads=1)
    group, = quantise(tensors)
    reference, default = reference_attention(tensors), load_config("default")
    ours = assemble(group, [run_tile(default, tile) for tile in build_tiles(default, group)])
    cfg = KvConfig()
    x = operands_of(group)
    theirs = output_of(group, run(cfg, causal_program(cfg, x.q_pos.tolist(), 512), x))
    own_db, their_db = compare(ours, reference).sqnr_db, compare(theirs, reference).sqnr_db
    print(f"SQNR against float attention: engine {own_db:.1f} dB, K- and V-stationary {their_db:.1f} dB")
    assert 10 < their_db < own_db


# ---- programs
LOADS = (Load(0, 0, 32), Load(1, 32, 32), Load(0, 64, 32, 1))
OPS = (Rows(0, 0, 4, True, False, 1), Rows(1, 0, 4, False, False, 2), Rows(0, 0, 4, False, True, 3))


def test_a_row_may_meet_all_keys_that_there_are() -> None:
    """Four spans of 32 keys, of 128."""
    again = (replace(OPS[0], start=1, rows=1, first=False) for _ in range(3))
    assert check(CFG, Program(LOADS[:1], (OPS[0], *again))) == [0] * 4


def test_a_legal_program_tells_which_load_each_operation_meets() -> None:
    assert check(CFG, Program(LOADS, OPS)) == [0, 1, 2]


@pytest.mark.parametrize(("loads", "ops", "message"), [
    (LOADS, (replace(OPS[0], wait=0),), "reads bank 0, which no load that it waits for has written"),
    ((LOADS[0], LOADS[1], replace(LOADS[2], wait=0)), OPS, "load 2 may write bank 0 while rows operation 0 reads it"),
    (LOADS, (OPS[0], OPS[0]), "begins a row again"),
    (LOADS, (OPS[1],), "goes on with a row of which nothing is kept"),
    (LOADS, (replace(OPS[0], last=True), replace(OPS[0], wait=3, last=True)), "is given out already"),
    ((replace(LOADS[0], start=16),), OPS[:1], "use a multiple of 32"),
    ((replace(LOADS[0], keys=33),), OPS[:1], "keys = 33 is illegal; use 1 to 32"),
    ((replace(LOADS[0], bank=2),), OPS[:1], "bank = 2 is illegal; use 0 to 1"),
    ((replace(LOADS[0], start=128),), OPS[:1], "start = 128 is illegal"),
    ((replace(LOADS[0], wait=2),), OPS[:1], "wait = 2 is illegal; use 0 to 1"),
    (LOADS[:1], (replace(OPS[0], rows=65),), "rows = 65 is illegal; use 1 to 64"),
    (LOADS[:1], (replace(OPS[0], start=61),), "start = 61 is illegal; use 0 to 60"),
    (LOADS[:1], (replace(OPS[0], wait=2),), "wait = 2 is illegal; use 0 to 1"),
    ((replace(LOADS[0], wait=1),), OPS[:1], "wait for each other"),
    (LOADS[:1], (OPS[0], *(replace(OPS[0], start=1, rows=1, first=False) for _ in range(4))),
     "operation 4 brings row 1 to 160 keys, more than max_keys"),
])
def test_illegal_programs_are_refused(loads: tuple[Load, ...], ops: tuple[Rows, ...], message: str) -> None:
    with pytest.raises(FcimError, match=message):
        check(CFG, Program(loads, ops))


def test_rows_or_keys_that_are_not_there_are_refused(seed: int) -> None:
    case = draw_case(CFG, "decode", np.random.default_rng(seed))
    with pytest.raises(FcimError, match="names rows or keys that are not there"):
        run(CFG, Program(LOADS[:1], (Rows(0, 63, 1, True, True, 1),)), case.operands)
    with pytest.raises(FcimError, match="positions must ascend"):
        causal_program(CFG, [3, 2], 4)
    with pytest.raises(FcimError, match="keys = 0 is illegal"):
        causal_program(CFG, [3], 0)


# ---- cycles
def test_cycles_of_a_span_by_hand() -> None:
    """One span, loaded and used: the page's example."""
    cfg = KvConfig()
    program = causal_program(cfg, list(range(512)), 512)
    times = timeline(cfg, program)
    load = 512      # as many words of V: 4 groups of 2 tiles, 128 dimensions
    assert times.load_accepted == (0,) and times.rows_accepted == (load + 2,)
    first = load + 3
    assert times.given[0] == (first + 32 + 2 * 8 + 2 * 8 + 8, 0)
    assert times.end == first + 8 * 511 + 72 and times.cycles == times.end + 1


def test_short_operations_keep_their_distance() -> None:
    cfg = replace(CFG, bits_per_cycle=8, lanes=16, o_columns=16)
    ops = tuple(Rows(0, 0, 1, first, False, 1) for first in (True, False, False))
    accepted = timeline(cfg, Program((Load(0, 0, 32),), ops)).rows_accepted
    assert [b - a for a, b in zip(accepted, accepted[1:])] == [HAZARD, HAZARD]


def test_late_offers_move_what_comes_after_them() -> None:
    program = Program(LOADS, OPS)
    plain_times = timeline(CFG, program)
    late = timeline(CFG, program, [0, 500, 501], [0, 100, 101])
    assert late.load_accepted[0] == 0 and late.load_accepted[1] == 500 and late.rows_accepted[1] > 500
    assert late.end > plain_times.end
    # it is idle from where all is done that was offered until the next offer, in cycle 100
    done = late.rows_accepted[0] + 1 + 3 * CFG.step + CFG.written
    assert late.rows_accepted[0] == plain_times.rows_accepted[0] and late.cycles == late.end + 1 - (99 - done)


# ---- events
def test_events_of_a_head(seed: int) -> None:
    """What follows from the shape alone is what it must be; bytes are the sum of their kinds."""
    group, = quantise(synthetic_tensors("llama3-8b", 128, seed, heads=1))
    x, cfg = operands_of(group), KvConfig(macros=1, v_tiles=1)
    found = events(cfg, x)
    rows, keys, d = 512, 128, 128
    assert found["cell_bits_written"] == 2 * keys * d * 8
    assert found["exponentials"] == found["score_scales"] == 4 * 128 * 129 // 2
    assert found["scores"] == 64 * (rows + rows // 2) and found["macro_input_rows"] == 2 * (rows + rows // 2)
    assert found["divisions"] == rows and found["normalised"] == rows * d and found["o_adds"] == rows // 2 * d
    for way in ("read", "written"):
        kinds = {name: value for name, value in found.items() if name.startswith(f"buffer_{way}_bytes:")}
        assert len(kinds) >= 3 and sum(kinds.values()) == found[f"buffer_{way}_bytes"]
    assert found["buffer_read_bytes:Q"] == (rows + rows // 2) * d
    assert found["buffer_read_bytes:K"] == found["buffer_read_bytes:V"] == keys * d
    assert found["buffer_read_bytes:O_partial"] == found["buffer_written_bytes:O_partial"] == rows // 2 * d * 4
    assert found == events_of(cfg, run(cfg, causal_program(cfg, x.q_pos.tolist(), keys), x).counts)
