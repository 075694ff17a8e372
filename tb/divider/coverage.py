"""Coverpoints of ``fcim_divider`` and their samplers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tb.common.coverage import CUT_OFF, ROUNDING, ROUNDING_AXES, BenchCoverGroup, ends, points_of, sampler

point = points_of("fcim_divider")
TOP = 1 << 15

COVERPOINTS = (
    point("divider.divisor", "Row sums as divisors", ("0", "1", "2", "3", "between", "largest")),
    point("divider.accumulator", "Numerators", ("lowest", "negative", "0", "positive", "highest")),
    point("divider.quotient", "Quotients, both ends with and without clamping",
          ("divisor 0", "clamped below", "-32768", "negative", "0", "positive", "32767", "clamped above")),
    point("divider.rounding", ROUNDING, axes=ROUNDING_AXES),
    point("divider.enable", "What a low enable stops",
          ("result at the output", "items inside", "nothing inside", "item offered")),
    point("divider.reset", "A reset drops what is in flight", ("items inside",)),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_item(accs: Sequence[int], total: int, acc_bits: int, sum_bits: int) -> None:
    """Accumulators of all lanes and their divisor."""
    GROUP.sample("divider.divisor", str(total) if total < 4 else "largest" if total == (1 << sum_bits) - 1 else "between")
    GROUP.sample_array("divider.accumulator", ends(np.array(accs), -(1 << (acc_bits - 1)), (1 << (acc_bits - 1)) - 1))
    for acc in accs:
        GROUP.sample("divider.quotient", _quotient(acc, total))
        if total:
            left = 2 * (abs(acc) * 256 % total)
            cut = CUT_OFF[0 if not left else 2 if left == total else 1 if left < total else 3]
            GROUP.sample("divider.rounding", f"{'negative' if acc < 0 else 'positive'}, {cut}")


def _quotient(acc: int, total: int) -> str:
    if not total:
        return "divisor 0"
    size = (abs(acc) * 512 + total) // (2 * total)
    if acc < 0:
        return "clamped below" if size > TOP else "-32768" if size == TOP else "negative" if size else "0"
    return "clamped above" if size >= TOP else "32767" if size == TOP - 1 else "positive" if size else "0"


@sampler
def sample_stop(result: bool, inside: bool, offered: bool) -> None:
    """A cycle in which the enable is low."""
    GROUP.sample("divider.enable", "result at the output", int(result))
    GROUP.sample("divider.enable", "items inside" if inside else "nothing inside")
    GROUP.sample("divider.enable", "item offered", int(offered))


@sampler
def sample_reset(inside: int) -> None:
    """A reset, and how many items it finds inside."""
    GROUP.sample("divider.reset", "items inside", inside)
