"""Runs a prefill through ``fcim_cluster``, wave by wave as the plan has it, and judges what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from models.hardware.interface import COUNTERS
from models.hardware.schedules import TileOptions, key_order
from models.hardware.tile import QuantisedGroup, TileJob, TileResult
from models.hardware.tiling import tokens_per_tile
from models.system.plan import ASCENDING, DESCENDING, Prefill, Wave, estimate
from scripts.flow.simulator import USUAL, RunOptions
from tb.core.run import record_runs, tidy
from tb.core.transactions import Record, stream_arrays

TOP, BENCH = "fcim_cluster", "tb.cluster.bench_cluster"
# counters that do not depend on when streams are ready
COUNTED = ("keys", "blocks", "zero_blocks", "rescaled_rows", "rescale_amount", "saturations", "ip_bit_ops", "op_bit_ops",
           "skipped_blocks")


PLAIN = TileOptions()


@dataclass(frozen=True)
class Placed:
    """A tile where the plan puts it."""

    engine: int
    tile: TileJob
    result: TileResult


@dataclass(frozen=True)
class ClusterRun:
    """One run: what is wrong with it, cycles from the first wave to the last row, blocks of K and V that were read."""

    pattern: str
    problems: list[str]
    cycles: int
    k_blocks: int
    v_blocks: int

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def padded(cfg: EngineConfig, group: QuantisedGroup) -> QuantisedGroup:
    """The group with keys up to a whole block; those beyond the last token are hidden by causality, whatever they are."""
    extra = -len(group.k) % cfg.keys_per_block

    def pad(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, x.new_zeros(extra, *x.shape[1:])])

    return replace(group, k=pad(group.k), v=pad(group.v), k_mult=pad(group.k_mult), v_mult=pad(group.v_mult))


def place(cfg: EngineConfig, prefill: Prefill, groups: Sequence[QuantisedGroup], options: TileOptions,
          own_start: bool) -> list[list[Placed]]:
    """Per wave its tiles, by engine, with what the golden model gives; ``options`` but for the schedule, which is the wave's."""
    step, waves = tokens_per_tile(cfg, prefill.group), []
    for wave in prefill.waves():
        group = padded(cfg, groups[wave.head])
        schedule = (ASCENDING if wave.ascending else DESCENDING)[own_start]
        tiles = []
        for engine, number in sorted(wave.tiles.items()):
            order = key_order(schedule, prefill.blocks(number) * cfg.keys_per_block, cfg.keys_per_block)
            span = slice(number * step, min((number + 1) * step, prefill.tokens))
            count = span.stop - span.start
            tile = TileJob(
                q=group.q[:, span].transpose(0, 1).reshape(-1, cfg.head_dim),
                q_mult=group.q_mult[:, span].transpose(0, 1).reshape(-1),
                q_pos=(prefill.first + torch.arange(span.start, span.stop)).repeat_interleave(prefill.group),
                k=group.k[order], v=group.v[order], k_mult=group.k_mult[order], v_mult=group.v_mult[order],
                k_pos=order, shift=group.shift, tau=options.tau, fused=options.fused, skip=options.skip, octaves=options.octaves)
            assert len(tile.q) == count * prefill.group
            tiles.append(Placed(engine, tile, run_tile(cfg, tile)))
        waves.append(tiles)
    return waves


def arrays(cfg: EngineConfig, prefill: Prefill, groups: Sequence[QuantisedGroup], waves: Sequence[Wave],
           placed: Sequence[Sequence[Placed]], own_start: bool) -> dict[str, np.ndarray]:
    """What the bench sends: the buffer, one head behind the other, the waves and their rows of Q."""
    whole = [padded(cfg, group) for group in groups]
    blocks = len(whole[0].k) // cfg.keys_per_block
    tiles = [p.tile for tiles in placed for p in tiles]
    sent = {name: values for name, values in stream_arrays(tiles).items() if name.startswith("q_")}
    return {
        **sent, "q_engine": np.concatenate([np.full(len(p.tile.q), p.engine) for tiles in placed for p in tiles]),
        **{f"buffer_{name}": torch.cat([getattr(g, field) for g in whole]).numpy()
           for name, field in (("k", "k"), ("v", "v"), ("mult", "k_mult"), ("v_mult", "v_mult"))},
        "wave_ascending": np.array([wave.ascending for wave in waves]), "wave_own_start": np.full(len(waves), own_start),
        "wave_base": np.array([wave.head * blocks for wave in waves]),
        "wave_blocks": np.array([[prefill.blocks(wave.tiles[e]) if e in wave.tiles else 0 for e in range(prefill.engines)]
                                 for wave in waves]),
        "blocks_bits": np.array(cfg.index_bits - (cfg.keys_per_block - 1).bit_length() + 1),
    }


def judge(prefill: Prefill, placed: Sequence[Sequence[Placed]], record: Record, reads: tuple[int, int | None],
          pattern: str) -> ClusterRun:
    """What is wrong with a record: rows of each engine, its counters, and how often the buffer was read."""
    problems = ["the error pin is up"] if record["error"] else []
    for engine in range(prefill.engines):
        mine = [p for tiles in placed for p in tiles if p.engine == engine]
        rows = record["o_engine"] == engine
        want = [p.result for p in mine]
        nothing = np.zeros(0, dtype=np.int64)
        wanted = {
            "data": np.concatenate([r.out.numpy() for r in want]) if want else record["o_data"][:0],
            "empty": np.concatenate([nothing, *(r.empty.numpy() for r in want)]),
            "last": np.concatenate([nothing, *(np.arange(len(r.out)) == len(r.out) - 1 for r in want)])}
        for name, values in wanted.items():
            got = record[f"o_{name}"][rows]
            if got.shape != values.shape:
                problems.append(f"engine {engine}: {len(got)} rows instead of {len(values)}")
                break
            if differ := int((got != values).sum()):
                problems.append(f"engine {engine}: {differ} of {values.size} of {name} differ")
        counters = dict(zip(COUNTERS, record["counters"][engine].tolist(), strict=True))
        for name in COUNTED:
            if counters[name] != (total := sum(getattr(r.stats, name) for r in want)):
                problems.append(f"engine {engine}: {name} is {counters[name]} instead of {total}")
    k_blocks, v_blocks = int(record["k_blocks"]), int(record["v_blocks"])
    for name, got, expected in (("K", k_blocks, reads[0]), ("V", v_blocks, reads[1])):
        if expected is not None and got != expected:
            problems.append(f"{got} blocks of {name} were read instead of {expected}")
    return ClusterRun(pattern, problems, int(record["cycles"]), k_blocks, v_blocks)


def run_cluster(cfg: EngineConfig, engines: int, groups: Sequence[QuantisedGroup], first: int = 0,
                options: TileOptions = PLAIN, own_start: bool = True, patterns: Sequence[str] = ("none",),
                run: RunOptions = USUAL, budget: int | None = None) -> list[ClusterRun]:
    """A prefill of one or several KV heads of the same shape through ``fcim_cluster``, once per stall pattern.

    Args:
        first: position of the first token: ``groups`` hold as many keys before their tokens'.
        options: of all tiles; their schedule follows from ``own_start`` and the wave.
        budget: cycles after which a run fails; by default far more than the plan's.

    Raises:
        FcimError: the groups do not fit. BenchFailed: the bench itself failed.
    """
    heads, tokens, _ = groups[0].q.shape
    if len(groups[0].k) != first + tokens:
        raise FcimError(f"{len(groups[0].k)} keys do not fit {tokens} tokens from position {first} on")
    prefill = Prefill(cfg, engines, len(groups), heads, tokens, first)
    waves, placed = prefill.waves(), place(cfg, prefill, groups, options, own_start)
    plan = estimate(prefill, own_start)
    blocks = plan.rows // cfg.keys_per_block
    keys = -(-len(groups[0].k) // cfg.keys_per_block) * cfg.keys_per_block * len(groups)
    parameters = {**cfg.verilog_parameters(), "ENGINES": engines,
                  "BUFFER_KEYS": max(2 * cfg.keys_per_block, 1 << (keys - 1).bit_length())}
    streams = arrays(cfg, prefill, groups, waves, placed, own_start)
    result, records = record_runs(TOP, BENCH, parameters, streams, patterns, budget or 40 * plan.cycles + 20_000, run)
    skips = any(not bool(p.result.ran.all()) for tiles in placed for p in tiles)
    runs = [judge(prefill, placed, record, (blocks, None if skips else blocks), pattern) for pattern, record in records.items()]
    tidy(result, runs)
    return runs
