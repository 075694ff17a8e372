"""Engines around a buffer: every bit of a prefill and of a decode, each block read as often as the plan has it, and pages and
tiles done with when they are."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.hardware.config import EngineConfig
from models.hardware.schedules import TileOptions
from models.hardware.tile import QuantisedGroup
from models.system.plan import Prefill, Wave
from scripts.flow.simulator import USUAL, BenchFailed, RunOptions
from tb.cluster.phases import PLAIN, Phase, decode, prefill
from tb.cluster.run import ClusterRun, run_cluster
from tb.common.legal import check_limits
from tb.common.mutation import faulty_sources, mutated_sources
from tb.core.configs import BYTE, TINY
from tb.core.sequences import random_group

SKIPPING = TileOptions(fused=True, skip=True, octaves=3)
Call = tuple[list[Phase], int, int]
"""Calls behind each other, the pages of their buffer, and how late rows of O begin to be taken."""


def groups_of(cfg: EngineConfig, generator: np.random.Generator, heads: int, group: int, tokens: int, first: int = 0,
              kind: str = "peaked") -> list[QuantisedGroup]:
    """KV heads of ``group`` query heads each, with ``first`` keys before the tokens."""
    return [random_group(cfg, generator, group, tokens, first + tokens, kind=kind) for _ in range(heads)]


def spread(group: QuantisedGroup, block: int, size: int) -> QuantisedGroup:
    """The group with scores far apart, and one key block, of ``size`` keys, whose scores are far below all others of the rows but
    for those of the last quarter of the tokens."""
    q, k, late = group.q.clone(), group.k.clone(), 3 * group.q.shape[1] // 4
    k[block * size : (block + 1) * size] = 0
    k[block * size : (block + 1) * size, 0], q[:, :late, 0], q[:, late:, 0] = -128, 127, -127
    return replace(group, q=q, k=k, shift=max(group.shift - 5, 0))


def check(runs: list[ClusterRun], expected: int) -> None:
    """All runs are right.

    Raises:
        AssertionError: one is not, or one is missing.
    """
    assert len(runs) == expected
    bad = [f"{run.pattern}: {'; '.join(run.problems)}" for run in runs if not run.ok]
    assert not bad, "\n".join(bad)


def smallest(engines: int, blocks: int = 0) -> int:
    """Pages of the smallest buffer for so many engines that holds so many blocks."""
    return max(2 * max(2, 1 << (engines - 1).bit_length()), 1 << max(blocks - 1, 0).bit_length())


def run_prefill(cfg: EngineConfig, engines: int, groups: list[QuantisedGroup], first: int = 0, options: TileOptions = PLAIN,
                own_start: bool = True, patterns: tuple[str, ...] = ("none",), run: RunOptions = USUAL) -> list[ClusterRun]:
    """A prefill whose keys are all in the buffer, which begins in the middle of it."""
    pages = smallest(engines, len(groups) * -(-len(groups[0].k) // cfg.keys_per_block))
    phase = prefill(cfg, engines, groups, pages, first, options, own_start, base=pages // 2 - 1)
    return run_cluster(cfg, [phase], pages, patterns, run)


@pytest.mark.parametrize("own_start", [False, True])
def test_two_heads(own_start: bool, seed: int, generator: np.random.Generator) -> None:
    """Waves up and down in turn, three for a head, the first of them with an engine idle."""
    check(run_prefill(TINY, 3, groups_of(TINY, generator, 2, 4, 32), own_start=own_start,
                      patterns=("none", "both")[own_start:], run=RunOptions(seed=seed)), 2 - own_start)


@pytest.mark.parametrize("own_start", [False, True])
def test_blocks_that_engines_skip(own_start: bool, seed: int, generator: np.random.Generator) -> None:
    """Some engines skip a block that others compute, some blocks are skipped by all."""
    groups = [spread(group, 1, TINY.keys_per_block) for group in groups_of(TINY, generator, 2, 4, 48)]
    runs = run_prefill(TINY, 3, groups, options=SKIPPING, own_start=own_start, patterns=("both",), run=RunOptions(seed=seed))
    check(runs, 1)
    assert all(run.v_blocks < run.k_blocks for run in runs)


@pytest.mark.sample(2)
@pytest.mark.parametrize(("engines", "group", "tokens", "first"), [
    (1, 4, 13, 0), (2, 3, 37, 0), (3, 16, 9, 5), (4, 1, 70, 0), (4, 8, 9, 20)])
def test_shapes(engines: int, group: int, tokens: int, first: int, seed: int, generator: np.random.Generator) -> None:
    """Tiles that end anywhere in a block, waves that leave engines idle, tokens that follow a cache."""
    check(run_prefill(TINY, engines, groups_of(TINY, generator, 2, group, tokens, first), first,
                      TileOptions(fused=True, tau=1), bool(generator.integers(2)), ("both",), RunOptions(seed=seed)), 1)


def test_a_head_that_begins_upwards(seed: int, generator: np.random.Generator) -> None:
    """A head alone of three waves: the first goes up, of one tile with one block, with a start of its own."""
    first = Prefill(TINY, 4, 1, 16, 9, 0).waves()[0]
    assert first.ascending and len(first.tiles) == 1
    check(run_prefill(TINY, 4, groups_of(TINY, generator, 1, 16, 9), run=RunOptions(seed=seed)), 1)


def test_a_key_per_cycle(seed: int, generator: np.random.Generator) -> None:
    """With all bits at once the engines take keys as fast as the bus gives them."""
    check(run_prefill(BYTE, 3, groups_of(BYTE, generator, 2, 2, 40), own_start=False, patterns=("none", "both"),
                      run=RunOptions(seed=seed)), 2)


def test_a_tile_of_one_block(seed: int, generator: np.random.Generator) -> None:
    """Waves of one and two blocks, in which all that a tile meets may come alone."""
    for own_start in (False, True):
        check(run_prefill(TINY, 2, groups_of(TINY, generator, 2, 4, 16), own_start=own_start, run=RunOptions(seed=seed)), 1)


@pytest.mark.parametrize("engines", [1, 3])
def test_heads_that_pass_through(engines: int, seed: int, generator: np.random.Generator) -> None:
    """Heads of more blocks than the buffer has pages, some of them skipped."""
    groups = [spread(group, 2, TINY.keys_per_block) for group in groups_of(TINY, generator, 2, 4, 36, 27)]
    pages = smallest(engines)
    phase = prefill(TINY, engines, groups, pages, 27, SKIPPING, streamed=True)
    check(run_cluster(TINY, [phase], pages, ("none", "both")[engines > 1:], RunOptions(seed=seed)), 1 + (engines == 1))


@pytest.mark.sample(2)
@pytest.mark.parametrize(("cfg", "engines", "split", "group", "tokens", "keys"), [
    (TINY, 1, 1, 4, 1, (30, 9)), (TINY, 2, 2, 16, 1, (1, 40, 17)), (TINY, 4, 2, 3, 5, (70, 8, 33, 50, 20)),
    (TINY, 4, 4, 5, 2, (20, 97, 41)), (BYTE, 5, 2, 4, 2, (60, 25, 40, 12))])
def test_decode(cfg: EngineConfig, engines: int, split: int, group: int, tokens: int, keys: tuple[int, ...], seed: int,
                generator: np.random.Generator) -> None:
    """Heads whose keys are split over engines, in waves behind each other, shares that are empty, tokens that ask together."""
    groups = [groups_of(cfg, generator, 1, group, min(tokens, count), count - min(tokens, count))[0] for count in keys]
    pages = smallest(engines)
    phase = decode(cfg, engines, groups, pages, split, TileOptions(fused=bool(generator.integers(2)), skip=True, octaves=4))
    check(run_cluster(cfg, [phase], pages, ("none", "both")[tokens > 1:], RunOptions(seed=seed)), 1 + (tokens == 1))


def call_passing_through(generator: np.random.Generator) -> Call:
    """One head of more blocks than the buffer has pages, one of them skipped by some."""
    group = spread(groups_of(TINY, generator, 1, 4, 24, 19)[0], 1, TINY.keys_per_block)
    pages = smallest(2)
    return [prefill(TINY, 2, [group], pages, 19, SKIPPING, streamed=True)], pages, 0


def call_split(generator: np.random.Generator) -> Call:
    """Heads whose keys two engines share, one of which has but a single block."""
    groups = [groups_of(TINY, generator, 1, 4, tokens, first)[0] for tokens, first in ((3, 41), (4, 1), (2, 60), (1, 8), (4, 12))]
    pages = smallest(2)
    return [decode(TINY, 2, groups, pages, 2, TileOptions(skip=True))], pages, 0


def call_in_buffer(generator: np.random.Generator) -> Call:
    """Two heads, of which some blocks are skipped."""
    groups = [spread(group, 1, TINY.keys_per_block) for group in groups_of(TINY, generator, 2, 4, 30, 3)]
    return [prefill(TINY, 2, groups, 16, 3, SKIPPING, own_start=True, base=7)], 16, 0


def call_of_each_mode(generator: np.random.Generator) -> Call:
    """What is loaded counts where blocks pass through and nowhere else."""
    pages, size = smallest(2), TINY.keys_per_block
    heads = [groups_of(TINY, generator, 1, 4, tokens, first)[0] for tokens, first in ((20, 0), (8, 30), (4, 40))]
    resident, streamed = prefill(TINY, 2, heads[:1], pages), prefill(TINY, 2, heads[1:2], pages, 30, streamed=True)
    split = decode(TINY, 2, [spread(heads[2], 1, size)], pages, 2, SKIPPING)
    return [resident, streamed, split, resident, split, streamed, resident], pages, 0


def call_far_ahead(generator: np.random.Generator) -> Call:
    """An engine waits long to give away a tile's rows, and with it the one that decides to skip all that comes meanwhile."""
    group = groups_of(TINY, generator, 1, 9, 224)[0]
    q, k, size = group.q.clone(), torch.zeros_like(group.k), TINY.keys_per_block
    k[:, 0], k[:size, 0], q[:, :, 0] = -128, 127, 127
    waves = [Wave(0, True, tiles) for tiles in ({0: 0}, {0: 1}, {0: 0, 1: 223}, {0: 1}, {0: 0})]
    group = replace(group, q=q, k=k, shift=max(group.shift - 5, 0))
    return [prefill(TINY, 2, [group], 32, options=SKIPPING, waves=waves)], 32, 1700


@pytest.mark.parametrize("call", [call_of_each_mode, call_far_ahead])
def test_calls(call: Callable[[np.random.Generator], Call], seed: int, generator: np.random.Generator) -> None:
    """Calls of all modes behind each other, and engines far ahead of others."""
    phases, pages, late = call(generator)
    check(run_cluster(TINY, phases, pages, ("none" if late else "both",), RunOptions(seed=seed), late=late), 1)


# keys of a buffer for two engines, legal ones and others; engines that share the smallest buffer for 16
LIMITS = ((0, "BUFFER_KEYS", (4 * TINY.keys_per_block, TINY.max_keys), (2 * TINY.keys_per_block, 6 * TINY.keys_per_block,
                                                                         2 * TINY.max_keys)),
          (smallest(16) * TINY.keys_per_block, "ENGINES", (1, 3, 16), (0, 17)))


def check_all_limits(files: list[Path] | None = None) -> None:
    """The engines that a cluster may have, and its buffers."""
    for keys, *limits in LIMITS:
        check_limits("fcim_cluster", {**TINY.verilog_parameters(), "ENGINES": 2, "BUFFER_KEYS": keys}, *limits, files)


def test_only_legal_parameters_elaborate() -> None:
    check_all_limits()


HANGS = "cycle budget"
FAULTS = {
    "member-forgotten": (call_in_buffer, "fcim_sequencer.v", "own_q ? ({1'b0, block_q} + 1'b1 < own)",
                         "own_q ? ({1'b0, block_q} + 2'd2 < own)", HANGS),
    "does-not-wait": (call_in_buffer, "fcim_sequencer.v", "(members & ~arrived) == {ENGINES{1'b0}}",
                      "(members & arrived) != {ENGINES{1'b0}}", HANGS),
    "another-head": (call_in_buffer, "fcim_row_bus.v", "(block[BASE_BITS-1:0] & IN_SHARE) : place[",
                     "(block[BASE_BITS-1:0] & IN_SHARE) : block[", f"is X|{HANGS}"),
    "skipped-rows-sent": (call_in_buffer, "fcim_row_bus.v", "promise      = take & ~head_skip", "promise      = take",
                          "error pin is up|is X"),
    "last-of-every-block": (call_in_buffer, "fcim_row_bus.v", "last_q2  <= block_end ? last_q ",
                            "last_q2  <= block_end ? mask_q ", "error pin is up|left over"),
    "room-for-one-more": (call_in_buffer, "fcim_key_feed.v", "promised_q <= ALL - BLOCK", "promised_q <= ALL",
                          f"is X|{HANGS}|differ"),
    "both-go-up": (call_in_buffer, "fcim_wave_fanout.v", "own_start_q == ascending_q}", "1'b1}", HANGS),
    "rows-of-another-engine": (call_in_buffer, "fcim_row_collector.v", "engine = engine | e[ENGINE_BITS-1:0]",
                               "engine = e[ENGINE_BITS-1:0] ^ 1", "rows instead of|of data differ"),
    "number-stays": (call_in_buffer, "fcim_request_head.v", "number_q <= head_last ? 2'd0 :", "number_q <=", HANGS),
    "done-with-keys": (call_in_buffer, "fcim_cluster.v", "v_take & v_head_last", "k_take & k_head_last", "differ"),
    "done-by-block": (call_in_buffer, "fcim_cluster.v", "v_take & v_head_last", "v_take", "which has no tile"),
    "tag-of-the-wave": (call_in_buffer, "fcim_cluster.v", "done_tag_q <= v_head_tag", "done_tag_q <= {ENGINES{wave_tag}}",
                        "with tags"),
    "far-ahead": (call_far_ahead, "fcim_key_feed.v", " && (ahead_q != AHEAD[AHEAD_BITS-1:0])", "", HANGS),
    "keys-not-there": (call_passing_through, "fcim_cluster.v", "there[1:0] | {2{!streamed}}", "2'b11",
                       f"is X|which has no block|{HANGS}"),
    "one-half": (call_passing_through, "fcim_row_bus.v", "which ? ~IN_HALF :", "which ? IN_HALF ^ IN_HALF :", "is X|differ"),
    "freed-with-keys": (call_passing_through, "fcim_cluster.v", "v_passed[1:0] = v_ready", "v_passed[1:0] = k_ready", "differ"),
    "not-freed": (call_passing_through, "fcim_cluster.v", "v_passed[1:0] = v_ready", "v_passed[0] = v_ready[0]", HANGS),
    "resident-counts": (call_of_each_mode, "fcim_cluster.v", "loaded && loaded_counts", "loaded",
                        "is X|differ|which has no block"),
    "share-not-there": (call_split, "fcim_cluster.v", "there[ENGINES-1:0] | {ENGINES{!decode}}", "{ENGINES{1'b1}}",
                        f"is X|which has no block|{HANGS}"),
    "one-share": (call_split, "fcim_row_bus.v", "e[BASE_BITS-1:0] << SHARE_BITS", "{BASE_BITS{1'b0}}",
                  f"is X|{HANGS}|differ"),
    "share-freed-with-keys": (call_split, "fcim_cluster.v", "v_passed[ENGINES-1:0] = v_take", "v_passed[ENGINES-1:0] = k_take",
                              "differ"),
    "places-from-0": (call_split, "fcim_row_bus.v", "decode ? place : block", "block", "differ"),
    "decode-in-streams": (call_split, "fcim_wave_fanout.v", "(s_wave_mode == DECODE) ? 2'b00 :", "", HANGS),
    "three-alone": (call_split, "fcim_request_head.v", " || (tile_own == 2'd3)", "", HANGS),
    "whole-tiles": (call_split, "fcim_cluster.v", ".s_q_partial(s_q_partial)", ".s_q_partial(1'b0)", "rows instead of|left over"),
    "joins-all": (call_split, "fcim_cluster.v", "merge_parts[ENGINES-1:0] = s_merge_parts",
                  "merge_parts[ENGINES-1:0] = {ENGINES{1'b1}}", f"ready is X|error pin is up|{HANGS}"),
}


@pytest.mark.faults
@pytest.mark.sample(10)
@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found(name: str, seed: int, generator: np.random.Generator, tmp_path: Path) -> None:
    call, file, old, new, message = FAULTS[name]
    phases, pages, late = call(generator)
    options = RunOptions(seed=seed, sources=faulty_sources(tmp_path, [(f"rtl/system/{file}", old, new)]),
                         build_root=tmp_path / "build")
    try:
        found = "; ".join(run_cluster(TINY, phases, pages, ("none" if late else "both",), options, 3000 + 700 * len(phases),
                                      late)[0].problems)
    except BenchFailed as error:
        found = str(error)
    assert re.search(message, found), found


@pytest.mark.faults
@pytest.mark.parametrize(("old", "new", "message"), [
    ("ENGINES > 16", "ENGINES >= 16", "16 refused"), ("ENGINES < 1 ", "ENGINES <= 1 ", "1 refused"),
    ("BUFFER_KEYS > MAX_KEYS", "BUFFER_KEYS >= MAX_KEYS", f"{TINY.max_keys} refused"),
    ("BUFFER_KEYS < 2 * SLOTS", "BUFFER_KEYS <= 2 * SLOTS", f"{4 * TINY.keys_per_block} refused"),
    ("BUFFER_KEYS < 2 * SLOTS", "BUFFER_KEYS < SLOTS", f"{2 * TINY.keys_per_block} taken"),
], ids=["most-engines", "one-engine", "all-keys", "smallest-buffer", "a-smaller-one"])
def test_limits_that_are_moved_are_found(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=message):
        check_all_limits(mutated_sources(tmp_path, "rtl/system/fcim_cluster.v", old, new))
