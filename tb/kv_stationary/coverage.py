"""Coverpoints of ``fcim_kv_stationary`` and its parts, and their samplers."""

from __future__ import annotations

import numpy as np

from tb.common.coverage import BenchCoverGroup, points_of, sampler

point = points_of("fcim_kv_stationary")
load, rows, keys, maximum = map(points_of, ("fcim_kvs_load", "fcim_kvs_rows", "fcim_kvs_keys", "fcim_kvs_maximum"))

KINDS = ("overlapped", "serial", "row blocks", "resident", "chunk", "decode", "random", "corners", "banks")
YES = ("no", "yes")
COVERPOINTS = (
    point("kvs.program", "Kinds of programs", KINDS),
    rows("kvs.step", "What gives the pace of rows", ("macros", "lanes", "partial O")),
    load("kvs.load", "Loads: how much of a span, and which port takes longer",
          axes=(("keys", ("some", "all")), ("longer", ("K", "V", "neither")))),
    point("kvs.wait", "What waits for the other queue", axes=(("what", ("a load", "rows")), ("waits", YES))),
    rows("kvs.rows", "Operations on rows", axes=(("first", YES), ("last", YES))),
    rows("kvs.short", "Operations after which the next one waits until what is kept of a row is back", YES),
    keys("kvs.tiles", "Tiles of which a row sees a key", ("none", "some", "all")),
    keys("kvs.banks", "Rows meet each bank of 2, of 4 and of 8",
         tuple(f"{bank} of {banks}" for banks in (2, 4, 8) for bank in range(banks))),
    maximum("kvs.values", "What programs come across", ("a rescale", "a saturated score", "a row that sees nothing")),
    point("kvs.reset", "What a reset finds", ("rows on their way", "a load")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_program(kind: str, step: int, macro: int, lanes: int, partial: int) -> None:
    """A program, and the cycles that each part takes for a row."""
    GROUP.sample("kvs.program", kind)
    for name, cycles in (("macros", macro), ("lanes", lanes), ("partial O", partial)):
        GROUP.sample("kvs.step", name, int(cycles == step))


@sampler
def sample_load(keys: int, span: int, longer: int) -> None:
    """A load of so many keys; by how many cycles K takes longer than V."""
    GROUP.sample("kvs.load", f"{'all' if keys == span else 'some'}, {'K' if longer > 0 else 'V' if longer < 0 else 'neither'}")


@sampler
def sample_wait(what: str, waits: bool) -> None:
    """An operation waits for the other queue, or does not."""
    GROUP.sample("kvs.wait", f"{what}, {YES[waits]}")


@sampler
def sample_rows(first: bool, last: bool, short: bool) -> None:
    """An operation on rows."""
    GROUP.sample("kvs.rows", f"{YES[first]}, {YES[last]}")
    GROUP.sample("kvs.short", YES[short])


@sampler
def sample_bank(bank: int, banks: int) -> None:
    """An operation on rows meets a bank of so many."""
    GROUP.sample("kvs.banks", f"{bank} of {banks}")


@sampler
def sample_tiles(seen: np.ndarray, tiles: int) -> None:
    """Of so many tiles each row sees so many."""
    for name, rows in (("none", seen == 0), ("some", (seen > 0) & (seen < tiles)), ("all", seen == tiles)):
        GROUP.sample("kvs.tiles", name, int(rows.sum()))


@sampler
def sample_counts(rescales: int, saturations: int, empty: int) -> None:
    """What a program came across."""
    for name, count in (("a rescale", rescales), ("a saturated score", saturations), ("a row that sees nothing", empty)):
        GROUP.sample("kvs.values", name, count)


@sampler
def sample_reset(busy: bool, rows: bool) -> None:
    """A reset, ``busy``: before it was done; of a program with operations on rows, or of a load alone."""
    GROUP.sample("kvs.reset", "rows on their way" if rows else "a load", int(busy))
