"""What ``fcim_read_router`` makes of commands and beats. No simulator here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

HEADS = 256
MULT_MASK, V_MULT_MASK, SHIFT_MASK = 0xFFFF, 0xF, 0x3F
FETCH_KINDS = ("h_table", "q_table", "q")
LOAD_KINDS = ("k_table", "k", "v")
Beat = Mapping[str, int]


@dataclass(frozen=True)
class Size:
    """The parameters of a router, and what follows from them."""

    engines: int
    rows: int
    head_dim: int
    keys_per_block: int
    max_keys: int
    buffer_keys: int
    data_bits: int

    @property
    def width(self) -> int:
        """Bytes of a beat."""
        return self.data_bits // 8

    @property
    def row_beats(self) -> int:
        """Beats of a row of Q, K or V."""
        return self.head_dim // self.width

    @property
    def k_table_beats(self) -> int:
        """Beats of a key block's multipliers."""
        return -(-4 * self.keys_per_block // self.width)

    @property
    def q_table_beats(self) -> int:
        """Beats of a tile's multipliers."""
        return -(-2 * self.rows // self.width)


@dataclass
class Command:
    """A command whose beats come: what it is for (a kind, or "desc"), the fields that came with it, what came already."""

    kind: str
    fields: Beat
    data: bytearray = field(default_factory=bytearray)
    rows: int = 0


@dataclass
class Model:
    """Call :meth:`asked` and :meth:`beat` with what was accepted; ``expect(output, beat)`` gets what must come, in order.

    A beat that is expected of a pulse has the number of the edge that must find it as ``cycle``. ``decode``: of the call.
    """

    size: Size
    expect: Callable[[str, Beat], None]
    decode: bool = False
    commands: deque[Command] = field(default_factory=deque)
    h_table: bytes = b""
    q_table: bytes = b""
    k_table: bytes = b""
    row: int = 0        # of the tile

    def asked(self, kind: str, fields: Beat) -> None:
        """A command was accepted."""
        self.commands.append(Command(kind, fields))

    def beat(self, data: int, error: bool, last: bool, cycle: int) -> Command:
        """A beat was accepted in this cycle; returns the command that it belongs to."""
        command = self.commands[0]
        if last:
            self.commands.popleft()
        if error and command.kind != "desc":
            self.expect("read_error", {"cycle": cycle + 1})
        if command.kind == "desc":
            self.expect("m_desc", {"cycle": cycle + 1, "data": data, "error": error, "last": last})
            return command
        command.data += data.to_bytes(self.size.width, "little")
        if command.kind.endswith("_table"):
            if last:
                setattr(self, command.kind, bytes(command.data))
                self.row = 0 if command.kind == "q_table" else self.row
        elif len(command.data) == self.size.head_dim:
            self._row(command, int.from_bytes(command.data, "little"), last, cycle)
            command.data.clear()
            command.rows += 1
        return command

    def _row(self, command: Command, row: int, last: bool, cycle: int) -> None:
        fields = command.fields
        if command.kind == "q":
            mult = int.from_bytes(self.q_table[2 * self.row:2 * self.row + 2], "little")
            self.row += 1
            self.expect("m_q", {"engine": fields["engine"], "data": row, "pos": fields["pos"], "mult": mult,
                                "shift": self.h_table[fields["head"]] & SHIFT_MASK, "partial": int(self.decode),
                                "last": int(last and fields["last"])})
            return
        address = fields["page"] * self.size.keys_per_block + command.rows
        if command.kind == "k":
            entry = int.from_bytes(self.k_table[4 * command.rows:4 * command.rows + 4], "little")
            self.expect("k", {"cycle": cycle + 1, "address": address, "data": row, "mult": entry & MULT_MASK,
                              "v_mult": entry >> 16 & V_MULT_MASK})
            return
        self.expect("v", {"cycle": cycle + 1, "address": address, "data": row})
        if last:
            self.expect("loaded", {"cycle": cycle + 2, "slot": fields["slot"]})
