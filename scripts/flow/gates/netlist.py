"""Mapped netlists as yosys writes them (``write_json``): one module of cells, without a hierarchy of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CONSTANTS = ("0", "1", "x", "z")


@dataclass(frozen=True)
class Port:
    """A port; ``bits`` are net numbers, or one of :data:`CONSTANTS`."""

    name: str
    output: bool
    bits: tuple[int | str, ...]


@dataclass(frozen=True)
class Instance:
    """A cell, a child or a memory: its kind, its parameters, and the nets at its pins, low bit first."""

    name: str
    kind: str
    pins: Mapping[str, list[int | str]]
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Netlist:
    """A module; ``names`` holds a name for every net that has one."""

    name: str
    ports: tuple[Port, ...]
    instances: tuple[Instance, ...]
    names: Mapping[int, str]

    def kinds(self) -> Counter[str]:
        """How many instances there are of each kind."""
        return Counter(instance.kind for instance in self.instances)


def netlist_of(design: Mapping[str, Any], module: str) -> Netlist:
    """A module of what yosys writes as JSON."""
    found = design["modules"][module]
    ports = tuple(Port(name, port["direction"] == "output", tuple(port["bits"])) for name, port in found["ports"].items())
    instances = tuple(Instance(name, cell["type"], cell["connections"], cell.get("parameters", {}))
                      for name, cell in found["cells"].items())
    names: dict[int, str] = {}
    for name, net in sorted(found["netnames"].items(), key=lambda item: (item[1]["hide_name"], len(item[0]))):
        one = len(net["bits"]) == 1
        for place, bit in enumerate(net["bits"]):
            if isinstance(bit, int) and not net["hide_name"]:
                names.setdefault(bit, name if one else f"{name}[{place + net.get('offset', 0)}]")
    return Netlist(module, ports, instances, names)
