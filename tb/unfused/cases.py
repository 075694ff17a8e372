"""Programs with operands and what must come of them, as a file that the bench reads; no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.baseline.unfused_program import COUNTERS, Load, Operation, Pv, Qk, Softmax

KINDS: tuple[type[Operation], ...] = (Load, Qk, Softmax, Pv)
FIELDS: Mapping[type[Operation], tuple[str, ...]] = {
    Load: ("values", "bank", "macro", "base", "count"),
    Qk: ("bank", "row", "count", "base", "keys", "shift", "first"),
    Softmax: ("row", "count", "base", "keys", "first"),
    Pv: ("bank", "row", "count", "base", "keys", "part", "first", "last"),
}
LONGEST = max(map(len, FIELDS.values()))


@dataclass(frozen=True)
class Case:
    """One program.

    Attributes:
        operands: q int8 [R, D], q_mult, positions [R]; k, v int8 [T, D], k_mult, v_mult [T].
        out: rows or parts of O as they leave, int64 [N, COVER * ROWS]. empty: [N].
        counters: by name; ``cycles`` is the bench's to tell, which knows when operations were offered.
        memories: s, p, o at the end, and s_there, p_there, o_there: where they were written.
    """

    program: Sequence[Operation]
    operands: Mapping[str, np.ndarray]
    out: np.ndarray
    empty: np.ndarray
    counters: Mapping[str, int]
    memories: Mapping[str, np.ndarray]


def encode(op: Operation) -> list[int]:
    """An operation as numbers: its kind, its waits, its fields."""
    fields = [int(getattr(op, name)) for name in FIELDS[type(op)]]
    return [KINDS.index(type(op)), *op.waits, *fields, *[0] * (LONGEST - len(fields))]


def decode(numbers: Sequence[int]) -> Operation:
    """The operation of such numbers."""
    kind = KINDS[numbers[0]]
    fields = dict(zip(FIELDS[kind], numbers[4:], strict=False))
    for name in ("values", "first", "last"):
        if name in fields:
            fields[name] = bool(fields[name])
    return kind(**fields, waits=tuple(numbers[1:4]))        # type: ignore[arg-type]


def save_cases(path: Path, cases: Sequence[Case]) -> None:
    """Write the file."""
    arrays: dict[str, np.ndarray] = {}
    for number, case in enumerate(cases):
        arrays |= {f"{number}.program": np.array([encode(op) for op in case.program], dtype=np.int64),
                   f"{number}.out": case.out, f"{number}.empty": case.empty,
                   f"{number}.counters": np.array([case.counters[name] for name in COUNTERS], dtype=np.int64)}
        arrays |= {f"{number}.operand.{name}": values for name, values in case.operands.items()}
        arrays |= {f"{number}.memory.{name}": values for name, values in case.memories.items()}
    np.savez(path, **arrays)


def load_cases(path: Path) -> list[Case]:
    """Read it."""
    with np.load(path) as file:
        arrays = dict(file)
    cases = []
    for number in range(1 + max(int(name.partition(".")[0]) for name in arrays)):
        own = {name.partition(".")[2]: values for name, values in arrays.items() if name.partition(".")[0] == str(number)}
        parts = {kind: {name.removeprefix(kind): values for name, values in own.items() if name.startswith(kind)}
                 for kind in ("operand.", "memory.")}
        cases.append(Case([decode(row) for row in own["program"].tolist()], parts["operand."], own["out"], own["empty"],
                          dict(zip(COUNTERS, own["counters"].tolist(), strict=True)), parts["memory."]))
    return cases
