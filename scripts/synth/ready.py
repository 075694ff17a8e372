"""Paths through blocks' ``ready``: where one block's waits within a cycle for another's, the wires between them add up.

A path passes through a block's ready where the block has an arc without a register from any input to an output ``*_ready``. The
engine and its core are made of such blocks, and are followed net by net.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter

from scripts.flow.gates.cells import Library
from scripts.flow.gates.netlist import Netlist

MADE_OF_BLOCKS = ("fcim_core", "fcim_engine")
READY = "_ready"
MOST = 1                # blocks whose ready a path may pass through
Chain = tuple[str, ...]
"""The ready outputs that a path passes, in its order: instance and port."""
Arcs = Mapping[tuple[str, str], Chain]
"""From an input to an output: the longest chain between them."""


def of_block(through: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], Chain]:
    """The arcs of a block that is one: a chain of itself to each ready."""
    return {(source, target): (target,) if target.endswith(READY) else () for source, target in through}


def _edges(netlist: Netlist, library: Library, children: Mapping[str, Arcs]) -> Iterator[tuple[object, object, Chain]]:
    for instance in netlist.instances:
        cell, arcs = library.cells.get(instance.kind), children.get(instance.kind, {})
        if cell is not None and cell.clock is None:
            for source in cell.inputs:
                for target in cell.outputs:
                    yield from ((a, b, ()) for a in instance.pins.get(source, ()) for b in instance.pins.get(target, ()))
        for source in {source for source, _ in arcs}:
            yield from ((bit, (instance.name, source), ()) for bit in instance.pins.get(source, ()))
        for target in {target for _, target in arcs}:
            yield from (((instance.name, target), bit, ()) for bit in instance.pins.get(target, ()))
        for (source, target), chain in arcs.items():
            # a name in front of those of blocks within
            yield (instance.name, source), (instance.name, target), tuple(
                f"{instance.name}{'/' if '.' in port else '.'}{port}" for port in chain)


def chains(netlist: Netlist, library: Library, children: Mapping[str, Arcs]) -> tuple[dict[tuple[str, str], Chain], Chain]:
    """The arcs of a module that is made of blocks, and its longest chain, which may begin and end anywhere.

    Args:
        children: the arcs of the blocks by their kind; what is neither one of them nor a gate ends paths.
    """
    before: dict[object, list[tuple[object, Chain]]] = {}
    for source, target, chain in _edges(netlist, library, children):
        if not isinstance(source, str):         # a constant
            before.setdefault(target, []).append((source, chain))
    order = list(TopologicalSorter({target: [source for source, _ in found] for target, found in before.items()}).static_order())

    def longest(starts: frozenset[object] | None) -> dict[object, Chain]:
        best: dict[object, Chain] = {}
        for node in order:
            found = [best[source] + chain for source, chain in before.get(node, ()) if source in best]
            if starts is None or node in starts:
                found.append(())
            if found:
                best[node] = max(found, key=len)
        return best

    arcs = {}
    outputs = [port for port in netlist.ports if port.output]
    for port in netlist.ports:
        if not port.output:
            reached = longest(frozenset(port.bits))
            for output in outputs:
                found = [reached[bit] for bit in output.bits if bit in reached]
                if found:
                    arcs[port.name, output.name] = max(found, key=len)
    return arcs, max(longest(None).values(), key=len, default=())
