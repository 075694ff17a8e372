"""The page of a synthesis: treemap of areas, blocks, longest paths, memories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.flow.html import render
from scripts.synth.record import Result
from scripts.synth.table import BLOCKS, MEMORIES, block_cells, short
from scripts.synth.treemap import Box, Node, layout

TEMPLATES = Path(__file__).parent / "templates"
WIDTH, HEIGHT, HEAD = 1056.0, 520.0, 18.0       # of the picture, and of a name in it
LETTER = 6.6                                    # width of a letter
COLOURS = ("#3f7cac", "#c77700", "#2f8f5b", "#8a5fb0", "#b3261e", "#5c7080", "#a08a2c", "#3c9a9a", "#b05f86", "#6b7d3a")


def tree(result: Result, name: str, label: str = "") -> Node:
    """A block and its children as areas."""
    block = result.blocks[name]
    return Node(label or short(name), result.own_area(name),
                tuple(tree(result, child, instance) for instance, child in block.children.items()))


def boxes(result: Result, top: str) -> list[dict[str, Any]]:
    """The rectangles of the treemap, outer ones first, with colour, name as it fits, and what a pointer shows."""
    whole = layout(tree(result, top), WIDTH, HEIGHT, HEAD)
    return [_rectangle(box, whole.node.area) for box in whole.all() if box.width >= 1 and box.height >= 1]


def _rectangle(box: Box, total: float) -> dict[str, Any]:
    name = box.node.name or "own"
    area, room = box.node.area, int((box.width - 8) / LETTER)
    shown = name if len(name) <= room and box.height >= 14 else ""
    figure = f"{area:,.0f} um2"
    return {"x": box.x, "y": box.y, "width": box.width, "height": box.height, "name": shown,
            "figure": figure if shown and not box.inside and box.height >= 32 and len(figure) <= room else
            f" {figure}" if shown and box.inside and len(name) + len(figure) + 2 <= room else "",
            "inner": bool(box.inside), "depth": box.depth,
            "colour": COLOURS[box.group % len(COLOURS)] if box.group else "#9aa5b1",
            "title": f"{name}: {figure}, {100 * area / total:.1f} %"}


def page(results: Sequence[Result], faults: Sequence[str], command: str, about: dict[str, Any]) -> str:
    """The HTML text."""
    parts = []
    for result in results:
        tops = [{"name": short(top), "boxes": boxes(result, top), "sums": result.sums(top), "ps": result.blocks[top].ps,
                 "gates": result.equivalents(result.sums(top).area)} for top in result.tops]
        slowest = max(result.blocks.values(), key=lambda block: block.ps, default=None)
        paths = [(short(block.name), block.timed.worst) for block in result.blocks.values() if block.timed.worst]
        ways = [(short(block.name), source, target, ps) for block in result.blocks.values()
                for (source, target), ps in block.timed.model.through.items()]
        chains = [(short(name), chain) for name, chain in result.chains.items()]
        parts.append({"ways": ways, "chains": chains, "config": result.config, "tops": tops, "slowest": slowest, "paths": paths,
                      "blocks": [(block_cells(result, block), block.name in result.tops) for block in result.blocks.values()],
                      "memories": list(result.memories()), "short": short})
    return render(TEMPLATES, "synth.html.j2", parts=parts, faults=list(faults), command=command, about=about,
                  columns=BLOCKS, memory_columns=MEMORIES, width=WIDTH, height=HEIGHT)
