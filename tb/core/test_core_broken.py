"""The engine's tests can fail: wrong models, wrong RTL, missing rows, and streams that disagree are all noticed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.hardware.golden import run_tile
from models.hardware.interface import COUNTERS
from models.hardware.tile import TileJob, TileResult
from models.hardware.timeline import predict_run
from scripts.flow.simulator import BenchFailed, RunOptions
from tb.common.mutation import mutated_sources
from tb.core import model
from tb.core.checker import assert_ok, check_record, describe
from tb.core.configs import TINY
from tb.core.directed import provoking_tiles
from tb.core.run import run_core
from tb.core.sequences import levels_tile, random_tile
from tb.core.transactions import chunk_arrays, stream_arrays, streamed_values

Record = dict[str, np.ndarray]

# name: file, right text, wrong text, and a stream with its slow rhythm if that is what it takes. One thing wrong in each;
# the run below must notice.
MUTANTS = {
    "ip_cim loses the carry of a plane": (
        "rtl/ip_cim/fcim_ip_array.v", "plane_sum + (acc_q << BITS_PER_CYCLE)", "plane_sum | (acc_q << BITS_PER_CYCLE)"),
    "keys at a row's own position are hidden": (
        "rtl/softmax/fcim_score_lanes.v", "(k_pos <= q_pos)", "(k_pos < q_pos)"),
    "unused rows see keys": (
        "rtl/softmax/fcim_score_lanes.v", "used[a] && (k_pos", "(1'b1 || used[a]) && (k_pos"),
    "the softmax decides on the wrong side of tau": (
        "rtl/softmax/fcim_row_max.v", "(rise > limit)", "(rise >= limit)"),
    "every block is judged with the one after it": (
        "rtl/softmax/fcim_row_max.v", "if (s_blk_joint) begin", "if (1'b1) begin"),
    "no block is judged with the one after it": (
        "rtl/softmax/fcim_row_max.v", "if (s_blk_joint) begin", "if (1'b0) begin"),
    "a fused tile does not wait for its second block": (
        "rtl/softmax/fcim_online_softmax.v", "(!judge_joint || zscaled_q[judge_after])", "1'b1"),
    "running maxima change while a block uses them": (
        "rtl/softmax/fcim_online_softmax.v", "exp_ready || (rd_buf != judge_buf_q)", "1'b1", {"decision": (1, 30)}),
    "a block vanishes an octave too early": (
        "rtl/softmax/fcim_row_max.v", "$signed(PROB_BITS[OCTAVES_BITS:0])", "$signed(PROB_BITS[OCTAVES_BITS:0]) - 1"),
    "a tile forgets its octaves": (
        "rtl/stream/fcim_q_loader.v", "octaves_q  <= s_q_octaves;", "octaves_q  <= 5'd0;"),
    "octaves beyond the exact limit count": (
        "rtl/softmax/fcim_row_max.v", "s_blk_octaves != 0 && given < exact", "s_blk_octaves != 0"),
    "a block has the octaves of another tile": (
        "rtl/softmax/fcim_online_softmax.v", "<= octaves_q[s_col_bank]", "<= octaves_q[!s_col_bank]"),
    "the last group of rows decides for all whether a block vanishes": (
        "rtl/softmax/fcim_row_max.v", "(any_q && !a_first_pass_q)", "1'b0"),
    "a row that sees no key keeps a block": (
        "rtl/softmax/fcim_row_max.v", "own_visible && !(take", "!(take"),
    "all blocks of a tile may be skipped": (
        "rtl/softmax/fcim_online_softmax.v", "(ran_q || !zlast_q[exp_buf_q])", "1'b1"),
    "blocks are skipped though the tile forbids it": (
        "rtl/softmax/fcim_online_softmax.v", "zskip_q[exp_buf_q] && zzero_q", "zzero_q"),
    "only a tile's very first block clears its accumulators": (
        "rtl/softmax/fcim_online_softmax.v", ".start_first(!ran_q)", ".start_first(zfirst_q[exp_buf_q])"),
    "a skipped block is announced as one that runs": (
        "rtl/softmax/fcim_online_softmax.v", "assign m_decision_skip  = skip;", "assign m_decision_skip  = 1'b0;"),
    "a tile is done with its last decision": (
        "rtl/core/fcim_tile_tracker.v", "ended && (left == 0)", "ended"),
    "a tile is not done if its last block is skipped": (
        "rtl/core/fcim_tile_tracker.v", "(decided_here && decided_last)", "(decided_here && decided_last && !decided_skip)"),
    "a skipped block is waited for": (
        "rtl/core/fcim_tile_tracker.v", "decided_here && !decided_skip", "decided_here"),
    "a tile starts with the sums of the last": (
        "rtl/softmax/fcim_block_exponential.v", "twice = d_first_q ? ", "twice = 1'b0 ? "),
    "probabilities are written into a slot in use": (
        "rtl/softmax/fcim_online_softmax.v", "!slot_claimed_q[next_slot_q] && !slot_in_use[next_slot_q]", "1'b1", {"v": (1, 13)}),
    "values count without their multipliers": (
        "rtl/core/fcim_core.v", "s_k_mult, s_k_v_mult}", "s_k_mult, 4'd15}"),
    "a multiplier belongs to the next key": (
        "rtl/softmax/fcim_score_scaler.v", "side_q2 <= {v_mult_q, ", "side_q2 <= {s_col_v_mult, "),
    "a denominator sums probabilities with their multipliers": (
        "rtl/softmax/fcim_block_exponential.v", "d_p_q[c*PROB_BITS +: PROB_BITS],", "weighed[c*PROB_BITS +: PROB_BITS],"),
    "a block's sum is that of probabilities without multipliers": (
        "rtl/softmax/fcim_block_exponential.v", "weighed[d*PROB_BITS +: PROB_BITS]};", "d_p_q[d*PROB_BITS +: PROB_BITS]};"),
    "a rescale leaves the accumulators alone": (
        "rtl/op_cim/fcim_acc_update.v", "fcim_round_shift(old, row_shift)", "old"),
    "values of keys that a block lacks are not blanked": (
        "rtl/stream/fcim_v_buffer.v", "rd_q <= lacks[j]", "rd_q <= 1'b0"),
    "the ring of values takes one block too many": (
        "rtl/stream/fcim_v_buffer.v", "(full_q != SLOTS[SLOT_BITS:0])", "1'b1"),
    "a row of Q overtakes the tile before": (
        "rtl/stream/fcim_q_loader.v", "open_q || !held_q[bank_q]", "1'b1"),
    "quotients of negative sums are not negated": (
        "rtl/normalizer/fcim_divider.v", "g_stage[STEPS].neg_q[o]", "1'b0"),
    "a waiting row of O changes": (
        "rtl/normalizer/fcim_row_divider.v", "wire enable = !(m_o_valid && !m_o_ready);", "wire enable = 1'b1;"),
    "the last row never comes": (
        "rtl/normalizer/fcim_row_divider.v", "row_end_q[PIPE-1];", "row_end_q[PIPE-1] && !tile_end_q[PIPE-1];"),
    "a partial row has the maximum of the other bank": (
        "rtl/softmax/fcim_block_exponential.v", "max_rd_word = {sum_rd_bank, ", "max_rd_word = {!sum_rd_bank, "),
    "a partial row's maximum is that of the tile's first block": (
        "rtl/softmax/fcim_block_exponential.v", "a_valid_q && a_first_key_q)", "a_valid_q && a_first_key_q && a_first_q)"),
    "a row that saw no key has another maximum": (
        "rtl/softmax/fcim_row_max.v", "take      = move || !seen;", "take      = move || (visible && !seen);"),
    "a partial tile overtakes rows": (
        "rtl/normalizer/fcim_normalizer.v", " && !(part && rows_left)", "", {"o": (1, 20)}),
    "chunks of a partial row come in another order": (
        "rtl/normalizer/fcim_normalizer.v", "assign rd_chunk     = chunk_q;",
        "assign rd_chunk     = part ? LAST_PASS - chunk_q : chunk_q;"),
    "a waiting chunk changes": (
        "rtl/normalizer/fcim_normalizer.v", "divider_ready && !(m_part_valid && !m_part_ready)", "divider_ready"),
    "a tile is partial as the one after it is": (
        "rtl/softmax/fcim_online_softmax.v", "<= zpartial_q[exp_buf_q]", "<= partial_q[!exp_bank]"),
    "a partial tile is never done": (
        "rtl/core/fcim_core.v", "(m_part_valid && m_part_ready && m_part_last)", "1'b0"),
    "a counter counts by two": (
        "rtl/core/fcim_core.v", "add(zero_block, ONE)", "add(zero_block, ONE << 1)"),
}
START = 17          # cycle of a made-up record in which the first row of Q is taken
BUDGET = 8000       # cycles; the right engine needs less than half of it


@pytest.fixture
def tiles(generator: np.random.Generator) -> list[TileJob]:
    """Two short tiles, the second ragged."""
    return [random_tile(TINY, generator, 3, 8, "plain", 0), random_tile(TINY, generator, 2, 5, "plain", 0)]


def chunks(results: Sequence[TileResult]) -> Record:
    """What a faultless engine shows of m_part."""
    arrays = chunk_arrays(TINY, [result.partial for result in results if result.partial is not None])
    return {f"part_{name}": values.numpy() & (1023 if name == "max" else -1) for name, values in arrays.items()}


def times_and_counters(tiles: list[TileJob], results: list[TileResult]) -> Record:
    """When a faultless engine moves its beats if nothing outside makes it wait, and what it counts."""
    run = predict_run(TINY, tiles, results)
    offered = {name: [0, *(cycle + 1 for cycle in run.taken[name][:-1])] for name in "qkv"} | run.offered
    return {**{f"{name}_cycle": START + np.array(cycles) for name, cycles in run.taken.items()},
            **{f"{name}_offer": START + np.array(cycles) for name, cycles in offered.items()},
            **{f"{name}_ready": np.array([START - 3]) for name in ("o", "part", "decision")},
            "counters": np.array([run.counters[name] for name in COUNTERS])}


def record_of(tiles: list[TileJob]) -> Record:
    """What a faultless engine's ports would have shown of the two tiles, of which one may be partial."""
    results = [run_tile(TINY, t) for t in tiles]
    return {
        **{name: values.copy() for name, values in stream_arrays(tiles).items()},
        "o_data": np.concatenate([r.out.numpy() for r in results]).astype(np.int64),
        "o_empty": np.concatenate([r.empty.numpy() for r in results]).astype(np.int64),
        "o_last": np.concatenate([np.arange(len(r.out)) == len(r.out) - 1 for r in results]).astype(np.int64),
        "decision_skip": np.array([0, 0]), "decision_last": np.array([1, 1]),
        "error_v_count": np.array(0), **chunks(results), **times_and_counters(tiles, results),
    }


@pytest.fixture
def record(tiles: list[TileJob]) -> Record:
    """Of two tiles that are divided."""
    return record_of(tiles)


def test_a_right_record_passes(tiles: list[TileJob], record: Record) -> None:
    assert_ok([check_record(TINY, tiles, record, "none")], tiles, expected=1)


def test_one_flipped_bit_is_seen_and_located(tiles: list[TileJob], record: Record) -> None:
    record["o_data"][3, 7] ^= 1
    run = check_record(TINY, tiles, record, "both")
    assert not run.ok and run.mismatches.tolist() == [0, 0, 0, 1, 0] and not run.problems
    assert "tile 1 row 0: 1 lanes differ; lane 7: got" in describe(run)
    with pytest.raises(AssertionError, match=r"(?s)tile 1 row 0.*seed \d+.*repeat make test .*one_flipped_bit.*SEED=\d+"):
        assert_ok([run], tiles, expected=1)


def test_a_wrong_flag_is_seen(tiles: list[TileJob], record: Record) -> None:
    record["o_empty"][2] ^= 1
    assert check_record(TINY, tiles, record, "none").mismatches.tolist() == [0, 0, 1, 0, 0]


@pytest.mark.parametrize("change", ["missing", "extra", "none at all"])
def test_a_wrong_number_of_rows_is_seen(change: str, tiles: list[TileJob], record: Record) -> None:
    rows = {"missing": [0, 1, 2, 3], "extra": [0, 1, 2, 3, 4, 4], "none at all": []}[change]
    for name in ("o_data", "o_empty", "o_last"):
        record[name] = record[name][rows]
    run = check_record(TINY, tiles, record, "none")
    assert not run.ok and run.problems == [f"{len(rows)} rows came, 5 were expected"]
    assert bool((run.mismatches > 0).all())
    with pytest.raises(AssertionError, match="5 were expected"):
        assert_ok([run], tiles, expected=1)


def test_swapped_rows_are_seen(tiles: list[TileJob], record: Record) -> None:
    """The first row and the next one that is not by chance its equal: two rows that see the same one key are."""
    rows = record["o_data"]
    other = next(row for row in range(1, len(rows)) if (rows[row] != rows[0]).any())
    rows[[0, other]] = rows[[other, 0]]
    assert (check_record(TINY, tiles, record, "none").mismatches > 0).nonzero().flatten().tolist() == [0, other]


def test_last_on_the_wrong_row_is_seen(tiles: list[TileJob], record: Record) -> None:
    record["o_last"] = np.array([0, 1, 0, 0, 1])
    assert check_record(TINY, tiles, record, "none").problems == ["last is not on each tile's last row"]


@pytest.mark.parametrize(("name", "at", "shown"), [
    ("part_acc", (9, 3), "1 lanes differ; lane 11: got"), ("part_sum", 9, r"0 lanes differ; .*sum \["),
    ("part_max", 9, r"0 lanes differ; .*max \[")])
def test_a_wrong_chunk_is_seen_and_located(name: str, at: int | tuple[int, int], shown: str, tiles: list[TileJob]) -> None:
    """Chunk 1 of row 2 of the first tile, which has four chunks a row, of eight columns each."""
    tiles[0] = replace(tiles[0], partial=True)
    assert_ok([check_record(TINY, tiles, record_of(tiles), "none")], tiles, expected=1)
    record = record_of(tiles)
    record[name][at] ^= 1
    run = check_record(TINY, tiles, record, "none")
    assert run.mismatches.tolist() == [0, 0, 1, 0, 0] and not run.problems
    assert re.search(f"tile 0 row 2: {shown}", describe(run))


@pytest.mark.parametrize(("keep", "problem"), [
    (slice(11), "11 chunks of partial tiles came, 12 were expected"),
    (slice(0), "0 chunks of partial tiles came, 12 were expected"),
    (None, "last is not on each partial tile's last chunk")])
def test_wrong_chunks_are_seen(keep: slice | None, problem: str, tiles: list[TileJob]) -> None:
    tiles[0] = replace(tiles[0], partial=True)
    record = record_of(tiles)
    if keep is None:
        record["part_last"][[10, 11]] = 1, 0
    for name in ("acc", "sum", "max", "last") if keep is not None else ():
        record[f"part_{name}"] = record[f"part_{name}"][keep]
    run = check_record(TINY, tiles, record, "none")
    assert run.problems == [problem] and run.mismatches.tolist() == ([0] * 5 if keep is None else [1, 1, 1, 0, 0])
    assert describe(run)


@pytest.mark.parametrize(("change", "problem"), [
    ({"decision_skip": [0, 1]}, "the decisions do not fit the keys and values"),
    ({"decision_skip": [0], "decision_last": [1]}, "1 decisions came, 2 were expected"),
    ({"decision_last": [0, 1]}, "last is not on each tile's last decision")])
def test_wrong_requests_are_seen(change: dict[str, list[int]], problem: str, tiles: list[TileJob], record: Record) -> None:
    record |= {name: np.array(values) for name, values in change.items()}
    assert problem in check_record(TINY, tiles, record, "none").problems


def test_the_wrong_block_skipped_is_seen(generator: np.random.Generator, record: Record) -> None:
    """Two blocks of one size, and the values of the other one: they are taken for what the requests say they are."""
    tiles = [levels_tile(TINY, generator, [0, -40, 2], rows=5, skip=True)]
    results = [run_tile(TINY, t) for t in tiles]
    record |= times_and_counters(tiles, results) | stream_arrays(tiles, streamed_values(TINY, tiles, results))
    record |= {"o_data": results[0].out.long().numpy(), "o_empty": results[0].empty.numpy(), "o_last": np.array([0, 0, 0, 0, 1]),
               "decision_skip": np.array([0, 1, 0]), "decision_last": np.array([0, 0, 1])}
    assert len(record["v_last"]) == 16 and record["v_last"].tolist() == [0] * 15 + [1]
    assert_ok([check_record(TINY, tiles, record, "none")], tiles, expected=1)
    record["decision_skip"] = np.array([0, 0, 1])
    assert "decision 1: skip is 0, the model says 1" in check_record(TINY, tiles, record, "none").problems


@pytest.mark.parametrize("name", ["q_data", "k_pos", "v_last", "q_tau", "q_fused", "q_skip", "q_octaves", "q_partial", "k_mult",
                                  "k_v_mult"])
def test_a_port_that_saw_other_beats_is_seen(name: str, tiles: list[TileJob], record: Record) -> None:
    record[name] = record[name].copy()
    record[name].flat[0] ^= 1
    assert check_record(TINY, tiles, record, "none").problems[0] == f"the engine's port saw other {name} than was sent"


@pytest.mark.parametrize("name", COUNTERS)
def test_every_wrong_counter_is_seen(name: str, tiles: list[TileJob], record: Record) -> None:
    record["counters"][COUNTERS.index(name)] += 1
    problems = check_record(TINY, tiles, record, "none").problems
    assert len(problems) == 1 and problems[0].startswith(f"counter {name} is ")


def test_a_counter_that_contradicts_the_pins_is_seen(tiles: list[TileJob], record: Record) -> None:
    record["pins_stall_o"] = np.array(7)
    assert check_record(TINY, tiles, record, "both").problems == ["counter stall_o is 0, the pins say 7"]


def test_too_few_runs_are_seen(tiles: list[TileJob], record: Record) -> None:
    run = check_record(TINY, tiles, record, "none")
    with pytest.raises(AssertionError, match="1 runs came back, 4 were wanted"):
        assert_ok([run], tiles, expected=4)
    with pytest.raises(AssertionError, match="2 tiles were compared, 3 were sent"):
        assert_ok([run], [*tiles, tiles[0]], expected=1)


def test_a_corrupted_golden_model_fails_a_real_run(tiles: list[TileJob], seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison compares: one bit of the model's answer flipped, one row differs."""
    def corrupted(cfg, tile):
        result = run_tile(cfg, tile)
        result.out[-1, 0] ^= 1
        return result

    monkeypatch.setattr(model, "run_tile", corrupted)
    run, = run_core(TINY, tiles, options=RunOptions(seed=seed))
    assert not run.ok and run.mismatches.tolist() == [0, 0, 1, 0, 1]


@pytest.mark.faults
@pytest.mark.sample(15)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_engine_fails(name: str, seed: int, tmp_path: Path) -> None:
    """One wrong line of RTL: bits, counters, protocol or the cycle budget must tell."""
    file, old, new, *slow = MUTANTS[name]
    tiles = provoking_tiles(TINY, np.random.default_rng(seed))
    options = RunOptions(seed=seed, sources=mutated_sources(tmp_path, file, old, new), build_root=tmp_path / "build")
    try:
        runs = run_core(TINY, tiles, ("both",), options, watch=True, budget=BUDGET, slow=slow[0] if slow else None)
    except BenchFailed as failure:
        assert failure.result.failed > 0, "the simulator itself failed: the mutant does not run"
        return
    assert not all(run.ok for run in runs), f"not noticed: {name}"


@pytest.mark.faults
def test_the_provoking_tiles_pass_on_the_right_engine(seed: int) -> None:
    """The mutants fail because of the mutation, not of slow values or late answers to requests."""
    tiles = provoking_tiles(TINY, np.random.default_rng(seed))
    for slow in (None, {"v": (1, 13)}, {"o": (1, 20)}, {"decision": (1, 30)}):
        runs = run_core(TINY, tiles, ("both",), RunOptions(seed=seed), watch=True, slow=slow)
        assert_ok(runs, tiles, expected=1)
        assert runs[0].counters["cycles"] < BUDGET // 2


@pytest.mark.parametrize("change", ["a value fewer", "a value more", "last on another block"])
def test_values_that_do_not_match_the_keys_are_reported(change: str, seed: int, generator: np.random.Generator) -> None:
    """20 keys, 8 to a block; the same number of blocks of values, but other sizes or another end."""
    tiles = [random_tile(TINY, generator, 4, 20), random_tile(TINY, generator, 4, 8)]
    streams = stream_arrays(tiles)
    if change == "last on another block":
        streams["v_last"][[7, 19]] = 1, 0       # 8, 8, 8, 4 instead of 8, 8, 4, 8: two blocks differ in size and end
    else:
        keep = [*range(19), *range(20, 28)] if change == "a value fewer" else [*range(20), 19, *range(20, 28)]
        streams["v_data"], streams["v_last"] = streams["v_data"][keep], streams["v_last"][keep]
        streams["v_last"][18:21] = [1, 0, 0] if change == "a value fewer" else [0, 0, 1]
    run, = run_core(TINY, tiles, options=RunOptions(seed=seed), streams=streams)
    assert "the engine reports that K and V disagree on the keys of a block" in run.problems
    with pytest.raises(AssertionError, match="K and V disagree"):
        assert_ok([run], tiles, expected=1)
