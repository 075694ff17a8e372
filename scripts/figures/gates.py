"""Figures of ``make regress TAGS=gates``: what of each block's gates is simulated and what is proven."""

from __future__ import annotations

from scripts.figures.pages import Piece
from scripts.figures.reports import Data
from scripts.figures.text import exact, table, timed
from scripts.gate_level import benches, core, proofs
from scripts.gate_level.blocks import BLOCKS

PAGE = "docs/gates.md"


def gates(data: Data) -> list[Piece]:
    """A row per block, and the core's runs."""
    found = {(job["module"], job["parameters"].get("block")): job for job in data["jobs"]}
    rows = []
    for name, block in BLOCKS.items():
        bench, proof = found[benches.__name__, name], found[proofs.__name__, name]
        metrics, compared = bench["metrics"], proof["metrics"]
        rows.append([f"`{name}`", ", ".join(f"{key} {value}" for key, value in block.parameters.items()), exact(metrics["cells"]),
                     exact(metrics["flip-flops"]), exact(metrics["tests passed"]), timed(bench["cpu_seconds"], ".0f"),
                     compared["equal"], exact(compared["registers"]), timed(proof["cpu_seconds"], ".0f")])
    columns = ("block", "parameters", "cells", "flip-flops", "tests passed", "CPU s", "equal", "registers", "CPU s")
    pieces = [Piece(PAGE, table(columns, rows, 2), "gates")]
    jobs = [job for job in data["jobs"] if job["module"] == core.__name__]
    if jobs:
        rows = [[job["sim"], *(exact(job["metrics"][name]) for name in ("cells", "flip-flops", "tiles", "cycles")),
                 timed(job["cpu_seconds"], ".0f")] for job in jobs]
        columns = ("simulator", "cells", "flip-flops", "tiles", "cycles", "CPU s")
        pieces.append(Piece(PAGE, table(columns, rows, 1), "gates-core"))
    return pieces
