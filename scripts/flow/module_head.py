"""What the head of a Verilog file says of its module: parameters and ports, as all files of the RTL write them, a line each."""

from __future__ import annotations

import re
from typing import NamedTuple

from models.errors import FcimError
from scripts.flow.sources import rtl_files

_PARAMETER = re.compile(r"^\s*parameter\s+(\w+)\s*=\s*(\d+),?\s*//\s*(.*)$", re.MULTILINE)
_FIXED = re.compile(r"^\s*localparam\s+(\w+)\s*=\s*(\d+),?(?:\s|$)", re.MULTILINE)
_PORT = re.compile(r"^    (input|output)\s+wire\s+(?:signed\s+)?(?:\[([^\]:]+):0\]\s*)?(\w+),?(?:\s*//.*)?$")


class Port(NamedTuple):
    """A port: ``width`` is "1" or a formula of parameters; ``group`` what the comment above it says, "" for the first ones."""

    group: str
    direction: str
    width: str
    name: str


def _text(module: str) -> str:
    for path in rtl_files():
        if path.stem == module:
            return path.read_text()
    raise FcimError(f"fusioncim.f has no {module}.v")


def parameters_of(module: str) -> dict[str, tuple[int, str]]:
    """What may be set of a module: default and meaning by name.

    Raises:
        FcimError: there is no such module.
    """
    return {name: (int(value), meaning) for name, value, meaning in _PARAMETER.findall(_text(module))}


def fixed_of(module: str) -> dict[str, int]:
    """The parameters of a module's head that are a number and cannot be set.

    Raises:
        FcimError: there is no such module.
    """
    return {name: int(value) for name, value in _FIXED.findall(_text(module).partition("\n) (\n")[0])}


def ports_of(module: str) -> list[Port]:
    """The ports of a module, in their order.

    Raises:
        FcimError: there is no such module, or a line of its ports is none.
    """
    group, ports = "", []
    for line in _text(module).partition("\n) (\n")[2].partition("\n);\n")[0].splitlines():
        if port := _PORT.match(line):
            high = port[2] or "0"
            ports.append(Port(group, port[1], str(int(high) + 1) if high.isdigit() else high.removesuffix("-1"), port[3]))
        elif line.strip().startswith("//"):
            group = line.strip(" /")
        elif line.strip():
            raise FcimError(f"{module}.v: this is no port of one line: {line.strip()}")
    return ports
