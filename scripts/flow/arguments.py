"""The options of every command: those of make's variables from their table, all mistakes in one line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from models.errors import FcimError
from models.place import FRONT
from models.tensors.packaged import model_file
from scripts.flow.variables import Kind, rows_of, switch


class Parser(argparse.ArgumentParser):
    """An argument parser with the variables of ``make TARGET`` as options: ``--keys-per-block`` for KEYS_PER_BLOCK.

    An option given empty counts as not given, as an empty variable of make does. What a variable has no other default for is
    None, a switch False; but one whose meaning names its default is None too, and whoever knows that default chooses. A mistake
    raises :class:`FcimError` instead of printing the usage.
    """

    def __init__(self, target: str | None, description: str | None, **defaults: Any) -> None:
        super().__init__(prog=f"{FRONT} {target}" if target else None, description=description, allow_abbrev=False)
        for row in rows_of(target) if target else ():
            off = row.kind is switch and "default" not in row.meaning
            default = defaults.pop(row.name.lower(), False if off else None)
            more = {"nargs": "?", "const": True} if row.kind is switch else {}
            known = "default" in row.meaning or default in (None, False, "") or row.name == "OUT"
            meaning = row.meaning if known else f"{row.meaning} (default: {default})"
            self.add_argument(flag(row.name), type=value_of(row.kind, row.name, default), default=default,
                              help=meaning.replace("%", "%%"), **more)
        self.set_defaults(**defaults)

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """The options and what is none; MODEL is the checkpoint in its file, which may not be there yet."""
        found, rest = super().parse_known_args(args, namespace)
        if getattr(found, "model", None):
            for other in ("checkpoint", "tensors"):
                if getattr(found, other, None):
                    raise FcimError(f"MODEL and {other.upper()} are both given; give one of them")
            found.checkpoint = str(model_file(found.model))
        return found, rest

    def error(self, message: str) -> NoReturn:
        """One line, as for every other mistake."""
        raise FcimError(f"{message}; see --help")

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        """The options; what is no option of the command is a mistake."""
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            raise FcimError(f"{rest[0]} is not an option of this command; see --help")
        return found


def flag(variable: str) -> str:
    """``KEYS_PER_BLOCK`` as ``--keys-per-block``."""
    return "--" + variable.lower().replace("_", "-")


def value_of(kind: Kind, variable: str, default: Any = None) -> Callable[[str], Any]:
    """What argparse wants for ``type``."""
    return lambda text: kind(text, variable) if text.strip() else default
