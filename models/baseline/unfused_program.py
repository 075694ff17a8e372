"""Programs of ``fcim_unfused``: its parameters, operations, and the order in which attention of one head group is done.

No torch here: benches import this inside the simulator. docs/baselines.md says what an operation does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.baseline.banks import plan_banks
from models.errors import FcimError

QUEUES = ("load", "macro", "softmax")
MOST_OPERATIONS = (1 << 15) - 1     # of a queue: waits are compared modulo 2**16
MOST_KEYS, MOST_ROWS = 65536, 65536
COUNTERS = ("cycles", "macro_cycles", "softmax_cycles", "k_rows", "v_rows", "q_reads", "s_writes", "s_reads", "p_writes",
            "p_reads", "o_reads", "o_writes", "qk_inputs", "pv_inputs", "input_bits", "scores", "saturations", "exponentials",
            "rows_out")
"""The counters, number 0 first; docs/baselines.md says what each counts."""


def _power_of_two(value: int, low: int, high: int) -> bool:
    return low <= value <= high and value & (value - 1) == 0


@dataclass(frozen=True)
class UnfusedConfig:
    """One legal parameter set of ``fcim_unfused``; docs/baselines.md has the meaning of each.

    Raises:
        FcimError: the set is illegal.
    """

    macros: int = 8
    rows: int = 64
    head_dim: int = 128
    bits_per_cycle: int = 1
    lanes: int = 64
    port_bytes: int = 256
    slots: int = 1024
    banks: int = 2

    def __post_init__(self) -> None:
        for ok, name, legal in (
            (_power_of_two(self.macros, 1, 32), "macros", "1, 2, 4, 8, 16 or 32"),
            (_power_of_two(self.head_dim, 16, 128), "head_dim", "16, 32, 64 or 128"),
            (_power_of_two(self.rows, 8, 128) and self.rows <= self.head_dim, "rows", "8, 16, 32, 64 or 128, at most head_dim"),
            (_power_of_two(self.bits_per_cycle, 1, 8), "bits_per_cycle", "1, 2, 4 or 8"),
            (_power_of_two(self.port_bytes, 4, 256), "port_bytes", "a power of two from 4 to 256"),
            (_power_of_two(self.lanes, 2, self.port_bytes // 2), "lanes", "a power of two from 2 to half of port_bytes"),
            (_power_of_two(self.slots, 2, 65536), "slots", "a power of two from 2 to 65536"),
            (_power_of_two(self.banks, 2, 8), "banks", "2, 4 or 8"),
        ):
            if not ok:
                raise FcimError(f"baseline 'unfused': {name} = {getattr(self, name)} is illegal; use {legal}")

    @property
    def verilog_parameters(self) -> dict[str, int]:
        """By the names that the RTL has for them."""
        return {name.upper(): getattr(self, name) for name in ("macros", "rows", "head_dim", "bits_per_cycle", "lanes",
                                                               "port_bytes", "slots", "banks")}

    @property
    def cycles_per_input(self) -> int:
        """Cycles in which a macro takes one input."""
        return 8 // self.bits_per_cycle

    @property
    def cover(self) -> int:
        """Macros that hold the same keys of V^T, different elements of O."""
        return min(self.macros, self.head_dim // self.rows)

    @property
    def parts(self) -> int:
        """Operations PV that a row of O takes: more than one where all macros together have fewer rows than it has elements."""
        return self.head_dim // (self.cover * self.rows)

    @property
    def qk_span(self) -> int:
        """Keys of an operation QK at most."""
        return self.macros * self.rows

    @property
    def pv_span(self) -> int:
        """Keys of an operation PV at most."""
        return self.macros // self.cover * self.head_dim

    @property
    def s_lanes(self) -> int:
        """Scores of a word of S, as it is written."""
        return min(self.port_bytes // 2, self.qk_span * self.bits_per_cycle // 8)

    @property
    def s_words(self) -> int:
        """Words of S of a row of QK."""
        return self.qk_span // self.s_lanes

    @property
    def p_word(self) -> int:
        """Bytes of a word of P, as it is read."""
        return min(self.port_bytes, self.pv_span)

    @property
    def p_words(self) -> int:
        """Words of P of a row of PV."""
        return self.pv_span // self.p_word

    @property
    def columns(self) -> int:
        """Elements of O of a chunk."""
        return self.cover * self.rows * self.bits_per_cycle // 8

    @property
    def pv_slot(self) -> int:
        """Cycles of a row of PV."""
        return max(self.cycles_per_input, self.p_words)

    @property
    def qk_slot(self) -> int:
        """Cycles of a row of QK."""
        return max(self.pv_slot, self.s_words)


@dataclass(frozen=True)
class Operation:
    """What all operations have.

    ``waits``: how many operations of each queue, in the order of :data:`QUEUES`, must be complete before it begins.
    """

    waits: tuple[int, int, int] = field(default=(0, 0, 0), kw_only=True)
    QUEUE = -1


@dataclass(frozen=True)
class Load(Operation):
    """``count`` rows of cells from row ``base`` of K, or of V^T, on, into ``bank`` of the macros from ``macro`` on.

    Row g * head_dim + d of V^T has element d of the values of the keys g * head_dim to g * head_dim + head_dim - 1.
    """

    values: bool
    bank: int
    macro: int
    base: int
    count: int
    QUEUE = 0


@dataclass(frozen=True)
class Qk(Operation):
    """Scores of the rows ``row`` to ``row + count - 1`` with the keys of ``bank``: key ``base`` is row 0 of macro 0."""

    bank: int
    row: int
    count: int
    base: int
    keys: int
    shift: int
    first: bool
    QUEUE = 1


@dataclass(frozen=True)
class Softmax(Operation):
    """Probabilities of the rows for the keys ``base`` to ``base + keys - 1``."""

    row: int
    count: int
    base: int
    keys: int
    first: bool
    QUEUE = 2


@dataclass(frozen=True)
class Pv(Operation):
    """Sums of the rows over the keys ``base`` to ``base + keys - 1``, of ``part`` of the elements of O."""

    bank: int
    row: int
    count: int
    base: int
    keys: int
    part: int
    first: bool
    last: bool
    QUEUE = 1


Program = Sequence[Operation]
"""Operations in the software's order; each queue has its own of them, in this order."""


def fields_of(op: Operation) -> dict[str, int]:
    """A beat of the stream of the operation's queue."""
    waits = sum((count & 0xFFFF) << 16 * queue for queue, count in enumerate(op.waits))
    if isinstance(op, Load):
        return {"values": int(op.values), "bank": op.bank, "macro": op.macro, "base": op.base, "rows": op.count, "waits": waits}
    if isinstance(op, Softmax):
        return {"row": op.row, "rows": op.count, "base": op.base, "keys": op.keys, "first": int(op.first), "waits": waits}
    assert isinstance(op, Qk | Pv)
    beat = {"bank": op.bank, "row": op.row, "rows": op.count, "base": op.base, "keys": op.keys, "first": int(op.first),
            "waits": waits}
    if isinstance(op, Qk):
        return beat | {"values": 0, "shift": op.shift, "part": 0, "last": 0}
    return beat | {"values": 1, "shift": 0, "part": op.part, "last": int(op.last)}


def macros_of(cfg: UnfusedConfig, op: Load | Qk | Pv) -> range:
    """The macros whose cells an operation writes or reads."""
    if isinstance(op, Load):
        return range(op.macro, op.macro - (-op.count // cfg.rows))
    if isinstance(op, Qk):
        return range(-(-op.keys // cfg.rows))
    return range(-(-op.keys // cfg.head_dim) * cfg.cover)


def limits(positions: np.ndarray, op: Qk | Softmax | Pv) -> np.ndarray:
    """How many keys of its span each row of the operation sees, int64 [count]. positions: of all rows, int64 [rows]."""
    return np.clip(positions[op.row:op.row + op.count] + 1 - op.base, 0, op.keys)


# ---- what an operation must wait for
class _Waits:
    """Finds for each operation the last one before it, in each queue, that touches what it touches."""

    def __init__(self, cfg: UnfusedConfig, serial: bool) -> None:
        self.cfg, self.serial = cfg, serial
        self.issued = [0, 0, 0]
        self.loaded = np.zeros((cfg.banks, cfg.macros), dtype=np.int64)     # operations to be complete, by bank and macro
        self.read = np.zeros((cfg.banks, cfg.macros), dtype=np.int64)
        self.rows = {kind: np.zeros(cfg.slots, dtype=np.int64) for kind in (Qk, Softmax, Pv)}
        self.recent: list[Qk | Pv] = []

    def of(self, op: Operation) -> tuple[int, int, int]:
        """Counts of the queues for ``op``, the next of its queue."""
        cfg, after = self.cfg, [0, 0, 0]
        if self.serial:
            after = list(self.issued)
        number = self.issued[op.QUEUE] + 1
        if isinstance(op, Load | Qk | Pv):
            used = slice(macros_of(cfg, op).start, macros_of(cfg, op).stop)
            if isinstance(op, Load):
                after[1] = max(after[1], int(self.read[op.bank, used].max()))
                self.loaded[op.bank, used] = number
            else:
                after[0] = max(after[0], int(self.loaded[op.bank, used].max()))
                self.read[op.bank, used] = number
        if isinstance(op, Qk | Softmax | Pv):
            slots = np.arange(op.row, op.row + op.count) % cfg.slots
            others: tuple[tuple[type[Operation], int], ...] = ((Qk, 1), (Pv, 1)) if isinstance(op, Softmax) else ((Softmax, 2),)
            for kind, queue in others:
                after[queue] = max(after[queue], int(self.rows[kind][slots].max()))
            self.rows[type(op)][slots] = number
        if isinstance(op, Qk | Pv):
            if any(isinstance(before, type(op)) and spacing(cfg, before, op, distance) < SPACING[type(op)]
                   for before, distance in self._recent()):
                after[1] = number - 1
            self.recent = [*self.recent[-3:], op]
        self.issued[op.QUEUE] = number
        return after[0], after[1], after[2]

    def _recent(self) -> Iterator[tuple[Qk | Pv, int]]:
        """The last operations of the macros, with the cycles from their start to the next one's at least."""
        distance = 0
        for before in reversed(self.recent):
            distance += before.count * slot_of(self.cfg, before)
            yield before, distance


SPACING: dict[type[Operation], int] = {Qk: 2, Pv: 3}
"""Cycles between two uses of a row's maximum, or of its partial sums, at least."""


def slot_of(cfg: UnfusedConfig, op: Qk | Pv) -> int:
    """Cycles of a row of the operation."""
    return cfg.qk_slot if isinstance(op, Qk) else cfg.pv_slot


def spacing(cfg: UnfusedConfig, first: Qk | Pv, then: Qk | Pv, distance: int) -> int:
    """Cycles between uses of a row by two operations of a kind that begin ``distance`` cycles apart; many if they share none."""
    shared = max(first.row, then.row) < min(first.row + first.count, then.row + then.count)
    if isinstance(first, Pv) and isinstance(then, Pv) and first.part != then.part:
        shared = False
    return distance + (first.row - then.row) * slot_of(cfg, then) if shared else 1 << 30


# ---- attention of a head group
@dataclass(frozen=True)
class Plan:
    """How software does attention; every plan gives the same O.

    Attributes:
        block: rows that are taken together: their S and P lie in the buffer at a time.
        serial: every operation waits for all before it.
        ahead: QK of the next block before PV of this one, so that SOFTMAX has time.
        resident: what a bank holds is not loaded again, and banks keep what :func:`models.baseline.banks.plan_banks` says.
        softmax_keys: keys of an operation SOFTMAX at most, a multiple of what a word has; 0 for all.
        banks: that loads take, the first ones; 0 for all.
        trim: an operation takes only rows that see keys of its span; else all rows of the block.
    """

    block: int = 64
    serial: bool = False
    ahead: bool = True
    resident: bool = True
    softmax_keys: int = 0
    banks: int = 0
    trim: bool = True


Tile = tuple[bool, int, int]
"""What a load writes: whether it is of V, its first row and how many."""


def _runs(states: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Runs ``(start, count, state)`` of equal states that are not 0."""
    edges = np.flatnonzero(np.diff(states)) + 1
    for part in np.split(np.arange(len(states)), edges):
        if len(part) and states[part[0]]:
            yield int(part[0]), len(part), int(states[part[0]])


class _Writer:
    """Writes the operations of blocks of rows."""

    def __init__(self, cfg: UnfusedConfig, plan: Plan, positions: np.ndarray, keys: int, shift: int) -> None:
        self.cfg, self.plan, self.positions, self.keys, self.shift = cfg, plan, positions, keys, shift
        self.ops: list[Operation] = []
        self.waits = _Waits(cfg, plan.serial)
        self.places: Iterator[tuple[int, bool]] = iter(())

    def _add(self, op: Operation) -> None:
        values = {name: getattr(op, name) for name in op.__dataclass_fields__ if name != "waits"}
        self.ops.append(type(op)(**values, waits=self.waits.of(op)))

    def place(self, steps: Sequence[tuple[bool, int, int]]) -> None:
        """Choose a bank for every tile of these steps, each ``(whether it is PV, row, count)``."""
        tiles = [tile for values, row, count in steps for tile in (self._value_tiles if values else self._key_tiles)(row, count)]
        banks = self.plan.banks or self.cfg.banks
        self.places = iter(plan_banks(tiles, banks, not self.plan.serial) if self.plan.resident
                           else [(number % banks, True) for number in range(len(tiles))])

    def _bank(self, tile: Tile) -> int:
        bank, loaded = next(self.places)
        if loaded:
            values, base, count = tile
            self._add(Load(values, bank, 0, base, count))
        return bank

    def _seen(self, row: int, count: int) -> np.ndarray:
        return np.minimum(self.positions[row:row + count] + 1, self.keys)

    def _key_tiles(self, row: int, count: int) -> list[Tile]:
        """Of a block's QK, span by span."""
        span, most = self.cfg.qk_span, max(int(self._seen(row, count).max()), 1)
        return [(False, base, min(self.keys - base, span)) for base in range(0, most, span)]

    def _value_tiles(self, row: int, count: int) -> list[Tile]:
        """Of a block's PV, span by span and part by part."""
        cfg, span, most = self.cfg, self.cfg.pv_span, max(int(self._seen(row, count).max()), 1)
        width = cfg.cover * cfg.rows
        return [(True, base + part * width, -(-min(self.keys - base, span) // cfg.head_dim) * width)
                for base in range(0, most, span) for part in range(cfg.parts)]

    def scores(self, row: int, count: int) -> None:
        """QK and SOFTMAX of a block."""
        seen, span = self._seen(row, count), self.cfg.qk_span
        most = int(seen.max())
        for tile in self._key_tiles(row, count):
            base, bank = tile[1], self._bank(tile)
            keys = max(1, min(most - base, span))
            states = (seen > base).astype(int) if base and self.plan.trim else np.ones(count, dtype=int)
            for start, rows, _ in _runs(states):
                self._add(Qk(bank, row + start, rows, base, keys, self.shift, base == 0))
        step = self.plan.softmax_keys or max(most, 1)
        for base in range(0, max(most, 1), step):
            self._add(Softmax(row, count, base, max(1, min(most - base, step)), base == 0))

    def outputs(self, row: int, count: int) -> None:
        """PV of a block: a row's last span is that of the last key that it sees."""
        cfg, seen, span = self.cfg, self._seen(row, count), self.cfg.pv_span
        last = np.maximum(seen - 1 if self.plan.trim else np.full(count, seen.max() - 1), 0) // span
        for index, tile in enumerate(self._value_tiles(row, count)):
            number, part = divmod(index, cfg.parts)
            base, bank = number * span, self._bank(tile)
            keys = max(1, min(int(seen.max()) - base, span))
            states = np.where(last == number, 2, np.where(last > number, 1, 0))
            for start, rows, state in _runs(states):
                self._add(Pv(bank, row + start, rows, base, keys, part, base == 0, state == 2))


def write_program(cfg: UnfusedConfig, plan: Plan, positions: np.ndarray, keys: int, shift: int) -> list[Operation]:
    """The program for attention of rows over the first ``keys`` keys.

    Args:
        positions: of each row, int64 [rows]; a row sees the keys up to its position.

    Raises:
        FcimError: there are more keys or rows than the hardware counts, or a block has more rows than it keeps.
    """
    if not 1 <= keys <= MOST_KEYS or not 1 <= len(positions) <= MOST_ROWS:
        raise FcimError(f"baseline 'unfused': {keys} keys and {len(positions)} rows; use 1 to 65536 of each")
    if not 1 <= plan.block * (1 + plan.ahead) <= cfg.slots:
        raise FcimError(f"baseline 'unfused': blocks of {plan.block} rows do not fit into {cfg.slots} slots; use smaller ones")
    writer = _Writer(cfg, plan, positions, keys, shift)
    blocks = [(row, min(plan.block, len(positions) - row)) for row in range(0, len(positions), plan.block)]
    late = int(plan.ahead)      # blocks of QK ahead of PV
    steps: list[tuple[bool, int, int]] = []
    for number in range(len(blocks) + late):
        steps += [(False, *block) for block in blocks[number:number + 1]]
        steps += [(True, *block) for block in blocks[number - late:number - late + 1] if number >= late]
    writer.place(steps)
    for values, row, count in steps:
        (writer.outputs if values else writer.scores)(row, count)
    return writer.ops
