"""What ``fcim_unfused`` computes: every score, probability and element of O, and every counter, of any program.

``attention`` is the arithmetic by itself; ``run_program`` does the operations one by one, as the RTL does, and refuses to read
what was never written. Every rounding is one of ``models.hardware.numerics`` but that of a score as it lies in S.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.baseline.unfused_program import COUNTERS, Load, Program, Pv, Qk, Softmax, UnfusedConfig, limits, macros_of
from models.baseline.unfused_timing import Timing, counts_of, time_program
from models.errors import FcimError
from models.hardware.config import Z_FRAC
from models.hardware.numerics import (
    MASKED,
    normalise,
    probability,
    round_shift,
    row_max_candidate,
    scale_probability,
    scale_score,
)
from models.hardware.tile import QuantisedGroup

PROB_BITS = 8
S_BITS, S_FRAC = 16, 8
S_MASKED = -(1 << (S_BITS - 1))
LOWEST_MAX = S_MASKED >> S_FRAC     # of a row that has seen no key


@dataclass(frozen=True)
class Operands:
    """One head group.

    Attributes:
        q: int8 [R, D]. q_mult: [R], unsigned 16 bits. positions: [R].
        k, v: int8 [T, D]. k_mult: [T], unsigned 16 bits. v_mult: [T], 0 to 15.
        shift: 0 to 63, of all scores.
    """

    q: Tensor
    q_mult: Tensor
    positions: Tensor
    k: Tensor
    v: Tensor
    k_mult: Tensor
    v_mult: Tensor
    shift: int

    @property
    def keys(self) -> int:
        """T."""
        return len(self.k)

    @property
    def numpy_positions(self) -> np.ndarray:
        """``positions`` for the program and its times, int64 [R]."""
        return self.positions.numpy().astype(np.int64)


def operands_of(group: QuantisedGroup) -> tuple[Operands, Tensor]:
    """One KV head as this design takes it, and the values' scales [D]: O times these, divided by 256, is attention.

    Rows are token by token, the query heads of a token side by side.
    """
    count, tokens, width = group.q.shape
    assert group.v_mult is not None
    return Operands(group.q.transpose(0, 1).reshape(-1, width), group.q_mult.T.reshape(-1), group.q_pos.repeat_interleave(count),
                    group.k, group.v, group.k_mult, group.v_mult, group.shift), group.v_scale


def store_score(z: Tensor) -> tuple[Tensor, Tensor]:
    """Scores as they lie in S: ``(s, clamped)``. Of 16 bits 8 are a fraction, rounded; MASKED is the most negative code."""
    limit = (1 << (S_BITS - 1)) - 1
    s = round_shift(z, Z_FRAC - S_FRAC)
    bounded = s.clamp(-limit, limit)
    return torch.where(z == MASKED, torch.full_like(s, S_MASKED), bounded), (bounded != s) & (z != MASKED)


def load_score(s: Tensor) -> Tensor:
    """Scores of S as the exponentials take them."""
    return torch.where(s == S_MASKED, torch.full_like(s, MASKED), s << (Z_FRAC - S_FRAC))


def scores(q: Tensor, q_mult: Tensor, k: Tensor, k_mult: Tensor, visible: Tensor, shift: int) -> tuple[Tensor, Tensor]:
    """Scores of rows with keys as they lie in S [R, T], and which of them were clamped."""
    # exact: at most 2**21 in magnitude
    product = (q.double() @ k.double().T).long()
    z, _ = scale_score(product, q_mult.long(), k_mult.long(), shift)
    s, clamped = store_score(torch.where(visible, z, torch.full_like(z, MASKED)))
    return s, clamped


def row_maximum(s: Tensor) -> Tensor:
    """The running maximum that scores of S [R, T] ask for: [R], integers."""
    return row_max_candidate(s.amax(-1) << (Z_FRAC - S_FRAC))


def attention(x: Operands) -> tuple[Tensor, Tensor]:
    """O [R, D] and the rows' denominators [R]."""
    visible = torch.arange(x.keys) <= x.positions.unsqueeze(-1)
    s, _ = scores(x.q, x.q_mult, x.k, x.k_mult, visible, x.shift)
    p = probability(load_score(s), row_maximum(s).unsqueeze(-1), 0, PROB_BITS)
    acc = (scale_probability(p, x.v_mult.long()).double() @ x.v.double()).long()    # exact: below 2**31
    return normalise(acc, p.sum(-1)), p.sum(-1)


@dataclass
class Result:
    """What a program gives.

    Attributes:
        out: rows of O, or parts of them, in the order in which they leave, each int64 [COVER * ROWS].
        names: row and part of each.
        empty: whether its denominator is 0.
        counters: by name. bit_products: set bits of inputs times the rows of cells that they meet, summed.
        timing: of every operation.
        s, p, o: what the buffer holds at the end, int64 [R, T], [R, T], [R, D], and where it was written.
    """

    out: list[Tensor]
    names: list[tuple[int, int]]
    empty: list[bool]
    counters: dict[str, int]
    bit_products: int
    timing: Timing
    s: tuple[Tensor, Tensor]
    p: tuple[Tensor, Tensor]
    o: tuple[Tensor, Tensor]


_BITS = torch.tensor([value.bit_count() for value in range(256)])


def set_bits(values: Tensor) -> Tensor:
    """Set bits of each number, 0 to 255."""
    return _BITS[values]


class _Machine:
    """The state between operations."""

    def __init__(self, cfg: UnfusedConfig, x: Operands) -> None:
        self.cfg, self.x = cfg, x
        rows, keys = len(x.q), x.keys
        groups = -(-keys // cfg.head_dim)
        padded = torch.zeros(groups * cfg.head_dim, cfg.head_dim, dtype=torch.long)
        padded[:keys] = x.v.long()
        self.transposed = padded.reshape(groups, cfg.head_dim, cfg.head_dim).transpose(1, 2).reshape(-1, cfg.head_dim)
        self.cells = torch.zeros(cfg.banks, cfg.macros, cfg.rows, cfg.head_dim, dtype=torch.long)
        self.mult = torch.zeros(cfg.banks, cfg.macros, cfg.rows, dtype=torch.long)
        self.used = torch.zeros(cfg.banks, cfg.macros, dtype=torch.long)            # rows of cells
        self.kind: dict[tuple[int, int], bool] = {}
        self.owner = torch.full((cfg.slots,), -1)
        self.maximum = torch.full((rows,), LOWEST_MAX)
        self.sum = torch.zeros(rows, dtype=torch.long)
        self.s, self.s_there = torch.zeros(rows, keys, dtype=torch.long), torch.zeros(rows, keys, dtype=torch.bool)
        self.p, self.p_there = torch.zeros(rows, keys, dtype=torch.long), torch.zeros(rows, keys, dtype=torch.bool)
        self.o = torch.zeros(rows, cfg.head_dim, dtype=torch.long)
        self.o_there = torch.zeros(rows, cfg.head_dim, dtype=torch.bool)
        self.out: list[Tensor] = []
        self.names: list[tuple[int, int]] = []
        self.empty: list[bool] = []
        self.bits = self.bit_products = self.saturations = 0

    def _need(self, ok: bool, what: str) -> None:
        if not ok:
            raise FcimError(f"baseline 'unfused': an operation reads {what} that is not there; check the program")

    def load(self, op: Load) -> None:
        """Rows of cells."""
        cfg, source = self.cfg, self.transposed if op.values else self.x.k.long()
        self._need(op.base + op.count <= len(source), "rows of V" if op.values else "rows of K")
        for start in range(0, op.count, cfg.rows):
            macro, count = op.macro + start // cfg.rows, min(cfg.rows, op.count - start)
            self._need(macro < cfg.macros, "a macro")
            rows = slice(op.base + start, op.base + start + count)
            self.cells[op.bank, macro] = 0
            self.cells[op.bank, macro, :count] = source[rows]
            if not op.values:
                self.mult[op.bank, macro, :count] = self.x.k_mult.long()[rows]
            self.used[op.bank, macro] = count
            self.kind[op.bank, macro] = op.values

    def qk(self, op: Qk) -> None:
        """Words of S, and maxima."""
        cfg, x, rows = self.cfg, self.x, slice(op.row, op.row + op.count)
        macros = -(-op.keys // cfg.rows)
        self._need(op.keys <= cfg.qk_span and all(self.kind.get((op.bank, macro)) is False for macro in range(macros))
                   and int(self.used[op.bank, :macros].sum()) >= op.keys and op.base + op.keys <= x.keys, "keys in a bank")
        self._need(op.base % cfg.s_lanes == 0, "a word of S")
        seen = torch.from_numpy(limits(x.numpy_positions, op))
        visible = torch.arange(op.keys) < seen.unsqueeze(-1)
        cells = self.cells[op.bank].reshape(-1, cfg.head_dim)[:op.keys]
        s, clamped = scores(x.q[rows], x.q_mult[rows], cells, self.mult[op.bank].reshape(-1)[:op.keys], visible, op.shift)
        self.saturations += int(clamped.sum())
        # a word is written if the row sees its first key
        written = torch.arange(op.keys) // cfg.s_lanes * cfg.s_lanes < seen.unsqueeze(-1)
        keys = slice(op.base, op.base + op.keys)
        self.s[rows, keys] = torch.where(written, s, self.s[rows, keys])
        self.s_there[rows, keys] |= written
        found = row_maximum(s)
        if op.first:
            self.owner[torch.arange(op.row, op.row + op.count) % cfg.slots] = torch.arange(op.row, op.row + op.count)
        else:
            self._own(op)
            found = torch.maximum(found, self.maximum[rows])
        self.maximum[rows] = found
        ones = set_bits(x.q[rows].long() + 128).sum(-1)
        driven = -(-seen // cfg.rows)
        self.bits += int((ones * driven).sum())
        before = torch.cat([torch.zeros(1, dtype=torch.long), self.used[op.bank].cumsum(0)])
        self.bit_products += int((ones * before[driven]).sum())

    def _own(self, op: Qk | Softmax | Pv) -> None:
        numbers = torch.arange(op.row, op.row + op.count)
        self._need(torch.equal(self.owner[numbers % self.cfg.slots], numbers), "a row's maximum or position")

    def softmax(self, op: Softmax) -> None:
        """Words of P, and denominators."""
        cfg, x, rows, keys = self.cfg, self.x, slice(op.row, op.row + op.count), slice(op.base, op.base + op.keys)
        self._own(op)
        self._need(op.base + op.keys <= x.keys, "scales of values")
        self._need(op.base % cfg.lanes == 0, "a word of S")
        seen = torch.from_numpy(limits(x.numpy_positions, op)).unsqueeze(-1)
        visible = torch.arange(op.keys) < seen
        self._need(bool((self.s_there[rows, keys] | ~visible).all()), "a score")
        z = torch.where(visible, load_score(self.s[rows, keys]), torch.full((1,), MASKED))
        p = probability(z, self.maximum[rows].unsqueeze(-1), 0, PROB_BITS)
        written = torch.arange(op.keys) // cfg.lanes * cfg.lanes < seen
        self.p[rows, keys] = torch.where(written, scale_probability(p, x.v_mult.long()[keys]), self.p[rows, keys])
        self.p_there[rows, keys] |= written
        self.sum[rows] = p.sum(-1) + (0 if op.first else self.sum[rows])

    def pv(self, op: Pv) -> None:
        """Partial sums, or O."""
        cfg, x, rows, keys = self.cfg, self.x, slice(op.row, op.row + op.count), slice(op.base, op.base + op.keys)
        self._own(op)
        groups, width = -(-op.keys // cfg.head_dim), cfg.cover * cfg.rows
        macros = groups * cfg.cover
        self._need(op.keys <= cfg.pv_span and op.base + op.keys <= x.keys
                   and all(self.kind.get((op.bank, macro)) is True for macro in range(macros))
                   and bool((self.used[op.bank, :macros] == cfg.rows).all()), "values in a bank")
        self._need(op.base % cfg.p_word == 0 and op.part < cfg.parts, "a word of P")
        seen = torch.from_numpy(limits(x.numpy_positions, op))
        visible = torch.arange(op.keys) < seen.unsqueeze(-1)
        self._need(bool((self.p_there[rows, keys] | ~visible).all()), "a probability")
        p = torch.zeros(op.count, groups * cfg.head_dim, dtype=torch.long)
        p[:, :op.keys] = self.p[rows, keys] * visible
        # values by key: a group's macros hold element after element of its keys
        held = self.cells[op.bank, :macros].reshape(groups, width, cfg.head_dim).transpose(1, 2).reshape(-1, width)
        total = (p.double() @ held.double()).long()
        columns = slice(op.part * width, (op.part + 1) * width)
        if not op.first:
            self._need(bool(self.o_there[rows, columns].all()), "a partial sum")
            total += self.o[rows, columns]
        ones = cfg.cover * int(set_bits(p).sum())
        self.bits += ones
        self.bit_products += ones * cfg.rows
        if op.last:
            self.out += list(normalise(total, self.sum[rows]))
            self.names += [(row, op.part) for row in range(op.row, op.row + op.count)]
            self.empty += (self.sum[rows] == 0).tolist()
        else:
            self.o[rows, columns], self.o_there[rows, columns] = total, True


def run_program(cfg: UnfusedConfig, program: Program, x: Operands, offered: Sequence[int] | None = None) -> Result:
    """The operations of a program, one by one in the order in which they start; ``offered`` as ``time_program`` takes it.

    Raises:
        FcimError: the program is illegal: operations disturb each other or read what is not there.
    """
    timing = time_program(cfg, program, x.numpy_positions, offered)
    machine = _Machine(cfg, x)
    for index in sorted(range(len(program)), key=lambda index: (timing.start[index], index)):
        op = program[index]
        if isinstance(op, Load):
            machine.load(op)
        elif isinstance(op, Qk):
            machine.qk(op)
        elif isinstance(op, Softmax):
            machine.softmax(op)
        elif isinstance(op, Pv):
            machine.pv(op)
    counters = count_program(cfg, program, x.numpy_positions, timing)
    counters |= {"input_bits": machine.bits, "saturations": machine.saturations}
    return Result(machine.out, machine.names, machine.empty, counters, machine.bit_products, timing,
                  (machine.s, machine.s_there), (machine.p, machine.p_there), (machine.o, machine.o_there))


def count_program(cfg: UnfusedConfig, program: Program, positions: np.ndarray, timing: Timing) -> dict[str, int]:
    """The counters of a program; 0 stands for those that depend on values."""
    counters = dict.fromkeys(COUNTERS, 0)
    for op in program:
        for name, count in counts_of(cfg, op, positions).items():
            counters[name] += count
    return counters | {"cycles": timing.cycles}


def bits_of_program(cfg: UnfusedConfig, program: Program, positions: np.ndarray, q_bits: np.ndarray,
                    p_bits: np.ndarray) -> tuple[int, int]:
    """The counter ``input_bits`` and the bit products of a program that does attention, without doing it.

    Args:
        q_bits: set bits of each row of Q in offset binary, int64 [R]. p_bits: of each row of P, int64 [R].
    """
    used = np.zeros((cfg.banks, cfg.macros), dtype=np.int64)
    # every byte of P meets all elements of O once
    bits, products = int(p_bits.sum()) * cfg.cover * cfg.parts, int(p_bits.sum()) * cfg.head_dim
    for op in program:
        if isinstance(op, Load):
            for place, macro in enumerate(macros_of(cfg, op)):
                used[op.bank, macro] = min(cfg.rows, op.count - place * cfg.rows)
        elif isinstance(op, Qk):
            driven, ones = -(-limits(positions, op) // cfg.rows), q_bits[op.row:op.row + op.count]
            met = np.concatenate([[0], used[op.bank].cumsum()])
            bits, products = bits + int((ones * driven).sum()), products + int((ones * met[driven]).sum())
    return bits, products


def events_of_program(cfg: UnfusedConfig, program: Program, positions: np.ndarray, q_bits: np.ndarray,
                      p_bits: np.ndarray) -> dict[str, int]:
    """:func:`events` of a whole head group by the model in time alone, for heads too long to compute; arguments as above."""
    timing = time_program(cfg, program, positions, check=False)
    products = bits_of_program(cfg, program, positions, q_bits, p_bits)[1]
    return events(cfg, count_program(cfg, program, positions, timing), products)


def rows_of(cfg: UnfusedConfig, result: Result, count: int) -> Tensor:
    """O [count, D] from the parts that left."""
    width = cfg.cover * cfg.rows
    out = torch.zeros(count, cfg.head_dim, dtype=torch.long)
    for values, (row, part) in zip(result.out, result.names, strict=True):
        out[row, part * width:(part + 1) * width] = values
    return out


def events(cfg: UnfusedConfig, counters: dict[str, int], bit_products: int) -> dict[str, int]:
    """What a model of energy needs, of a run's counters (of :func:`run_program`, or the RTL's).

    Bytes count whole words of the ports; multipliers and positions beside the operands are not counted. Every number is 0 that
    this design does not have.
    """
    c, head = counters, cfg.head_dim
    chunk = 4 * cfg.columns
    read = {"Q": c["q_reads"] * head, "K": c["k_rows"] * head, "V": c["v_rows"] * head, "S": c["s_reads"] * 2 * cfg.lanes,
            "P": c["p_reads"] * cfg.p_word, "O": c["o_reads"] * chunk}
    written = {"Q": 0, "K": 0, "V": 0, "S": c["s_writes"] * 2 * cfg.s_lanes, "P": c["p_writes"] * cfg.lanes,
               "O": c["o_writes"] * chunk}
    width = cfg.cover * cfg.rows
    totals = {
        "cycles": c["cycles"], "macro_input_rows": c["qk_inputs"] + c["pv_inputs"], "bit_products": bit_products,
        "cell_bits_written": (c["k_rows"] + c["v_rows"]) * head * 8, "scores": c["scores"], "exponentials": c["exponentials"],
        "comparisons": c["scores"], "score_scales": c["scores"], "o_rescales": 0, "o_adds": c["o_reads"] * cfg.columns,
        "divisions": c["rows_out"], "normalised": c["rows_out"] * width,
        "buffer_read_bytes": sum(read.values()), "buffer_written_bytes": sum(written.values()),
    }
    return (totals | {f"buffer_read_bytes:{kind}": count for kind, count in read.items()}
            | {f"buffer_written_bytes:{kind}": count for kind, count in written.items()})
