"""Coverpoints of ``fcim_exp2`` and their samplers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tb.common import spec
from tb.common.coverage import BenchCoverGroup, digitise, ends, numbers, points_of, sampler

point = points_of("fcim_exp2")

COVERPOINTS = (
    point("exp2.shift", "Right shift of the mantissa and two zeros", (*numbers(*range(1, 20)), "20 or more")),
    point("exp2.segment", "Chords", numbers(*range(32))),
    point("exp2.low", "Position on a chord", ("0", "between", "31")),
    point("exp2.tau", "Results for every tau", axes=(("tau", numbers(*range(9))),
                                                     ("result", ("masked", "0", "positive", "1.0", "largest code")))),
    point("exp2.clamped", "Narrow probabilities whose rounding reaches 2**PROB_BITS", ("8 bits", "9 bits")),
    point("exp2.row_max", "Running maxima", ("lowest", "negative", "0", "positive", "highest")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_elements(elements: Sequence[tuple[int, int, int]], prob_bits: int) -> None:
    """Elements ``(z, row_max, tau)`` of one lane each."""
    z, row_max, tau = (np.array(column) for column in zip(*elements))
    p, shown = np.array([spec.probability(*e, prob_bits) for e in elements]), z != spec.MASKED
    d = z - (row_max << spec.Z_FRAC)
    shift, fraction = 19 - prob_bits + tau - (d >> spec.Z_FRAC), d & 1023
    GROUP.sample_array("exp2.shift", np.minimum(shift, 20)[shown] - 1)
    GROUP.sample_array("exp2.segment", (fraction >> 5)[p > 0])
    GROUP.sample_array("exp2.low", digitise((fraction & 31)[p > 0], (0, 1, 31)))
    largest = (1 << prob_bits) - 1
    result = np.where(~shown, 0, np.where(p == 0, 1, np.where(p == largest, 4, np.where(d == 0, 3, 2))))
    GROUP.sample_array("exp2.tau", tau, result)
    GROUP.sample_array("exp2.row_max", ends(row_max, -512, 511))
    if prob_bits in (8, 9):
        top = shown & (shift == 19 - prob_bits)
        wide = (4 * np.array(spec.MANTISSAS)[fraction[top]] + (1 << (18 - prob_bits))) >> (19 - prob_bits)
        GROUP.sample("exp2.clamped", f"{prob_bits} bits", int((wide > largest).sum()))
