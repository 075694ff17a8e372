"""How late keys and values may come without a cycle lost: at the bounds of docs/requests.md, and one cycle beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest

from models.hardware.config import EngineConfig
from models.hardware.timeline import predict
from scripts.flow.simulator import RunOptions
from tb.core.checker import assert_ok
from tb.core.configs import small
from tb.core.cycle_table import cycle_table
from tb.core.sequences import flagged, shaped_tiles, vanishing_tiles
from tb.engine.run import HEAD_START, run_engine
from tb.engine.sequences import Fetch, fetched

AHEAD = 8
SEARCH = 60         # steps of a search for bad lists of tiles
ENDS = [1, 8]       # bits per cycle: eight cycles per key, and one


def key_bound(cfg: EngineConfig, ahead: int, fused: bool = False) -> int:
    """The longest wait for keys, all blocks being whole."""
    return (ahead - 1 - fused) * cfg.block_cycles - 2 * cfg.cycles_per_key - 8


def any_key_bound(cfg: EngineConfig, ahead: int) -> int:
    """A wait for keys that no mix of tiles notices."""
    return (ahead // 2 - 4) * cfg.block_cycles


def value_bound(cfg: EngineConfig, keys: int) -> int:
    """The longest wait for the values of a block of ``keys`` keys."""
    return keys * (cfg.cycles_per_key - 1) + 2


def counters(cfg: EngineConfig, fetches: list[Fetch], seed: int, hold: int, k: int = 0, v: int = 0) -> dict[str, int]:
    """Counters of a run that is right but for its time."""
    run, = run_engine(cfg, fetches, options=RunOptions(seed=seed), ahead=AHEAD, waits={"k": (k, k), "v": (v, v)}, at_speed=False,
                      hold=hold)
    assert_ok([run], [fetch.tile for fetch in fetches], expected=1)
    return run.counters


def long_tiles(cfg: EngineConfig, generator: np.random.Generator, fused: bool) -> list[Fetch]:
    """Tiles of whole blocks, long enough for the bound to count; a chain of short ones if they are fused."""
    blocks = [3] * 8 if fused else [AHEAD + 6, 4]
    fetches = fetched(shaped_tiles(cfg, generator, [(8, cfg.keys_per_block * n) for n in blocks]))
    for fetch in fetches:
        fetch.tile.fused = fused
    return fetches


@pytest.mark.sample(2)
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("bits_per_cycle", ENDS)
def test_late_keys(bits_per_cycle: int, fused: bool, seed: int, generator: np.random.Generator) -> None:
    cfg = small(bits_per_cycle, max_keys=1024)
    fetches, wait = long_tiles(cfg, generator, fused), key_bound(cfg, AHEAD, fused)
    want = predict(cfg, [fetch.tile for fetch in fetches])
    assert counters(cfg, fetches, seed, wait + HEAD_START, k=wait) == want
    late = counters(cfg, fetches, seed, wait + 1 + HEAD_START, k=wait + 1)
    assert late["cycles"] > want["cycles"] and late["stall_k"] > 0


@pytest.mark.parametrize("bits_per_cycle", ENDS)
def test_late_values(bits_per_cycle: int, seed: int, generator: np.random.Generator) -> None:
    cfg = small(bits_per_cycle, max_keys=1024)
    fetches, wait = long_tiles(cfg, generator, False), value_bound(cfg, cfg.keys_per_block)
    want = predict(cfg, [fetch.tile for fetch in fetches])
    assert counters(cfg, fetches, seed, HEAD_START, v=wait) == want
    late = counters(cfg, fetches, seed, HEAD_START, v=wait + 1)
    assert late["cycles"] > want["cycles"] and late["stall_v"] > 0


@pytest.mark.sample(2)
@pytest.mark.parametrize("bits_per_cycle", [1, 2, 4, 8])
def test_any_tiles_at_the_bounds_for_any(bits_per_cycle: int, seed: int, generator: np.random.Generator) -> None:
    """Ragged, fused, skipping tiles of any length and schedule, waits up to what no mix notices: the predicted counters."""
    cfg = small(bits_per_cycle)
    tiles = [*vanishing_tiles(cfg, generator, 10),
             *flagged(generator, shaped_tiles(cfg, generator, [(8, 30), (1, 1), (2, 9), (8, 8), (1, 1), (1, 17), (8, 1)]))]
    fetches = fetched([tiles[i] for i in generator.permutation(len(tiles))])
    k, v = any_key_bound(cfg, 2 * AHEAD), value_bound(cfg, 1)
    for waits in ({"k": (k, k), "v": (v, v)}, {"k": (0, k), "v": (0, v)}):
        run, = run_engine(cfg, fetches, options=RunOptions(seed=seed), ahead=2 * AHEAD, waits=waits, hold=k + HEAD_START)
        assert_ok([run], [fetch.tile for fetch in fetches], expected=1)


@pytest.mark.parametrize("bits_per_cycle", ENDS)
def test_a_tile_without_a_head_start(bits_per_cycle: int, seed: int, generator: np.random.Generator) -> None:
    """A tile that comes with its first row hides a wait of its rows less one; only ``stall_q`` and ``stall_k`` move before."""
    cfg = small(bits_per_cycle)
    fetches = fetched(shaped_tiles(cfg, generator, [(6, 20)]))
    want = predict(cfg, [fetches[0].tile])
    for wait, lost in ((0, 0), (5, 0), (6, 1), (9, 4)):
        got = counters(cfg, fetches, seed, 0, k=wait)
        assert got["cycles"] == want["cycles"] + lost and got["stall_k"] == lost
        assert got["stall_q"] == max(want["stall_q"] - HEAD_START - wait, 0)


class Shape(NamedTuple):
    """A tile as far as cycles go; ``ran`` says of each key block whether it runs."""

    rows: int
    keys: int
    fused: bool
    ran: tuple[bool, ...]


def random_shape(generator: np.random.Generator, per_block: int, kind: int) -> Shape:
    """A tile of any length, of hardly more than a block, or of a few keys; any but one of its blocks may be skipped."""
    least, most = ((1, 4 * per_block), (per_block, per_block + 1), (1, 3))[kind]
    keys = int(generator.integers(least, most + 1))
    ran = generator.random(-(-keys // per_block)) < generator.random()
    ran[generator.integers(len(ran))] = True
    return Shape(int(generator.integers(1, 9)), keys, bool(generator.integers(2)), tuple(ran.tolist()))


def slack(cfg: EngineConfig, tiles: Sequence[Shape], ahead: int) -> int:
    """The longest wait for keys with which the page's table holds, tiles and first keys being there early."""
    events = cycle_table(cfg, [(t.rows, t.keys) for t in tiles], [t.fused for t in tiles], [list(t.ran) for t in tiles])
    firsts = [sum(t.keys for t in tiles[:number]) + first for number, tile in enumerate(tiles)
              for first in range(0, tile.keys, cfg.keys_per_block)]
    least = 1 << 30
    asked = -(1 << 20)
    for block, first in enumerate(firsts):
        asked = max(asked + 1, events.E[block - ahead] + 1 if block >= ahead else asked)
        least = min(least, events.A[first] - asked - 1)
    return least


@pytest.mark.parametrize("bits_per_cycle", [1, 2, 4, 8])
@pytest.mark.parametrize("ahead", [8, 16, 32, 64])
def test_the_bounds_by_the_table(ahead: int, bits_per_cycle: int, generator: np.random.Generator) -> None:
    """Whole blocks at their bounds exactly; random lists of tiles, and worse ones from a search, above the bound for any."""
    for per_block in (8, 16):
        cfg = small(bits_per_cycle, keys_per_block=per_block, max_keys=4096)
        for fused in (False, True):
            assert slack(cfg, [Shape(8, 3 * per_block, fused, (True,) * 3)] * ahead, ahead) == key_bound(cfg, ahead, fused)
        lists = [[random_shape(generator, per_block, trial % 3) for _ in range(ahead + 8)] for trial in range(12)]
        wait, worst = min(((slack(cfg, tiles, ahead), tiles) for tiles in lists), key=lambda pair: pair[0])
        for _ in range(SEARCH):     # tiles of the worst list are drawn again, and what is no better stays
            kind, share = int(generator.integers(3)), 2 / len(worst)
            other = [random_shape(generator, per_block, kind) if generator.random() < share else tile for tile in worst]
            if (found := slack(cfg, other, ahead)) <= wait:
                wait, worst = found, other
        assert wait >= any_key_bound(cfg, ahead), (cfg, worst)
