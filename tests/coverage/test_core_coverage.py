"""Sampling of runs of the core: against counts by hand, and against the scalar reading of the specification."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.hardware.config import EngineConfig, load_config
from models.hardware.golden import run_tile
from models.hardware.interface import COUNTERS
from models.hardware.schedules import SCHEDULES
from models.hardware.tile import TileJob
from scripts.flow.coverage.functional import CoverGroup
from tb.common import spec
from tb.core import directed
from tb.core.configs import BYTE, NARROW, TINY
from tb.core.coverage.decisions import order_of, stalls_seen
from tb.core.coverage.run import sample_run
from tb.core.sequences import decode, exact_tile, levels_tile, prefill, random_tile
from tb.coverage import coverpoints, new_coverage

SHIFT_ZERO = 20
ROWS, BLOCK, LOW = TINY.rows, TINY.keys_per_block, -40


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiles are so small that threads would only wait for each other, several times as long as the work takes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, 77])


def sampled(cfg: EngineConfig, tiles: list[TileJob], record: dict | None = None) -> CoverGroup:
    """The hits of a run of ``tiles``."""
    cov = new_coverage()
    sample_run(cov, cfg, tiles, [run_tile(cfg, tile) for tile in tiles], record or {})
    return cov


def hits(cov: CoverGroup, name: str) -> dict[str, int]:
    """Bins of a point that were hit."""
    return {b: n for b, n in cov.hits(name).items() if n}


def test_lazy_reference_by_hand(generator: np.random.Generator) -> None:
    """Each tile: first block sets -7, the next lies at the running maximum plus tau, then twice one above."""
    tiles = directed.lazy(TINY, generator)
    cov = sampled(TINY, list(tiles.values()))
    rows = TINY.rows
    assert hits(cov, "maximum.lazy") == {f"{tau}, {kind}": n * rows for tau in range(9)
                                           for kind, n in (("at", 1), ("1 above", 2))}
    assert hits(cov, "maximum.first") == {"negative": 9 * rows}
    moved = Counter({"0": 9 * rows, "1": 2 * rows})
    moved |= Counter({"2 to 7": 2 * rows * 6})      # tau 1 to 6 move by 2 to 7
    moved |= Counter({"8 to below the sum's width": 2 * rows * 2})
    assert hits(cov, "maximum.moved_by") == dict(moved)
    assert hits(cov, "tile.tau") == {str(tau): 1 for tau in range(9)}
    assert hits(cov, "maximum.rows_moved") == {"none": 9 * 2, "all": 9 * 2}


def test_visibility_by_hand() -> None:
    """Keys at 1 to 8, which fill a block, and one of padding; rows at 0, 1, 2, 7 and 8."""
    base = random_tile(TINY, np.random.default_rng(1), 5, 9, "plain", 0)
    tile = replace(base, k_pos=torch.tensor([*range(1, 9), TINY.padding_pos]), q_pos=torch.tensor([0, 1, 2, 7, 8]))
    cov = sampled(TINY, [tile])
    assert hits(cov, "mask.block") == {"none": 1, "one": 1, "some": 1, "all but one": 1, "all": 1, "not the only one": 5}
    assert hits(cov, "mask.row") == {"none": 1, "one": 1, "some": 3}
    assert hits(cov, "mask.first_seen") == {"first": 4, "never": 1}
    assert hits(cov, "mask.gap") == {"no": 1, "yes": 4}
    assert hits(cov, "mask.row_position") == {"0": 1, "between": 4}
    assert hits(cov, "mask.key_position") == {"between": 8, "padding": 1}
    assert hits(cov, "mask.padding") == {"last key": 1, "a whole block": 1}
    assert hits(cov, "mask.distance") == {"2 or more before": 11, "1 before": 3, "the same": 4, "1 after": 4,
                                          "2 or more after": 18, "padding": 5}
    assert hits(cov, "mask.rows_without_key") == {"some": 1} and hits(cov, "tile.order") == {"rising": 1}


def test_multipliers_of_values_by_hand(generator: np.random.Generator) -> None:
    """Three blocks of eight keys in one row, the second vanishes, the third rescales and lacks three keys."""
    tile = levels_tile(TINY, generator, [0, -40, 1], short=3, rows=1, skip=True)
    tile.v_mult = torch.tensor([15] * 8 + [3] * 8 + [0, 15, 7, 7, 7])
    cov = sampled(TINY, [tile])
    assert hits(cov, "exp.v_mult") == {"15, alone, does not": 8, "0, with others, rescales": 1, "15, with others, rescales": 1,
                                       "1 to 14, with others, rescales": 3}
    tile = exact_tile(TINY, generator, [0, 0, 0], rows=1)      # 2**15 each: times 16, 1, 12 sixteenths, exactly
    tile.v_mult = torch.tensor([15, 0, 11])
    assert hits(sampled(TINY, [tile]), "exp.weighed") == {"nothing": 3}
    tile = exact_tile(TINY, generator, [0, -15360, -15360, -15360, -15360], rows=1)       # all but the first 1
    tile.v_mult = torch.tensor([15, 15, 0, 7, 14])
    assert hits(sampled(TINY, [tile]), "exp.weighed") == {"nothing": 2, "less than half": 1, "a half": 1, "more than half": 1}


def scalar_counts(cfg: EngineConfig, tile: TileJob) -> dict[str, Counter[str]]:
    """Some points once more, element by element, from the scalar reading of the page."""
    found: dict[str, Counter[str]] = {name: Counter() for name in ("scale.z", "exp.shift", "exp.segment", "exp.value",
                                                                   "maximum.lazy", "operand.k_value")}
    per_block, largest = cfg.keys_per_block, 2**cfg.prob_bits - 1
    for value in tile.k.flatten().tolist():
        found["operand.k_value"]["-128" if value == -128 else "127" if value == 127 else
                                 "negative" if value < 0 else "positive" if value else "0"] += 1
    for row in range(len(tile.q)):
        m: int | None = None
        for start in range(0, len(tile.k), per_block):
            column = []
            for j in range(start, min(start + per_block, len(tile.k))):
                if not spec.visible(True, int(tile.k_pos[j]), int(tile.q_pos[row])):
                    column.append(spec.MASKED)
                    continue
                s = spec.score(tile.q[row].tolist(), tile.k[j].tolist())
                z, clamped = spec.scale(s, int(tile.q_mult[row]), int(tile.k_mult[j]), tile.shift)
                column.append(z)
                kind = ("clamped above" if z > 0 else "clamped below") if clamped else \
                    "highest" if z == spec.Z_MAX else "lowest" if z == spec.Z_MIN else \
                    "negative" if z < 0 else "positive" if z else "0"
                found["scale.z"][kind] += 1
            seen = [z for z in column if z != spec.MASKED]
            if seen and m is not None:
                beyond = max(seen) // 1024 - m - tile.tau
                kind = "far below" if beyond < -1 else "far above" if beyond > 1 else ("1 below", "at", "1 above")[beyond + 1]
                found["maximum.lazy"][f"{tile.tau}, {kind}"] += 1
            m, _, _ = spec.new_row_max(m, column, tile.tau)
            for z in column:
                if z == spec.MASKED:
                    found["exp.value"]["0, masked"] += 1
                    continue
                assert m is not None
                d = z - m * 1024
                shift = 19 - cfg.prob_bits + tile.tau - d // 1024
                p = spec.probability(z, m, tile.tau, cfg.prob_bits)
                found["exp.shift"][str(shift) if shift < SHIFT_ZERO else "20 or more"] += 1
                if p:
                    found["exp.segment"][str(d % 1024 // 32)] += 1
                found["exp.value"]["0, too small" if not p else "largest code" if p == largest else
                                   "1.0: at the maximum" if d == 0 else "1" if p == 1 else "between"] += 1
    return found


@pytest.mark.parametrize("cfg", [TINY, NARROW, BYTE], ids=lambda cfg: cfg.name)
def test_numbers_equal_the_scalar_specification(cfg: EngineConfig, generator: np.random.Generator) -> None:
    for kind in ("plain", "peaked", "outliers"):
        tile = random_tile(cfg, generator, 5, 2 * cfg.keys_per_block + 3, kind)
        cov = sampled(cfg, [tile])
        for name, want in scalar_counts(cfg, tile).items():
            assert hits(cov, name) == dict(want), (name, kind)


@pytest.mark.parametrize("field", ["rescaled_rows", "rescale_amount", "saturations", "zero_blocks"])
def test_another_computation_than_the_golden_one_is_noticed(field: str, generator: np.random.Generator) -> None:
    tile = random_tile(TINY, generator)
    golden = run_tile(TINY, tile)
    setattr(golden.stats, field, getattr(golden.stats, field) + 1)
    with pytest.raises(ValueError, match="the golden model"):
        sample_run(new_coverage(), TINY, [tile], [golden], {})
    with pytest.raises(ValueError, match="0 results for 1 tiles"):
        sample_run(new_coverage(), TINY, [tile], [], {})


def test_another_decision_than_the_golden_one_is_noticed(generator: np.random.Generator) -> None:
    tile = levels_tile(TINY, generator, [0, -40, 0], skip=True)
    golden = run_tile(TINY, tile)
    golden.ran[1] = True
    with pytest.raises(ValueError, match="blocks that run"):
        sample_run(new_coverage(), TINY, [tile], [golden], {})


def cycles_record() -> dict[str, np.ndarray]:
    """Two tiles of 2 rows and 3 and 1 keys, 4 cycles a key: Q early, a late second key, a late last row."""
    return {"q_cycle": np.array([0, 1, 2, 5]), "k_cycle": np.array([3, 7, 12, 16]), "v_cycle": np.array([0, 7, 13, 48]),
            "o_cycle": np.array([60, 64, 68, 73]), "part_cycle": np.array([]), "decision_cycle": np.array([30, 42])}


def test_pace_by_hand(generator: np.random.Generator) -> None:
    tiles = [random_tile(TINY, generator, 2, 3), random_tile(TINY, generator, 2, 1)]
    cov = sampled(TINY, tiles, cycles_record())
    for name, part in (("keys", "block"), ("rows", "tile"), ("q", "tile")):
        assert hits(cov, f"pace.{name}") == {f"of the {part}, at full rate": 1, f"of the {part}, later": 1,
                                             "of the next tile, at full rate": 1}, name
    assert hits(cov, "pace.values") == {"all, before": 1, "all, in the same cycle": 1, "all, after": 1,
                                        "all, a block or more after": 1}
    assert hits(cov, "decision.kind") == {"runs, last": 2} and hits(cov, "decision.pace") == {"ran, at full rate": 1}
    assert hits(cov, "decision.value") == {"every block runs, before it": 3, "every block runs, from the second cycle on": 1}
    assert hits(cov, "pace.q_ahead") == {"before": 1}
    assert hits(cov, "core.tile_done") == {"tile of several rows": 2, "another tile follows at full rate": 1,
                                             "last of the run": 1}
    late = cycles_record() | {"o_cycle": np.array([60, 64, 67, 73])}
    assert sampled(TINY, tiles, late).score().illegal == ("pace.rows: of the next tile, sooner",)


def skipping_record() -> tuple[list[TileJob], dict[str, np.ndarray]]:
    """A tile of one row and four blocks of 8 keys, of which only the second and the last run; then one of one key."""
    g = np.random.default_rng(5)
    tiles = [levels_tile(TINY, g, [None, 0, -40, 1], short=5, rows=1, skip=True), levels_tile(TINY, g, [3], short=7, rows=1)]
    keys = 4 * np.arange(28)
    keys[24:] += 9      # a pause before the tile's last block
    return tiles, {"q_cycle": np.array([0, 1]), "k_cycle": keys, "o_cycle": np.array([300, 304]), "part_cycle": np.array([]),
                   "v_cycle": np.array([60, 60, 61, 62, 63, 64, 65, 66, 160, 161, 162, 163]),
                   "decision_cycle": np.array([50, 60, 92, 150, 163])}


def test_pace_of_skipped_blocks_by_hand() -> None:
    tiles, record = skipping_record()
    record["v_cycle"][0] = 59
    cov = sampled(TINY, tiles, record)
    assert hits(cov, "pace.keys") == {"of the block, at full rate": 23, "of the next block, at full rate": 2,
                                      "of the next block, later": 1, "of the next tile, at full rate": 1}
    assert hits(cov, "pace.keys_skipping") == hits(cov, "pace.keys")
    # the second block's keys come in cycles 32 to 60, the last one's in 105 to 113, the other tile's key in 117
    assert hits(cov, "pace.values") == {"some are skipped, after": 8, "some are skipped, a block or more after": 3,
                                        "all, a block or more after": 1}
    assert hits(cov, "decision.kind") == {"runs, more follow": 1, "runs, last": 2, "skipped, more follow": 2}
    assert hits(cov, "decision.pace") == {"skipped, later": 2, "ran, at full rate": 1, "ran, later": 1}
    assert hits(cov, "decision.value") == {
        "blocks may be skipped, before it": 1, "blocks may be skipped, with it or right after": 2,
        "blocks may be skipped, from the second cycle on": 8, "every block runs, with it or right after": 1}
    at_once = sampled(TINY, tiles, record | {"decision_cycle": np.array([50, 51, 83, 84, 96])})
    assert hits(at_once, "decision.pace") == {"skipped, at full rate": 2, "ran, at full rate": 2}
    early = sampled(TINY, tiles, record | {"decision_cycle": np.array([50, 51, 82, 84, 96])})
    assert early.score().illegal == ("decision.pace: ran, sooner",)
    short = sampled(TINY, tiles, record | {"v_cycle": record["v_cycle"][1:]})
    assert not hits(short, "pace.values") and not hits(short, "pace.keys"), "streams that disagree have no pace"


def test_states_by_hand(generator: np.random.Generator) -> None:
    """Word: k moves and o waits while IP-CIM and OP-CIM work on two tiles; and one that cannot be."""
    tile = random_tile(TINY, generator, 2, 3)
    word = 0b11 << 2 | 0b01 << 6 | 1 << 8 | 1 << 11 | 2 << 13 | 0b01 << 15
    cov = sampled(TINY, [tile], {"state_counts": np.array([[word, 5], [0b01 << 6 | 1 << 12 | 1 << 13, 2], [0, 9]])})
    assert hits(cov, "stream.k") == {"neither, read-out": 2, "neither, all at rest": 9, "moves, IP-CIM": 5, "moves, OP-CIM": 5}
    assert hits(cov, "stream.o")["valid waits, IP-CIM"] == 5
    assert hits(cov, "stream.decision") == {"valid waits, IP-CIM": 5, "valid waits, OP-CIM": 5, "neither, read-out": 2,
                                       "neither, all at rest": 9}
    assert hits(cov, "overlap.tiles") == {"0, all at rest": 9, "1, read-out": 2, "2, IP-CIM": 5, "2, OP-CIM": 5}
    assert hits(cov, "overlap.stages") == {"IP-CIM and OP-CIM": 5} and not hits(cov, "overlap.load")
    assert cov.score().illegal == ("stream.o: valid waits, read-out",)


# ---- schedules, fused first steps, skipped blocks
def decided(tiles: list[TileJob], **counters: int) -> CoverGroup:
    """The hits of a run of ``tiles`` whose counters, if any are given, are 0 but for those; none is illegal."""
    cov = sampled(TINY, tiles, {"counters": np.array([counters.get(name, 0) for name in COUNTERS])} if counters else None)
    assert not cov.score().illegal
    return cov


def test_orders_are_seen_from_the_positions(generator: np.random.Generator) -> None:
    def names(keys: int) -> list[str]:
        return [order_of(TINY, decode(TINY, generator, 2, keys, schedule=name)[0]) for name in SCHEDULES]

    assert names(1) == names(BLOCK) == ["one block"] * 4
    assert names(BLOCK + 1) == names(2 * BLOCK) == ["natural", *["newest of two first"] * 3]
    assert names(2 * BLOCK + 1) == names(3 * BLOCK) == ["natural", "diagonal_first", *["newest of three first"] * 2]
    assert names(3 * BLOCK + 1) == names(5 * BLOCK) == list(SCHEDULES)
    tile = decode(TINY, generator, 2, 20)[0]
    assert order_of(TINY, replace(tile, k_pos=tile.k_pos.flip(0))) == "another order"
    assert order_of(TINY, replace(tile, k_pos=tile.k_pos + 1)) == "another order"


def test_schedules_by_hand(generator: np.random.Generator) -> None:
    """Tiles of 16, 32 and 40 keys of one head, and steps of decoding with 30 keys."""
    tiles = prefill(TINY, generator, 1, 40, schedule="sink_diagonal", fused=True)
    tiles += decode(TINY, generator, 4, 30, schedule="diagonal_first", skip=True)
    cov = decided(tiles, stall_k=1)
    assert hits(cov, "schedule.order") == {"newest of two first, whole": 1, "sink_diagonal, whole": 2,
                                           "diagonal_first, ragged": 1}
    assert hits(cov, "schedule.blocks") == {"sink_diagonal, 4 to 15": 2, "diagonal_first, 4 to 15": 1}
    assert hits(cov, "schedule.flags") == {"sink_diagonal, fused, every block runs": 2,
                                           "diagonal_first, one block, blocks may be skipped": 1}
    assert hits(cov, "schedule.phase") == {"sink_diagonal, several tokens": 2, "diagonal_first, one token": 1}
    assert hits(cov, "schedule.stalls") == {"sink_diagonal, inputs pause": 2, "diagonal_first, inputs pause": 1}
    assert hits(cov, "skip.stalls") == {"0, fused, every block runs, inputs pause": 3,
                                        "0, one block, blocks may be skipped, inputs pause": 1}
    assert hits(cov, "skip.changes") == {"both the same": 2, "both others": 1}


def test_streams_that_pause_are_seen_from_the_counters() -> None:
    def seen(**counters: int) -> str | None:
        return stalls_seen({"counters": np.array([counters.get(name, 0) for name in COUNTERS])})

    assert seen(stall_softmax=9) == "none pauses" and seen(stall_k=2) == "inputs pause"
    assert seen(stall_o=1) == seen(stall_decision=1) == "outputs wait" and seen(stall_k=1, stall_decision=1) == "both"
    assert stalls_seen({}) is None


def test_first_steps_by_hand(generator: np.random.Generator) -> None:
    """The second block's maximum is larger, or smaller, or all that half of the rows see."""
    larger = levels_tile(TINY, generator, [0, 4], short=7, tau=2, fused=True)
    smaller = levels_tile(TINY, generator, [4, 0, 1], tau=2, fused=True)
    some = replace(larger, k_pos=torch.tensor([2] * BLOCK + [1]), q_pos=torch.arange(ROWS) % 2 + 1)     # half see one block
    cov = decided([larger, smaller, some, replace(larger, fused=False), levels_tile(TINY, generator, [0], fused=True)])
    assert hits(cov, "fused.tile") == {"fused, two, the second ragged": 2, "fused, more": 1, "fused, one": 1,
                                       "one block, two, the second ragged": 1}
    assert hits(cov, "fused.second_block") == {"one, last": 2, "all, more follow": 1}
    assert hits(cov, "fused.row") == {"the second is larger": ROWS + ROWS // 2, "the first is larger": ROWS,
                                      "sees the second only": ROWS // 2}
    assert hits(cov, "fused.saved") == {"2, would rescale": ROWS + ROWS // 2, "2, would not": ROWS}


def test_skipped_blocks_by_hand(generator: np.random.Generator) -> None:
    tiles = [levels_tile(TINY, generator, [None, 0, LOW, LOW, 0, LOW], skip=True),
             levels_tile(TINY, generator, [LOW, 0], fused=True, skip=True),
             levels_tile(TINY, generator, [None, None], skip=True), levels_tile(TINY, generator, [0, LOW, None])]
    cov = decided(tiles)
    assert hits(cov, "skip.block") == {
        "first, one block, nothing visible": 2, "middle, one block, all too small": 2, "last, one block, all too small": 1,
        "first, fused, all too small": 1}
    assert hits(cov, "skip.runs_though_zero") == {"nothing visible, no other block": 1, "all too small, no flag": 1,
                                                  "nothing visible, no flag": 1}
    assert hits(cov, "skip.share") == {"some": 1, "all but one": 2}
    # -, r, --, r, then - - across the end of the first tile, then r, -, r, rrr
    assert hits(cov, "skip.in_a_row") == {"1": 2, "2": 2, "over a tile's end": 1}
    assert hits(cov, "skip.kept_by") == {"all": 3}
    assert hits(cov, "skip.changes") == {"other first step": 2, "other skip": 1}


@pytest.mark.parametrize(("tau", "name"), [(0, "0"), (3, "1 to 7"), (8, "8")])
def test_the_edge_of_a_block_that_vanishes_by_hand(tau: int, name: str, generator: np.random.Generator) -> None:
    edge = tau - TINY.prob_bits
    cov = decided([levels_tile(TINY, generator, [0, edge + 1, edge, edge - 1, edge - 2, None], tau=tau, skip=True)])
    assert hits(cov, "skip.edge") == {f"{name}, {where}": 1 for where in
                                      ("2 or more above", "1 above", "at", "1 below", "2 or more below")}
    alone = levels_tile(TINY, generator, [0, LOW], tau=tau, skip=True)
    alone.q_mult[3] = 0
    assert hits(decided([alone]), "skip.kept_by") == {"all": 1, "one of several": 1}


def test_blocks_below_the_octaves_by_hand(generator: np.random.Generator) -> None:
    """Blocks 0, 1, 2, 3 octaves and as many below as leave nothing; padding in a tile whose keys have an order."""
    levels = [0, -1, -2, -3, LOW]
    tiles = [replace(levels_tile(TINY, generator, levels, skip=skip), octaves=octaves)
             for octaves, skip in ((1, True), (2, False), (0, True), (16, True), (15, True), (31, True))]
    cov = decided(tiles)
    exact = {f"{octaves}, {block}": count for octaves in ("0", "1 less", "the exact limit", "31")
             for block, count in (("counts", 4), ("all 0", 1))}
    assert hits(cov, "skip.octaves") == exact | {
        "1, counts": 2, "1, skipped": 2, "1, all 0": 1, "up to 2 less than the exact limit, counts": 3,
        "up to 2 less than the exact limit, runs without the flag": 1, "up to 2 less than the exact limit, all 0": 1}
    assert hits(cov, "skip.octaves_order") == {"natural, one block": 2}
    assert hits(cov, "skip.block") == {"middle, one block, below the octaves": 2, "last, one block, all too small": 5}
    assert hits(cov, "skip.runs_though_zero") == {"below the octaves, no flag": 1, "all too small, no flag": 1}
    computed = {name: sum(hits(decided([tile]), "exp.shift").values()) for name, tile in zip(("1", "0"), (tiles[0], tiles[2]))}
    assert computed["0"] - computed["1"] == 2 * BLOCK * ROWS, "no exponential of a block that is left out is seen"


# ---- all of a run
def test_every_point_of_a_record_is_sampled(generator: np.random.Generator) -> None:
    tiles = [random_tile(TINY, generator, 2, 3), random_tile(TINY, generator, 2, 1),
             *directed.rescales(TINY, generator).values(), *directed.saturation(TINY, generator).values(),
             *directed.visibility(TINY, generator).values(),
             *directed.skips(TINY, generator).values(), *directed.joint_starts(TINY, generator).values()]
    tiles += [tile for name in SCHEDULES for tile in prefill(TINY, generator, 1, 40, schedule=name)]
    tiles.append(replace(levels_tile(TINY, generator, [0, -2], skip=True), octaves=1))
    tiles.append(replace(tiles[0], partial=True))
    cov = sampled(TINY, tiles, {"counters": np.ones(len(COUNTERS)), "state_counts": np.array([[0x7FFFF, 3]])})
    flow = sampled(TINY, *skipping_record())
    narrow = sampled(NARROW, list(directed.probabilities(NARROW, generator).values()))
    counts = [group.counts for group in (cov, flow, narrow)]
    missing = [p.name for p in coverpoints() if p.source == "record" and not any(count[p.name].any() for count in counts)]
    assert missing == []


def test_nothing_of_an_empty_record_is_invented(generator: np.random.Generator) -> None:
    cov = sampled(TINY, [random_tile(TINY, generator)])
    assert not [name for name in cov.points if name.split(".")[0] in ("stream", "overlap", "pace") and cov.counts[name].any()]


def test_sampling_costs_less_than_twice_the_golden_model(generator: np.random.Generator) -> None:
    cfg = load_config("default")
    tiles = [*prefill(cfg, generator, 4, 256), *decode(cfg, generator, 4, 512)]
    golden_s, sample_s = [], []
    for _ in range(3):      # the shortest of three: other work on the machine only adds
        start = time.perf_counter()
        golden = [run_tile(cfg, tile) for tile in tiles]
        middle = time.perf_counter()
        sample_run(new_coverage(), cfg, tiles, golden, {})
        golden_s.append(middle - start)
        sample_s.append(time.perf_counter() - middle)
    assert min(sample_s) < 2 * min(golden_s)
