"""Descriptors for ``fcim_command_processor``: legal ones, at the limits and anywhere, and every way to be illegal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np

from models.hardware.config import TAU_MAX
from models.system.descriptor import BASES, MAX_HEADS, STRIDES, Descriptor, Flag, Limits, Op, Status, tile_tokens

WORD = (1 << 32) - 1


@dataclass
class Item:
    """A descriptor, and what becomes of it.

    Attributes:
        lost: beats of the descriptor that come with an error, the first time that it is read.
        errors: of the call: read, write, engine.
        word_error: the completion word cannot be written.
    """

    descriptor: Descriptor
    lost: frozenset[int] = frozenset()
    errors: tuple[bool, bool, bool] = (False, False, False)
    word_error: bool = False


def most_tau(limits: Limits, split: int) -> int:
    """The largest legal threshold of a call."""
    return min(TAU_MAX, limits.prob_bits - 1 - split.bit_length())


def _places(generator: np.random.Generator, limits: Limits) -> dict[str, int]:
    """Bases, strides, completion and tag: any legal ones."""
    unit = limits.beat_bytes
    places = {name: int(generator.integers(1 << 63)) * 2 // unit * unit for name in BASES}
    places |= {name: int(generator.integers(1 << 32)) // unit * unit for name in STRIDES}
    return places | {"completion": int(generator.integers(1 << 61)) * 8, "tag": int(generator.integers(1 << 32))}


def draw_legal(generator: np.random.Generator, limits: Limits, op: Op | None = None) -> Descriptor:
    """A legal descriptor; each size is now and then the least, now and then the largest that is legal."""

    def size(least: int, most: int) -> int:
        kind = int(generator.integers(6))
        return least if kind == 0 else most if kind == 1 else int(generator.integers(least, most + 1))

    op = op or (Op.PREFILL, Op.DECODE)[int(generator.integers(2))]
    group = size(1, limits.rows)
    splits = [1 << i for i in range(limits.engines.bit_length())] if op == Op.DECODE else [1]
    split = splits[int(generator.integers(len(splits)))]
    tokens = size(1, min(tile_tokens(limits, group), limits.max_keys) if op == Op.DECODE else limits.max_keys)
    first = size(0, limits.max_keys - tokens)
    flags = int(generator.integers(16))
    if op == Op.DECODE or first + tokens > limits.buffer_keys:
        flags &= ~Flag.OWN_START
    return Descriptor(op=op, flags=flags, tau=size(0, most_tau(limits, split)), octaves=size(0, 31), group=group, split=split,
                      tokens=tokens, first=first, kv_heads=size(1, MAX_HEADS), **_places(generator, limits))


class Change(NamedTuple):
    """A change by which a legal descriptor of this op gets a status; ``name`` for messages and coverage."""

    name: str
    status: Status
    op: Op
    fields: dict[str, int]


def changes(limits: Limits) -> Iterator[Change]:
    """Every rule broken as narrowly as it can be, and far off."""
    prefill, decode = Op.PREFILL, Op.DECODE
    for op in (0, 3, 4, 5, 128, 129, 130, 255):
        yield Change("op", Status.UNKNOWN_OP, prefill, {"op": op})
    for bit in range(4, 8):
        yield Change("flags", Status.RESERVED, prefill, {"flags": 1 << bit})
    for bit in range(16):
        yield Change("bytes 6 and 7", Status.RESERVED, decode, {"reserved": 1 << bit})
    for name, op, values in (
        ("group", prefill, (0, limits.rows + 1, 255)),
        ("group", decode, (0, limits.rows + 1, 255)),
        ("kv_heads", prefill, (0, MAX_HEADS + 1, 2 * MAX_HEADS, 1 << 16, 1 << 31)),
        ("octaves", prefill, (32, 64, 128)),
        ("split", prefill, (0, 2, 3, 16, 255)),
        ("split", decode, (0, 3, 2 * limits.engines, 32, 128)),
        ("tau", prefill, (most_tau(limits, 1) + 1, 16, 32, 128)),
    ):
        for value in values:
            yield Change(name, Status.SIZE, op, {name: value})
    yield Change("tau", Status.SIZE, decode, {"tau": most_tau(limits, limits.engines) + 1, "split": limits.engines})
    yield Change("tokens", Status.SIZE, prefill, {"tokens": 0})
    yield Change("tokens", Status.SIZE, decode, {"tokens": 0})
    for first, tokens in ((0, limits.max_keys + 1), (limits.max_keys, 1), (1, limits.max_keys), (WORD, 1), (1, WORD),
                          (WORD, WORD), (1 << 31, 1 << 31)):
        yield Change("first + tokens", Status.SIZE, prefill, {"first": first, "tokens": tokens, "flags": 0})
    for group in (1, 2, 3, limits.rows // 2 + 1, limits.rows):
        tokens = tile_tokens(limits, group) + 1
        if tokens < limits.max_keys:
            yield Change("tokens of a decode", Status.SIZE, decode, {"group": group, "tokens": tokens, "first": 0})
    yield Change("own start", Status.SIZE, decode, {"flags": int(Flag.OWN_START)})
    if limits.buffer_keys < limits.max_keys:
        yield Change("own start", Status.SIZE, prefill,
                     {"flags": int(Flag.OWN_START), "first": limits.buffer_keys - 1, "tokens": 2})
    for name in (*BASES, *STRIDES):
        for value in sorted({1, limits.beat_bytes // 2, limits.beat_bytes - 1}):
            yield Change("base" if name in BASES else "stride", Status.ALIGNMENT, prefill, {name: value})
    for value in range(1, 8):
        yield Change("completion", Status.ALIGNMENT, decode, {"completion": 8 + value})


def changed(generator: np.random.Generator, limits: Limits, change: Change) -> Descriptor:
    """A legal descriptor with one change."""
    return replace(draw_legal(generator, limits, change.op), **change.fields)


def twice_changed(generator: np.random.Generator, limits: Limits) -> Iterator[Descriptor]:
    """Legal descriptors with two changes, so that there are two reasons to refuse them: each two statuses, a few times."""
    found = list(changes(limits))
    of = {status: [change for change in found if change.status == status] for status in Status}
    for low, high in combinations((Status.UNKNOWN_OP, Status.RESERVED, Status.SIZE, Status.ALIGNMENT), 2):
        for _ in range(6):
            one, other = (of[status][int(generator.integers(len(of[status])))] for status in (low, high))
            yield replace(draw_legal(generator, limits, one.op), **(other.fields | one.fields))
    late = next(change for change in found if change.name == "tokens of a decode")
    yield replace(draw_legal(generator, limits, late.op), h_table=1, **late.fields)


def around_the_buffer(generator: np.random.Generator, limits: Limits) -> list[Descriptor]:
    """Prefills with as many keys as the buffer has, and with one more if that is legal."""
    found = []
    for keys in (limits.buffer_keys, limits.buffer_keys + 1):
        tokens = int(generator.integers(1, limits.buffer_keys + 1))
        if keys <= limits.max_keys:
            legal = draw_legal(generator, limits, Op.PREFILL)
            found.append(replace(legal, first=keys - tokens, tokens=tokens, flags=legal.flags & ~Flag.OWN_START))
    return found
