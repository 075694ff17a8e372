"""The widths of the datapath, which follow from a configuration as those of the memories do."""

from __future__ import annotations

from dataclasses import dataclass

from models.hardware.config import OUT_BITS, OUT_FRAC, Z_FRAC, EngineConfig, load_config
from scripts.figures.memories import HARDWARE, evaluate, sizes
from scripts.figures.pages import Piece
from scripts.figures.text import exact, table

SHOWN = ("default", "head64", "tiny")


@dataclass(frozen=True)
class Width:
    """A width of the RTL.

    Attributes:
        what: what is that wide, in words.
        module: the Verilog module that has it.
        name: its parameter there, or the port that is that wide.
        bits: a formula of the names of :func:`names`.
    """

    what: str
    module: str
    name: str
    bits: str


WIDTHS = (
    Width("row of Q, key", "fcim_ip_array", "q_data", "8 * HEAD_DIM"),
    Width("inner product of a row, unsigned", "fcim_ip_array", "IP_LANE", "16 + log2(HEAD_DIM)"),
    Width("sum of a key's elements", "fcim_ip_array", "ELEM_SUM_BITS", "8 + log2(HEAD_DIM)"),
    Width("column of inner products", "fcim_ip_array", "col", "ROWS * IP_LANE"),
    Width("multiplier of a key, of a row", "fcim_score_lanes", "MULT_BITS", "16"),
    Width("product of both multipliers", "fcim_score_lanes", "SCALE_BITS", "2 * MULT_BITS"),
    Width("score times that", "fcim_score_lanes", "PROD_BITS", "IP_LANE + SCALE_BITS - 1"),
    Width("scaled score", "fcim_score_lanes", "Z_BITS", "20"),
    Width("scaled scores of a cycle", "fcim_score_lanes", "z", "LANES * Z_BITS"),
    Width("position", "fcim_score_lanes", "POS_BITS", "log2(MAX_KEYS) + 1"),
    Width("running maximum", "fcim_row_max", "ROW_MAX_BITS", "Z_BITS - Z_FRAC"),
    Width("octave of a row's highest score, and whether it sees one", "fcim_row_max", "TOP_BITS", "ROW_MAX_BITS + 1"),
    Width("rescale amount of a row", "fcim_row_max", "SHIFT_BITS", "6"),
    Width("octaves below the maximum that count", "fcim_row_max", "OCTAVES_BITS", "5"),
    Width("rescale amounts of a cycle, summed", "fcim_row_max", "AMOUNT_BITS", "ROW_MAX_BITS + 1 + clog2(LANES + 1)"),
    Width("knot of the exponential", "fcim_exp2", "KNOT_BITS", "18"),
    Width("rise of a chord", "fcim_exp2", "RISE_BITS", "12"),
    Width("place on a chord", "fcim_exp2", "LOW_BITS", "5"),
    Width("2 to the fraction", "fcim_exp2", "MANT_BITS", "17"),
    Width("its right shift", "fcim_exp2", "AMOUNT_BITS", "5"),
    Width("probabilities of a cycle", "fcim_exp2", "p", "LANES * PROB_BITS"),
    Width("denominator of a row", "fcim_block_exponential", "SUM_BITS", "PROB_BITS + log2(MAX_KEYS) - SUM_CUT"),
    Width("probability times its value's multiplier", "fcim_block_exponential", "PRODUCT_BITS", "PROB_BITS + V_MULT_BITS"),
    Width("weighed probabilities of a row, summed over a block", "fcim_block_exponential", "BSUM_BITS",
          "PROB_BITS + log2(KEYS_PER_BLOCK)"),
    Width("slice of V", "fcim_op_array", "v_data", "8 * KEYS_PER_BLOCK * COLUMNS"),
    Width("sum of a row and column over a block", "fcim_op_array", "OP_LANE", "PROB_BITS + 8 + log2(KEYS_PER_BLOCK)"),
    Width("sums of a cycle", "fcim_op_array", "rd_data", "LANES * COLUMNS * OP_LANE"),
    Width("accumulator", "fcim_acc_update", "ACC_BITS", "SUM_BITS + 8"),
    Width("accumulators of a cycle, in and out", "fcim_acc_update", "result", "LANES * COLUMNS * ACC_BITS"),
    Width("chunk of a row of accumulators", "fcim_accumulators", "rd_data", "READ_COLUMNS * ACC_BITS"),
    Width("dividend and quotient bits of a divider", "fcim_divider", "NUM_BITS", "ACC_BITS + OUT_FRAC + 1"),
    Width("remainder of a step", "fcim_divider", "REM_BITS", "NUM_BITS - OUT_BITS"),
    Width("row of O", "fcim_normalizer", "m_o_data", "HEAD_DIM * OUT_BITS"),
)


def names(cfg: EngineConfig) -> dict[str, int]:
    """What formulas are made of: the names of the RTL, and every width that is a name there."""
    known = {**sizes(cfg), "Z_FRAC": Z_FRAC, "OUT_BITS": OUT_BITS, "OUT_FRAC": OUT_FRAC,
             "READ_COLUMNS": cfg.read_columns}
    for width in WIDTHS:
        if width.name.isupper():
            known.setdefault(width.name, evaluate(width.bits, known))
    return known


def widths() -> list[Piece]:
    """A line per width, in the order of the data's way: where it is, its formula, and bits in three configurations."""
    every = [names(load_config(name)) for name in SHOWN]
    rows = [[width.what, f"`{width.module}`", f"`{width.name}`", f"`{width.bits}`",
             *(exact(evaluate(width.bits, known)) for known in every)] for width in WIDTHS]
    columns = ("width of", "module", "there", "bits", *(f"at `{name}`" for name in SHOWN))
    return [Piece(HARDWARE, table(columns, rows, 4), "widths")]
