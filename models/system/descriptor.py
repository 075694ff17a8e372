"""A descriptor: the 128 bytes by which software orders one call of the accelerator, and which of them the hardware refuses.

``rtl/system/fcim_command_processor.v`` does what :func:`check` says; the table in ``docs/registers.md`` is made from
:data:`FIELDS`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag
from typing import NamedTuple

from models.errors import FcimError
from models.hardware.config import TAU_MAX

DESCRIPTOR_BYTES = 128
COMPLETION_BYTES = 8
MAX_HEADS = 256
MAX_OCTAVES = 31


class Op(IntEnum):
    """What a call does."""

    PREFILL = 1
    DECODE = 2


class Flag(IntFlag):
    """Bits of ``flags``; all others are reserved."""

    FUSED = 1
    SKIP = 2
    OWN_START = 4
    INTERRUPT = 8


class Status(IntEnum):
    """How a descriptor ended: bits 39:32 of its completion word. With several reasons the lowest is given."""

    OK = 0
    UNKNOWN_OP = 1
    RESERVED = 2
    SIZE = 3
    ALIGNMENT = 4
    UNREADABLE = 5
    READ = 6
    WRITE = 7
    ENGINE = 8

    @property
    def meaning(self) -> str:
        """One line for tables and messages."""
        return _MEANINGS[self]


_MEANINGS = {
    Status.OK: "done",
    Status.UNKNOWN_OP: "`op` is unknown",
    Status.RESERVED: "a reserved bit is set",
    Status.SIZE: "a size is illegal, or too large for this accelerator",
    Status.ALIGNMENT: "a base or stride is no multiple of a beat's bytes, or `completion` none of 8",
    Status.UNREADABLE: "the descriptor could not be read: no word is written, the ring stands",
    Status.READ: "a read of its tensors or tables failed; O is not to be used",
    Status.WRITE: "a row of O could not be written",
    Status.ENGINE: "an engine, the cluster or the merge unit found an error; O is not to be used",
}


class Field(NamedTuple):
    """Where a field lies: its first byte and how many it has."""

    name: str
    byte: int
    size: int
    meaning: str


_STRIDE = "from {} to {}, bytes"
FIELDS = (
    Field("op", 0, 1, "1 prefill, 2 decode"),
    Field("flags", 1, 1, "bit 0 `fused`, 1 `skip`, 2 own start, 3 interrupt when done; others 0"),
    Field("tau", 2, 1, "lazy threshold: 0 to 8 powers of two by which a score may pass the running maximum; 0: none"),
    Field("octaves", 3, 1, "with `skip`: blocks so many powers of two below the maximum are left out; 0: only of probability 0"),
    Field("group", 4, 1, "query heads per KV head"),
    Field("split", 5, 1, "engines per KV head in decode: 1, 2, 4, 8 or 16; 1 in prefill"),
    Field("reserved", 6, 2, "0"),
    Field("tokens", 8, 4, "query tokens"),
    Field("first", 12, 4, "position of the first query token: so many keys are in the cache before it"),
    Field("kv_heads", 16, 4, "KV heads"),
    Field("tag", 20, 4, "what the completion word repeats"),
    Field("q", 24, 8, "base of Q"),
    Field("k", 32, 8, "base of K"),
    Field("v", 40, 8, "base of V"),
    Field("o", 48, 8, "base of O"),
    Field("q_table", 56, 8, "base of the multipliers of Q"),
    Field("k_table", 64, 8, "base of the multipliers of K and V"),
    Field("q_token_stride", 72, 4, _STRIDE.format("token", "token")),
    Field("q_head_stride", 76, 4, _STRIDE.format("query head", "query head")),
    Field("k_token_stride", 80, 4, _STRIDE.format("token", "token")),
    Field("k_head_stride", 84, 4, _STRIDE.format("KV head", "KV head")),
    Field("v_token_stride", 88, 4, _STRIDE.format("token", "token")),
    Field("v_head_stride", 92, 4, _STRIDE.format("KV head", "KV head")),
    Field("o_token_stride", 96, 4, _STRIDE.format("token", "token")),
    Field("o_head_stride", 100, 4, _STRIDE.format("query head", "query head")),
    Field("q_table_stride", 104, 4, _STRIDE.format("KV head", "KV head")),
    Field("k_table_stride", 108, 4, _STRIDE.format("KV head", "KV head")),
    Field("completion", 112, 8, "where the 8 bytes of the completion word go"),
    Field("h_table", 120, 8, "base of the shifts, a byte per KV head"),
)
BASES = ("q", "k", "v", "o", "q_table", "k_table", "h_table")
STRIDES = tuple(field.name for field in FIELDS if field.name.endswith("_stride"))
_LAYOUT = struct.Struct("<" + "".join({1: "B", 2: "H", 4: "I", 8: "Q"}[field.size] for field in FIELDS))


@dataclass(frozen=True)
class Descriptor:
    """The fields of :data:`FIELDS`, whatever their values: :func:`check` says whether they are legal.

    Raises:
        FcimError: a field is no whole number, or has more bits than its place.
    """

    op: int
    flags: int = 0
    tau: int = 0
    octaves: int = 0
    group: int = 1
    split: int = 1
    reserved: int = 0
    tokens: int = 1
    first: int = 0
    kv_heads: int = 1
    tag: int = 0
    q: int = 0
    k: int = 0
    v: int = 0
    o: int = 0
    q_table: int = 0
    k_table: int = 0
    q_token_stride: int = 0
    q_head_stride: int = 0
    k_token_stride: int = 0
    k_head_stride: int = 0
    v_token_stride: int = 0
    v_head_stride: int = 0
    o_token_stride: int = 0
    o_head_stride: int = 0
    q_table_stride: int = 0
    k_table_stride: int = 0
    completion: int = 0
    h_table: int = 0

    def __post_init__(self) -> None:
        for name, _, size, _ in FIELDS:
            value = getattr(self, name)
            most = (1 << (8 * size)) - 1
            if not isinstance(value, int) or not 0 <= value <= most:
                raise FcimError(f"descriptor: {name} = {value!r} does not fit its {8 * size} bits; use 0 to {most:#x}")

    def pack(self) -> bytes:
        """The 128 bytes in memory."""
        return _LAYOUT.pack(*(getattr(self, field.name) for field in FIELDS))

    @classmethod
    def unpack(cls, data: bytes) -> Descriptor:
        """The descriptor that 128 bytes hold.

        Raises:
            FcimError: there are more or fewer.
        """
        if len(data) != DESCRIPTOR_BYTES:
            raise FcimError(f"a descriptor has {DESCRIPTOR_BYTES} bytes, not {len(data)}")
        return cls(**dict(zip((field.name for field in fields(cls)), _LAYOUT.unpack(data), strict=True)))


@dataclass(frozen=True)
class Limits:
    """What of an accelerator's parameters decides whether a descriptor is legal; named as in the Verilog, in lower case."""

    engines: int
    rows: int
    prob_bits: int
    max_keys: int
    buffer_keys: int
    data_bits: int

    @property
    def beat_bytes(self) -> int:
        """Bytes of a beat of the bus, of which bases and strides are multiples."""
        return self.data_bits // 8


def tile_tokens(limits: Limits, group: int) -> int:
    """Tokens of a query tile: as many as ``group`` rows each leave room for."""
    return limits.rows // group


def tiles(descriptor: Descriptor, limits: Limits) -> int:
    """Query tiles of a KV head; a legal decode has one."""
    return -(-descriptor.tokens // tile_tokens(limits, descriptor.group))


def streamed(descriptor: Descriptor, limits: Limits) -> bool:
    """Whether the keys of a prefill's head do not fit the buffer, so that each wave reads them anew."""
    return descriptor.op == Op.PREFILL and descriptor.first + descriptor.tokens > limits.buffer_keys


def _sizes_are_legal(d: Descriptor, limits: Limits) -> bool:
    decode = d.op == Op.DECODE
    if not 1 <= d.group <= limits.rows or not 1 <= d.kv_heads <= MAX_HEADS:
        return False
    if d.tokens < 1 or d.first + d.tokens > limits.max_keys:
        return False
    if d.split not in (1, 2, 4, 8, 16) or d.split > (limits.engines if decode else 1):
        return False
    # Beyond this the merge unit's divider might not saturate: models.system.merge.check_parts
    if d.tau > TAU_MAX or d.split << d.tau > 1 << (limits.prob_bits - 2) or d.octaves > MAX_OCTAVES:
        return False
    if decode:
        return d.tokens * d.group <= limits.rows and not d.flags & Flag.OWN_START
    return not (d.flags & Flag.OWN_START and streamed(d, limits))


def check(descriptor: Descriptor, limits: Limits) -> Status:
    """With which status the hardware refuses the descriptor before it touches a tensor; ``Status.OK``: it does not."""
    known = {int(op) for op in Op}
    if descriptor.op not in known:
        return Status.UNKNOWN_OP
    if descriptor.flags & ~sum(Flag) or descriptor.reserved:
        return Status.RESERVED
    if not _sizes_are_legal(descriptor, limits):
        return Status.SIZE
    aligned = all(getattr(descriptor, name) % limits.beat_bytes == 0 for name in (*BASES, *STRIDES))
    return Status.OK if aligned and descriptor.completion % COMPLETION_BYTES == 0 else Status.ALIGNMENT


def completion_word(tag: int, status: Status) -> int:
    """The 64 bits that are written at ``completion``, or at the multiple of 8 below it."""
    return status << 32 | tag
