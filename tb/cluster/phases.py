"""What a call brings to ``fcim_cluster``: its waves with their tiles, blocks of K and V for the buffer, and what must come of it.
A phase is a call of one mode; phases follow each other without anything in flight between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from models.hardware.schedules import TileOptions, key_order
from models.hardware.tile import QuantisedGroup, TileJob, TileResult
from models.hardware.tiling import tokens_per_tile
from models.system.merge import check_parts, merged_output, split_keys, split_tile
from models.system.plan import ASCENDING, DESCENDING, Prefill, Wave, visits
from tb.core.transactions import stream_arrays

RESIDENT, STREAMED, DECODE = range(3)
PLAIN = TileOptions()


@dataclass(frozen=True)
class Placed:
    """A tile where the plan puts it. ``wave``: its wave's number in the phase."""

    engine: int
    tile: TileJob
    result: TileResult
    wave: int


@dataclass(frozen=True)
class Load:
    """A block that is brought into the buffer: row ``row`` of the phase's keys is its first. A slot's blocks of another ``run``
    come when all of those before are free."""

    slot: int
    run: int
    page: int
    row: int


@dataclass(frozen=True)
class Merge:
    """A tile of a decode: the engines that have a part of it, and the joined rows."""

    parts: tuple[int, ...]
    out: torch.Tensor
    empty: torch.Tensor


@dataclass
class Phase:
    """One call.

    Attributes:
        waves: fields of ``s_wave``; ``head`` of each is not sent.
        keys: K, V and multipliers that loads refer to.
        loads: in the order of each slot; in resident mode all are there before the first wave, and ``slot`` is the head.
        k_blocks, v_blocks: how often the buses read a block.
    """

    mode: int
    engines: int
    keys: dict[str, np.ndarray]
    waves: list[dict[str, int | list[int]]] = field(default_factory=list)
    heads: list[int] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    merges: list[Merge] = field(default_factory=list)
    k_blocks: int = 0
    v_blocks: int = 0

    @property
    def rows_out(self) -> int:
        """Rows of O that come."""
        return sum(len(p.result.out) for p in self.placed) + sum(len(m.out) for m in self.merges)

    def arrays(self) -> dict[str, np.ndarray]:
        """What the bench sends."""
        sent = {name: values for name, values in stream_arrays([p.tile for p in self.placed]).items() if name.startswith("q_")}
        parts = [[engine in merge.parts for engine in range(self.engines)] for merge in self.merges]
        return {
            **sent, "q_engine": np.concatenate([np.full(len(p.tile.q), p.engine) for p in self.placed]), **self.keys,
            **{f"wave_{name}": np.array([wave[name] for wave in self.waves]) for name in self.waves[0]},
            "wave_head": np.array(self.heads), "merge_parts": np.array(parts, dtype=np.int64).reshape(-1, self.engines),
            **{f"load_{name}": np.array([getattr(load, name) for load in self.loads]) for name in ("slot", "run", "page", "row")},
            "rows_out": np.array(self.rows_out)}


def padded(cfg: EngineConfig, group: QuantisedGroup) -> QuantisedGroup:
    """The group with keys up to a whole block; those beyond the last token are hidden by causality, whatever they are."""
    extra = -len(group.k) % cfg.keys_per_block

    def pad(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, x.new_zeros(extra, *x.shape[1:])])

    return replace(group, k=pad(group.k), v=pad(group.v), k_mult=pad(group.k_mult), v_mult=pad(group.v_mult))


def keys_of(groups: Sequence[QuantisedGroup]) -> dict[str, np.ndarray]:
    """Keys of all heads, one behind the other, as arrays ``keys_<field>``."""
    return {f"keys_{name}": torch.cat([getattr(g, of) for g in groups]).numpy()
            for name, of in (("k", "k"), ("v", "v"), ("mult", "k_mult"), ("v_mult", "v_mult"))}


def tile_of(group: QuantisedGroup, span: slice, order: torch.Tensor, first: int, options: TileOptions) -> TileJob:
    """The tile of the tokens ``span`` with its keys in their order."""
    heads, _, dim = group.q.shape
    return TileJob(
        q=group.q[:, span].transpose(0, 1).reshape(-1, dim), q_mult=group.q_mult[:, span].transpose(0, 1).reshape(-1),
        q_pos=(first + torch.arange(span.start, span.stop)).repeat_interleave(heads),
        k=group.k[order], v=group.v[order], k_mult=group.k_mult[order], v_mult=group.v_mult[order], k_pos=order,
        shift=group.shift, tau=options.tau, fused=options.fused, skip=options.skip, octaves=options.octaves)


def tag_of(wave: int) -> int:
    """A wave's tag: anything in which neighbours differ now and then."""
    return int(wave % 3 == 0)


def prefill(cfg: EngineConfig, engines: int, groups: Sequence[QuantisedGroup], pages: int, first: int = 0,
            options: TileOptions = PLAIN, own_start: bool = False, streamed: bool = False, base: int = 0,
            waves: Sequence[Wave] | None = None) -> Phase:
    """A prefill of KV heads of the same shape; ``options`` but for the schedule, which is the wave's.

    Args:
        pages: of the buffer. first: position of the first token: ``groups`` hold as many keys before their tokens'.
        streamed: blocks pass through the buffer, else all heads' are there, from page ``base`` on.
        waves: other than the plan's.

    Raises:
        FcimError: the groups do not fit.
    """
    heads, tokens, _ = groups[0].q.shape
    if len(groups[0].k) != first + tokens:
        raise FcimError(f"{len(groups[0].k)} keys do not fit {tokens} tokens from position {first} on")
    plan, step = Prefill(cfg, engines, len(groups), heads, tokens, first), tokens_per_tile(cfg, heads)
    whole, size = [padded(cfg, group) for group in groups], cfg.keys_per_block
    blocks = len(whole[0].k) // size
    phase = Phase(STREAMED if streamed else RESIDENT, engines, keys_of(whole))
    for number, wave in enumerate(plan.waves() if waves is None else waves):
        counts = [plan.blocks(wave.tiles[e]) if e in wave.tiles else 0 for e in range(engines)]
        phase.heads.append(wave.head)
        phase.waves.append({
            "ascending": int(wave.ascending), "own_start": int(own_start), "stream": number % 2, "tag": tag_of(number),
            "mode": phase.mode, "base": 0 if streamed else (base + wave.head * blocks) % pages, "blocks": counts,
            "first": [0] * engines})
        asked: set[int] = set()
        read: set[int] = set()
        for engine, tile_number in sorted(wave.tiles.items()):
            schedule = (ASCENDING if wave.ascending else DESCENDING)[own_start]
            order = key_order(schedule, plan.blocks(tile_number) * size, size)
            span = slice(tile_number * step, min((tile_number + 1) * step, tokens))
            tile = tile_of(whole[wave.head], span, order, first, options)
            phase.placed.append(Placed(engine, tile, result := run_tile(cfg, tile), number))
            alone, shared = visits(plan, wave, tile_number, own_start)
            ran = result.ran.tolist()
            asked |= set(shared)
            read |= {block for block, runs in zip(shared, ran[len(alone):], strict=True) if runs}
            phase.k_blocks += len(alone)
            phase.v_blocks += sum(ran[:len(alone)])
        phase.k_blocks += len(asked)
        phase.v_blocks += len(read)
        if streamed:
            walk = range(max(counts)) if wave.ascending else reversed(range(max(counts)))
            phase.loads += [Load(number % 2, number, number % 2 * pages // 2 + block % (pages // 2),
                                 (wave.head * blocks + block) * size) for block in walk]
    if not streamed:
        if len(groups) * blocks > pages:
            raise FcimError(f"{len(groups)} heads of {blocks} blocks do not fit a buffer of {pages}")
        phase.loads = [Load(i // blocks, 0, (base + i) % pages, i * size) for i in range(len(groups) * blocks)]
    return phase


def decode(cfg: EngineConfig, engines: int, groups: Sequence[QuantisedGroup], pages: int, split: int,
           options: TileOptions = PLAIN) -> Phase:
    """A decode of KV heads, a tile each, whose keys are split over up to ``split`` engines. Heads may differ in keys.

    Raises:
        FcimError: a head does not fit, or the divider might not saturate with so many parts.
    """
    size, shares = cfg.keys_per_block, 1 << (engines - 1).bit_length()
    whole = [padded(cfg, group) for group in groups]
    phase, per_wave, start = Phase(DECODE, engines, keys_of(whole)), engines // split, 0
    check_parts(cfg, options.tau, split)
    for number in range(-(-len(groups) // per_wave)):
        counts, firsts = [0] * engines, [0] * engines
        for place, group in enumerate(whole[number * per_wave:(number + 1) * per_wave]):
            keys, first = len(group.k), int(group.q_pos[0])
            tile = tile_of(group, slice(0, group.q.shape[1]), torch.arange(keys), first, options)
            results = []
            for i, (share, span) in enumerate(zip(split_tile(tile, split, size), split_keys(keys, split, size), strict=True)):
                engine, share = place * split + i, replace(share, partial=True)
                result = run_tile(cfg, share)
                counts[engine], firsts[engine] = len(span) // size, span.start // size
                phase.placed.append(Placed(engine, share, result, number))
                phase.loads += [Load(engine, number, engine * (pages // shares) + block % (pages // shares),
                                     start + span.start + block * size) for block in range(counts[engine])]
                phase.k_blocks += counts[engine]
                phase.v_blocks += int(result.ran.sum())
                results.append(result.partial)
            phase.merges.append(Merge(tuple(place * split + i for i in range(len(results))), *merged_output(results)))
            start += keys
        phase.heads.append(number)
        phase.waves.append({"ascending": 1, "own_start": 0, "stream": number % 2, "tag": tag_of(number), "mode": DECODE,
                            "base": 0, "blocks": counts, "first": firsts})
    return phase


def by_engine(phases: Sequence[Phase], engine: int) -> Iterator[tuple[Phase, Placed]]:
    """The tiles of an engine, in its order."""
    return ((phase, placed) for phase in phases for placed in phase.placed if placed.engine == engine)
