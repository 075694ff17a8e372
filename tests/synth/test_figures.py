"""What the page about synthesis says of a report."""

from __future__ import annotations

from scripts.figures.synthesis import MACROS, synthesis
from scripts.figures.text import plain

PATH = {"ps": 1000.0, "start": "a_q", "end": "b_q"}


def block(area: float, **more: object) -> dict:
    """A block as the report has it."""
    return {"count": 1, "children": {}, "cells": 1200, "flops": 30, "area_um2": area, "with_children": {"area": area},
            "longest_path": PATH, "memories": [], **more}


def test_blocks_and_macros_of_a_report() -> None:
    memories = [{"width": 8, "words": 4, "writes": 1}, {"width": 8, "words": 4, "writes": 0}]
    blocks = {MACROS["IP-CIM"]: block(2048.0), "fcim_ram_4x8": block(7.0, count=3, memories=memories, longest_path=None)}
    data = {"about": {"gate equivalent": "NAND, 0.0614 um2"}, "configurations": [{"config": "tiny", "blocks": blocks}]}
    pieces = {piece.region: plain(piece.text).splitlines() for piece in synthesis(data)}
    assert set(pieces) == {"synth-tiny", "synth-macros", "synth-summary"}
    assert pieces["synth-tiny"][2:] == ["| `ip_cim` | 1,200 | 30 | | 2,048 | | 1,000 | `a_q` | `b_q` |",
                                        "| `ram_4x8` x 3 | 1,200 | 30 | 32 | 7 | | | | |"]
    # 16 rows x 32 elements x 8 bits in two banks; 16 x 32 / 4 products a cycle of 1 ns in 2048 um2; a tenth of that area at 28 nm
    assert pieces["synth-macros"][2] == "| IP-CIM `tiny` | 7 | 8,192 | 0.25 | 16.00 | 125.00 | 12.50 | |"
    assert len(pieces["synth-macros"]) == 3 + 6
    assert pieces["synth-summary"][2:] == ["| IP-CIM | 2,048 | 1,000 |"]
