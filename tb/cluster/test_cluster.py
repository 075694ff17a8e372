"""Engines around a buffer: every bit of a prefill and of a decode, each block read as often as the plan has it, and pages and
tiles done with when they are."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.hardware.config import EngineConfig
from models.hardware.schedules import TileOptions
from models.hardware.tile import QuantisedGroup
from scripts.flow.simulator import USUAL, BenchFailed, RunOptions
from tb.cluster.phases import PLAIN, decode, prefill
from tb.cluster.run import ClusterRun, run_cluster
from tb.common.mutation import faulty_sources
from tb.core.configs import BYTE, TINY
from tb.core.sequences import random_group

SKIPPING = TileOptions(fused=True, skip=True, octaves=3)


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
                own_start: bool = True, patterns: tuple[str, ...] = ("none",), run: RunOptions = USUAL,
                budget: int | None = None) -> list[ClusterRun]:
    """A prefill whose keys are all in the buffer, which begins in the middle of it."""
    pages = smallest(engines, len(groups) * -(-len(groups[0].k) // cfg.keys_per_block))
    phase = prefill(cfg, engines, groups, pages, first, options, own_start, base=pages // 2 - 1)
    return run_cluster(cfg, [phase], pages, patterns, run, budget)


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


@pytest.mark.parametrize(("engines", "group", "tokens", "first"), [
    (1, 4, 13, 0), (2, 3, 37, 0), (3, 16, 9, 5), (4, 1, 70, 0), (4, 8, 9, 20)])
def test_shapes(engines: int, group: int, tokens: int, first: int, seed: int, generator: np.random.Generator) -> None:
    """Tiles that end anywhere in a block, waves that leave engines idle, tokens that follow a cache."""
    check(run_prefill(TINY, engines, groups_of(TINY, generator, 2, group, tokens, first), first,
                      TileOptions(fused=True, tau=1), bool(generator.integers(2)), ("both",), RunOptions(seed=seed)), 1)


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
    check(run_cluster(TINY, [phase], pages, ("none", "both"), RunOptions(seed=seed)), 2)


@pytest.mark.parametrize(("engines", "split", "group", "tokens", "keys"), [
    (1, 1, 4, 1, (30, 9)), (2, 2, 16, 1, (1, 40, 17)), (4, 2, 3, 5, (70, 8, 33, 50, 20)), (4, 4, 5, 2, (20, 97, 41)),
    (5, 2, 4, 4, (60, 25, 40, 12))])
def test_decode(engines: int, split: int, group: int, tokens: int, keys: tuple[int, ...], seed: int,
                generator: np.random.Generator) -> None:
    """Heads whose keys are split over engines, in waves behind each other, shares that are empty, tokens that ask together."""
    groups = [groups_of(TINY, generator, 1, group, min(tokens, count), count - min(tokens, count))[0] for count in keys]
    pages = smallest(engines)
    phase = decode(TINY, engines, groups, pages, split, TileOptions(fused=bool(generator.integers(2)), skip=True, octaves=4))
    check(run_cluster(TINY, [phase], pages, ("none", "both")[tokens > 1:], RunOptions(seed=seed)), 1 + (tokens == 1))


def test_calls_of_all_modes(seed: int, generator: np.random.Generator) -> None:
    """A call of each mode behind one of another: what is loaded counts where blocks pass through and nowhere else."""
    pages, size = smallest(2), TINY.keys_per_block
    heads = [groups_of(TINY, generator, 1, 4, tokens, first)[0] for tokens, first in ((20, 0), (8, 30), (4, 40))]
    resident, streamed = prefill(TINY, 2, heads[:1], pages), prefill(TINY, 2, heads[1:2], pages, 30, streamed=True)
    split = decode(TINY, 2, [spread(heads[2], 1, size)], pages, 2, SKIPPING)
    check(run_cluster(TINY, [resident, streamed, split, resident, split, streamed], pages, ("both",), RunOptions(seed=seed)), 1)


HANGS = "cycle budget"
FAULTS = {
    "member-forgotten": ("fcim_sequencer.v", "own_q ? ({1'b0, block_q} + 1'b1 < own)", "own_q ? ({1'b0, block_q} + 2'd2 < own)",
                         HANGS),
    "does-not-wait": ("fcim_sequencer.v", "(members & ~arrived) == {ENGINES{1'b0}}", "(members & arrived) != {ENGINES{1'b0}}",
                      HANGS),
    "another-head": ("fcim_row_bus.v", "(block[BASE_BITS-1:0] & IN_SHARE) : place[", "(block[BASE_BITS-1:0] & IN_SHARE) : block[",
                     "is X"),
    "skipped-rows-sent": ("fcim_row_bus.v", "promise      = take & ~head_skip", "promise      = take", "error pin is up"),
    "last-of-every-block": ("fcim_row_bus.v", "last_q2  <= block_end ? last_q ", "last_q2  <= block_end ? mask_q ",
                            "error pin is up|left over"),
    "room-for-one-more": ("fcim_key_feed.v", "promised_q <= ALL - BLOCK", "promised_q <= ALL", f"is X|{HANGS}|differ"),
    "both-go-up": ("fcim_wave_fanout.v", "own_start_q == ascending_q}", "1'b1}", HANGS),
    "rows-of-another-engine": ("fcim_row_collector.v", "engine = engine | e[ENGINE_BITS-1:0]", "engine = e[ENGINE_BITS-1:0] ^ 1",
                               "rows instead of"),
    "number-stays": ("fcim_request_head.v", "number_q <= head_last ? 2'd0 :", "number_q <=", HANGS),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found(name: str, seed: int, generator: np.random.Generator, tmp_path: Path) -> None:
    file, old, new, message = FAULTS[name]
    groups = [spread(group, 1, TINY.keys_per_block) for group in groups_of(TINY, generator, 2, 4, 30, 3)]
    options = RunOptions(seed=seed, sources=faulty_sources(tmp_path, [(f"rtl/system/{file}", old, new)]),
                         build_root=tmp_path / "build")
    try:
        found = "; ".join(run_prefill(TINY, 2, groups, 3, SKIPPING, True, ("both",), options, budget=6000)[0].problems)
    except BenchFailed as error:
        found = str(error)
    assert re.search(message, found), found
