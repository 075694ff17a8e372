"""How the accelerator is put into a design, from the head of its Verilog."""

from __future__ import annotations

from scripts.figures.memories import SYSTEM
from scripts.figures.pages import Piece
from scripts.flow.module_head import Port, fixed_of, parameters_of, ports_of

TOP = "fcim_accelerator"
COMMENT = 48        # the column in which a line's comment begins


def _width(port: Port) -> str:
    """Its bits, with the parameters that are fixed as numbers."""
    width = port.width
    for name, value in fixed_of(TOP).items():
        width = str(value) if width == name else width
    return "" if width == "1" else f" [{int(width) - 1}:0]" if width.isdigit() else f" [{width}-1:0]"


def _line(text: str, comment: str) -> str:
    return f"{text:<{COMMENT}}// {comment}"


def template() -> list[Piece]:
    """An instance with every parameter and every port."""
    parameters, ports = parameters_of(TOP), ports_of(TOP)
    lines = [f"{TOP} #("]
    for number, (name, (value, meaning)) in enumerate(parameters.items(), 1):
        lines.append(_line(f"    .{name}({value}){',' if number < len(parameters) else ''}", meaning))
    lines.append(") u_accelerator (")
    group = ""
    for number, port in enumerate(ports, 1):
        if port.group != group:
            group = port.group
            lines.append(f"    // {group}")
        comma = "," if number < len(ports) else ""
        lines.append(_line(f"    .{port.name}({port.name}){comma}", f"{port.direction}{_width(port)}"))
    return [Piece(SYSTEM, "\n".join(["```verilog", *lines, ");", "```"]), "accelerator-template")]
