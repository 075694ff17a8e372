"""Figures of ``make synth``: blocks, and the macros' areas beside published ones."""

from __future__ import annotations

from typing import NamedTuple

from models.hardware.config import EngineConfig, load_config
from scripts.figures.pages import Piece
from scripts.figures.reports import Data
from scripts.figures.text import exact, near, table

PAGE = "docs/synthesis.md"
README = "README.md"
PREFIX = "fcim_"
SHOWN = {"ip_cim": "IP-CIM", "online_softmax": "online softmax", "op_cim": "OP-CIM", "normalizer": "normaliser",
         "engine": "the engine with all that is in it"}
MACROS = {"IP-CIM": "fcim_ip_cim", "OP-CIM": "fcim_op_cim"}
AREA, PATH = 0.02, 0.02     # what floors allow: another version of a tool may choose other cells
NODE_28, NAND2_28 = 28, 0.614            # um2 of a NAND2 in 28 nm, of the model ZigZag
SQUARE_MM, TERA = 1e6, 1e12     # um2; a macro's product counts as two operations


class Published(NamedTuple):
    """A macro of a paper: TOPS per mm2 as published, by what to divide it to get INT8 products, and um2 per bit; None where
    the paper's title does not say it."""

    what: str
    node: int
    density: float | None
    divisor: int
    remark: str
    per_bit: float | None = None


PUBLISHED = (
    Published("ISSCC 2021 16.4, all-digital SRAM macro", 22, 16.3, 4, "INT4, 4 for INT8"),
    Published("VLSI 2022, all-digital SRAM macro", 12, 41.6, 4, "INT4, 4 for INT8"),
    Published("ISSCC 2022 11.6, all-digital SRAM macro", 5, 221.0, 4, "INT4, 4 for INT8"),
    Published("ISSCC 2022 11.7, SRAM macro with dynamic logic", 28, None, 1, "INT8; 1.041 Mb/mm²", 1 / 1.041),
    Published("CIMple (arXiv 2604.15944), standard cells, 32 kb", 28, 2.31, 1, "INT8, with softmax, 1.2 V"),
    Published("ITA (arXiv 2307.03493), INT8 attention without CIM", 22, 5.93, 1, "INT8, 0.8 V, whole accelerator"),
)


def _blocks(part: Data) -> Piece:
    """Every block of a configuration."""
    rows = []
    for name, block in part["blocks"].items():
        path, sums = block["longest_path"], block["with_children"]
        bits = sum(m["width"] * m["words"] for m in block["memories"] if m["writes"])
        count = block["count"]
        rows.append([f"`{name.removeprefix(PREFIX)}`" + (f" x {exact(count)}" if count > 1 else ""), _near(block["cells"], AREA),
                     _near(block["flops"], AREA), exact(bits) if bits else "", _near(block["area_um2"], AREA),
                     _near(sums["area"], AREA) if block["children"] else "", _near(path["ps"], PATH) if path else "",
                     f"`{path['start']}`" if path else "", f"`{path['end']}`" if path else ""])
    columns = ("block", "cells", "flip-flops", "memory bits", "um²", "with children", "longest path, ps", "from", "to")
    return Piece(PAGE, table(columns, rows, 1), f"synth-{part['config']}")


def _summary(parts: list[Data]) -> Piece:
    """Area and longest path of the engine and its largest blocks, of every configuration side by side."""
    rows = []
    for name, shown in SHOWN.items():
        if any(PREFIX + name not in part["blocks"] for part in parts):
            continue
        blocks = [part["blocks"][PREFIX + name] for part in parts]
        rows.append([shown, *(_near(block["with_children"]["area"], AREA) for block in blocks),
                     *(_near(block["longest_path"]["ps"], PATH) for block in blocks)])
    names = [part["config"] for part in parts]
    return Piece(README, table(("block", *(f"um², `{name}`" for name in names), *(f"ps, `{name}`" for name in names)), rows, 1),
                 "synth-summary")


def _near(value: float, share: float) -> str:
    """A figure that another machine's tools may give a little differently."""
    return near(value, ",.0f", share * value)


def _rate(cfg: EngineConfig) -> float:
    """Products per cycle of a macro: all rows' with all elements, over the cycles of a key."""
    return cfg.rows * cfg.head_dim / cfg.cycles_per_key


def _macros(part: Data, gate: float) -> list[list[str]]:
    """Both macros of a configuration."""
    cfg, rows = load_config(part["config"]), []
    cells = {"IP-CIM": 2 * cfg.rows * cfg.head_dim * 8, "OP-CIM": 2 * cfg.rows * cfg.keys_per_block * cfg.prob_bits}
    for name, block in MACROS.items():
        if block not in part["blocks"]:
            continue
        area, ps = part["blocks"][block]["with_children"]["area"], part["blocks"][block]["longest_path"]["ps"]
        density = 2 * _rate(cfg) * (TERA / ps) / TERA / (area / SQUARE_MM)
        rows.append([f"{name} `{part['config']}`", exact(7), exact(cells[name]), _fine(area / cells[name]),
                     _fine(area / _rate(cfg)), _fine(density), _fine(density * gate / NAND2_28), ""])
    return rows


def _fine(value: float) -> str:
    return near(value, ".2f", (AREA + PATH) * value)


def synthesis(data: Data) -> list[Piece]:
    """Blocks and macros of a report's configurations."""
    pieces = [_blocks(part) for part in data["configurations"]]
    gate = float(data["about"]["gate equivalent"].split(", ")[1].split()[0])
    rows = [row for part in data["configurations"] for row in _macros(part, gate)]
    for paper in PUBLISHED:
        density = exact(paper.density / paper.divisor, ".2f") if paper.density else ""
        rows.append([paper.what, exact(paper.node), "", exact(paper.per_bit, ".2f") if paper.per_bit else "", "", density,
                     density if paper.node == NODE_28 else "", paper.remark])
    columns = ("macro", "nm", "bits of cells", "um² per bit", "um² per product per cycle", "TOPS/mm²", "TOPS/mm² at 28 nm",
               "remark")
    return [*pieces, Piece(PAGE, table(columns, rows, 1), "synth-macros"), _summary(data["configurations"])]
