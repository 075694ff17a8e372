"""What a register of the accelerator is; :mod:`models.system.registers` says which there are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from models.errors import FcimError


class Access(Enum):
    """What software may do with a field."""

    READ = "read"
    READ_WRITE = "read, write"
    WRITE_1_ACTS = "write 1 to act"         # reads as 0
    WRITE_1_CLEARS = "read, write 1 to clear"


@dataclass(frozen=True)
class Field:
    """Bits ``high`` to ``low`` of a register; ``reset`` is None where the hardware alone knows the value."""

    name: str
    high: int
    low: int
    access: Access
    reset: int | None
    meaning: str

    @property
    def mask(self) -> int:
        """The field's bits in its register."""
        return ((2 << (self.high - self.low)) - 1) << self.low


@dataclass(frozen=True)
class Register:
    """A word of 32 bits at a byte ``offset``."""

    name: str
    offset: int
    meaning: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field:
        """The field called so.

        Raises:
            FcimError: there is none.
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise FcimError(f"register {self.name} has no field '{name}'; it has {', '.join(field.name for field in self.fields)}")

    def encode(self, **values: int) -> int:
        """The word in which fields have ``values``, and the others are 0.

        Raises:
            FcimError: there is no such field, or a value does not fit.
        """
        word = 0
        for name, value in values.items():
            field = self.field(name)
            if not 0 <= value <= field.mask >> field.low:
                raise FcimError(f"{self.name}.{name} = {value} does not fit; use 0 to {field.mask >> field.low}")
            word |= value << field.low
        return word

    def decode(self, word: int) -> dict[str, int]:
        """The value of each field in a word."""
        return {field.name: (word & field.mask) >> field.low for field in self.fields}
