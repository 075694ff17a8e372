"""Bit cells: what this project's engines hold beside their adders, and how many banks a baseline's macros may have for them.

A baseline with the same macros has fewer cells than an engine, which also holds accumulators, probabilities and values. With the
same cells it can keep more tiles of K and V in each macro, at the same adders.
"""

from __future__ import annotations

from models.system.config import SystemConfig

USUAL_BANKS = 2                 # of a macro that is written while it works
LEGAL_BANKS = (2, 4, 8)         # of ``fcim_ip_cim``


def own_cells(system: SystemConfig) -> dict[str, int]:
    """Bits of all engines by what they hold: cells of both arrays, both tiles' accumulators, the values of key blocks.

    Not counted: scores on their way and tables of rows, less than a tenth of the whole, which lie in no macro of either design.
    """
    cfg, engines = system.engine, system.engines
    slots = 3 if cfg.bits_per_cycle == 8 else 2     # of the buffer of values: blocks
    return {name: engines * bits for name, bits in (
        ("Q", 2 * cfg.rows * cfg.head_dim * 8),
        ("probabilities", 2 * cfg.rows * cfg.keys_per_block * cfg.prob_bits),
        ("accumulators", 2 * cfg.rows * cfg.head_dim * cfg.acc_bits),
        ("values", slots * cfg.keys_per_block * cfg.head_dim * 8))}


def bank_cells(system: SystemConfig) -> int:
    """Bits of a bank of a baseline's macros, all of the chip: two for each engine, of ROWS x HEAD_DIM cells of 8 bits."""
    return 2 * system.engines * system.engine.rows * system.engine.head_dim * 8


def equal_banks(system: SystemConfig) -> int:
    """The least number of banks with which the baselines have as many bit cells as this project, or more; or the most."""
    own = sum(own_cells(system).values())
    return next((banks for banks in LEGAL_BANKS if banks * bank_cells(system) >= own), LEGAL_BANKS[-1])


def banks_text(banks: int) -> str:
    """What a design's name says of its banks: nothing if they are the usual two."""
    return "" if banks == USUAL_BANKS else f", {banks} banks"
