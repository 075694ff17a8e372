"""Coverpoints of ``fcim_online_softmax`` and their samplers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tb.common.coverage import IN_TILE, SIZES, BenchCoverGroup, digitise, in_tile, numbers, one_some_all, points_of, sampler

point = points_of("fcim_online_softmax")

COVERPOINTS = (
    point("online_softmax.start", "What decides when a block's exponentials start",
          ("scores are scaled", "block before ends", "slot is free", "bank is drained")),
    point("online_softmax.offer", "A finished block is taken at once or waits", ("taken at once", "waits")),
    point("online_softmax.block", "Keys of a block and its place in its tile", axes=(("keys", SIZES), ("place", IN_TILE)),
          illegal={f"{keys}, {place}": "only a tile's last block is short" for keys in ("one", "some")
                   for place in ("first", "between")}),
    point("online_softmax.rescaled", "Rows that a block rescales", ("none", "one", "some", "all")),
    point("online_softmax.zero_block", "Blocks in which no score counts", ("no", "all 0", "too many octaves below")),
    point("online_softmax.tau", "Thresholds", numbers(*range(9))),
    point("online_softmax.sum", "Row sums of finished tiles", ("0", "less than every bit", "every bit")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_block(keys: int, keys_per_block: int, first: bool, last: bool, rescaled: int, rows: int, zero: bool,
                 lossy: bool) -> None:
    """A block that the softmax unit must give; ``lossy``: it counts as zero though a probability of it is not 0."""
    GROUP.sample("online_softmax.block", f"{one_some_all(keys, keys_per_block)}, {in_tile(first, last)}")
    GROUP.sample("online_softmax.rescaled", one_some_all(rescaled, rows) if rescaled else "none")
    GROUP.sample("online_softmax.zero_block", "too many octaves below" if lossy else "all 0" if zero else "no")


@sampler
def sample_run(causes: dict[str, int], shown: Sequence[int], taken: Sequence[int], taus: Sequence[int], sums: Sequence[int],
               sum_bits: int) -> None:
    """A finished run: what decided each start, when blocks were offered and taken, taus of its tiles, row sums."""
    for name, cause in (("scores are scaled", "scaled"), ("block before ends", "before"), ("slot is free", "slot"),
                        ("bank is drained", "bank")):
        GROUP.sample("online_softmax.start", name, causes[cause])
    waits = sum(t > s for s, t in zip(shown, taken))
    GROUP.sample("online_softmax.offer", "waits", waits)
    GROUP.sample("online_softmax.offer", "taken at once", len(shown) - waits)
    for tau in taus:
        GROUP.sample("online_softmax.tau", str(tau))
    GROUP.sample_array("online_softmax.sum", digitise(np.array(sums), (0, 1, 1 << (sum_bits - 1))))
