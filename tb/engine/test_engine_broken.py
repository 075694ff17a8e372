"""The top's flags, and that its tests notice a fault in it or behind it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.flow.simulator import BenchFailed, RunOptions, run_bench
from tb.common.mutation import faulty_sources, mutated_sources
from tb.core.configs import TINY
from tb.core.sequences import levels_tile, random_tile
from tb.core.test_core_stalls import FAULTS as STALL_FAULTS
from tb.core.test_core_stalls import STALLS
from tb.engine.checker import expected_requests
from tb.engine.run import TOP, run_engine
from tb.engine.sequences import Fetch, fetch_arrays, fetched

TOP_FILE, QUEUE, SCHEDULER = "rtl/engine/fcim_engine.v", "rtl/stream/fcim_block_queue.v", "rtl/stream/fcim_key_scheduler.v"
STATUS = "tb.engine.bench_status"
STATUS_TESTS = 4
AHEAD = 8
LATE = {"k": (0, 60), "v": (100, 100)}
BUDGET = 20_000
SIM = "icarus"      # of the faults: it builds each in no time, and it knows X and Z


def status_streams(path: Path, seed: int) -> Path:
    """Tiles for the bench of flags, of the same length: a wrong end makes the engine ask for a tile's keys in the next one."""
    generator = np.random.default_rng(seed)
    fetches = fetched([random_tile(TINY, generator, rows=5, keys=29) for _ in range(3)])
    np.savez(path, **fetch_arrays(TINY, fetches))
    return path


def run_status(folder: Path, seed: int, sources: list[Path] | None = None, build_root: Path | str = "build/rtl",
               sim: str | None = None) -> int:
    """Run the bench of flags; returns the number of its tests."""
    streams = {"ENGINE_STREAMS": str(status_streams(folder / "streams.npz", seed))}
    return run_bench(TOP, STATUS, TINY.verilog_parameters(), RunOptions(
        sim=sim, seed=seed, sources=sources, build_root=build_root, extra_env=streams)).passed


def test_flags_and_clear(seed: int, tmp_path: Path) -> None:
    assert run_status(tmp_path, seed) == STATUS_TESTS


def provoking(generator: np.random.Generator) -> list[Fetch]:
    """Tiles in which every connection counts: blocks vanish first, last and in between, running maxima move, flags differ."""
    low = -(TINY.prob_bits + 9)
    tiles = [random_tile(TINY, generator, rows=9, keys=29, tau=3), levels_tile(TINY, generator, [low, 3, low, 0, low], 3, 5),
             random_tile(TINY, generator, rows=16, keys=90, order="natural"), levels_tile(TINY, generator, [3, 9, low], 0, 2),
             random_tile(TINY, generator, rows=1, keys=1), levels_tile(TINY, generator, [low, 5, low], 0, 16)]
    flags = ((False, True), (False, True), (True, False), (True, True), (True, True), (True, True))
    tiles = [replace(tile, fused=fused, skip=skip) for tile, (fused, skip) in zip(tiles, flags, strict=True)]
    tiles[2].v_mult = torch.arange(90) % 16
    tiles.append(replace(levels_tile(TINY, generator, [0, -2, -3, -4, -5, -2], 1, 3, skip=True), octaves=3))
    tiles[1].partial = tiles[4].partial = tiles[5].partial = True
    return fetched(tiles, ("sink_diagonal", "diagonal_first", "natural", "diagonal_ascending"))


@dataclass(frozen=True)
class Fault:
    """Right and wrong text, the stall pattern and the waits under which it shows, and what is said of it."""

    old: str
    new: str
    message: str
    file: str = TOP_FILE
    pattern: str = "none"
    waits: dict[str, tuple[int, int]] = field(default_factory=dict)
    hold: int = 60      # the requests run ahead meanwhile


ORDER = "m_kreq: |other k|asks for"
HELD = "dropped|changed|cycle budget|asks for"     # a stream whose other side does not wait for it
FAULTS = {
    "another-depth": Fault(".BLOCKS_AHEAD(BLOCKS_AHEAD), ", "", "(9|1[0-9]) blocks were asked for ahead"),
    "schedule-lost": Fault(".s_tile_schedule(s_tile_schedule)", ".s_tile_schedule(2'd0)", "m_kreq: "),
    "schedule-halved": Fault(".s_tile_schedule(s_tile_schedule)", ".s_tile_schedule({1'b0, s_tile_schedule[0]})", "m_kreq: "),
    "a-key-less": Fault(".s_tile_keys(s_tile_keys)", ".s_tile_keys(s_tile_keys - 1'b1)",
                        "cycle budget|asks for 0 keys|is X|of start"),
    "start-cut": Fault(".s_blk_start(blk_start)", ".s_blk_start({{(INDEX_BITS-4){1'b0}}, blk_start[3:0]})", "m_kreq: |other k"),
    "count-lost": Fault(".s_blk_count(blk_count)", ".s_blk_count(KEYS_PER_BLOCK[KEY_BITS:0])", "asks for 8 keys"),
    "last-lost": Fault(".s_blk_last(blk_last)", ".s_blk_last(1'b0)", "asks for|cycle budget"),
    "keys-not-waited-for": Fault(".m_kreq_ready(m_kreq_ready)", ".m_kreq_ready(1'b1)", HELD, pattern="both"),
    "values-not-waited-for": Fault(".m_vreq_ready(m_vreq_ready)", ".m_vreq_ready(1'b1)", HELD, pattern="both"),
    "decision-not-held": Fault(".m_decision_ready(decision_ready)", ".m_decision_ready(1'b1)", HELD, pattern="both"),
    "skip-held": Fault(".m_decision_ready(decision_ready)", ".m_decision_ready(m_vreq_ready)", f"{HELD}|error_order",
                       pattern="both"),
    "values-of-skipped-blocks": Fault(".s_decision_skip(decision_skip)", ".s_decision_skip(1'b0)",
                                      "m_vreq: |cycle budget|other v"),
    "end-of-tile-lost": Fault(".s_decision_last(decision_last)", ".s_decision_last(1'b0)", "asks for|error_order is up"),
    "flag-of-the-tile-lost": Fault(".s_q_fused(s_q_fused)", ".s_q_fused(1'b0)", "rows differ|counter|rescaled"),
    "skip-of-the-tile-lost": Fault(".s_q_skip(s_q_skip)", ".s_q_skip(1'b0)", "m_vreq: |decision .* skip|cycle budget"),
    "octaves-lost": Fault(".s_q_octaves(s_q_octaves)", ".s_q_octaves(5'd0)", "m_vreq: |decision .* skip|cycle budget"),
    "partial-lost": Fault(".s_q_partial(s_q_partial)", ".s_q_partial(1'b0)", "cycle budget|rows came"),
    "chunks-not-waited-for": Fault(".m_part_ready(m_part_ready)", ".m_part_ready(1'b1)", HELD, pattern="both"),
    "maxima-lost": Fault(".m_part_max(m_part_max)", ".m_part_max()", "is Z|is X"),
    "tau-lost": Fault(".s_q_tau(s_q_tau)", ".s_q_tau(4'd0)", "counter|differ"),
    "positions-lost": Fault(".s_k_pos(s_k_pos)", ".s_k_pos({POS_BITS{1'b0}})", "differ|counter"),
    "multipliers-lost": Fault(".s_k_mult(s_k_mult)", ".s_k_mult(16'd20000)", "differ|counter"),
    "multipliers-of-values-lost": Fault(".s_k_v_mult(s_k_v_mult)", ".s_k_v_mult(4'd15)", "differ"),
    "empty-lost": Fault(".m_o_empty(m_o_empty)", ".m_o_empty()", "is Z|is X"),
    "done-late": Fault(".tile_done(tile_done)", ".tile_done()", "tile_done is"),
    "scheduler-repeats-the-sink": Fault("last ? BLOCK_KEYS[INDEX_BITS-1:0]", "last ? {INDEX_BITS{1'b0}}", ORDER, SCHEDULER),
    "scheduler-forgets-the-sink": Fault("DIAGONAL: order_q <= SINK", "DIAGONAL: order_q <= BETWEEN", ORDER, SCHEDULER),
    "scheduler-forgets-the-first-block": Fault("(order_q == ASCENDS) ? up_q : up_q + 1'b1", "up_q + 1'b1", ORDER, SCHEDULER),
    "queue-of-newest": Fault(".rd_address(rd_q[SLOT_BITS-1:0])", ".rd_address(wr_q[SLOT_BITS-1:0] - 1'b1)",
                             "m_vreq: |asks for|cycle budget|changed|error_order|is X", QUEUE),
    "queue-keeps-skipped": Fault("wire take  = s_decision_valid && s_decision_ready", "wire take  = m_vreq_valid && m_vreq_ready",
                                 "m_vreq: |asks for|cycle budget|changed|error_order", QUEUE),
    "queue-asks-while-full": Fault("m_kreq_valid = s_blk_valid && !full", "m_kreq_valid = s_blk_valid",
                                   "asks for|m_kreq: |cycle budget|changed", QUEUE),
    "queue-splits-the-fork": Fault("wire push  = s_blk_valid && s_blk_ready", "wire push  = s_blk_valid && !full",
                                   "asks for|m_kreq: |m_vreq: |dropped|cycle budget|error_order", QUEUE, "both"),
}


@pytest.mark.faults
@pytest.mark.sample(8)
@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found(name: str, seed: int, tmp_path: Path) -> None:
    fault, fetches = FAULTS[name], provoking(np.random.default_rng(seed))
    sources = mutated_sources(tmp_path, fault.file, fault.old, fault.new)
    with pytest.raises(AssertionError, match=fault.message):
        run, = run_engine(TINY, fetches, [fault.pattern],
                          RunOptions(sim=SIM, seed=seed, sources=sources, build_root=tmp_path / "build"), ahead=AHEAD,
                          waits=fault.waits, hold=fault.hold, budget=BUDGET)
        assert run.ok, "\n".join([f"{int((run.mismatches > 0).sum())} rows differ", *run.problems])


@pytest.mark.faults
@pytest.mark.parametrize("faults", STALL_FAULTS)
def test_stall_counters_that_count_wrongly_are_found(faults: str, seed: int, tmp_path: Path) -> None:
    """In every run, also where memories answer late and all streams pause."""
    options = RunOptions(sim=SIM, seed=seed, sources=faulty_sources(tmp_path, STALL_FAULTS[faults]),
                         build_root=tmp_path / "build")
    run, = run_engine(TINY, provoking(np.random.default_rng(seed)), ["both"], options, ahead=AHEAD, waits=LATE)
    assert "counter stall_v is " in "\n".join(run.problems) and not bool(run.mismatches.any())
    if faults == "by two":
        assert all(run.counters[name] == 2 * run.predicted[name] for name in STALLS)


STATUS_FAULTS = {
    "order-flag-lost": (TOP_FILE, ".error_order(error_order)", ".error_order()", r"Logic\('Z'\)"),
    "value-flag-lost": (TOP_FILE, ".error_v_count(error_v_count)", ".error_v_count()", r"Logic\('Z'\)"),
    "no-clear": (TOP_FILE, ".clear(clear)", ".clear(1'b0)", "clear leaves a counter"),
    "order-flag-blind": (QUEUE, "s_decision_last != m_vreq_last", "1'b0", "error_order is not up"),
}


@pytest.mark.faults
@pytest.mark.parametrize("name", STATUS_FAULTS)
def test_faults_of_flags_are_found(name: str, seed: int, tmp_path: Path) -> None:
    *fault, message = STATUS_FAULTS[name]
    with pytest.raises(BenchFailed, match=message):
        run_status(tmp_path, seed, mutated_sources(tmp_path, *fault), tmp_path / "build", SIM)


@pytest.mark.faults
def test_the_right_top_passes_what_the_faults_fail(seed: int) -> None:
    fetches = provoking(np.random.default_rng(seed))
    for run in run_engine(TINY, fetches, ("none", "both"), RunOptions(seed=seed), ahead=AHEAD, hold=60):
        assert run.ok, run.problems
        keys, values = expected_requests(TINY, fetches, run.golden)
        assert 0 < run.counters["skipped_blocks"] == len(keys) - len(values)
