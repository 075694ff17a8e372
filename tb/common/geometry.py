"""The parameters with which a design was built, and what docs/engine.md derives from them."""

from __future__ import annotations

from typing import Any

from models.hardware.config import TAU_MAX
from tb.common import spec

OCTAVE = 1 << spec.Z_FRAC       # scaled scores one power of two apart
PARAMETERS = ("ROWS", "HEAD_DIM", "BITS_PER_CYCLE", "BANKS", "KEYS_PER_BLOCK", "PROB_BITS", "MAX_KEYS", "SUM_CUT",
              "LANES", "POS_BITS", "SUM_BITS", "ACC_BITS")      # these count only where what they follow from is missing


class Geometry:
    """One attribute per parameter that ``dut`` has; what follows from a parameter that it lacks raises AttributeError.

    Derived widths and counts are worked out here from the configuration's own parameters and never read from the design, so
    that ports of another width or another number of lanes fail the comparison.
    """

    rows: int
    lanes: int              # rows of a pass, which are handled in one cycle
    cpk: int                # CYCLES_PER_KEY, which is also the number of passes
    head_dim: int
    bits_per_cycle: int
    banks: int              # tiles that a macro holds
    keys_per_block: int
    prob_bits: int
    max_keys: int           # keys of a tile
    sum_cut: int            # bits that a row's sum lacks for them
    pos_bits: int
    sum_bits: int           # of a row's sum over a tile
    acc_bits: int           # of an accumulator

    def __init__(self, dut: Any) -> None:
        for name in PARAMETERS:
            if hasattr(dut, name):
                setattr(self, name.lower(), int(getattr(dut, name).value))
        if hasattr(self, "bits_per_cycle"):
            self.cpk = 8 // self.bits_per_cycle
            if hasattr(self, "rows"):
                self.lanes = self.rows // self.cpk
            elif hasattr(self, "lanes"):
                self.rows = self.lanes * self.cpk
        if hasattr(self, "max_keys"):
            self.pos_bits = self.max_keys.bit_length()
        elif hasattr(self, "pos_bits"):
            self.max_keys = 1 << (self.pos_bits - 1)
        if hasattr(self, "prob_bits") and hasattr(self, "max_keys"):
            self.sum_bits = self.prob_bits + self.max_keys.bit_length() - 1 - getattr(self, "sum_cut", 0)
            self.acc_bits = self.sum_bits + 8

    # ---- inner products and scores
    @property
    def ip_bits(self) -> int:
        """Width of an inner product of operands in offset binary."""
        return 16 + self.head_dim.bit_length() - 1

    @property
    def ksum_bits(self) -> int:
        """ELEM_SUM_BITS, width of the sum of a key's or a row's elements."""
        return 8 + self.head_dim.bit_length() - 1

    @property
    def score_limit(self) -> int:
        """The largest magnitude of a score, a signed inner product."""
        return self.head_dim << 14

    @property
    def padding(self) -> int:
        """The position of a padding key."""
        return spec.padding_pos(self.max_keys)

    # ---- probabilities
    @property
    def tau_max(self) -> int:
        """The largest legal threshold."""
        return min(TAU_MAX, self.prob_bits - 2)

    @property
    def largest(self) -> int:
        """The largest probability."""
        return spec.probability(OCTAVE - 1, 0, 0, self.prob_bits)

    @property
    def block_sum_bits(self) -> int:
        """BSUM_BITS, of a row's sum over a block."""
        return self.prob_bits + (self.keys_per_block - 1).bit_length()

    # ---- outer products
    @property
    def columns(self) -> int:
        """Columns of O, and elements of a key's value, in a slice."""
        return self.head_dim // self.keys_per_block

    @property
    def block_cycles(self) -> int:
        """BLOCK_CYCLES, between the starts of two blocks in the OP-CIM macro."""
        return self.keys_per_block * self.cpk

    @property
    def read_columns(self) -> int:
        """Accumulators of one read."""
        return self.head_dim // self.cpk
