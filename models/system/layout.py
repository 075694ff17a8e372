"""Puts an attention call into memory, as the accelerator's descriptor says where things lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from models.hardware.tiling import tokens_per_tile
from models.system.call import Call, Shape, padded
from models.system.config import SystemConfig
from models.system.descriptor import COMPLETION_BYTES, Descriptor, Flag, Op
from models.system.driver import PAGE, Accelerator, Layout, Region
from models.system.plan import Prefill


def _bytes(x: Tensor) -> bytes:
    return x.contiguous().numpy().tobytes()


def _slots(rows: np.ndarray, size: int) -> bytes:
    """A table: each row of numbers, filled up to ``size`` bytes."""
    flat = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    return np.pad(flat, ((0, 0), (0, size - flat.shape[1]))).tobytes()


def place(system: SystemConfig, shape: Shape, base: int = 0) -> Descriptor:
    """Where a call's tensors and tables lie from ``base`` on: Q and O by tokens, K and V by heads, each at a multiple of 4 KB.

    Raises:
        FcimError: the call does not fit the accelerator.
    """
    plan, row = shape.plan(system), system.engine.head_dim
    blocks = -(-shape.keys // system.engine.keys_per_block)
    heads, keys = shape.heads * shape.group, blocks * system.engine.keys_per_block
    tiles = plan.tiles if isinstance(plan, Prefill) else 1
    sizes = {
        "q": shape.tokens * heads * row, "k": shape.heads * keys * row, "v": shape.heads * keys * row,
        "q_table": shape.heads * tiles * system.q_table_bytes, "k_table": shape.heads * blocks * system.k_table_bytes,
        "h_table": -(-shape.heads // system.beat_bytes) * system.beat_bytes, "o": 0,
    }
    where = {}
    for name, size in sizes.items():
        where[name] = base
        base = -(-(base + size) // PAGE) * PAGE
    return Descriptor(
        op=Op.PREFILL if shape.split is None else Op.DECODE, group=shape.group, split=shape.split or 1, tokens=shape.tokens,
        first=shape.first, kv_heads=shape.heads, q_token_stride=heads * row, q_head_stride=row, k_token_stride=row,
        k_head_stride=keys * row, v_token_stride=row, v_head_stride=keys * row, o_token_stride=2 * heads * row,
        o_head_stride=2 * row, q_table_stride=tiles * system.q_table_bytes, k_table_stride=blocks * system.k_table_bytes, **where)


def lay_out(system: SystemConfig, call: Call, base: int, completion: int, tag: int = 0, interrupt: bool = True) -> Layout:
    """Put a call into memory from ``base`` on, as :func:`place` says.

    Raises:
        FcimError: the call does not fit the accelerator.
    """
    cfg, size = system.engine, system.engine.keys_per_block
    descriptor = place(system, call.shape, base)
    groups = [padded(group, size) for group in call.groups]
    heads = len(groups) * call.group
    rows = torch.stack([group.q_mult for group in groups]).transpose(1, 2).reshape(len(groups), -1)
    step = tokens_per_tile(cfg, call.group) * call.group
    tiles = -(-rows.shape[1] // step)
    q_mult = np.pad(rows.numpy().astype("<u2"), ((0, 0), (0, tiles * step - rows.shape[1])))
    k_mult = torch.stack([group.k_mult | group.v_mult << 16 for group in groups]).numpy().astype("<u4")
    shifts = bytes(group.shift for group in groups)
    parts = {
        "q": _bytes(torch.cat([group.q for group in groups]).transpose(0, 1)),
        "k": b"".join(_bytes(group.k) for group in groups), "v": b"".join(_bytes(group.v) for group in groups),
        "q_table": _slots(q_mult.reshape(-1, step), system.q_table_bytes),
        "k_table": _slots(k_mult.reshape(-1, size), system.k_table_bytes),
        "h_table": shifts.ljust(-(-len(shifts) // system.beat_bytes) * system.beat_bytes, b"\0"),
    }
    options = call.options
    flags = Flag.FUSED * options.fused | Flag.SKIP * options.skip | Flag.OWN_START * call.own_start | Flag.INTERRUPT * interrupt
    descriptor = replace(descriptor, flags=int(flags), tau=options.tau, octaves=options.octaves, tag=tag, completion=completion)
    images = tuple((getattr(descriptor, name), data) for name, data in parts.items())
    return Layout(descriptor, images, Region(descriptor.o, call.tokens * descriptor.o_token_stride),
                  Region(completion, COMPLETION_BYTES), (heads, call.tokens, cfg.head_dim))


async def attention(accelerator: Accelerator, call: Call) -> Tensor:
    """``O`` int16 ``[query heads, tokens, head_dim]`` of a call, by an accelerator that has been started.

    Raises:
        FcimError: the call does not fit it. CallFailed: it ended with an error.
    """
    out = await accelerator.run(lambda base, completion, tag: lay_out(accelerator.system, call, base, completion, tag))
    return torch.from_numpy(out.copy())
