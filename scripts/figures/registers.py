"""Tables of what software sees of the accelerator: registers, descriptors, statuses; from their models alone."""

from __future__ import annotations

from models.system.descriptor import FIELDS, Status
from models.system.registers import REGISTERS
from scripts.figures.pages import Piece
from scripts.figures.text import table

PAGE = "docs/registers.md"


def _reset(value: int | None) -> str:
    return "" if value is None else f"`0x{value:X}`" if value > 9 else str(value)


def registers() -> list[Piece]:
    """Every register, a line for each of its fields."""
    rows = []
    for register in REGISTERS.values():
        rows.append([f"`0x{register.offset:02X}`", f"**`{register.name}`**", "", "", "", register.meaning])
        for field in register.fields:
            bits = str(field.low) if field.high == field.low else f"{field.high}:{field.low}"
            rows.append(["", f"`{field.name}`", bits, field.access.value, _reset(field.reset), field.meaning])
    return [Piece(PAGE, table(("offset", "register, field", "bits", "software may", "reset", ""), rows, 6), "registers")]


def descriptor() -> list[Piece]:
    """The fields of a descriptor, and how one ends."""
    layout = table(("byte", "bytes", "field", ""),
                   [[str(field.byte), str(field.size), f"`{field.name}`", field.meaning] for field in FIELDS], 4)
    ends = table(("status", ""), [[str(int(status)), status.meaning] for status in Status], 2)
    return [Piece(PAGE, layout, "descriptor"), Piece(PAGE, ends, "statuses")]
