"""Puts an attention call into memory, as the accelerator's descriptor says where things lie."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.hardware.tiling import tokens_per_tile
from models.system.call import Call, padded
from models.system.config import SystemConfig
from models.system.descriptor import COMPLETION_BYTES, Descriptor, Flag, Op
from models.system.driver import PAGE, Accelerator, Layout, Region


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
    where, images = {}, []
    for name, data in parts.items():
        where[name] = base
        images.append((base, data))
        base = -(-(base + len(data)) // PAGE) * PAGE
    row, out, options = cfg.head_dim, 2 * cfg.head_dim, call.options
    flags = Flag.FUSED * options.fused | Flag.SKIP * options.skip | Flag.OWN_START * call.own_start | Flag.INTERRUPT * interrupt
    descriptor = Descriptor(
        op=Op.PREFILL if call.split is None else Op.DECODE, flags=int(flags), tau=options.tau, octaves=options.octaves,
        group=call.group, split=call.split or 1, tokens=plan.tokens, first=plan.first, kv_heads=len(groups), tag=tag, o=base,
        q_token_stride=heads * row, q_head_stride=row, k_token_stride=row, k_head_stride=keys * row, v_token_stride=row,
        v_head_stride=keys * row, o_token_stride=heads * out, o_head_stride=out, q_table_stride=tiles * system.q_table_bytes,
        k_table_stride=keys // size * system.k_table_bytes, completion=completion, **where)
    return Layout(descriptor, tuple(images), Region(base, call.tokens * heads * out), Region(completion, COMPLETION_BYTES),
                  (heads, call.tokens, cfg.head_dim))


async def attention(accelerator: Accelerator, call: Call) -> Tensor:
    """``O`` int16 ``[query heads, tokens, head_dim]`` of a call, by an accelerator that has been started.

    Raises:
        FcimError: the call does not fit it. CallFailed: it ended with an error.
    """
    out = await accelerator.run(lambda base, completion, tag: lay_out(accelerator.system, call, base, completion, tag))
    return torch.from_numpy(out.copy())
