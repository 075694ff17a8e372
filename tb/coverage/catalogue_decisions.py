"""Points about schedules, fused first steps and skipped blocks. Sampled by :mod:`tb.coverage.engine_decisions`."""

from __future__ import annotations

from scripts.flow.coverage.model import Point
from tb.coverage.catalogue_data import Bins, numbers

# models.hardware.schedules.SCHEDULES, which cannot be imported inside a simulator; a test compares the two
SCHEDULES: Bins = ("natural", "diagonal_first", "sink_diagonal")
ORDERS: Bins = (*SCHEDULES, "newest of two first", "one block", "another order")
STALLS: Bins = ("none pauses", "inputs pause", "outputs wait", "both")
FIRST_STEP: Bins = ("one block", "fused")
MAY_SKIP: Bins = ("every block runs", "blocks may be skipped")
WHY_ZERO: Bins = ("nothing visible", "all too small")
FIRST_REFERENCE: Bins = ("the first is larger", "the second is larger", "equal", "sees the first only", "sees the second only",
                         "sees neither")
_SETS = "the block that sets a row's reference leaves that row a probability that is not 0"
_SHORT = "only a tile's last block is short"

SCHEDULE = (
    Point("schedule.order", "fcim_core", "Tiles whose keys come in the order of a schedule, seen from the keys' positions; two "
          "blocks, newest first, are both other schedules", axes=(("order", ORDERS), ("last block", ("ragged", "whole")))),
    Point("schedule.blocks", "fcim_core", "Blocks of a tile in every schedule",
          axes=(("order", SCHEDULES), ("blocks", ("2 or 3", "4 to 15", "16 or more")))),
    Point("schedule.flags", "fcim_core", "Every schedule with both first steps, with skipping and without",
          axes=(("order", SCHEDULES), ("first step", FIRST_STEP), ("blocks", MAY_SKIP))),
    Point("schedule.phase", "fcim_core", "Every schedule in prefill and in decoding, where all rows are of one token",
          axes=(("order", SCHEDULES), ("rows", ("several tokens", "one token")))),
    Point("schedule.stalls", "fcim_core", "Every schedule with streams that pause",
          axes=(("order", SCHEDULES), ("streams", STALLS))),
)

FUSED = (
    Point("fused.tile", "fcim_online_softmax", "Blocks of tiles with both first steps; a tile of one block has nothing to fuse",
          axes=(("first step", FIRST_STEP), ("blocks", ("one", "two, the second ragged", "two, whole", "more")))),
    Point("fused.second_block", "fcim_online_softmax", "Keys of the second block of a fused tile, ragged if it is the last one",
          axes=(("keys", ("one", "some", "all")), ("place", ("last", "more follow"))),
          illegal={"one, more follow": _SHORT, "some, more follow": _SHORT}),
    Point("fused.row", "fcim_row_max", "Where a row's first reference comes from", FIRST_REFERENCE),
    Point("fused.saved", "fcim_row_max", "Rows that the second block would have rescaled if it had not been fused, for "
          "every tau", axes=(("tau", numbers(*range(9))), ("second block", ("would rescale", "would not")))),
)

SKIPPED = (
    Point("skip.block", "fcim_online_softmax", "Blocks that are skipped: their place in the tile, its first step, and why",
          axes=(("place", ("first", "middle", "last")), ("first step", FIRST_STEP), ("because", WHY_ZERO)),
          illegal={"first, one block, all too small": _SETS}),
    Point("skip.runs_though_zero", "fcim_online_softmax", "Blocks whose probabilities are all 0 and that run all the same: "
          "the tile may not skip, or has no other block", axes=(("zero", WHY_ZERO), ("because", ("no flag", "no other block"))),
          illegal={"all too small, no other block": _SETS}),
    Point("skip.share", "fcim_online_softmax", "Blocks that a tile of several skips", ("none", "one", "some", "all but one")),
    Point("skip.in_a_row", "fcim_online_softmax", "Neighbouring blocks that are skipped; there are three buffers of scores",
          ("1", "2", "3", "4 or more", "over a tile's end")),
    Point("skip.edge", "fcim_row_max", "The largest maximum of a block, over the rows, in octaves from the last one that "
          "leaves something of a probability", axes=(("tau", ("0", "1 to 7", "8")), ("maximum", (
              "2 or more below", "1 below", "at", "1 above", "2 or more above")))),
    Point("skip.kept_by", "fcim_row_max", "Rows with a probability in a block of a tile that may skip",
          ("one of several", "some", "all")),
    Point("skip.changes", "fcim_online_softmax", "A tile's flags against those of the tile before",
          ("both the same", "other first step", "other skip", "both others")),
    Point("skip.stalls", "fcim_online_softmax", "Every tau with both first steps, with skipping and without, while streams pause",
          axes=(("tau", numbers(*range(9))), ("first step", FIRST_STEP), ("blocks", MAY_SKIP), ("streams", STALLS))),
)

REQUESTS = (
    Point("request.kind", "fcim_online_softmax", "What becomes of blocks, tile's last ones and others",
          axes=(("block", ("runs", "skipped")), ("place", ("more follow", "last")))),
    Point("request.pace", "fcim_online_softmax", "A decision in the first cycle that the block before it leaves, or later",
          axes=(("block before", ("ran", "skipped")), ("comes", ("sooner", "at full rate", "later"))),
          illegal={"*, sooner": "a block is decided when the one before it has had its exponentials, or a cycle after it is "
                   "skipped"}),
    Point("request.value", "fcim_v_buffer", "A value against the decision on its block, in tiles that may skip and others",
          axes=(("blocks", MAY_SKIP), ("comes", ("before it", "with it or right after", "from the second cycle on")))),
)

DECISION_POINTS: tuple[Point, ...] = (*SCHEDULE, *FUSED, *SKIPPED, *REQUESTS)
