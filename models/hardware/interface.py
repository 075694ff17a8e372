"""The engine's interface, declared once: streams, status pins and counters of ``fcim_core`` and ``fcim_engine``.

Benches drive and record what is written here, the tables of docs/streams.md and docs/requests.md are printed from it, and a test
compares it with the ports of the elaborated RTL. It imports no tensors, so that it loads inside a simulator in no time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from models.hardware.config import (
    COUNTER_BITS,
    MULT_BITS,
    OCTAVES_BITS,
    OPERAND_BITS,
    OUT_BITS,
    ROW_MAX_BITS,
    SHIFT_BITS,
    TAU_BITS,
    V_MULT_BITS,
    EngineConfig,
)

SCHEDULE_BITS = 2
# attributes of a configuration that no Verilog parameter is called by
_EXPRESSIONS = {"index_bits": "log2(MAX_KEYS)", "count_bits": "log2(KEYS_PER_BLOCK) + 1"}


class Field(NamedTuple):
    """One signal of a stream.

    ``bits`` are those of the number, or of each lane: a number, or the attribute of :class:`EngineConfig` that holds it.
    ``lanes`` is the attribute that says how many signed lanes lie side by side, lane 0 in the low bits; empty for one unsigned
    number.
    """

    name: str
    bits: int | str = 1
    lanes: str = ""

    def width(self, cfg: EngineConfig) -> int:
        """Bits of the signal."""
        bits = getattr(cfg, self.bits) if isinstance(self.bits, str) else self.bits
        return bits * (getattr(cfg, self.lanes) if self.lanes else 1)

    def text(self) -> str:
        """As the documentation writes it: ``pos [POS_BITS]``, with nothing behind a single bit."""
        bits = _EXPRESSIONS.get(self.bits, self.bits.upper()) if isinstance(self.bits, str) else str(self.bits)
        width = f"{self.lanes.upper()}*{bits}" if self.lanes else bits
        return f"`{self.name}`" if width == "1" else f"`{self.name} [{width}]`"


@dataclass(frozen=True)
class Stream:
    """A ``valid/ready`` stream: ``name`` without its prefix, seen from the engine; ``beat`` says what one beat is."""

    name: str
    inward: bool
    fields: tuple[Field, ...]
    beat: str

    @property
    def port(self) -> str:
        """The name with its prefix: ``s_`` into the engine, ``m_`` out of it."""
        return f"{'s' if self.inward else 'm'}_{self.name}"

    @property
    def names(self) -> tuple[str, ...]:
        """Of its fields."""
        return tuple(field.name for field in self.fields)

    @property
    def data(self) -> Field | None:
        """The field of signed lanes, if it has one: always the first."""
        return self.fields[0] if self.fields[0].lanes else None

    @property
    def numbers(self) -> tuple[Field, ...]:
        """The fields that are one number each."""
        return tuple(field for field in self.fields if not field.lanes)

    def width(self, cfg: EngineConfig) -> int:
        """Bits of all fields together."""
        return sum(field.width(cfg) for field in self.fields)


class Pin(NamedTuple):
    """A signal beside the streams: ``bits`` wide, into the engine or out of it."""

    name: str
    inward: bool
    bits: int
    meaning: str


class Counter(NamedTuple):
    """``unit`` of one count; ``counts`` says of what, in a line; ``rule`` which cycles, in the letters of docs/cycles.md."""

    unit: str
    counts: str
    rule: str = ""


_ROW = Field("data", OPERAND_BITS, "head_dim")
_POSITION = Field("pos", "pos_bits")
_MULTIPLIER = Field("mult", MULT_BITS)
_LAST = Field("last")
_BLOCK = (Field("start", "index_bits"), Field("count", "count_bits"), _LAST)

_Q = Stream("q", True, (_ROW, _POSITION, _MULTIPLIER, Field("shift", SHIFT_BITS), Field("tau", TAU_BITS), Field("fused"),
                        Field("skip"), Field("octaves", OCTAVES_BITS), Field("partial"), _LAST),
            "one row of the tile; rows come in order 0, 1, ...; `last` on the tile's last row; rows after it are unused. row "
            "`ROWS - 1` closes the tile in any case; `shift`, `tau`, `fused`, `skip`, `octaves` and `partial` are taken from the "
            "tile's last beat")
_K = Stream("k", True, (_ROW, _POSITION, _MULTIPLIER, Field("v_mult", V_MULT_BITS), _LAST),
            "one key; `v_mult` belongs to its value; `last` on the tile's last key (at least one key a tile)")
_V = Stream("v", True, (_ROW, _LAST),
            "the value of one key, same order, those of blocks that run only; `last` on the tile's last key if its block runs")
_DECISION = Stream("decision", False, (Field("skip"), _LAST),
              "what becomes of one key block, in order, once it is decided; `last` on the tile's last block")
_O = Stream("o", False, (Field("data", OUT_BITS, "head_dim"), Field("empty"), _LAST),
            "one row of O of a tile that is not `partial`, rows in order, used rows only; `last` on the tile's last row")
_PART = Stream("part", False, (Field("acc", "acc_bits", "read_columns"), Field("sum", "sum_bits"), Field("max", ROW_MAX_BITS),
                               _LAST),
               "one chunk of a row of a `partial` tile, as it is: `CYCLES_PER_KEY` chunks a row, the lowest columns first; rows "
               "in order, used rows only; `sum` and `max` (two's complement) are the row's; `last` on the tile's last chunk")
_TILE = Stream("tile", True, (Field("keys", "pos_bits"), Field("schedule", SCHEDULE_BITS)),
               "one query tile, as at the scheduler's `s_tile`; in the order of the tiles of Q")
_KREQ = Stream("kreq", False, _BLOCK, "a key block to be fetched: the keys `start` to `start + count - 1`, ascending; `last` on "
               "the tile's last block")
_VREQ = Stream("vreq", False, (*_BLOCK, Field("first")), "a value block to be fetched, of blocks that run only; `last` on the "
               "tile's last block if it runs, `first` on the tile's first request for values")

CORE: Mapping[str, Stream] = {stream.name: stream for stream in (_Q, _K, _DECISION, _V, _O, _PART)}
"""The streams of ``fcim_core``, in the order of its ports."""
ENGINE: Mapping[str, Stream] = {stream.name: stream for stream in (_TILE, _Q, _KREQ, _K, _VREQ, _V, _O, _PART)}
"""The streams of ``fcim_engine``, in the order of its ports."""

COUNTER_INFO: Mapping[str, Counter] = {
    "cycles": Counter("cycles", "in which a tile is in flight: from its first row of Q to its last output beat"),
    "tiles": Counter("tiles", "whose last output beat is out"),
    "keys": Counter("keys", "accepted"),
    "blocks": Counter("key blocks", "decided, skipped ones included"),
    "q_bytes": Counter("bytes", "of Q taken in"),
    "k_bytes": Counter("bytes", "of K taken in"),
    "v_bytes": Counter("bytes", "of V taken in, of blocks that run only"),
    "o_bytes": Counter("bytes", "of O given out"),
    "ip_busy": Counter("cycles", "in which the IP-CIM's array switches"),
    "op_busy": Counter("cycles", "in which the OP-CIM's array switches"),
    "zero_blocks": Counter("key blocks", "in which no score counts, skipped or not"),
    "rescaled_rows": Counter("rows", "rescaled: the running maximum moved on and the accumulators were shifted, which costs no "
                             "cycle"),
    "rescale_amount": Counter("bits", "by which rescales shifted, in all"),
    "saturations": Counter("scores", "visible to their row that were clamped"),
    "stall_softmax": Counter("cycles", "a finished column waits for the softmax unit; not lost time by itself: after one delay "
                             "every later column waits as long", "`C[k] - (H[k] + 1)`"),
    "stall_q": Counter("cycles", "a key waits, IP-CIM idle, for its tile's Q, while a tile is in flight",
                       "from `max(key valid, H[k-1])` of a tile's first key until the bank is readable"),
    "stall_k": Counter("cycles", "the IP-CIM could take a key, Q being there, and none is valid",
                       "from `max(H[k-1], bank readable)` to `A[k]`"),
    "stall_v": Counter("cycles", "a block waits for its values, OP-CIM ready",
                       "from `max(E[b] + n[b]*CPK + 3, X[block before that runs] + BLOCK_CYCLES)` to `X[b]`"),
    "stall_op": Counter("cycles", "a judged block, next in turn and not skipped, waits for room in the OP-CIM",
                        "from `T[b]` to *room*"),
    "stall_bank": Counter("cycles", "a tile's first block that runs has that room and waits for its accumulators to be drained",
                          "from `max(T[b], room)` to *drained*"),
    "stall_o": Counter("cycles", "a finished row, or a chunk of a partial tile, is not taken, in which the drain stands",
                       "`O - W`, `M - G`"),
    "ip_bit_ops": Counter("bits", "set in `k + 128` that switched the IP-CIM's array"),
    "op_bit_ops": Counter("bits", "set in `v + 128` that switched the OP-CIM's array"),
    "skipped_blocks": Counter("key blocks", "skipped: neither values nor exponentials nor outer products"),
    "stall_decision": Counter("cycles", "a decided block waits for `m_decision_ready`", "`E[b] - P[b]`"),
    "partial_rows": Counter("rows", "given out as partial results, all chunks of them"),
}
"""The counters, number 0 first; pages and documentation show these words."""
COUNTERS = tuple(COUNTER_INFO)

CORE_PINS = (
    Pin("clk", True, 1, "clock"),
    Pin("rst_n", True, 1, "reset, active low and synchronous"),
    Pin("clear", True, 1, "high for one cycle: the counters go to 0"),
    Pin("tile_done", False, 1, "high for one cycle, with the last output beat of a tile"),
    Pin("error_v_count", False, 1, "sticky until reset: K and V disagree on the keys of a block"),
    Pin("counters", False, len(COUNTERS) * COUNTER_BITS,
        f"{len(COUNTERS)} counters of {COUNTER_BITS} bits, number 0 in the low bits, see `Counters`"),
)
ENGINE_PINS = (
    *CORE_PINS,
    Pin("error_order", False, 1, "sticky until reset: a decision on no block that was asked for"),
    Pin("skipped", False, 1, "high for one cycle: a block is decided to be skipped, so that no request for values names it"),
    Pin("skipped_last", False, 1, "with it: the block is its tile's last"),
)


def ports(streams: Mapping[str, Stream], pins: Sequence[Pin], cfg: EngineConfig) -> dict[str, tuple[bool, int]]:
    """Every port of a top by its name: whether it leads inward, and its width."""
    found = {pin.name: (pin.inward, pin.bits) for pin in pins}
    for stream in streams.values():
        found |= {f"{stream.port}_valid": (stream.inward, 1), f"{stream.port}_ready": (not stream.inward, 1)}
        found |= {f"{stream.port}_{field.name}": (stream.inward, field.width(cfg)) for field in stream.fields}
    return found


def unpack_counters(word: int) -> dict[str, int]:
    """The value of the pins ``counters`` by the counters' names."""
    mask = (1 << COUNTER_BITS) - 1
    return {name: word >> (COUNTER_BITS * number) & mask for number, name in enumerate(COUNTERS)}


def streams_table(streams: Mapping[str, Stream]) -> str:
    """The table of streams of a page, in Markdown."""
    rows = [f"| `{stream.port}` | {', '.join(field.text() for field in stream.fields)} | {stream.beat} |"
            for stream in streams.values()]
    return "\n".join(["| stream | signals | one beat |", "| --- | --- | --- |", *rows])


def pins_table(pins: Sequence[Pin]) -> str:
    """The table of pins beside the streams, in Markdown."""
    rows = [f"| `{pin.name}` | {'in' if pin.inward else 'out'} | {pin.bits} | {pin.meaning} |" for pin in pins]
    return "\n".join(["| pin | direction | bits | meaning |", "| --- | --- | --- | --- |", *rows])


def counters_table() -> str:
    """The table of counters of docs/streams.md, in Markdown."""
    rows = [f"| {number} | `{name}` | {info.unit} | {info.counts}{': ' if info.rule else ''}{info.rule} |"
            for number, (name, info) in enumerate(COUNTER_INFO.items())]
    return "\n".join(["| number | name | unit | counts |", "| --- | --- | --- | --- |", *rows])
