"""Points of the top that fetches and of its queue; the samplers are in :mod:`tb.engine.points` and
:mod:`tb.block_queue.points`, literal hits in the benches."""

from __future__ import annotations

from typing import Any

from scripts.flow.coverage.model import Point

_SCHEDULES = ("natural", "diagonal_first", "sink_diagonal")
_DEPTHS = ("8", "16", "32", "64")


def _point(name: str, shows: str, bins: tuple[str, ...] = (), **more: Any) -> Point:
    """A point of the block that its name begins with."""
    return Point(name, f"fcim_{name.split('.')[0]}", shows, bins, source="bench", **more)


ATTENTION_POINTS = (
    _point("block_queue.depth", "Every depth", _DEPTHS),
    _point("block_queue.moves", "Blocks and decisions move while it is empty, full and between",
           axes=(("fill", ("empty", "some", "full")), ("moves", ("nothing", "a block comes", "a decision", "both"))),
           ignored={"empty, a decision": (_why := "a decision without a block is an error, which block_queue.error counts"),
                    "empty, both": _why},
           illegal={"full, a block comes": (_full := "a full queue takes nothing"), "full, both": _full}),
    _point("block_queue.decision", "Blocks that run and blocks that are skipped", ("runs", "skipped")),
    _point("block_queue.waits", "Who waits: a block for room, a block for its keys' request to be taken, a request for values",
           ("block: full", "block: keys not requested yet", "request for values")),
    _point("block_queue.first", "A tile's first request for values, at once or after skipped blocks, its only one or not",
           axes=(("comes", ("at once", "after skipped ones")), ("more", ("last too", "more follow")))),
    _point("block_queue.error", "Right and wrong decisions", ("the right last", "last too early", "last too late", "no block")),
    _point("block_queue.reset", "A reset drops the blocks inside", ("some", "full")),
    _point("attention.stream", "Tiles, requests and answers move, wait and are waited for",
           axes=(("stream", ("s_tile", "m_kreq", "s_k", "m_vreq", "s_v")), ("state", ("moves", "waits", "is waited for")))),
    _point("attention.blocks_ahead", "Every depth of the queue between requests and decisions", _DEPTHS),
    _point("attention.tile", "Tiles of every schedule with every flag",
           axes=(("schedule", _SCHEDULES), ("first step", ("fused", "not fused")), ("zeros", ("skips", "does not skip")))),
    _point("attention.length", "Tiles of every schedule and length",
           axes=(("schedule", _SCHEDULES), ("blocks", ("one block", "two", "more")), ("keys", ("whole", "ragged")))),
    _point("attention.follow", "A tile of every schedule behind one of every schedule",
           axes=(("before", _SCHEDULES), ("after", _SCHEDULES))),
    _point("attention.skipped", "Skipped blocks in every place of a tile, in every schedule",
           axes=(("schedule", _SCHEDULES), ("place", ("first", "between", "last")))),
    _point("attention.reset", "A reset ends a run that has asked for keys, for values too",
           ("keys asked for", "values asked for")),
    _point("attention.error", "Keys and values that end their tile too early are noticed, right ones are not",
           ("none", "keys end too early", "values end too early")),
)
