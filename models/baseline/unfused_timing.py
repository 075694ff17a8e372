"""When ``fcim_unfused`` does what: each operation's start and completion, to the cycle, and every counter but those of values.

Each operation has a closed form; a program of thousands of them takes a fraction of a second. No torch here: benches import this
inside the simulator. docs/baselines.md has the rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.baseline.unfused_program import (
    MOST_OPERATIONS,
    QUEUES,
    SPACING,
    Load,
    Operation,
    Program,
    Pv,
    Qk,
    Softmax,
    UnfusedConfig,
    limits,
    macros_of,
    slot_of,
    spacing,
)
from models.errors import FcimError

DIVIDE = 17         # cycles from the completion of a last PV to its last row of O
_SEEN_LATER = 1     # a completion counts from the next cycle on


@dataclass(frozen=True)
class Timing:
    """The times of a program's operations.

    Attributes:
        start: the cycle in which each is taken from its queue, in the order of the program.
        done: the cycle in which it is complete.
        cycles: in which something is under way, up to the last row of O.
    """

    start: tuple[int, ...]
    done: tuple[int, ...]
    cycles: int


def softmax_words(cfg: UnfusedConfig, seen: np.ndarray) -> int:
    """Cycles in which SOFTMAX reads rows of which so many keys are seen each."""
    return int(np.maximum(1, -(-seen // cfg.lanes)).sum())


def duration(cfg: UnfusedConfig, op: Operation, positions: np.ndarray) -> tuple[int, int]:
    """Cycles from an operation's start until the next of its queue may start, and until it is complete."""
    if isinstance(op, Load):
        return op.count, op.count + 2
    if isinstance(op, Softmax):
        words = softmax_words(cfg, limits(positions, op)) + 2
        return words, words + 4
    assert isinstance(op, Qk | Pv)
    slot = slot_of(cfg, op)
    columns = 1 + (op.count - 1) * slot + cfg.p_words + 2 + cfg.cycles_per_input + 1      # of the last row
    return op.count * slot, columns + (cfg.s_words if isinstance(op, Qk) else cfg.cycles_per_input) + 4


def time_program(cfg: UnfusedConfig, program: Program, positions: np.ndarray, offered: Sequence[int] | None = None,
                 check: bool = True) -> Timing:
    """When each operation starts and is complete, cycle 0 being the first in which one may start.

    Args:
        positions: of all rows, int64 [rows].
        offered: the first cycle in which each operation stands at its queue, if software is slow. An operation is offered
            after the one before it in its queue has started.
        check: whether operations that are under way together may be.

    Raises:
        FcimError: the program never ends, has too many operations, or operations disturb each other.
    """
    queues = [[index for index, op in enumerate(program) if queue == op.QUEUE] for queue in range(len(QUEUES))]
    if max(map(len, queues)) > MOST_OPERATIONS:
        raise FcimError(f"baseline 'unfused': more than {MOST_OPERATIONS} operations in a queue; split the program")
    start, done = [-1] * len(program), [-1] * len(program)
    free, at = [0, 0, 0], [0, 0, 0]
    while any(at[queue] < len(queues[queue]) for queue in range(3)):
        moved = False
        for queue, own in enumerate(queues):
            while at[queue] < len(own):
                index = own[at[queue]]
                waits = program[index].waits
                if any(count > at[other] for other, count in enumerate(waits)):
                    break
                ready = [done[queues[other][count - 1]] + _SEEN_LATER for other, count in enumerate(waits) if count]
                start[index] = max([free[queue], offered[index] if offered else 0, *ready])
                until, complete = duration(cfg, program[index], positions)
                free[queue], done[index] = start[index] + until, start[index] + complete
                at[queue] += 1
                moved = True
        if not moved:
            stuck = next(queue for queue in range(3) if at[queue] < len(queues[queue]))
            raise FcimError(f"baseline 'unfused': operation {at[stuck]} of queue '{QUEUES[stuck]}' waits for ever; "
                            "check its waits")
    if check:
        check_program(cfg, program, start, done)
    ends = [end + DIVIDE * (isinstance(op, Pv) and op.last) for op, end in zip(program, done, strict=True)]
    return Timing(tuple(start), tuple(done), _union(start, ends))


def _union(starts: Sequence[int], ends: Sequence[int]) -> int:
    """Cycles of intervals, both ends included, that may overlap."""
    total, reached = 0, -1
    for start, end in sorted(zip(starts, ends, strict=True)):
        total += max(0, end - max(start, reached + 1) + 1)
        reached = max(reached, end)
    return total


# ---- what may not be under way together
def _share_slots(cfg: UnfusedConfig, a: Qk | Softmax | Pv, b: Qk | Softmax | Pv) -> bool:
    if a.count >= cfg.slots or b.count >= cfg.slots:
        return True
    apart = (b.row - a.row) % cfg.slots
    return apart < a.count or apart + b.count > cfg.slots


def disturbs(cfg: UnfusedConfig, first: Operation, then: Operation) -> bool:
    """Whether one operation changes what another uses, so that they may not be under way together."""
    if isinstance(first, Load) or isinstance(then, Load):
        a, b = (first, then) if isinstance(first, Load) else (then, first)
        if not isinstance(b, Qk | Pv) or not isinstance(a, Load):
            return False
        used, written = macros_of(cfg, b), macros_of(cfg, a)
        return a.bank == b.bank and max(used.start, written.start) < min(used.stop, written.stop)
    assert isinstance(first, Qk | Softmax | Pv) and isinstance(then, Qk | Softmax | Pv)
    if type(first) is type(then) or (isinstance(first, Pv) and isinstance(then, Qk)):
        return False            # one after the other in the pipeline
    return _share_slots(cfg, first, then)


def check_program(cfg: UnfusedConfig, program: Program, start: Sequence[int], done: Sequence[int]) -> None:
    """Operations under way together do not disturb each other.

    Raises:
        FcimError: two of them do.
    """
    order = sorted(range(len(program)), key=lambda index: (start[index], index))
    open_: list[int] = []
    for index in order:
        then = program[index]
        open_ = [other for other in open_ if done[other] >= start[index]]
        for other in open_:
            if disturbs(cfg, program[other], then):
                raise FcimError(f"baseline 'unfused': operation {index} ({type(then).__name__}) begins while operation {other} "
                                f"({type(program[other]).__name__}) is under way, which it disturbs; let it wait")
            first = program[other]
            if (isinstance(first, Qk | Pv) and isinstance(then, Qk | Pv) and type(first) is type(then)
                    and spacing(cfg, first, then, start[index] - start[other]) < SPACING[type(then)]):
                raise FcimError(f"baseline 'unfused': operation {index} takes a row of operation {other} too soon after it; "
                                "let it wait")
        open_.append(index)


# ---- counters
def counts_of(cfg: UnfusedConfig, op: Operation, positions: np.ndarray) -> dict[str, int]:
    """What an operation adds to the counters that do not depend on values, nor on when."""
    if isinstance(op, Load):
        return {"v_rows" if op.values else "k_rows": op.count}
    assert isinstance(op, Qk | Softmax | Pv)
    seen = limits(positions, op)

    def words(width: int) -> int:
        return int((-(-seen // width)).sum())

    if isinstance(op, Softmax):
        return {"softmax_cycles": softmax_words(cfg, seen), "s_reads": words(cfg.lanes), "p_writes": words(cfg.lanes),
                "exponentials": int(seen.sum())}
    macro_cycles = op.count * slot_of(cfg, op)
    if isinstance(op, Qk):
        return {"macro_cycles": macro_cycles, "q_reads": op.count, "s_writes": words(cfg.s_lanes), "qk_inputs": words(cfg.rows),
                "scores": int(seen.sum())}
    chunks = op.count * cfg.cycles_per_input
    return {"macro_cycles": macro_cycles, "p_reads": words(cfg.p_word), "pv_inputs": cfg.cover * words(cfg.head_dim),
            "o_reads": 0 if op.first else chunks, "o_writes": 0 if op.last else chunks, "rows_out": op.count if op.last else 0}
