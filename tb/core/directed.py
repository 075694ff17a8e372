"""Directed query tiles: for each topic of docs/engine.md the tiles that provoke it, by name; and the few that provoke all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from models.hardware.config import EngineConfig
from models.hardware.tile import V_MULT_ONE, TileJob
from tb.core.sequences import UNIT, blocks, exact_tile, int8, ints, levels_tile, random_tile

Tiles = dict[str, TileJob]


def filled(cfg: EngineConfig, rows: int, keys: int, q: int, k: int, v: int, q_mult: int, k_mult: int, shift: int) -> TileJob:
    """Every element of Q, of K and of V has one value; every row sees every key."""
    def full(count: int, value: int) -> torch.Tensor:
        return torch.full((count, cfg.head_dim), value, dtype=torch.int8)

    return TileJob(full(rows, q), torch.full((rows,), keys), torch.full((rows,), q_mult), full(keys, k), full(keys, v),
                   torch.arange(keys), torch.full((keys,), k_mult), shift)


def maxima(cfg: EngineConfig, g: np.random.Generator) -> Tiles:
    """Where the row maximum stands: nowhere in particular, in each block of three and at both ends, rising with every key."""
    per_block = cfg.keys_per_block
    tiles = {"all equal": exact_tile(cfg, g, [1500] * (2 * per_block + 1))}
    for block, at in ((0, 0), (0, per_block - 1), (1, per_block // 2), (2, 0), (2, per_block - 1)):
        levels = [-20 * UNIT + int(g.integers(-UNIT, UNIT)) for _ in range(3 * per_block)]
        levels[block * per_block + at] = 10 * UNIT + 77
        tiles[f"maximum in block {block} of 3 at key {at}"] = exact_tile(cfg, g, levels)
    count = 3 * per_block
    tiles["rising with every key"] = exact_tile(cfg, g, [700 * j - 9000 for j in range(count)])
    tiles["rising by octaves"] = exact_tile(cfg, g, [3 * UNIT * j - 40 * UNIT for j in range(count)])
    tiles["falling with every key"] = exact_tile(cfg, g, [9000 - 700 * j for j in range(count)])
    return tiles


def extremes(cfg: EngineConfig, g: np.random.Generator) -> Tiles:
    """The ends of the operands' ranges, which offset binary must get right, and of the multipliers' and the shift's."""
    keys, rows = cfg.keys_per_block + 3, cfg.rows
    tiles = {f"q {q} k {k} v {v}": filled(cfg, rows, keys, q, k, v, 5, 7, 8)
             for q, k, v in ((-128, -128, -128), (127, 127, 127), (-128, 127, 127), (127, -128, -128), (0, 0, -128))}
    tiles["largest multipliers, shift 63"] = filled(cfg, rows, keys, -128, -128, 127, 65535, 65535, 63)
    tiles["multipliers 0"] = filled(cfg, rows, keys, -128, 127, 1, 0, 65535, 0)
    tiles["shift 0"] = replace(random_tile(cfg, g, rows, keys), shift=0, q_mult=ints(g, 0, 2, rows), k_mult=ints(g, 0, 2, keys))
    mixed = random_tile(cfg, g, cfg.rows, keys)
    ends = torch.tensor([-128, 127], dtype=torch.int8)
    for name in ("q", "k", "v"):
        setattr(mixed, name, ends[ints(g, 0, 1, *getattr(mixed, name).shape)])
    tiles["only -128 and 127"] = mixed
    return tiles


def visibility(cfg: EngineConfig, g: np.random.Generator) -> Tiles:
    """Rows that see no key, one key, keys late, or only padding; positions equal, largest, and out of order."""
    per_block, rows = cfg.keys_per_block, cfg.rows
    count = 3 * per_block
    top = cfg.padding_pos - 1
    plain = random_tile(cfg, g, rows, count, "plain", 0, "natural")
    late = torch.arange(count).flip(0)
    padded = torch.arange(count)
    padded[[0, per_block - 1, count - 1]] = cfg.padding_pos
    padded[per_block:2 * per_block] = cfg.padding_pos
    all_padding = torch.full((count,), cfg.padding_pos)
    near = torch.where(torch.arange(count) % 2 == 0, top, cfg.padding_pos)
    return {
        "half of the rows see no key": replace(plain, k_pos=torch.arange(count) + rows // 2, q_pos=torch.arange(rows)),
        "no row sees a key": replace(plain, k_pos=torch.arange(count) + 1, q_pos=torch.zeros(rows, dtype=torch.int64)),
        "one key for all rows": replace(random_tile(cfg, g, rows, 1), k_pos=torch.zeros(1, dtype=torch.int64)),
        "one key, one row": exact_tile(cfg, g, [-5000], rows=1),
        "one key, unseen": replace(exact_tile(cfg, g, [5]), q_pos=torch.zeros(rows, dtype=torch.int64), k_pos=torch.tensor([1])),
        "rows that see their first key in the last block": replace(plain, k_pos=late, q_pos=torch.arange(rows) % per_block),
        "each row sees just the key at its own position": replace(
            plain, k_pos=torch.arange(count) + 1, q_pos=torch.arange(rows) % 4 + 1),
        "padding first, last, inside and a whole block": replace(plain, k_pos=padded, q_pos=torch.full((rows,), count)),
        "nothing but padding": replace(plain, k_pos=all_padding, q_pos=torch.full((rows,), top)),
        "largest positions": replace(plain, k_pos=near, q_pos=torch.where(torch.arange(rows) % 3 == 0, top - 1, top)),
    }


def saturation(cfg: EngineConfig, g: np.random.Generator) -> Tiles:
    """Scaled scores at, one beyond and far beyond the two limits; clamped scores that no row sees must not count."""
    keys = cfg.keys_per_block + 5
    wild = replace(random_tile(cfg, g, cfg.rows, keys, "plain", 0), shift=20, q_pos=torch.full((cfg.rows,), keys + 9),
                   k_pos=torch.arange(keys))
    half_seen = replace(wild, q_pos=torch.arange(cfg.rows) % 4)
    unseen = replace(wild, q_pos=torch.zeros(cfg.rows, dtype=torch.int64), k_pos=torch.arange(keys) + 1)
    # 9/8 of these scores are 2**19 - 3, 2**19 - 2, 2**19 - 1, 2**19, 2**19 + 1 after rounding, where not skipped
    near = [s for top in (466031, 466032, 466033, 466034, 466035) for s in (-top, top)]
    return {
        "far beyond both limits": wild, "clamped, seen by some": half_seen, "clamped, seen by none": unseen,
        "around both limits": exact_tile(cfg, g, near, q_mult=9, shift=3),
        "the code of a masked score": exact_tile(cfg, g, [-466034, -466033], q_mult=9, shift=3),
        "lowest and then highest maximum": exact_tile(
            cfg, g, [-480000] * cfg.keys_per_block + [480000] * cfg.keys_per_block, q_mult=9, shift=3),
    }


def scales(cfg: EngineConfig, g: np.random.Generator) -> Tiles:
    """Every shift of the scaled score, with halves of both signs to round where there are any."""
    near = [-2001, -2000, -1, 0, 1, 2000, 2001]
    return {
        "halves at shift 1": exact_tile(cfg, g, near, shift=1),
        **{f"shift {shift}": exact_tile(cfg, g, [-3 * cfg.head_dim, 3, 3 * cfg.head_dim], q_mult=65535, shift=shift)
           for shift in range(64)},
    }


def probabilities(cfg: EngineConfig, g: np.random.Generator) -> Tiles:
    """Every shift of the exponential from the largest probability down to 0; whole blocks that round to 0."""
    per_block, tiles = cfg.keys_per_block, {}
    for tau in (0, cfg.max_tau()):
        low = -(cfg.prob_bits + 3) * UNIT
        steps = 6 * per_block
        levels = [(tau + 1) * UNIT - 1 + (low - (tau + 1) * UNIT) * j // steps for j in range(steps)]
        tiles[f"all shifts, tau {tau}"] = exact_tile(cfg, g, [0] * per_block + levels, tau=tau)
        edges = [n * UNIT + f for n in range(-cfg.prob_bits - 2, tau + 1) for f in (0, 1, UNIT - 1)]
        tiles[f"all shifts at their edges, tau {tau}"] = exact_tile(cfg, g, [0] * per_block + edges, tau=tau)
    far = exact_tile(cfg, g, blocks(cfg, [100 * UNIT, -100 * UNIT, 60 * UNIT, 99 * UNIT, -150 * UNIT]))
    tiles["blocks far below the maximum"] = far
    tiles["zero blocks for some rows only"] = replace(far, q_mult=torch.arange(cfg.rows) % 2)
    return tiles


def rescales(cfg: EngineConfig, g: np.random.Generator) -> Tiles:
    """Rescales by one, by the width of the sums and of the accumulators, to 63 and beyond; several in a row."""
    amounts = [1, 2, 3, cfg.prob_bits, cfg.sum_bits - 1, cfg.sum_bits, cfg.acc_bits - 1, cfg.acc_bits, cfg.acc_bits + 1,
               62, 63, 64, 65, 127, 128, 200]
    level, tops = -484 * UNIT, [-484 * UNIT + 500]
    for amount in amounts:
        level += amount * UNIT
        tops.append(level + int(g.integers(0, UNIT)))
    tiles = {"amounts from 1 to 200": exact_tile(cfg, g, blocks(cfg, tops))}
    tiles["after a maximum in every row, values -128"] = replace(
        tiles["amounts from 1 to 200"], v=torch.full_like(tiles["amounts from 1 to 200"].v, -128))
    tiles["rescaled in every block, rows apart"] = replace(
        exact_tile(cfg, g, blocks(cfg, [UNIT * 3 * b for b in range(6)])), q_mult=torch.arange(cfg.rows) % 5)
    return tiles


def weights(cfg: EngineConfig, g: np.random.Generator) -> Tiles:
    """Multipliers of values: every one, alone and among others, with every magnitude of a probability and with rescales; a
    multiplier of 0 takes what is left of a small probability from the accumulators and leaves it in the row sum."""
    per_block = cfg.keys_per_block
    falling = [-(j * cfg.prob_bits * UNIT) // (2 * per_block) for j in range(2 * per_block)]
    base = exact_tile(cfg, g, falling)
    tiles = {f"all {mult}": replace(base, v_mult=torch.full((2 * per_block,), mult)) for mult in range(V_MULT_ONE + 1)}
    count = 5 * per_block - 3
    rising = exact_tile(cfg, g, blocks(cfg, [0, 3 * UNIT, 2 * UNIT, 9 * UNIT, 10 * UNIT])[:count])
    tiles["any, rescaled"] = replace(rising, v_mult=ints(g, 0, V_MULT_ONE, count))
    tiles["the ends, rescaled"] = replace(rising, v_mult=ints(g, 0, 1, count) * V_MULT_ONE)
    tiles["block by block, rescaled"] = replace(rising, v_mult=torch.arange(count) // per_block % 3 * 7)
    tiles["any, values -128"] = replace(tiles["any, rescaled"], v=torch.full_like(rising.v, -128))
    low = tiles["low probabilities"] = exact_tile(cfg, g, [0] + [-(cfg.prob_bits - 2) * UNIT] * (per_block - 1))
    low.v_mult = torch.tensor([V_MULT_ONE] + [0] * (per_block - 1))
    return tiles


def lazy(cfg: EngineConfig, g: np.random.Generator) -> Tiles:
    """Every tau: a candidate at the running maximum plus tau stays, one more moves; the fraction does not matter."""
    return {f"tau {tau}": exact_tile(cfg, g, blocks(cfg, [
        -7 * UNIT, (tau - 7) * UNIT + UNIT - 1, (tau - 6) * UNIT, (2 * tau - 5) * UNIT]), tau=tau)
        for tau in range(cfg.max_tau() + 1)}


def skips(cfg: EngineConfig, g: np.random.Generator) -> Tiles:
    """Which blocks of a tile run and which vanish; what decides at the edge; one row that keeps a block."""
    low, tiles = -(cfg.prob_bits + 9), {}
    for name, levels, short in (
            ("all but the first vanish", [0, low, low, low, low], 0), ("all but the last vanish", [None, None, None, 0], 0),
            ("only the middle runs", [None, 0, low], 0), ("every other one runs", [0, low, 0, low, 1, low, 1], 2),
            ("first and last run", [0, low, low, 0], 1), ("a ragged last block vanishes", [0, low], 3),
            ("nothing but padding: the last block runs", [None, None], 1), ("one block of padding", [None], 0),
            ("one block", [0], 0), ("a rescale between blocks that vanish", [0, low, 5, low, low + 5], 0)):
        tiles[name] = levels_tile(cfg, g, levels, short, skip=True)
    for tau in (0, 1, cfg.max_tau()):
        edge = tau - cfg.prob_bits      # the last octave in which something is left of a probability
        tiles[f"at the edge, tau {tau}"] = levels_tile(cfg, g, [0, edge, edge - 1, edge], tau=tau, skip=True)
    for row in (0, cfg.rows // 2, cfg.rows - 1):
        alone = levels_tile(cfg, g, [0, low, low, low], skip=True)
        alone.q_mult[row] = 0           # this row sees equal scores and never a block that vanishes
        tiles[f"row {row} alone keeps every block"] = alone
    exact = cfg.prob_bits - 1           # octaves below which nothing is left, for tau 1
    for octaves in sorted({1, exact // 2, exact - 1, exact, exact + 1, 31}):
        for skip in (False, True):
            span = min(octaves, exact)
            levels = [0, 1 - span, -span, -span - 1, -exact, -exact - 1, -span - 1, -span]
            tiles[f"{octaves} octaves, skip {skip}"] = replace(levels_tile(cfg, g, levels, 1, tau=1, skip=skip), octaves=octaves)
    tiles["one row, many blocks"] = levels_tile(cfg, g, [0, *[low] * 7], rows=1, skip=True)
    tiles["not allowed to skip"] = levels_tile(cfg, g, [0, low, low])
    return tiles


def joint_starts(cfg: EngineConfig, g: np.random.Generator) -> Tiles:
    """Fused tiles: the first running maximum over two blocks, one, rows that see one of them only; with and without skipping."""
    low, tiles = -(cfg.prob_bits + 9), {}
    for skip in (False, True):
        for name, levels, short in (
                ("the second block is larger", [0, 4, 4], 0), ("the second block is smaller", [4, 0, 9], 0),
                ("the first block vanishes", [low, 0, low], 0), ("the second vanishes", [0, low, 1], 0),
                ("the first is padding", [None, 0, 3], 0), ("both are padding", [None, None, 2, 5], 1),
                ("one block", [2], 0), ("one ragged block", [2], 5), ("two, the second ragged", [0, 7], 6)):
            tiles[f"{name}, skip {skip}"] = levels_tile(cfg, g, levels, short, tau=len(tiles) % 3, fused=True, skip=skip)
        late = levels_tile(cfg, g, [0, 4, 9], fused=True, skip=skip)
        rows, per_block = torch.arange(cfg.rows), cfg.keys_per_block
        late.k_pos = torch.tensor([2, 1, 0]).repeat_interleave(per_block)
        late.q_pos = rows % 4 - 1       # see nothing, the third block, the last two, all three
        late.q_pos[rows % 4 == 0] = 0
        late.k_pos += 1
        tiles[f"rows that see their first key in any block, skip {skip}"] = late
        tiles[f"random, skip {skip}"] = replace(random_tile(cfg, g, kind="peaked"), fused=True, skip=skip)
    return tiles


def partials(cfg: EngineConfig, g: np.random.Generator) -> Tiles:
    """Tiles whose rows leave undivided, each behind a tile that is divided and before one; then several in a row."""
    low, per_block = -(cfg.prob_bits + 9), cfg.keys_per_block
    seen = visibility(cfg, g)
    cases = {
        "all rows": random_tile(cfg, g, cfg.rows, 2 * per_block, "plain", 0),
        "one row, one key": seen["one key, one row"],
        "no row sees a key": seen["nothing but padding"],
        "half of the rows see no key": seen["half of the rows see no key"],
        "first keys in the last block": seen["rows that see their first key in the last block"],
        "the last blocks are skipped": levels_tile(cfg, g, [-3, 2, low, low, None], 1, skip=True),
        "the last blocks run for nothing": levels_tile(cfg, g, [-3, 2, low, None]),
        "skipped by octaves": replace(levels_tile(cfg, g, [0, -1, -2, -4], skip=True), octaves=1),
        "fused, the second block is larger": levels_tile(cfg, g, [0, 4, 4], fused=True),
        "fused, the first block is skipped": levels_tile(cfg, g, [low, 0, low], 1, fused=True, skip=True),
        "fused, the first is skipped by octaves": replace(levels_tile(cfg, g, [-3, 0, -3], fused=True, skip=True), octaves=1),
        "fused, both are padding": levels_tile(cfg, g, [None, None], fused=True, skip=True),
        "rescaled": levels_tile(cfg, g, [-5, -4, 3, 9, 80]),
        "lazy": levels_tile(cfg, g, [-5, cfg.max_tau() - 5, cfg.max_tau() - 4, 2 * cfg.max_tau() - 4], tau=cfg.max_tau()),
        "the lowest maximum and the highest": exact_tile(
            cfg, g, [-30000] * per_block + [30000] * per_block, q_mult=144, shift=3),
    }
    tiles = {}
    for number, (name, tile) in enumerate(cases.items()):
        tiles[name] = replace(tile, partial=True)
        tiles[f"divided, after {name}"] = random_tile(cfg, g, (1, cfg.rows)[number % 2], 1 + number % per_block, "plain", 0)
    return tiles | {f"one after the other, {n}": replace(random_tile(cfg, g, 1 + n % 3, 1), partial=True) for n in range(6)}


def framing(cfg: EngineConfig, g: np.random.Generator) -> Tiles:
    """Ragged last blocks of every length, key orders, one-row tiles, full tiles before short ones whose other rows are stale."""
    per_block, tiles = cfg.keys_per_block, {}
    for keys in (1, 2, per_block - 1, per_block, per_block + 1, 2 * per_block - 1, 2 * per_block, 2 * per_block + 1):
        tiles[f"{keys} keys"] = random_tile(cfg, g, keys=keys)
    for order in ("natural", "reversed", "random"):
        tiles[f"{order} order"] = random_tile(cfg, g, cfg.rows, 3 * per_block - 2, order=order)
    for n in range(2):      # both banks
        tiles[f"full and saturating, {n}"] = saturation(cfg, g)["far beyond both limits"]
    for n in range(2):
        tiles[f"one row after a full tile, {n}"] = random_tile(cfg, g, 1, per_block + 2, "peaked")
    for rows in (1, 2, cfg.rows - 1, cfg.rows // 2 + 1):
        tiles[f"{rows} rows"] = random_tile(cfg, g, rows, per_block, "peaked")
    return tiles


def largest_sums(cfg: EngineConfig, g: np.random.Generator) -> Tiles:
    """As many keys as a row may see, all with the largest probability: the sums and accumulators reach their bounds."""
    top = [UNIT - 1] * cfg.max_keys
    shape = (cfg.max_keys, cfg.head_dim)
    return {f"values {v}": exact_tile(cfg, g, top, rows=2, v=torch.full(shape, v, dtype=torch.int8)) for v in (-128, 127)}


def rounding(cfg: EngineConfig, g: np.random.Generator) -> Tiles:
    """Quotients exactly between two outputs, of both signs: 512 equal probabilities give sums over 512, times 256."""
    half = cfg.head_dim // 2
    v = int8(g, 512, cfg.head_dim, low=-127)
    v[0, :half] += ((v[:, :half].long().sum(0) + 1) % 2 * torch.where(v[0, :half] > 0, -1, 1)).to(torch.int8)     # odd sums
    v[:, half:] = -v[:, :half]
    return {"halves": exact_tile(cfg, g, [3 * UNIT] * 512, rows=3, v=v)}


def saturated_output(cfg: EngineConfig, g: np.random.Generator) -> Tiles:
    """A rescale leaves an accumulator whose row sum rounded to 0: the quotient leaves 16 bits and must clamp, both ways."""
    tau, per_block = cfg.max_tau(), cfg.keys_per_block
    tiles = {}
    for v in (-128, 127):
        for amount in range(tau + 1, tau + 6):
            levels = [0] * per_block + [amount * UNIT]
            tiles[f"values {v}, rescaled by {amount}"] = exact_tile(
                cfg, g, levels, rows=2, tau=tau, v=torch.full((per_block + 1, cfg.head_dim), v, dtype=torch.int8))
    return tiles


def provoking_tiles(cfg: EngineConfig, generator: np.random.Generator) -> list[TileJob]:
    """Few and short, yet each rule of the page matters in them."""
    per_block = cfg.keys_per_block
    full = exact_tile(cfg, generator, blocks(cfg, [0, 2 * UNIT, -90 * UNIT, 3 * UNIT + 5]), tau=2)
    short = [random_tile(cfg, generator, 5, 3, "plain", 0, "natural") for _ in range(4)]
    causal = random_tile(cfg, generator, cfg.rows, per_block + 2, "peaked", 0, "natural")
    causal.k_pos, causal.q_pos = torch.arange(per_block + 2), torch.arange(cfg.rows) % per_block
    few = exact_tile(cfg, generator, blocks(cfg, [0, 5 * UNIT]), rows=2)
    low = -cfg.prob_bits
    skipping = levels_tile(cfg, generator, [None, 0, low, low - 1, 2, low - 9], 2, skip=True)
    skipping.q_mult[0] = 0      # of this row, in the first group, every block that it sees keeps its probabilities
    joint = levels_tile(cfg, generator, [0, 5, 20, low - 9], fused=True, skip=True)
    unseen = levels_tile(cfg, generator, [None, None], rows=3, skip=True)
    alike = replace(skipping, q_mult=torch.ones_like(skipping.q_mult), octaves=31)
    below = replace(levels_tile(cfg, generator, [0, -3, -4, -2, -5], skip=True), octaves=3)
    weighed = random_tile(cfg, generator, cfg.rows, 2 * per_block, "plain", 0, "natural")
    weighed.v_mult = torch.arange(2 * per_block) * 5 % (V_MULT_ONE + 1)
    partial = [replace(tile, partial=True) for tile in (few, joint, unseen)]
    return [full, causal, *short, few, partial[0], skipping, alike, below, joint, *partial[1:], unseen, weighed, short[0]]
