"""Programs of ``fcim_kv_stationary``: its parameters, its two kinds of operations, what makes a program legal, and its cycles.

``docs/baselines.md`` is the specification. No tensors here, so that a bench loads it inside a simulator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from models.baseline.banks import plan_banks
from models.errors import FcimError

WAIT_BITS = 16          # of a count of completed operations, modulo 2**16
HAZARD = 3              # cycles from reading a row's state to where what was written is read again
PARTIAL_BYTES = 4       # of an element of a partial row of O
STATE_M_BYTES = 2       # of a running maximum
DIVIDER = 19            # cycles from a row's last chunk of accumulators to its O

COUNTERS = (
    "cycles", "q_reads", "k_reads", "v_reads", "v_rows_written", "k_inputs", "v_inputs", "k_bits", "k_bit_products", "v_bits",
    "scores", "visible", "saturations", "rescales", "adds", "m_reads", "m_writes", "l_reads", "l_writes", "o_reads", "o_writes",
    "out_rows",
)
"""The counters of ``fcim_kv_stationary``, number 0 in the low bits of its port."""


def _power_of_two(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


@dataclass(frozen=True)
class KvConfig:
    """One legal parameter set of ``fcim_kv_stationary``.

    Attributes:
        macros: pairs of a K macro and a V macro.
        rows: keys of a K macro, which are the inputs of its V macro.
        head_dim: elements of a head vector. bits_per_cycle: of an input, per cycle.
        lanes: keys of a pair that are scaled and exponentiated per cycle.
        o_columns: elements of a row's partial O that are read, and written, per cycle.
        v_tiles: V macros that a word of the V port has a row of cells for.
        max_keys: keys that the buffer holds. max_rows: rows of Q that it holds.
        banks: tiles that a macro holds, of which it works on one.

    Raises:
        FcimError: the set is illegal; the message names the parameter and its legal values.
    """

    macros: int = 8
    rows: int = 64
    head_dim: int = 128
    bits_per_cycle: int = 1
    lanes: int = 8
    o_columns: int = 16
    v_tiles: int = 2
    max_keys: int = 8192
    max_rows: int = 32768
    banks: int = 2

    PARAMETERS: ClassVar[Mapping[str, str]] = {
        "macros": "MACROS", "rows": "ROWS", "head_dim": "HEAD_DIM", "bits_per_cycle": "BITS_PER_CYCLE", "lanes": "LANES",
        "o_columns": "O_COLUMNS", "v_tiles": "V_TILES", "max_keys": "MAX_KEYS", "max_rows": "MAX_ROWS", "banks": "BANKS",
    }

    def __post_init__(self) -> None:
        self._require(self.macros in (1, 2, 4, 8, 16), "macros", "1, 2, 4, 8 or 16")
        self._require(self.rows in (16, 32, 64, 128), "rows", "16, 32, 64 or 128")
        self._require(self.head_dim in (16, 32, 64, 128), "head_dim", "16, 32, 64 or 128")
        self._require(self.bits_per_cycle in (1, 2, 4, 8), "bits_per_cycle", "1, 2, 4 or 8")
        self._require(_power_of_two(self.lanes) and self.lanes <= self.rows, "lanes", f"a power of two up to rows ({self.rows})")
        self._require(_power_of_two(self.o_columns) and self.o_columns <= self.head_dim, "o_columns",
                      f"a power of two up to head_dim ({self.head_dim})")
        self._require(_power_of_two(self.v_tiles) and self.v_tiles <= self.macros, "v_tiles",
                      f"a power of two up to macros ({self.macros})")
        least = max(64, self.span)
        self._require(least <= self.max_keys <= 65536 and _power_of_two(self.max_keys), "max_keys",
                      f"a power of two from {least} to 65536")
        self._require(16 <= self.max_rows <= 65536 and _power_of_two(self.max_rows), "max_rows",
                      "a power of two from 16 to 65536")
        self._require(self.banks in (2, 4, 8), "banks", "2, 4 or 8")

    def _require(self, ok: bool, field: str, legal: str) -> None:
        if not ok:
            raise FcimError(f"kv_stationary: {field} = {getattr(self, field)} is illegal; use {legal}")

    @property
    def span(self) -> int:
        """Keys of a bank of all macros."""
        return self.macros * self.rows

    @property
    def cycles_per_input(self) -> int:
        """Cycles of an input of a macro."""
        return 8 // self.bits_per_cycle

    @property
    def passes(self) -> int:
        """Cycles in which the scores of a row pass the lanes."""
        return self.rows // self.lanes

    @property
    def o_passes(self) -> int:
        """Cycles in which a row's partial O passes its port."""
        return self.head_dim // self.o_columns

    @property
    def step(self) -> int:
        """Cycles from a row to the next: those of the slowest part."""
        return max(self.cycles_per_input, self.passes, self.o_passes)

    @property
    def sum_bits(self) -> int:
        """Bits of a row sum."""
        return 8 + self.max_keys.bit_length() - 1

    @property
    def pos_bits(self) -> int:
        """Bits of a position; all ones is no row's and no key's."""
        return self.max_keys.bit_length()

    # ---- cycles from the one in which a row of Q is asked for
    @property
    def released(self) -> int:
        """To the one in which the row needs the cells of its bank no more."""
        return 11 + 2 * self.cycles_per_input + 2 * self.passes

    @property
    def written(self) -> int:
        """To the one in which the last of its partial O is written."""
        return self.released + 2 + self.o_passes

    @property
    def given(self) -> int:
        """To the one in which its O is given out."""
        return self.released + 2 + self.o_passes + DIVIDER

    def verilog_parameters(self) -> dict[str, int]:
        """Parameter names and values as the RTL takes them."""
        return {parameter: getattr(self, key) for key, parameter in self.PARAMETERS.items()}


@dataclass(frozen=True)
class Load:
    """Keys ``start`` to ``start + keys - 1`` and their values into bank ``bank`` of all macros, and nothing else stays there.

    Begins once ``wait`` operations of the other queue are complete.
    """

    bank: int
    start: int
    keys: int
    wait: int = 0


@dataclass(frozen=True)
class Rows:
    """Rows ``start`` to ``start + rows - 1`` of Q against the keys of bank ``bank``.

    ``first``: nothing is kept of the rows yet. ``last``: their O is given out, and nothing is kept. Begins once ``wait``
    operations of the other queue are complete.
    """

    bank: int
    start: int
    rows: int
    first: bool
    last: bool
    wait: int = 0


@dataclass(frozen=True)
class Program:
    """What the two queues get, in order."""

    loads: tuple[Load, ...]
    rows: tuple[Rows, ...]


@dataclass(frozen=True)
class Timeline:
    """Cycles of a program, 0 the first in which an operation is offered.

    Attributes:
        load_accepted, rows_accepted: in which each operation is accepted.
        given: of each row that is given out, ``(cycle, row)`` in order.
        cycles: in which the cluster is not idle, which is what its counter shows.
        end: the last of them.
    """

    load_accepted: tuple[int, ...]
    rows_accepted: tuple[int, ...]
    given: tuple[tuple[int, int], ...]
    cycles: int
    end: int


def load_cycles(cfg: KvConfig, load: Load) -> int:
    """Cycles in which a load asks the buffer: the K port and the V port side by side, a row of K and a word of V per cycle."""
    groups = -(-load.keys // (cfg.v_tiles * cfg.rows))
    return max(load.keys, groups * cfg.head_dim)


def rows_cycles(cfg: KvConfig, op: Rows) -> int:
    """Cycles from a rows operation to the next."""
    return (op.rows - 1) * cfg.step + max(cfg.step, HAZARD)     # its last row may be the next one's first


def check(cfg: KvConfig, program: Program) -> list[int]:
    """The number of the load whose keys each rows operation meets.

    Raises:
        FcimError: the program is illegal: what does not fit, a bank that may be written while it is read or was never
            written, rows that are begun or given out twice, or never begun, a row that meets more keys than its sums hold,
            waits for what does not come.
    """
    for number, load in enumerate(program.loads):
        what = f"load {number}"
        _within(what, "bank", load.bank, 0, cfg.banks - 1)
        _within(what, "keys", load.keys, 1, cfg.span)
        _within(what, "start", load.start, 0, cfg.max_keys - load.keys)
        if load.start % (cfg.v_tiles * cfg.rows):
            raise FcimError(f"{what}: start = {load.start} is illegal; use a multiple of {cfg.v_tiles * cfg.rows}, where words "
                            "of V begin")
        _within(what, "wait", load.wait, 0, len(program.rows))
    open_rows: set[int] = set()
    given: set[int] = set()
    keys = [0] * cfg.max_rows           # that each row has met since it began
    met = []
    for number, op in enumerate(program.rows):
        what = f"rows operation {number}"
        _within(what, "bank", op.bank, 0, cfg.banks - 1)
        _within(what, "rows", op.rows, 1, cfg.max_rows)
        _within(what, "start", op.start, 0, cfg.max_rows - op.rows)
        _within(what, "wait", op.wait, 0, len(program.loads))
        own = range(op.start, op.start + op.rows)
        if op.first and not open_rows.isdisjoint(own):
            raise FcimError(f"{what} begins a row again of which something is kept; clear first")
        if not given.isdisjoint(own):
            raise FcimError(f"{what} has a row that is given out already; leave it out, or clear last before it")
        if not op.first and not open_rows.issuperset(own):
            raise FcimError(f"{what} goes on with a row of which nothing is kept; set first")
        open_rows = open_rows - set(own) if op.last else open_rows | set(own)
        given |= set(own) if op.last else set()
        before = [i for i, load in enumerate(program.loads[:op.wait]) if load.bank == op.bank]
        if not before:
            raise FcimError(f"{what} reads bank {op.bank}, which no load that it waits for has written; raise its wait")
        met.append(before[-1])
        for row in own:
            keys[row] = program.loads[before[-1]].keys + (0 if op.first else keys[row])
            if keys[row] > cfg.max_keys:
                raise FcimError(f"{what} brings row {row} to {keys[row]} keys, more than max_keys, for which its sums are made; "
                                "let it meet each key once")
        for i, load in enumerate(program.loads[op.wait:], op.wait):
            if load.bank == op.bank and load.wait <= number:
                raise FcimError(f"load {i} may write bank {op.bank} while {what} reads it; "
                                f"let it wait for {number + 1} operations")
    timeline(cfg, program)
    return met


def _within(what: str, name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise FcimError(f"{what}: {name} = {value} is illegal; use {least} to {most}")


def timeline(cfg: KvConfig, program: Program, load_offers: Sequence[int] = (), rows_offers: Sequence[int] = ()) -> Timeline:
    """When everything of a program happens, operation by operation.

    Args:
        load_offers, rows_offers: the cycle from which on each operation is offered; without them each is offered in the cycle
            after the one before was accepted.

    Raises:
        FcimError: two operations wait for each other.
    """
    loads, rows = program.loads, program.rows
    load_accepted: list[int] = []
    rows_accepted: list[int] = []
    load_done: list[int] = []       # the first cycle in which others see that it is complete
    rows_done: list[int] = []
    given: list[tuple[int, int]] = []
    busy: list[tuple[int, int]] = []
    while len(load_accepted) < len(loads) or len(rows_accepted) < len(rows):
        i, j = len(load_accepted), len(rows_accepted)
        if i < len(loads) and loads[i].wait <= j:
            free = load_accepted[-1] + load_cycles(cfg, loads[i - 1]) if i else 0
            offered = load_offers[i] if load_offers else load_accepted[-1] + 1 if i else 0
            at = max(free, offered, rows_done[loads[i].wait - 1] if loads[i].wait else 0)
            load_accepted.append(at)
            load_done.append(at + load_cycles(cfg, loads[i]) + 2)
            busy.append((offered, at + load_cycles(cfg, loads[i]) + 1))
        elif j < len(rows) and rows[j].wait <= i:
            free = rows_accepted[-1] + rows_cycles(cfg, rows[j - 1]) if j else 0
            offered = rows_offers[j] if rows_offers else rows_accepted[-1] + 1 if j else 0
            at = max(free, offered, load_done[rows[j].wait - 1] if rows[j].wait else 0)
            last = at + 1 + (rows[j].rows - 1) * cfg.step
            rows_accepted.append(at)
            rows_done.append(last + cfg.released + 1)
            busy.append((offered, last + (cfg.given if rows[j].last else cfg.written)))
            if rows[j].last:
                given += [(at + 1 + r * cfg.step + cfg.given, rows[j].start + r) for r in range(rows[j].rows)]
        else:
            raise FcimError(f"load {i} and rows operation {j} wait for each other, or for what does not come; lower a wait")
    cycles, until = 0, -1
    for begin, end in sorted(busy):
        cycles += max(end - max(begin, until + 1) + 1, 0)
        until = max(until, end)
    return Timeline(tuple(load_accepted), tuple(rows_accepted), tuple(given), cycles, until)


def causal_program(cfg: KvConfig, positions: Sequence[int], keys: int, row_block: int = 0, overlap: bool = True) -> Program:
    """Rows against all keys that they see, span by span; keys have their numbers as positions.

    Args:
        positions: of each row, ascending.
        keys: how many there are.
        row_block: rows that go through all spans before others begin; 0 takes all. Spans stay in banks for the blocks after it as
            :func:`models.baseline.banks.plan_banks` has it: all of them where they are no more than the banks.
        overlap: load a bank while another is read; False does one thing after the other.

    Raises:
        FcimError: positions that do not ascend, or no keys.
    """
    if any(a > b for a, b in zip(positions, positions[1:])):
        raise FcimError("positions must ascend from row to row; sort the rows by token")
    if keys < 1:
        raise FcimError(f"keys = {keys} is illegal; use 1 or more")
    loads: list[Load] = []
    rows: list[Rows] = []
    written: dict[int, int] = {}    # loads after which each bank holds what it should
    used: dict[int, int] = {}       # operations after which each bank is free
    block = row_block or len(positions)
    blocks = [(begin, min(begin + block, len(positions))) for begin in range(0, len(positions), block)]
    met = [(begin, end, span) for begin, end in blocks for span in range(-(-min(keys, positions[end - 1] + 1) // cfg.span))]
    places = plan_banks([span for _, _, span in met], cfg.banks, overlap)
    for (begin, end, span), (bank, loaded) in zip(met, places, strict=True):
        start = span * cfg.span
        from_row = next(r for r in range(begin, end) if positions[r] >= start)
        if loaded:
            loads.append(Load(bank, start, min(cfg.span, keys - start), used.get(bank, 0) if overlap else len(rows)))
            written[bank] = len(loads)
        ends = start + cfg.span >= keys
        split = end if ends else next((r for r in range(from_row, end) if positions[r] >= start + cfg.span), end)
        for first_row, end_row, last in ((from_row, split, True), (split, end, False)):
            if first_row < end_row:
                rows.append(Rows(bank, first_row, end_row - first_row, span == 0, last, written[bank]))
        used[bank] = len(rows)
    return Program(tuple(loads), tuple(rows))


def program_counts(cfg: KvConfig, program: Program) -> dict[str, int]:
    """The counters of a program that do not depend on operands, but for the cycles."""
    again = sum(op.rows for op in program.rows if not op.first)
    kept = sum(op.rows for op in program.rows if not op.last)
    tiles = [-(-load.keys // cfg.rows) for load in program.loads]
    return {
        "q_reads": sum(op.rows for op in program.rows),
        "k_reads": sum(load.keys for load in program.loads),
        "v_reads": sum(-(-count // cfg.v_tiles) for count in tiles) * cfg.head_dim,
        "v_rows_written": sum(tiles) * cfg.head_dim,
        "m_reads": again, "l_reads": again, "o_reads": again * cfg.o_passes,
        "m_writes": kept, "l_writes": kept, "o_writes": kept * cfg.o_passes,
        "out_rows": sum(op.rows for op in program.rows if op.last),
    }


def events_of(cfg: KvConfig, counts: Mapping[str, int]) -> dict[str, int]:
    """What an energy model needs, of the counters :data:`COUNTERS`."""
    d = cfg.head_dim
    read = {"Q": counts["q_reads"] * d, "K": counts["k_reads"] * d, "V": counts["v_reads"] * cfg.v_tiles * cfg.rows,
            "O_partial": counts["o_reads"] * cfg.o_columns * PARTIAL_BYTES,
            "state": counts["m_reads"] * STATE_M_BYTES + counts["l_reads"] * -(-cfg.sum_bits // 8)}
    written = {"O_partial": counts["o_writes"] * cfg.o_columns * PARTIAL_BYTES, "O": counts["out_rows"] * d * 2,
               "state": counts["m_writes"] * STATE_M_BYTES + counts["l_writes"] * -(-cfg.sum_bits // 8)}
    return {
        "cycles": counts["cycles"],
        "macro_input_rows": counts["k_inputs"] + counts["v_inputs"],
        "bit_products": counts["k_bit_products"] + counts["v_bits"] * d,
        "cell_bits_written": counts["k_reads"] * d * 8 + counts["v_rows_written"] * cfg.rows * 8,
        "scores": counts["scores"],
        "exponentials": counts["visible"],
        "comparisons": counts["visible"],
        "score_scales": counts["visible"],
        "o_rescales": counts["rescales"] * d,
        "o_adds": counts["adds"] * d,
        "divisions": counts["out_rows"],
        "normalised": counts["out_rows"] * d,
        "buffer_read_bytes": sum(read.values()),
        "buffer_written_bytes": sum(written.values()),
        **{f"buffer_read_bytes:{kind}": value for kind, value in read.items()},
        **{f"buffer_written_bytes:{kind}": value for kind, value in written.items()},
    }
