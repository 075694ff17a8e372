"""The blocks as tables in the terminal."""

from __future__ import annotations

from typing import IO

from scripts.flow.tables import Column, Table, say
from scripts.synth.elaborate import PREFIX
from scripts.synth.record import BlockResult, Result

BLOCKS = (Column("block", text=True, key=True), Column("cells"), Column("flops"), Column("memory bits", rank=2),
          Column("um2"), Column("um2 with children", rank=1), Column("gates with children", rank=3), Column("longest path ps"),
          Column("from", text=True, rank=4), Column("to", text=True, rank=4))
MEMORIES = (Column("memory", text=True, key=True), Column("bits"), Column("words"), Column("width"), Column("reads"),
            Column("writes"), Column("is", text=True))


def short(name: str) -> str:
    """A block without the prefix that all have."""
    return name.removeprefix(PREFIX)


def block_cells(result: Result, block: BlockResult) -> tuple[str, ...]:
    """A row of :data:`BLOCKS`."""
    sums, path, count = result.sums(block.name), block.timed.worst, result.count(block.name)
    gates = result.equivalents(sums.area)
    bits = block.gates.flop_bits + block.gates.macro_bits
    return (f"{short(block.name)}{f' x {count}' if count > 1 else ''}", f"{block.gates.cells:,}", f"{block.gates.flops:,}",
            f"{bits:,}" if bits else "", f"{result.own_area(block.name):,.0f}",
            f"{sums.area:,.0f}" if block.children else "", "" if gates is None else f"{gates:,.0f}",
            f"{path.ps:,.0f}" if path else "", path.start if path else "", path.end if path else "")


def show(result: Result, file: IO[str] | None = None) -> None:
    """Blocks, then memories, then what the figures are."""
    settings = result.chosen.settings
    table = Table(BLOCKS, f"{result.config}, {settings.what or result.chosen.file.name}")
    for block in result.blocks.values():
        table.add(*block_cells(result, block), last=block.name in result.tops)
    table.show(file)
    memories = Table(MEMORIES)
    for name, memory in result.memories():
        memories.add(f"{short(name)}.{memory.name}", f"{memory.bits:,}", f"{memory.words:,}", f"{memory.width:,}",
                     str(memory.reads), str(memory.writes), "macro" if memory.macro else "flip-flops")
    if memories.rows:
        say("", file)
        memories.show(file)
    for name, chain in result.chains.items():
        say(f"{short(name)}: the longest path through blocks' ready passes {', '.join(chain) or 'none'}", file)
    if settings.bit is None and any(memory.macro for _, memory in result.memories()):
        say("macros count no area: none is known for this library", file, "yellow")
    say("", file)
