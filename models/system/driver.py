"""Drives the accelerator from Python: lays out memory, writes descriptors, rings, waits, reads back.

What is behind the bus is the caller's: cocotb's AXI in a simulation, a memory that is mapped in on a board. Its methods are
coroutines, so that both can be; where nothing waits, :func:`asyncio.run` drives them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from models.errors import FcimError
from models.system.call import Call, padded
from models.system.config import SystemConfig
from models.system.descriptor import COMPLETION_BYTES, DESCRIPTOR_BYTES, Descriptor, Flag, Op, Status

PAGE = 4096


class Bus(Protocol):
    """What the driver needs of a machine with an accelerator in it."""

    async def read_memory(self, address: int, length: int) -> bytes:
        """Bytes of the memory that the accelerator sees."""

    async def write_memory(self, address: int, data: bytes) -> None:
        """Write them."""

    async def read_register(self, offset: int) -> int:
        """A register of 32 bits."""

    async def write_register(self, offset: int, value: int) -> None:
        """Write it."""

    async def interrupt(self) -> None:
        """Return once the interrupt is up."""


@dataclass(frozen=True)
class Region:
    """Bytes of memory: ``length`` from ``base`` on."""

    base: int
    length: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.base + self.length


@dataclass(frozen=True)
class Layout:
    """A call in memory: what lies where, the descriptor that says so, and what must be written before.

    Attributes:
        images: base and bytes of each tensor and table that the accelerator reads.
        o: where the rows of O go, by tokens. completion: where its word goes.
    """

    descriptor: Descriptor
    images: tuple[tuple[int, bytes], ...]
    o: Region
    completion: Region
    shape: tuple[int, int, int]

    @property
    def read_bytes(self) -> int:
        """Bytes of all that is read once at least."""
        return sum(len(data) for _, data in self.images)

    def output(self, data: bytes) -> Tensor:
        """``O`` int16 ``[query heads, tokens, head_dim]`` out of the bytes of its region."""
        heads, tokens, dim = self.shape
        return torch.from_numpy(np.frombuffer(data, dtype="<i2").reshape(tokens, heads, dim).transpose(1, 0, 2).copy())


def _bytes(x: Tensor) -> bytes:
    return x.contiguous().numpy().tobytes()


def _slots(rows: np.ndarray, size: int) -> bytes:
    """A table: each row of numbers, filled up to ``size`` bytes."""
    flat = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    return np.pad(flat, ((0, 0), (0, size - flat.shape[1]))).tobytes()


def lay_out(system: SystemConfig, call: Call, base: int, completion: int, tag: int = 0, interrupt: bool = True) -> Layout:
    """Put a call into memory from ``base`` on: Q and O by tokens, K and V by heads, each at a multiple of 4 KB.

    Raises:
        FcimError: the call does not fit the accelerator.
    """
    cfg, size = system.engine, system.engine.keys_per_block
    plan = call.prefill(system) if call.split is None else call.decode(system)
    groups = [padded(group, size) for group in call.groups]
    heads, keys = len(groups) * call.group, len(groups[0].k)
    q = torch.cat([group.q for group in groups])                                        # [query heads, T, D]
    rows = torch.stack([group.q_mult for group in groups]).transpose(1, 2).reshape(len(groups), -1)
    step = max(cfg.rows // call.group, 1) * call.group
    tiles = -(-rows.shape[1] // step)
    q_mult = np.pad(rows.numpy().astype("<u2"), ((0, 0), (0, tiles * step - rows.shape[1])))
    k_mult = torch.stack([group.k_mult | group.v_mult << 16 for group in groups]).numpy().astype("<u4")
    parts = {
        "q": _bytes(q.transpose(0, 1)),
        "k": b"".join(_bytes(group.k) for group in groups), "v": b"".join(_bytes(group.v) for group in groups),
        "q_table": _slots(q_mult.reshape(-1, step), system.q_table_bytes),
        "k_table": _slots(k_mult.reshape(-1, size), system.k_table_bytes),
        "h_table": bytes(group.shift for group in groups).ljust(-(-len(groups) // system.beat_bytes) * system.beat_bytes, b"\0"),
    }
    where, images = {}, []
    for name, data in parts.items():
        where[name] = base
        images.append((base, data))
        base = -(-(base + len(data)) // PAGE) * PAGE
    row, out = cfg.head_dim, 2 * cfg.head_dim
    options = call.options
    flags = (Flag.FUSED * options.fused | Flag.SKIP * options.skip | Flag.OWN_START * call.own_start | Flag.INTERRUPT * interrupt)
    descriptor = Descriptor(
        op=Op.PREFILL if call.split is None else Op.DECODE, flags=int(flags), tau=options.tau, octaves=options.octaves,
        group=call.group, split=call.split or 1, tokens=plan.tokens, first=plan.first, kv_heads=len(groups), tag=tag, o=base,
        q_token_stride=heads * row, q_head_stride=row, k_token_stride=row, k_head_stride=keys * row, v_token_stride=row,
        v_head_stride=keys * row, o_token_stride=heads * out, o_head_stride=out, q_table_stride=tiles * system.q_table_bytes,
        k_table_stride=keys // size * system.k_table_bytes, completion=completion, **where)
    return Layout(descriptor, tuple(images), Region(base, call.tokens * heads * out), Region(completion, COMPLETION_BYTES),
                  (heads, call.tokens, cfg.head_dim))


__all__ = ["DESCRIPTOR_BYTES", "Bus", "FcimError", "Layout", "Region", "Status", "lay_out"]
