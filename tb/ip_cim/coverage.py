"""Coverpoints of ``fcim_ip_cim`` and of its array, and their samplers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tb.common.coverage import (
    PLANE_STATES,
    PLANES,
    SIZES,
    BenchCoverGroup,
    digitise,
    numbers,
    one_some_all,
    plane_states,
    points_of,
    sampler,
)

point, array = points_of("fcim_ip_cim"), points_of("fcim_ip_array")

BANKS = tuple(f"{bank} of {banks}" for banks in (2, 4, 8) for bank in range(banks))

COVERPOINTS = (
    point("ip_cim.write", "Rows are written while the array rests and while it works; row 0 clears its bank",
          axes=(("row", ("0", "another")), ("array", ("rests", "works")))),
    point("ip_cim.rows", "Rows of a tile", SIZES),
    point("ip_cim.key_plane", "Bit-planes of keys in offset binary", axes=(("plane", PLANES), ("state", PLANE_STATES))),
    point("ip_cim.lane", "Unsigned inner products of used rows, up to the widest a lane must hold",
          ("0", "between", "largest: all 255 by all 255")),
    point("ip_cim.key", "When a key is accepted", ("into an idle array", "as the one before leaves")),
    point("ip_cim.column", "A finished column is taken at once, or waits, and the key behind it then waits in the array",
          ("taken at once", "waits", "waits, next key finished too")),
    point("ip_cim.bank", "Neighbouring keys in one bank and in two",
          ("the same bank", "another bank", "another bank, no cycle lost")),
    point("ip_cim.banks", "Each bank of macros of 2, 4 and 8 meets a key", BANKS),
    point("ip_cim.reset", "A reset drops what is in flight", ("key in the array, column waits",)),
    array("ip_array.row_plane", "Bit-planes of rows in offset binary", axes=(("plane", PLANES), ("state", PLANE_STATES))),
    array("ip_array.write", "What the array does in a cycle in which a row is written",
          axes=(("row", ("0", "another")), ("array", ("rests", "adds another bank", "adds the same bank"))),
          illegal={"*, adds the same bank": "a tile's rows are written before its first key and after its last one"}),
    array("ip_array.unused", "What a key finds in the rows that its tile lacks",
          ("the tile lacks none", "cells not written in this test", "a row of an earlier tile")),
    array("ip_array.steps", "Steps of a key; one step is its first and its last", numbers(1, 2, 4, 8)),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_write(row: int, codes: np.ndarray, working: bool) -> None:
    """A row of ``codes`` [D] in offset binary is written."""
    GROUP.sample("ip_cim.write", f"{'another' if row else '0'}, {'works' if working else 'rests'}")
    GROUP.sample_array("ip_array.row_plane", *plane_states(codes.astype(np.uint8)))


@sampler
def sample_unused(used: int, most: int, rows: int) -> None:
    """A key meets a tile of ``used`` rows in a bank whose largest tile so far had ``most``."""
    GROUP.sample("ip_array.unused", "the tile lacks none", int(used == rows))
    GROUP.sample("ip_array.unused", "cells not written in this test", int(most < rows))
    GROUP.sample("ip_array.unused", "a row of an earlier tile", int(used < most))


@sampler
def sample_bank(bank: int, banks: int) -> None:
    """A key meets a bank of so many."""
    GROUP.sample("ip_cim.banks", f"{bank} of {banks}")


@sampler
def sample_array(writes: Sequence[tuple[int, int, int]], adds: Mapping[int, int], cpk: int) -> None:
    """Cycle, bank and row of all writes of a run, and the bank that the array adds in a cycle in which it does."""
    for cycle, bank, row in writes:
        state = "rests" if cycle not in adds else "adds the same bank" if adds[cycle] == bank else "adds another bank"
        GROUP.sample("ip_array.write", f"{'another' if row else '0'}, {state}")
    GROUP.sample("ip_array.steps", str(cpk))


@sampler
def sample_key(key: np.ndarray, rows: np.ndarray) -> None:
    """A key ``[D]`` and the rows ``[rows, D]`` that it meets, both in offset binary."""
    GROUP.sample_array("ip_cim.key_plane", *plane_states(key.astype(np.uint8)))
    GROUP.sample_array("ip_cim.lane", digitise(rows @ key, (0, 1, 255 * 255 * len(key))))


@sampler
def sample_rows(used: int, rows: int) -> None:
    """A tile's rows."""
    GROUP.sample("ip_cim.rows", one_some_all(used, rows))


@sampler
def sample_cycles(accepted: Sequence[int], given: Sequence[int], shown: Sequence[int], handoff: Sequence[int],
                  banks: Sequence[int], cpk: int) -> None:
    """Cycles of all keys of a run: accepted, column taken, column first valid, handed to the output register."""
    for k, accept in enumerate(accepted):
        before = handoff[k - 1] if k else -1
        GROUP.sample("ip_cim.key", "as the one before leaves" if accept == before else "into an idle array")
        waits = given[k] > shown[k]
        GROUP.sample("ip_cim.column", "taken at once" if not waits else
                     "waits, next key finished too" if k + 1 < len(accepted) and accepted[k + 1] + cpk < given[k] else "waits")
        if k:
            GROUP.sample("ip_cim.bank", "the same bank" if banks[k] == banks[k - 1] else
                         "another bank, no cycle lost" if accept == before else "another bank")


@sampler
def sample_reset() -> None:
    """A reset with a key in the array while the column before it waits."""
    GROUP.sample("ip_cim.reset", "key in the array, column waits")
