"""The memories of the RTL and their sizes, which follow from a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from models.hardware.config import MULT_BITS, ROW_MAX_BITS, SHIFT_BITS, V_MULT_BITS, Z_BITS, EngineConfig, load_config
from scripts.figures.pages import Piece
from scripts.figures.text import exact, table

HARDWARE = "docs/hardware.md"
SHOWN = ("default", "tiny")
BLOCKS_AHEAD = 16       # of fcim_engine, its default
CELLS, SRAM, FILE = "cells of an array", "SRAM", "register file"


def evaluate(formula: str, names: dict[str, int]) -> int:
    """A product or sum of ``names``; ``log2`` is that of a power of two, ``clog2`` rounds up."""
    known = {"__builtins__": {}, "log2": lambda n: n.bit_length() - 1, "clog2": lambda n: (n - 1).bit_length()}
    return eval(formula, known, names)


@dataclass(frozen=True)
class Memory:
    """``number`` memories of ``words`` words of ``bits`` bits each, as products and sums of the names of :func:`sizes`.

    Attributes:
        name: what it holds.
        module: the Verilog module that has it.
        kind: what may take its place in silicon.
    """

    name: str
    module: str
    kind: str
    number: str
    words: str
    bits: str

    def size(self, names: dict[str, int]) -> tuple[int, int, int]:
        """Number, words, bits of a word."""
        return evaluate(self.number, names), evaluate(self.words, names), evaluate(self.bits, names)


MEMORIES = (
    Memory("Q, two tiles", "fcim_ip_row", CELLS, "2 * ROWS", "1", "8 * HEAD_DIM"),
    Memory("probabilities of two key blocks", "fcim_op_row", CELLS, "2 * ROWS", "1", "KEYS_PER_BLOCK * PROB_BITS"),
    Memory("accumulators of two tiles", "fcim_accumulators", SRAM, "2 * READ_SLICES", "CYCLES_PER_KEY * CYCLES_PER_KEY",
           "LANES * COLUMNS * ACC_BITS"),
    Memory("scores of three key blocks", "fcim_online_softmax", SRAM, "1", "3 * KEYS_PER_BLOCK * CYCLES_PER_KEY",
           "LANES * Z_BITS"),
    Memory("values of key blocks", "fcim_v_buffer", FILE, "KEYS_PER_BLOCK", "V_SLOTS", "8 * HEAD_DIM"),
    Memory("multipliers of values", "fcim_online_softmax", FILE, "1", "3 * KEYS_PER_BLOCK", "V_MULT_BITS"),
    Memory("row table of two tiles", "fcim_score_scaler", FILE, "1", "2 * CYCLES_PER_KEY",
           "LANES * (POS_BITS + MULT_BITS + ELEM_SUM_BITS)"),
    Memory("highest scores of three key blocks", "fcim_row_max", FILE, "3", "CYCLES_PER_KEY",
           "LANES * (ROW_MAX_BITS + 1)"),
    Memory("running maxima and amounts of three key blocks", "fcim_row_max", FILE, "1", "3 * CYCLES_PER_KEY",
           "LANES * (ROW_MAX_BITS + SHIFT_BITS)"),
    Memory("running maxima of the rows", "fcim_row_max", FILE, "1", "CYCLES_PER_KEY", "LANES * (ROW_MAX_BITS + 1)"),
    Memory("denominators of two tiles", "fcim_block_exponential", FILE, "2", "CYCLES_PER_KEY", "LANES * SUM_BITS"),
    Memory("last running maxima of two tiles", "fcim_block_exponential", FILE, "1", "2 * CYCLES_PER_KEY", "LANES * ROW_MAX_BITS"),
    Memory("key blocks asked for", "fcim_block_queue", FILE, "1", "BLOCKS_AHEAD", "INDEX_BITS + KEY_BITS + 2"),
)


def sizes(cfg: EngineConfig) -> dict[str, int]:
    """The names of the RTL that the sizes are made of."""
    key_bits = cfg.keys_per_block.bit_length() - 1
    return {**cfg.verilog_parameters(), "CYCLES_PER_KEY": cfg.cycles_per_key, "LANES": cfg.lanes, "COLUMNS": cfg.columns,
            "SUM_CUT": cfg.sum_cut,
            "READ_SLICES": cfg.keys_per_block // cfg.cycles_per_key, "ACC_BITS": cfg.acc_bits, "SUM_BITS": cfg.sum_bits,
            "POS_BITS": cfg.pos_bits, "INDEX_BITS": cfg.index_bits, "KEY_BITS": key_bits,
            "ELEM_SUM_BITS": 8 + cfg.head_dim.bit_length() - 1, "V_SLOTS": 3 if cfg.bits_per_cycle == 8 else 2,
            "BLOCKS_AHEAD": BLOCKS_AHEAD, "Z_BITS": Z_BITS, "MULT_BITS": MULT_BITS, "V_MULT_BITS": V_MULT_BITS,
            "ROW_MAX_BITS": ROW_MAX_BITS, "SHIFT_BITS": SHIFT_BITS}


def memories() -> list[Piece]:
    """A line per memory: its size as a formula, and in bits in two configurations; the last line adds them up."""
    every = [sizes(load_config(name)) for name in SHOWN]

    def bits(memory: Memory, names: dict[str, int]) -> int:
        number, words, width = memory.size(names)
        return number * words * width

    rows = [[memory.name, f"`{memory.module}`", memory.kind, f"`{memory.number}`", f"`{memory.words}`", f"`{memory.bits}`",
             *(exact(bits(memory, names)) for names in every)] for memory in MEMORIES]
    rows.append(["all", "", "", "", "", "", *(exact(sum(bits(memory, names) for memory in MEMORIES)) for names in every)])
    columns = ("holds", "module", "as", "number", "words", "bits of a word", *(f"bits at `{name}`" for name in SHOWN))
    return [Piece(HARDWARE, table(columns, rows, 6), "memories")]
