"""Trees of buffers where a port, a flip-flop or a child drives many pins, or anything many children: ABC buffers what gates drive
of gates, and not these."""

from __future__ import annotations

import itertools
from typing import Any

from scripts.flow.gates.cells import Cell, Library

MOST = 16       # pins on one net


def buffer_cell(library: Library, name: str = "") -> Cell | None:
    """The cell called ``name``, else the third smallest with one input that the output follows; None if there is none."""
    if name:
        return library.cells[name]
    found = [cell for cell in library.cells.values() if len(cell.inputs) == len(cell.outputs) == 1 and cell.arcs
             and all(arc.kind == "combinational" and arc.source_edge == arc.target_edge for arc in cell.arcs)]
    found.sort(key=lambda cell: (cell.area, cell.name))
    return found[min(2, len(found) - 1)] if found else None


def limit_fanout(module: dict[str, Any], library: Library, buffer: Cell, clock: str = "clk") -> int:
    """Buffer every net of a yosys JSON module that drives more than :data:`MOST` pins of cells and of children, which buffer
    what is behind theirs; the number of buffers.

    Pins keep their order, so that bits that are neighbours share a buffer. The clock is ideal and stays as it is.
    """
    ideal = set(module["ports"][clock]["bits"]) if clock in module["ports"] else set()
    sinks: dict[int, list[tuple[list[Any], int]]] = {}
    top = 0
    for cell in module["cells"].values():
        kind = library.cells.get(cell["type"])
        for pin, bits in cell["connections"].items():
            for place, bit in enumerate(bits):
                if isinstance(bit, int):
                    top = max(top, bit)
                    driven = pin in kind.inputs if kind else cell["port_directions"].get(pin) == "input"
                    if driven and bit not in ideal:
                        sinks.setdefault(bit, []).append((bits, place))
    for net in module["netnames"].values():
        top = max([top, *(bit for bit in net["bits"] if isinstance(bit, int))])
    fresh, made = itertools.count(top + 1), 0
    (source,), (target,) = buffer.inputs, buffer.outputs
    for net, pins in sinks.items():
        while len(pins) > MOST:
            groups = -(-len(pins) // MOST)
            size, more = divmod(len(pins), groups)
            above, begin = [], 0
            for group in range(groups):
                end = begin + size + (group < more)
                driven, inside = next(fresh), [net]
                for bits, place in pins[begin:end]:
                    bits[place] = driven
                module["cells"][f"$fanout${net}${made}"] = {
                    "hide_name": 1, "type": buffer.name, "parameters": {}, "attributes": {},
                    "port_directions": {source: "input", target: "output"}, "connections": {source: inside, target: [driven]}}
                above.append((inside, 0))
                made, begin = made + 1, end
            pins = above
    return made
