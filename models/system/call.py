"""An attention call of the accelerator and its golden result: the results of all its tiles, put together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.errors import FcimError
from models.hardware.golden import run_tile
from models.hardware.schedules import TileOptions, key_order
from models.hardware.tile import QuantisedGroup, TileJob, TileResult
from models.hardware.tiling import tokens_per_tile
from models.system.config import SystemConfig
from models.system.merge import merged_output
from models.system.plan import ASCENDING, DESCENDING, Decode, Prefill


@dataclass(frozen=True)
class Shape:
    """What a call is but for its numbers: KV heads of ``group`` query heads, tokens behind ``first`` keys of a cache.

    ``fused``, ``own_start``, ``split``: as in :class:`Call`.
    """

    heads: int
    group: int
    tokens: int
    first: int = 0
    fused: bool = True
    own_start: bool = False
    split: int | None = None

    @property
    def keys(self) -> int:
        """Keys of a KV head."""
        return self.first + self.tokens

    def streamed(self, system: SystemConfig) -> bool:
        """It is a prefill whose keys do not fit the buffer."""
        return self.split is None and self.keys > system.buffer_keys

    def plan(self, system: SystemConfig) -> Prefill | Decode:
        """Who does what of it.

        Raises:
            FcimError: it does not fit the accelerator.
        """
        parts = (system.engine, system.engines, self.heads, self.group, self.tokens, self.first)
        return Prefill(*parts) if self.split is None else Decode(*parts, self.split)


@dataclass(frozen=True)
class Call:
    """A layer's attention: ``groups`` are its KV heads, all of the same shape, with the keys of a cache before their tokens'.

    Attributes:
        options: of all tiles, but for the schedule, which follows from the direction of the wave.
        own_start: every tile begins with its own diagonal (prefill in the buffer only).
        split: engines that share a KV head's keys: a decode; None: a prefill.

    Raises:
        FcimError: there is no group, or their shapes differ.
    """

    groups: Sequence[QuantisedGroup]
    options: TileOptions = TileOptions(fused=True)
    own_start: bool = False
    split: int | None = None

    def __post_init__(self) -> None:
        shapes = {(tuple(group.q.shape), tuple(group.k.shape)) for group in self.groups}
        if len(shapes) != 1:
            raise FcimError("a call needs KV heads of one shape; give at least one, and all with as many tokens and keys")
        if self.first < 0:
            raise FcimError(f"{self.keys} keys are fewer than {self.tokens} tokens; give the keys of the tokens too")

    @property
    def group(self) -> int:
        """Query heads of a KV head."""
        return self.groups[0].q.shape[0]

    @property
    def tokens(self) -> int:
        """Query tokens."""
        return self.groups[0].q.shape[1]

    @property
    def keys(self) -> int:
        """Keys of a KV head."""
        return len(self.groups[0].k)

    @property
    def first(self) -> int:
        """Position of the first query token."""
        return self.keys - self.tokens

    @property
    def shape(self) -> Shape:
        """All that decides how long it takes, but for what is skipped."""
        return Shape(len(self.groups), self.group, self.tokens, self.first, self.options.fused, self.own_start, self.split)

    def prefill(self, system: SystemConfig) -> Prefill:
        """The plan of a call that is one."""
        return Prefill(system.engine, system.engines, len(self.groups), self.group, self.tokens, self.first)

    def decode(self, system: SystemConfig) -> Decode:
        """The plan of a call that is one."""
        return Decode(system.engine, system.engines, len(self.groups), self.group, self.tokens, self.first, self.split or 0)

    def stream_keys(self, system: SystemConfig) -> int:
        """Keys of all tiles together, whole blocks of them."""
        if self.split is None:
            plan = self.prefill(system)
            blocks = sum(plan.blocks(tile) for tile in range(plan.tiles))
        else:
            blocks = self.decode(system).blocks
        return len(self.groups) * blocks * system.engine.keys_per_block


def layer_call(system: SystemConfig, groups: Sequence[QuantisedGroup], options: TileOptions) -> Call:
    """The call that a model makes of a layer as it runs: one token after a cache is a decode, its keys shared out over all
    engines; everything else a prefill, whose tiles begin with their own diagonals where the keys fit the buffer.

    Raises:
        FcimError: it does not fit the accelerator.
    """
    call = Call(groups, options, split=system.engines)
    if call.tokens == 1 and call.first:
        call.decode(system)
        return call
    call = Call(groups, options, own_start=call.keys <= system.buffer_keys)
    call.prefill(system)
    return call


@dataclass(frozen=True)
class Placed:
    """A tile where the plan puts it. ``token``: its first one. ``head``: its KV head."""

    engine: int
    head: int
    token: int
    tile: TileJob
    result: TileResult


def padded(group: QuantisedGroup, size: int) -> QuantisedGroup:
    """The group with keys up to a whole block of ``size``; causality hides those beyond the last token, whatever they are."""
    extra = -len(group.k) % size

    def pad(x: Tensor) -> Tensor:
        return torch.cat([x, x.new_zeros(extra, *x.shape[1:])])

    return replace(group, k=pad(group.k), v=pad(group.v), k_mult=pad(group.k_mult), v_mult=pad(group.v_mult))


def _rows(x: Tensor, span: slice) -> Tensor:
    """Rows of a tile, token by token: ``[G, T, ...]`` to ``[rows, ...]``."""
    return x[:, span].transpose(0, 1).reshape(-1, *x.shape[2:])


def _tile(group: QuantisedGroup, span: slice, first: int, keys: Tensor, options: TileOptions, partial: bool) -> TileJob:
    positions = first + torch.arange(span.start, span.stop)
    return TileJob(
        q=_rows(group.q, span), q_mult=_rows(group.q_mult, span), q_pos=positions.repeat_interleave(group.q.shape[0]),
        k=group.k[keys], v=group.v[keys], k_mult=group.k_mult[keys], v_mult=group.v_mult[keys], k_pos=keys, shift=group.shift,
        tau=options.tau, fused=options.fused, skip=options.skip, octaves=options.octaves, partial=partial)


@dataclass(frozen=True)
class Job:
    """A tile where the plan puts it, before anything is computed; see :class:`Placed`."""

    engine: int
    head: int
    token: int
    tile: TileJob


def _prefill_jobs(system: SystemConfig, call: Call) -> Iterator[Job]:
    cfg, plan = system.engine, call.prefill(system)
    step, size = tokens_per_tile(cfg, call.group), cfg.keys_per_block
    groups = [padded(group, size) for group in call.groups]
    for wave in plan.waves():
        schedule = (ASCENDING if wave.ascending else DESCENDING)[call.own_start]
        for engine, number in sorted(wave.tiles.items()):
            keys = key_order(schedule, plan.blocks(number) * size, size)
            span = slice(number * step, min((number + 1) * step, call.tokens))
            yield Job(engine, wave.head, span.start, _tile(groups[wave.head], span, call.first, keys, call.options, False))


def _decode_jobs(system: SystemConfig, call: Call) -> Iterator[Job]:
    size = system.engine.keys_per_block
    groups = [padded(group, size) for group in call.groups]
    for wave in call.decode(system).waves():
        for engine, part in sorted(wave.items()):
            keys = torch.arange(part.blocks.start * size, part.blocks.stop * size)
            tile = _tile(groups[part.head], slice(0, call.tokens), call.first, keys, call.options, True)
            yield Job(engine, part.head, 0, tile)


def tile_jobs(system: SystemConfig, call: Call) -> Iterator[Job]:
    """All tiles of a call, partial ones of a decode, in the order of the waves.

    Raises:
        FcimError: the call does not fit the accelerator.
    """
    return _prefill_jobs(system, call) if call.split is None else _decode_jobs(system, call)


def placed_tiles(system: SystemConfig, call: Call) -> Iterator[Placed]:
    """The same, each with its golden result."""
    for job in tile_jobs(system, call):
        yield Placed(job.engine, job.head, job.token, job.tile, run_tile(system.engine, job.tile))


def golden(system: SystemConfig, call: Call) -> tuple[Tensor, list[Placed]]:
    """``O`` int16 ``[query heads, tokens, head_dim]`` of a call, and its tiles.

    Raises:
        FcimError: the call does not fit the accelerator.
    """
    out = torch.zeros(len(call.groups) * call.group, call.tokens, system.engine.head_dim, dtype=torch.int16)

    def put(head: int, token: int, rows: Tensor) -> None:
        tokens = rows.reshape(-1, call.group, rows.shape[-1])
        out[head * call.group : (head + 1) * call.group, token : token + len(tokens)] = tokens.transpose(0, 1)

    placed = list(placed_tiles(system, call))
    if call.split is None:
        for one in placed:
            put(one.head, one.token, one.result.out)
    else:
        for head in range(len(call.groups)):
            parts = [one.result.partial for one in placed if one.head == head and one.result.partial is not None]
            put(head, 0, merged_output(parts)[0])
    return out, placed
