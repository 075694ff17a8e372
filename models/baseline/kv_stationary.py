"""Golden model of ``fcim_kv_stationary``: every bit that a program gives, and every count. ``docs/baselines.md`` specifies it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.baseline.kv_program import KvConfig, Program, causal_program, check, events_of, program_counts, timeline
from models.errors import FcimError
from models.hardware.config import OUT_FRAC
from models.hardware.numerics import (
    LOWEST_ROW_MAX,
    MASKED,
    clamp_rescale,
    normalise,
    probability,
    round_shift,
    row_max_candidate,
    scale_probability,
    scale_score,
)
from models.hardware.tile import QuantisedGroup

PROB_BITS = 8
_ROWS_AT_ONCE = 1024    # so that a span's scores fit anywhere
_ONES = torch.tensor([value.bit_count() for value in range(256)], dtype=torch.int64)


@dataclass(frozen=True)
class Operands:
    """What the buffer holds, int64.

    Attributes:
        q: ``[R, D]``, signed bytes. q_pos: ``[R]``. q_mult: ``[R]``, 16 bits.
        k, v: ``[T, D]``, signed bytes. k_pos: ``[T]``. k_mult: ``[T]``, 16 bits. v_mult: ``[T]``, 4 bits.
        shift: of the scores, 0 to 63.
    """

    q: Tensor
    q_pos: Tensor
    q_mult: Tensor
    k: Tensor
    v: Tensor
    k_pos: Tensor
    k_mult: Tensor
    v_mult: Tensor
    shift: int


def operands_of(group: QuantisedGroup) -> Operands:
    """A quantised KV head as this design takes it: the rows of a token's query heads lie together."""
    heads, tokens, d = group.q.shape
    return Operands(group.q.transpose(0, 1).reshape(heads * tokens, d).long(), group.q_pos.repeat_interleave(heads),
                    group.q_mult.transpose(0, 1).reshape(-1), group.k.long(), group.v.long(), torch.arange(len(group.k)),
                    group.k_mult, group.v_mult, group.shift)


@dataclass(frozen=True)
class Result:
    """What a program leaves.

    Attributes:
        out: ``[R, D]`` O of the rows that were given out, 8 fraction bits. empty: ``[R]``, they saw no key. given: ``[R]``.
        m, l: ``[R]`` and acc: ``[R, D]``: running maximum, row sum and partial O that are kept of the others.
        counts: every counter of the RTL.
    """

    out: Tensor
    empty: Tensor
    given: Tensor
    m: Tensor
    l: Tensor       # noqa: E741
    acc: Tensor
    counts: dict[str, int]


def run(cfg: KvConfig, program: Program, x: Operands) -> Result:
    """Every operation of a program, in order.

    Raises:
        FcimError: the program is illegal, or names rows or keys that are not there.
    """
    met = check(cfg, program)
    if any(op.start + op.rows > len(x.q) for op in program.rows) or any(i.start + i.keys > len(x.k) for i in program.loads):
        raise FcimError("the program names rows or keys that are not there; give more of Q or of K and V")
    n, d = x.q.shape
    m, row_sum = torch.full((n,), LOWEST_ROW_MAX), torch.zeros(n, dtype=torch.int64)
    acc, out = torch.zeros(n, d, dtype=torch.int64), torch.zeros(n, d, dtype=torch.int64)
    given = torch.zeros(n, dtype=torch.bool)
    counts = dict.fromkeys(("k_inputs", "k_bits", "k_bit_products", "v_bits", "scores", "visible", "saturations", "rescales",
                            "adds"), 0)
    for op, number in zip(program.rows, met, strict=True):
        load = program.loads[number]
        keys = slice(load.start, load.start + load.keys)
        for begin in range(op.start, op.start + op.rows, _ROWS_AT_ONCE):
            rows = slice(begin, min(begin + _ROWS_AT_ONCE, op.start + op.rows))
            if op.first:
                m[rows], row_sum[rows], acc[rows] = LOWEST_ROW_MAX, 0, 0
            m[rows], row_sum[rows], acc[rows] = _span(cfg, x, rows, keys, m[rows], row_sum[rows], acc[rows], op.first, counts)
            if op.last:
                out[rows], given[rows] = normalise(acc[rows], row_sum[rows]), True
    counts |= {"cycles": timeline(cfg, program).cycles, "v_inputs": counts["k_inputs"], **program_counts(cfg, program)}
    return Result(out, given & (row_sum == 0), given, m, row_sum, acc, counts)


def _span(cfg: KvConfig, x: Operands, rows: slice, keys: slice, m: Tensor, row_sum: Tensor, acc: Tensor, first: bool,
          counts: dict[str, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Some rows against the keys of one load: their next running maximum, sum and partial O."""
    q, k = x.q[rows], x.k[keys]
    visible = x.k_pos[keys] <= x.q_pos[rows].unsqueeze(-1)
    score = (q.double() @ k.double().T).long()
    z, saturated = scale_score(score, x.q_mult[rows], x.k_mult[keys], x.shift)
    z = torch.where(visible, z, MASKED)
    new_m = torch.maximum(m, row_max_candidate(z.amax(-1)))
    shift = clamp_rescale(new_m - m)
    p = probability(z, new_m.unsqueeze(-1), 0, PROB_BITS)
    w = scale_probability(p, x.v_mult[keys])

    # a macro that holds no key that the row sees does not switch
    starts = range(0, k.shape[0], cfg.rows)
    sizes = torch.tensor([min(cfg.rows, k.shape[0] - start) for start in starts])
    seen = torch.stack([visible[:, start:start + cfg.rows].any(-1) for start in starts], -1)        # [rows, tiles]
    terms = seen.sum(-1) + (0 if first else 1)
    ones = _ONES[q + 128].sum(-1)
    counts["k_inputs"] += int(seen.sum())
    counts["k_bits"] += int((ones * seen.sum(-1)).sum())
    counts["k_bit_products"] += int((ones * (seen * sizes).sum(-1)).sum())
    counts["v_bits"] += int(_ONES[w].sum())
    counts["scores"] += int((seen * sizes).sum())
    counts["visible"] += int(visible.sum())
    counts["saturations"] += int((saturated & visible).sum())
    counts["rescales"] += 0 if first else int((shift > 0).sum())
    counts["adds"] += int((terms - 1).clamp(min=0).sum())

    new_sum = round_shift(row_sum, shift) + p.sum(-1)
    new_acc = round_shift(acc, shift.unsqueeze(-1)) + (w.double() @ x.v[keys].double()).long()
    return new_m, new_sum, new_acc


def output_of(group: QuantisedGroup, result: Result) -> Tensor:
    """Dequantised O, float32 ``[G, Tq, D]``, of a run on :func:`operands_of`."""
    heads, tokens, d = group.q.shape
    rows = result.out.reshape(tokens, heads, d).transpose(0, 1)
    return (rows.double() * (group.v_scale.double() / (1 << OUT_FRAC))).float()


def events(cfg: KvConfig, x: Operands, row_block: int = 0, overlap: bool = True) -> dict[str, int]:
    """What an energy model needs of a whole head: see :func:`models.baseline.kv_program.causal_program` for the arguments.

    Raises:
        FcimError: as :func:`run` does.
    """
    program = causal_program(cfg, x.q_pos.tolist(), len(x.k), row_block, overlap)
    return events_of(cfg, run(cfg, program, x).counts)
