"""What a synthesis found: blocks of a configuration with their gates and paths, and the sums over their children."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from scripts.synth.block import Gates, Memory, Timed, as_data
from scripts.synth.libraries import Chosen
from scripts.synth.ready import MOST, Chain


@dataclass(frozen=True)
class BlockResult:
    """A block; ``gates`` are its own, ``timed`` with its children."""

    name: str
    children: dict[str, str]
    gates: Gates
    timed: Timed

    @property
    def ps(self) -> float:
        """The longest path, 0 where there is none."""
        return self.timed.worst.ps if self.timed.worst else 0.0


@dataclass(frozen=True)
class Sums:
    """A block and all below it; ``area`` in um2."""

    cells: int
    flops: int
    memory_bits: int
    macro_bits: int
    area: float


@dataclass(frozen=True)
class Result:
    """The blocks of one configuration, children before parents; ``tops`` are those that were asked for, ``chains`` the longest
    path through blocks' ready in each module that is made of blocks."""

    config: str
    chosen: Chosen
    blocks: dict[str, BlockResult]
    tops: tuple[str, ...]
    chains: Mapping[str, Chain] = field(default_factory=dict)

    def own_area(self, name: str) -> float:
        """The area of a block's cells, and of its macros where the library's settings know it, um2."""
        gates = self.blocks[name].gates
        return gates.area + gates.macro_bits * (self.chosen.settings.bit or 0.0)

    def sums(self, name: str) -> Sums:
        """A block with its children, each as often as it occurs."""
        block = self.blocks[name]
        below = [self.sums(child) for child in block.children.values()]
        gates = block.gates
        return Sums(gates.cells + sum(s.cells for s in below), gates.flops + sum(s.flops for s in below),
                    gates.flop_bits + sum(s.memory_bits for s in below), gates.macro_bits + sum(s.macro_bits for s in below),
                    self.own_area(name) + sum(s.area for s in below))

    def count(self, name: str) -> int:
        """How often a block occurs below the tops."""
        def below(top: str) -> int:
            return (top == name) + sum(below(child) for child in self.blocks[top].children.values())

        return sum(below(top) for top in self.tops)

    def equivalents(self, area: float) -> float | None:
        """An area in gate equivalents, None where the library's NAND2 is not known."""
        return area / self.chosen.gate if self.chosen.gate else None

    def memories(self) -> Iterator[tuple[str, Memory]]:
        """The memories that can be written, with their blocks."""
        return ((name, memory) for name, block in self.blocks.items() for memory in block.gates.memories if memory.writes)

    def faults(self) -> list[str]:
        """Latches, a line for each block that has some, and paths through more than one block's ready."""
        found = [f"{self.config}: {name} has {len(latches)} latch{'es' if len(latches) > 1 else ''}; assign on every path"
                 for name, block in self.blocks.items() if (latches := block.gates.latches)]
        return found + [f"{self.config}: a path in {name} passes through {' and '.join(chain)}; register one of them"
                        for name, chain in self.chains.items() if len(chain) > MOST]

    def as_data(self) -> dict[str, Any]:
        """As JSON takes it."""
        blocks = {}
        for name, block in self.blocks.items():
            sums = self.sums(name)
            gates = asdict(block.gates)
            timed = as_data(block.timed)
            through = timed["model"]["through"]
            blocks[name] = {
                "count": self.count(name), "children": block.children, "cells": gates["cells"], "flops": gates["flops"],
                "area_um2": self.own_area(name), "with_children": asdict(sums), "longest_path": timed["worst"],
                "through": [{"input": a, "output": b, "ps": ps} for a, b, ps in through],
                "memories": gates["memories"], "kinds": gates["kinds"], "buffers": gates["buffers"],
                "latches": gates["latches"], "warnings": gates["warnings"]}
        return {"config": self.config, "tops": list(self.tops), "blocks": blocks,
                "ready": {name: list(chain) for name, chain in self.chains.items()}}
