"""Coverpoints of ``fcim_read_router`` and their samplers."""

from __future__ import annotations

from tb.common.coverage import SIZES, BenchCoverGroup, numbers, one_some_all, points_of, sampler
from tb.read_router.model import FETCH_KINDS, LOAD_KINDS, Size

point = points_of("fcim_read_router")

KINDS = ("desc", *FETCH_KINDS, *LOAD_KINDS)
SOURCES = ("descriptors", "queries", "key blocks")
LENGTHS = ("less than a beat", "one beat", "several beats")
COVERPOINTS = (
    point("read_router.row", "Beats of a row of K", numbers(1, 2, 4, 8)),
    point("read_router.table", "Lengths of the tables", axes=(("table", ("tile", "key block")), ("length", LENGTHS))),
    point("read_router.heads", "Beats of the table of heads", ("one", "several")),
    point("read_router.turn", "Whose command is taken, and whether others wait then",
          axes=(("whose", SOURCES), ("others", ("none", "wait")))),
    point("read_router.order", "Whose beats come, and whose came before",
          axes=(("beats of", SOURCES), ("after those of", SOURCES))),
    point("read_router.ahead", "Commands taken whose beats are awaited: one, some, all that it remembers", SIZES),
    point("read_router.error", "Beats with an error, by what they are for", KINDS),
    point("read_router.query", "Rows of Q: a token's query heads, prefill and decode",
          axes=(("group", ("one", "several")), ("call", ("prefill", "decode")))),
    point("read_router.waits", "What comes behind a row of Q that is not taken",
          ("nothing", "a row of Q", "another beat")),
    point("read_router.reset", "What a reset finds", ("commands alone", "a part of a row", "whole rows")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_parameters(size: Size) -> None:
    """How a router is built."""
    GROUP.sample("read_router.row", str(size.row_beats))
    for table, length, beats in (("tile", 2 * size.rows, size.q_table_beats),
                                 ("key block", 4 * size.keys_per_block, size.k_table_beats)):
        GROUP.sample("read_router.table", f"{table}, {LENGTHS[2] if beats > 1 else LENGTHS[int(length == size.width)]}")


@sampler
def sample_turn(number: int, others: bool) -> None:
    """A command is taken of the stream of this number while others wait or not."""
    GROUP.sample("read_router.turn", f"{SOURCES[number]}, {'wait' if others else 'none'}")


@sampler
def sample_command(kind: str, beats: int, rows: int, decode: bool) -> None:
    """A command is taken."""
    if kind == "h_table":
        GROUP.sample("read_router.heads", "one" if beats == 1 else "several")
    if kind == "q":
        GROUP.sample("read_router.query", f"{'one' if rows == 1 else 'several'}, {'decode' if decode else 'prefill'}")


def _source(kind: str) -> str:
    return SOURCES[0] if kind == "desc" else SOURCES[1] if kind in FETCH_KINDS else SOURCES[2]


@sampler
def sample_order(kind: str, before: str | None) -> None:
    """A command's first beat is taken, and what the command before it was."""
    if before:
        GROUP.sample("read_router.order", f"{_source(kind)}, {_source(before)}")


@sampler
def sample_ahead(count: int, most: int) -> None:
    """Commands that were taken and whose beats are not all there."""
    if count:
        GROUP.sample("read_router.ahead", one_some_all(count, most))


@sampler
def sample_error(kind: str) -> None:
    """A beat with an error."""
    GROUP.sample("read_router.error", kind)


@sampler
def sample_waits(kind: str | None) -> None:
    """A row of Q is not taken; what the beat that waits behind it is for, None without one."""
    GROUP.sample("read_router.waits", "nothing" if kind is None else "a row of Q" if kind == "q" else "another beat")


@sampler
def sample_reset(beats: int, row_beats: int) -> None:
    """A reset finds commands, of whose rows so many beats were taken."""
    GROUP.sample("read_router.reset", "commands alone" if beats == 0 else
                 "a part of a row" if beats % row_beats else "whole rows")
