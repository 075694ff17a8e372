"""Coverpoints of ``fcim_q_loader`` and their samplers."""

from __future__ import annotations

import numpy as np

from tb.common.coverage import BenchCoverGroup, ends, points_of, sampler

point = points_of("fcim_q_loader")

COVERPOINTS = (
    point("q_loader.held", "Whole tiles in the banks while a row is offered and while none is",
          axes=(("banks", ("none", "one", "both")), ("row", ("none offered", "taken", "waits"))),
          illegal=dict.fromkeys(("none, waits", "one, waits", "both, taken"), "a row waits only for a bank")),
    point("q_loader.loaded", "Banks that may be streamed", ("none", "bank 0", "bank 1", "both")),
    point("q_loader.tile", "How a tile ends", ("one row", "some rows", "all rows, marked", "all rows, cut off")),
    point("q_loader.bank", "Rows go into both banks", ("0", "1")),
    point("q_loader.release", "A bank comes back while a row waits for it, while a row is taken, while none is offered",
          ("row waits", "row taken", "none offered")),
    point("q_loader.q_sum", "Sums of a row's elements",
          ("lowest: all -128", "negative", "0", "positive", "highest: all 127")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_cycle(held: int, loaded: int, valid: bool, ready: bool, released: bool) -> None:
    """One cycle: whole tiles in the banks (0 to 2), mask of loaded banks, the row port, and a bank that comes back."""
    row = "none offered" if not valid else "taken" if ready else "waits"
    GROUP.sample("q_loader.held", f"{('none', 'one', 'both')[held]}, {row}")
    GROUP.sample("q_loader.loaded", ("none", "bank 0", "bank 1", "both")[loaded])
    if released:
        GROUP.sample("q_loader.release", "none offered" if not valid else f"row {row}")


@sampler
def sample_row(bank: int, total: int, index: int, last: bool, rows: int, head_dim: int) -> None:
    """An accepted row: its bank, the sum of its elements, its number in the tile."""
    GROUP.sample("q_loader.bank", str(bank))
    GROUP.sample_array("q_loader.q_sum", ends(np.array([total]), -128 * head_dim, 127 * head_dim))
    if last or index == rows - 1:
        GROUP.sample("q_loader.tile", ("all rows, marked" if last else "all rows, cut off") if index == rows - 1 else
                     "one row" if index == 0 else "some rows")
