"""Coverpoints of ``fcim_score_scaler`` and their samplers."""

from __future__ import annotations

from tb.common.coverage import SIZES, BenchCoverGroup, one_some_all, points_of, sampler

point = points_of("fcim_score_scaler")

COVERPOINTS = (
    point("score_scaler.column", "Where columns stand", ("inside a block", "block full", "tile ends, block short",
                                                         "tile ends, block full", "tile of one key")),
    point("score_scaler.pace", "Distance of columns", ("CYCLES_PER_KEY", "more, none offered", "more, no room behind")),
    point("score_scaler.rows", "Rows of the tile that a column belongs to", SIZES),
    point("score_scaler.saturations", "Clamped scores of a group of rows", ("none", "some", "every lane")),
    point("score_scaler.table", "Rows of a table are written while the other tile is scaled, or nothing is",
          ("while scaling", "at rest")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_column(key: int, end: bool, last: bool, full: bool, rows: int, all_rows: int) -> None:
    """An accepted column; ``full``: it is its block's last possible one."""
    GROUP.sample("score_scaler.column", "inside a block" if not end else "block full" if not last else
                 "tile ends, block full" if full else "tile of one key" if key == 0 else "tile ends, block short")
    GROUP.sample("score_scaler.rows", one_some_all(rows, all_rows))


@sampler
def sample_pace(distance: int, cpk: int, held: bool) -> None:
    """Cycles between two columns, and whether the second waited for room."""
    GROUP.sample("score_scaler.pace", "CYCLES_PER_KEY" if distance == cpk else
                 "more, no room behind" if held else "more, none offered")


@sampler
def sample_group(saturations: int, lanes: int) -> None:
    """Clamped scores of one group of rows."""
    GROUP.sample("score_scaler.saturations", "none" if not saturations else "every lane" if saturations == lanes else "some")


@sampler
def sample_table(scaling: bool) -> None:
    """A row of a table is written, while columns are scaled or not."""
    GROUP.sample("score_scaler.table", "while scaling" if scaling else "at rest")
