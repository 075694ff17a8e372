"""The energy formula, one for every design: each event times its constant.

What is counted (:class:`~models.energy.events.Events`) comes from exact models of what the RTL does; what an event costs
(:class:`~models.energy.constants.Constants`) from published figures. Nothing else is in it: no clock, no leakage, no control.

**Products.** A product of an array is charged by its pairs of set bits: in a bit-serial macro the set bits of the streamed code
select stored codes, and of each selected code the set bits go into the adder tree. So a product of 8 by 8 bits with half of them
set has 16 pairs, and a p of 18 bits costs what its set bits cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.energy.constants import UNITS, Constants
from models.energy.events import Events

OPS_PER_MAC = 2     # a multiplication and an addition, as TOPS are counted
DRAM = "DRAM"


@dataclass(frozen=True)
class Term:
    """A summand: ``event`` of :class:`~models.energy.events.Events` times ``constant`` of :data:`~models.energy.constants.UNITS`,
    in the ``part`` that it is listed under."""

    part: str
    event: str
    constant: str


TERMS = (
    Term("inner product macros", "inner_pairs", "inner_pair"),
    Term("outer product macros", "outer_pairs", "outer_pair"),
    Term("accumulators", "accumulator_bits_read", "local_read"),
    Term("accumulators", "accumulator_bits_written", "local_write"),
    Term("accumulators", "o_adder_bits", "adder"),
    Term("accumulators", "o_shift_bits", "shift"),
    Term("cell writes", "cell_bits_written", "cell_write"),
    Term("softmax", "score_scales", "score_scale"),
    Term("softmax", "comparisons", "comparison"),
    Term("softmax", "exponentials", "exponential"),
    Term("softmax", "weigh_bit_products", "weigh"),
    Term("softmax", "sum_adder_bits", "adder"),
    Term("normalisation", "divisions", "division"),
    Term("local memories", "local_bits_read", "local_read"),
    Term("local memories", "local_bits_written", "local_write"),
    Term("buffer", "buffer_read_bytes", "buffer_read"),
    Term("buffer", "buffer_written_bytes", "buffer_write"),
    Term("queues", "stage_read_bytes", "stage_read"),
    Term("queues", "stage_written_bytes", "stage_write"),
    Term("bus", "bus_bits", "bus"),
    Term(DRAM, "dram_read_bytes", "dram"),
    Term(DRAM, "dram_written_bytes", "dram"),
)
"""The whole formula."""

PARTS = tuple(dict.fromkeys(term.part for term in TERMS))


@dataclass(frozen=True)
class Energy:
    """J by part (:data:`PARTS`)."""

    parts: Mapping[str, float]

    @property
    def chip(self) -> float:
        """J on the chip."""
        return sum(value for part, value in self.parts.items() if part != DRAM)

    @property
    def dram(self) -> float:
        """J of the memory outside the chip."""
        return self.parts[DRAM]

    @property
    def total(self) -> float:
        """J of both."""
        return self.chip + self.dram

    def tops_per_watt(self, useful_macs: float, dram: bool = False) -> float:
        """10^12 useful operations a second and W, the same as per J: two for each useful product.

        Args:
            dram: with the energy of the memory outside the chip.
        """
        return OPS_PER_MAC * useful_macs / (self.total if dram else self.chip) / 1e12

    def femtojoule_per_mac(self, useful_macs: float, dram: bool = False) -> float:
        """fJ for each useful product."""
        return 1e15 * (self.total if dram else self.chip) / useful_macs

    def per_token(self, tokens: int, dram: bool = True) -> float:
        """J for each of the run's query tokens."""
        return (self.total if dram else self.chip) / tokens


def energy(events: Events, constants: Constants, level: str = "typical") -> Energy:
    """What a run costs, with all constants at ``level``.

    Raises:
        FcimError: there is no such level.
    """
    parts = dict.fromkeys(PARTS, 0.0)
    for term in TERMS:
        parts[term.part] += getattr(events, term.event) * constants.joule(term.constant, level)
    return Energy(parts)


@dataclass(frozen=True)
class Swing:
    """How far a constant moves the answer: the run's energy with it at low and at high, all others typical."""

    constant: str
    low: Energy
    high: Energy

    def span(self, dram: bool = True) -> float:
        """J between the two."""
        return self.high.total - self.low.total if dram else self.high.chip - self.low.chip


def sensitivity(events: Events, constants: Constants, dram: bool = True) -> list[Swing]:
    """Every constant's swing, the largest first.

    Args:
        dram: the memory outside the chip counts for the order.
    """
    swings = [Swing(name, *(energy(events, constants.fixed(name, level)) for level in ("low", "high"))) for name in UNITS]
    return sorted(swings, key=lambda swing: -swing.span(dram))
