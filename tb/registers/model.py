"""What the accelerator's registers do, from config/system/registers.rdl by way of :mod:`models.system.registers`."""

from __future__ import annotations

from collections.abc import Mapping

from models.system.register import Access, Register
from models.system.registers import REGISTERS

OKAY, SLVERR = 0, 2
END = max(register.offset for register in REGISTERS.values()) + 4
BY_OFFSET = {register.offset: register for register in REGISTERS.values()}
PINS = {("status", "busy"): "busy", ("status", "halted"): "halted", ("status", "resetting"): "resetting",
        ("ring_head", "count"): "head", **{("errors", name): name for name in (
            "read_slave", "read_decode", "write_slave", "write_decode")}}     # fields that show an input
ADDRESSES = ("read_address", "write_address")       # inputs that two registers show
EVENTS = {"unreadable": "unreadable", "refused": "refused", "read": "read", "write": "write", "engine": "engine",
          "completion": "completion"}               # fields of errors
COUNTERS = {"cycles": "cycle", "calls": "call", "read_beats": "read_beat", "write_beats": "write_beat", "k_blocks": "k_block",
            "v_blocks": "v_block", "rows": "row"}   # registers' names, and inputs' without count_
SHOWN = {"enable": ("control", "enable"), "ring_size": ("ring_size", "log2"), "tail": ("ring_tail", "count")}    # outputs


def strobed(strobe: int) -> int:
    """The bits of a word whose bytes are written."""
    return sum(0xFF << (8 * byte) for byte in range(4) if strobe >> byte & 1)


class Model:
    """The registers' values; inputs are given with :meth:`pin`, events with :meth:`event`.

    Args:
        parameters: values of the design's parameters, by their names in lower case.
    """

    def __init__(self, parameters: Mapping[str, int]) -> None:
        self.parameters = parameters
        self.reset()

    def reset(self) -> None:
        """The values after a hardware reset."""
        self.words = {name: self._reset_word(register) for name, register in REGISTERS.items()}
        self.high = 0

    def _reset_word(self, register: Register) -> int:
        if register.name in self.parameters:
            return self.parameters[register.name]
        return sum((field.reset or 0) << field.low for field in register.fields)

    def write(self, offset: int, data: int, strobe: int = 0xF) -> tuple[int, set[str]]:
        """The answer to a write, and the fields of control that act."""
        register = BY_OFFSET.get(offset & ~3)
        if register is None:
            return SLVERR, set()
        mask, acts = strobed(strobe), set()
        for field in register.fields:
            bits, old = field.mask & mask, self.words[register.name]
            if field.access is Access.READ_WRITE:
                self.words[register.name] = old & ~bits | data & bits
            elif field.access is Access.WRITE_1_CLEARS:
                self.words[register.name] = old & ~(data & bits)
            elif field.access is Access.WRITE_1_ACTS and data & bits:
                acts.add(field.name)
        if "soft_reset" in acts:
            self.put("control", "enable", 0)
            self.put("ring_tail", "count", 0)
        if "clear_errors" in acts:
            for name in EVENTS:
                self.put("errors", name, 0)
        return OKAY, acts

    def put(self, register: str, field: str, value: int) -> None:
        """Give a field a value."""
        place = REGISTERS[register].field(field)
        self.words[register] = self.words[register] & ~place.mask | value << place.low

    def get(self, register: str, field: str) -> int:
        """The value of a field."""
        return REGISTERS[register].decode(self.words[register])[field]

    def pin(self, name: str, value: int) -> None:
        """An input has a value."""
        for (register, field), pin in PINS.items():
            if pin == name:
                self.put(register, field, value)
        if name in ADDRESSES:
            self.words[f"{name}_lo"], self.words[f"{name}_hi"] = value & 0xFFFF_FFFF, value >> 32

    def event(self, name: str) -> None:
        """An event of the command processor."""
        if name == "done":
            self.put("irq_status", "done", 1)
        else:
            self.put("errors", EVENTS[name], 1)
            self.put("irq_status", "error", 1)

    def read(self, offset: int) -> tuple[int, int]:
        """A word that is no counter's, and the answer."""
        register = BY_OFFSET.get(offset & ~3)
        return (self.words[register.name], OKAY) if register else (0, SLVERR)

    @property
    def irq(self) -> int:
        """The interrupt's pin."""
        return int(self.words["irq_status"] & self.words["irq_enable"] != 0)

    @property
    def base(self) -> int:
        """The ring's base."""
        return self.words["ring_base_hi"] << 32 | self.words["ring_base_lo"]
