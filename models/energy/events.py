"""What happens in a run of any design, as counts that the energy formula multiplies with its constants.

The same fields serve all designs; what a design does not have stays 0. A count is of what switches: rows that are gated, tiles
that stand still and blocks that are skipped do not count.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Events:
    """Counts of a run.

    Attributes:
        cycles: clock cycles of the chip from start to end; no energy goes by them.
        useful_macs: products that causality leaves, of QK^T and of PV: visible scores times head_dim times 2.
        inner_pairs: pairs of set bits that meet in macros of inner products: for each product the set bits of the streamed
            operand's code times those of the stored one's, as the array sees them (offset binary for signed bytes, p as it is).
        outer_pairs: the same in macros of outer products.
        accumulator_bits_read: bits read from the local memories of accumulators. accumulator_bits_written: written to them.
        o_adder_bits: bits of adders that add to O outside an array: adders times their width.
        o_shift_bits: bits of O that pass a shifter because their row is rescaled.
        cell_bits_written: bits of memory cells of macros that are written.
        score_scales: scores that are multiplied to base-2 logarithms.
        comparisons: scores compared for a row's maximum.
        exponentials: probabilities made.
        weigh_bit_products: bit products of the multiplication of p with its value's multiplier: width of p times 4.
        sum_adder_bits: bits of adders of row sums.
        divisions: elements of O divided by their row's sum.
        local_bits_read: bits read from other small memories beside the macros (scores and rows that wait). local_bits_written:
            written to them.
        buffer_read_bytes: bytes read from the large buffer on the chip. buffer_written_bytes: written to it.
        stage_read_bytes: bytes read from queues between the chip's bus port and its parts. stage_written_bytes: written to them.
        bus_bits: bits that travel between the buffer or the queues and the macros, each once however many take it.
        dram_read_bytes: bytes read from memory outside the chip. dram_written_bytes: written to it.
    """

    cycles: float = 0
    useful_macs: float = 0
    inner_pairs: float = 0
    outer_pairs: float = 0
    accumulator_bits_read: float = 0
    accumulator_bits_written: float = 0
    o_adder_bits: float = 0
    o_shift_bits: float = 0
    cell_bits_written: float = 0
    score_scales: float = 0
    comparisons: float = 0
    exponentials: float = 0
    weigh_bit_products: float = 0
    sum_adder_bits: float = 0
    divisions: float = 0
    local_bits_read: float = 0
    local_bits_written: float = 0
    buffer_read_bytes: float = 0
    buffer_written_bytes: float = 0
    stage_read_bytes: float = 0
    stage_written_bytes: float = 0
    bus_bits: float = 0
    dram_read_bytes: float = 0
    dram_written_bytes: float = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 0:
                raise ValueError(f"{field.name} = {getattr(self, field.name)}: a count is not negative")

    def __add__(self, other: Events) -> Events:
        """Both, one after the other: every count is added, cycles too."""
        return Events(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    def beside(self, other: Events) -> Events:
        """Both at the same time: counts are added, the longer of the two decides the cycles."""
        both = self + other
        return both.replaced(cycles=max(self.cycles, other.cycles))

    def scaled(self, factor: float, cycles: float | None = None) -> Events:
        """Every count ``factor`` times, say of a sample of heads that stands for all.

        Args:
            cycles: of the whole; by default ``factor`` times as many too.
        """
        many = Events(**{f.name: getattr(self, f.name) * factor for f in fields(self)})
        return many if cycles is None else many.replaced(cycles=cycles)

    def replaced(self, **counts: float) -> Events:
        """With other values of some counts."""
        return Events(**{**{f.name: getattr(self, f.name) for f in fields(self)}, **counts})
