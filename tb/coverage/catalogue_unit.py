"""Points that benches sample inside the simulator, mostly of one block alone; the samplers are in :mod:`tb.coverage.unit_points`
and its neighbours, literal hits in the benches."""

from __future__ import annotations

from typing import Any

from scripts.flow.coverage.model import Point
from tb.coverage.catalogue_data import CUT_OFF, OPERAND_VALUES, PLANE_STATES, PLANES, SIGNS, Bins, numbers
from tb.coverage.catalogue_decisions import FIRST_REFERENCE

SIZES: Bins = ("one", "some", "all")
IN_TILE: Bins = ("only", "first", "between", "last")
Z_KINDS: Bins = ("masked", "clamped below", "lowest", "negative", "0", "positive", "highest", "clamped above")


def _point(name: str, shows: str, bins: Bins = (), **more: Any) -> Point:
    """A point of the block that its name begins with."""
    return Point(name, f"fcim_{name.split('.')[0]}", shows, bins, source="bench", **more)


def _rounding(name: str) -> Point:
    return _point(f"{name}.rounding", "What the rounding cuts off, for both signs", axes=(("sign", SIGNS), ("cut off", CUT_OFF)))


STREAM_BLOCKS = (
    _point("q_loader.held", "Whole tiles in the banks while a row is offered and while none is",
           axes=(("banks", ("none", "one", "both")), ("row", ("none offered", "taken", "waits"))),
           illegal={"none, waits": (_why := "a row waits only for a bank"), "one, waits": _why, "both, taken": _why}),
    _point("q_loader.loaded", "Banks that may be streamed", ("none", "bank 0", "bank 1", "both")),
    _point("q_loader.tile", "How a tile ends", ("one row", "some rows", "all rows, marked", "all rows, cut off")),
    _point("q_loader.bank", "Rows go into both banks", ("0", "1")),
    _point("q_loader.release", "A bank comes back while a row waits for it, while a row is taken, while none is offered",
           ("row waits", "row taken", "none offered")),
    _point("q_loader.row_sum", "Sums of a row's elements",
           ("lowest: all -128", "negative", "0", "positive", "highest: all 127")),
    _point("v_buffer.full", "Complete blocks in rings of two and of three",
           axes=(("slots", ("2", "3")), ("complete", ("0", "1", "2", "3"))), illegal={"2, 3": "a ring of two holds two"}),
    _point("v_buffer.traffic", "Both sides of the ring at once, and its ends",
           ("value taken, slice read", "block completed and block given back at once", "value waits: full",
            "given back while full", "no block to read")),
    _point("v_buffer.block", "Sizes of blocks, with the tile's end and without",
           ("one key, last", "some keys, last", "all keys, last", "all keys, more follow")),
    _point("v_buffer.slice", "Slices that are read", ("first", "between", "last")),
)

_SCHEDULES: Bins = ("natural", "diagonal_first", "sink_diagonal", "code 3")
SCHEDULER = (
    _point("key_scheduler.tile", "Tiles of one, two and more blocks in every schedule",
           axes=(("schedule", _SCHEDULES), ("blocks", ("one block", "two", "three", "more")))),
    _point("key_scheduler.last_block", "Sizes of a tile's last block in every schedule",
           axes=(("schedule", _SCHEDULES), ("keys", ("one key", "some keys", "all keys")))),
    _point("key_scheduler.keys", "Keys of a tile", ("1", "between", "MAX_KEYS")),
    _point("key_scheduler.offer", "What is inside when a tile is offered",
           ("taken at rest", "taken while blocks are to come", "taken as the last block leaves",
            "waits: one runs and one waits")),
    _point("key_scheduler.block", "A block is taken, or waits", ("taken", "waits")),
    _point("key_scheduler.follow", "What follows a tile's last block", ("the tile that waits", "the tile that comes", "none")),
    _point("key_scheduler.reset", "A reset drops what is inside", ("a tile runs", "a tile runs and one waits")),
)

ARRAYS = (
    _point("ip_cim.write", "Rows are written while the array rests and while it works; row 0 clears its bank",
           axes=(("row", ("0", "another")), ("array", ("rests", "works")))),
    _point("ip_cim.rows", "Rows of a tile", SIZES),
    _point("ip_cim.key_plane", "Bit-planes of keys in offset binary", axes=(("plane", PLANES), ("state", PLANE_STATES))),
    _point("ip_cim.lane", "Unsigned inner products of used rows, up to the widest a lane must hold",
           ("0", "between", "largest: all 255 by all 255")),
    _point("ip_cim.key", "When a key is accepted", ("into an idle array", "as the one before leaves")),
    _point("ip_cim.column", "A finished column is taken at once, or waits, and the key behind it then waits in the array",
           ("taken at once", "waits", "waits, next key finished too")),
    _point("ip_cim.bank", "Neighbouring keys in one bank and in both",
           ("the same bank", "the other bank", "the other bank, no cycle lost")),
    _point("ip_cim.reset", "A reset drops what is in flight", ("key in the array, column waits",)),
    _point("op_cim.block", "Keys of a block and its place in its tile", axes=(("keys", SIZES), ("place", IN_TILE))),
    _point("op_cim.start", "A block starts right behind the one before, or later", ("without a gap", "after a gap")),
    _point("op_cim.shift", "Rescales of rows", ("0", "1", "2 to below ACC_BITS", "ACC_BITS to 62", "63")),
    _point("op_cim.probability", "Probabilities that are multiplied", ("0", "between", "largest")),
    _point("op_cim.value", "Values that are multiplied", OPERAND_VALUES),
    _point("op_cim.accumulator", "Accumulators after a block; the ends use every bit",
           ("negative, every bit", "negative", "0", "positive", "positive, every bit")),
    _point("op_cim.read", "Finished rows are read while the array works on the other bank, while it rests, and with pauses",
           ("array works", "array rests", "pause")),
    _point("op_cim.reset", "A reset drops what is in flight", ("last slice of a block",)),
    _point("acc_update.shift", "Right shifts of accumulators",
           ("0", "1", "2 to below ACC_BITS - 1", "ACC_BITS - 1", "ACC_BITS to 62", "63")),
    _rounding("acc_update"),
    _point("acc_update.old", "Accumulators before the update", ("lowest", "negative", "0", "positive", "highest")),
    _point("acc_update.clear", "A tile's first block takes every accumulator as 0, whatever is in it",
           ("no", "yes", "yes, accumulators X")),
    _point("acc_update.psum", "Sums of probabilities of a block", ("0", "between", "largest")),
    _point("acc_update.u", "Sums of products in offset binary: all values -128, all 127, and between",
           ("0", "between", "255 times the probabilities")),
)

SOFTMAX = (
    _point("score_lanes.z", "Scaled scores", Z_KINDS),
    _point("score_lanes.visible", "Why a row sees a key or does not",
           ("row not used", "key before", "at the row's position", "1 after", "2 or more after", "padding")),
    _rounding("score_lanes"),
    _point("score_lanes.shift", "Shifts", ("0", "1", "2 to 31", "32 to 62", "63")),
    _point("score_scaler.column", "Where columns stand", ("inside a block", "block full", "tile ends, block short",
                                                          "tile ends, block full", "tile of one key")),
    _point("score_scaler.pace", "Distance of columns", ("CYCLES_PER_KEY", "more, none offered", "more, no room behind")),
    _point("score_scaler.rows", "Rows of the tile that a column belongs to", SIZES),
    _point("score_scaler.saturations", "Clamped scores of a group of rows", ("none", "some", "every lane")),
    _point("score_scaler.table", "Rows of a table are written while the other tile is scaled, or nothing is",
           ("while scaling", "at rest")),
    _point("exp2.shift", "Right shift of the mantissa", (*numbers(*range(1, 18)), "18 or more")),
    _point("exp2.segment", "Chords", numbers(*range(32))),
    _point("exp2.low", "Position on a chord", ("0", "between", "31")),
    _point("exp2.tau", "Results for every tau", axes=(("tau", numbers(*range(9))),
                                                      ("result", ("masked", "0", "positive", "1.0", "largest code")))),
    _point("exp2.clamped", "Narrow probabilities whose rounding reaches 2**PROB_BITS", ("8 bits", "9 bits")),
    _point("exp2.reference", "References", ("lowest", "negative", "0", "positive", "highest")),
    _point("online_softmax.start", "What decides when a block's exponentials start",
           ("scores are scaled", "block before ends", "slot is free", "bank is drained")),
    _point("online_softmax.offer", "A finished block is taken at once or waits", ("taken at once", "waits")),
    _point("online_softmax.block", "Keys of a block and its place in its tile", axes=(("keys", SIZES), ("place", IN_TILE)),
           illegal={f"{keys}, {place}": "only a tile's last block is short" for keys in ("one", "some")
                    for place in ("first", "between")}),
    _point("online_softmax.rescaled", "Rows that a block rescales", ("none", "one", "some", "all")),
    _point("online_softmax.zero_block", "Blocks whose probabilities are all 0", ("no", "yes")),
    _point("online_softmax.tau", "Thresholds", numbers(*range(9))),
    _point("online_softmax.sum", "Row sums of finished tiles", ("0", "less than every bit", "every bit")),
)

JUDGEMENT = (
    _point("block_reference.block", "Blocks by their place in a tile",
           ("first", "first, joint", "second of two that are judged as one", "later")),
    _point("block_reference.groups", "Groups of rows that a walk has", numbers(1, 2, 4, 8)),
    _point("block_reference.pace", "A block is offered as the one before leaves, or later", ("back to back", "after a pause")),
    _point("block_reference.joint", "Where a row's first reference comes from if two blocks are judged as one",
           FIRST_REFERENCE),
    _point("block_reference.row", "What a row sees in a tile's later blocks",
           ("sees no key, saw none before", "sees no key, saw one before", "sees its first key", "sees keys, saw one before")),
    _point("block_reference.lazy", "A row's candidate against its reference plus tau",
           axes=(("tau", numbers(*range(9))), ("candidate", ("below", "at", "1 above", "far above")))),
    _point("block_reference.amount", "Rescale amounts against the width of the shift",
           ("0", "1 to 62", "63", "64 or more: clamped")),
    _point("block_reference.zero", "Why a block vanishes, or what keeps it",
           ("nothing visible", "all too small", "one row keeps it", "some rows keep it", "all rows keep it")),
    _point("block_reference.edge", "A row's maximum in the last octave that leaves something of a probability, and in the next",
           axes=(("tau", numbers(*range(9))), ("maximum", ("at", "1 below")))),
    _point("block_reference.reference", "References", ("lowest", "negative", "0", "positive", "highest")),
)

EXPONENTIALS = (
    _point("block_exponential.block", "Keys of a block and its place among its tile's blocks that run",
           axes=(("keys", SIZES), ("place", IN_TILE))),
    _point("block_exponential.groups", "Groups of rows that a key has", numbers(1, 2, 4, 8)),
    _point("block_exponential.pace", "A block starts in the last cycle of the one before, or later",
           ("without a gap", "after a gap")),
    _point("block_exponential.probability", "Results for every tau; the largest score that the reference allows",
           axes=(("tau", numbers(*range(9))), ("result", ("masked", "0", "1", "between", "of the largest score")))),
    _point("block_exponential.reference", "References of visible scores", ("lowest", "negative", "0", "positive", "highest")),
    _point("block_exponential.clear", "What a tile's first block finds in its bank", ("nothing known", "sums of another tile")),
    _point("block_exponential.shift", "Rescale amounts against the width of a sum",
           ("0", "1", "2 to below SUM_BITS", "SUM_BITS", "more, to 62", "63")),
    _point("block_exponential.rounding", "What a rescale of 1 or more cuts off a sum", CUT_OFF),
    _point("block_exponential.sum", "Running sums that are read", ("0", "less than every bit", "every bit")),
    _point("block_exponential.read", "A sum is read while the other bank's block is written, and while none is",
           ("the other bank is written", "nothing is written")),
    _point("block_exponential.offer", "How a finished block meets what takes it",
           ("taken at once", "waits", "behind one that waits", "as the one before is taken")),
    _point("block_exponential.reset", "What a reset drops",
           ("a walk", "probabilities on their way", "a block waits", "two blocks wait")),
)

_BANKS: Bins = ("0", "1")
TRACKER = (
    _point("tile_tracker.step", "What is decided and what is finished in one cycle",
           axes=(("decided", ("nothing", "runs", "skipped")), ("finished", (
               "nothing", "a block of the same bank", "a block of the other bank"))),
           illegal={"nothing, a block of the same bank": "where nothing is decided there is no bank to be the same"}),
    _point("tile_tracker.decision", "Decisions on a tile's last block and on others",
           axes=(("block", ("runs", "skipped")), ("place", ("not last", "last")))),
    _point("tile_tracker.under_way", "Blocks of each bank that run and are not finished",
           axes=(("bank", _BANKS), ("blocks", numbers(0, 1, 2, 3)))),
    _point("tile_tracker.end", "What completes a tile", axes=(("bank", _BANKS), ("by", (
        "finished", "skipped last, idle", "skipped last, then finished", "finished and skipped at once")))),
    _point("tile_tracker.reset", "A reset drops an ended tile with a block under way", ("bank 0", "bank 1")),
)

OUTPUT = (
    _point("divider.divisor", "Row sums as divisors", ("0", "1", "2", "3", "between", "largest")),
    _point("divider.accumulator", "Numerators", ("lowest", "negative", "0", "positive", "highest")),
    _point("divider.quotient", "Quotients, both ends with and without clamping",
           ("divisor 0", "clamped below", "-32768", "negative", "0", "positive", "32767", "clamped above")),
    _rounding("divider"),
    _point("divider.enable", "What a low enable stops",
           ("result at the output", "items inside", "nothing inside", "item offered")),
    _point("divider.reset", "A reset drops what is in flight", ("items inside",)),
    _point("normalizer.rows", "Rows of finished tiles", SIZES),
    _point("normalizer.done", "A tile is finished while the one before is read, or long after", ("while reading", "at rest")),
    _point("normalizer.empty", "Rows of a tile without a key", ("none", "some", "all")),
    _point("normalizer.stall", "A row is not taken: with reads to come the whole drain stands",
           ("rows still to be read", "last rows on their way")),
    _point("normalizer.bank", "Banks that are given back", ("0", "1")),
    _point("normalizer.reset", "A reset drops what is in flight", ("rows on their way",)),
)

ENGINE = (
    _point("counters.increment", "Increments, the largest among them", ("0", "between", "largest")),
    _point("counters.value", "Counters: all 48 bits, and over their end", ("top bit clear", "top bit set", "past the end")),
    _point("counters.clear", "clear wins over increments", ("with increments", "without increments")),
    _point("counters.reset", "Reset wins over increments", ("with increments",)),
    _point("engine.reset", "What a reset interrupts", ("Q only", "keys", "rows of O")),
    _point("engine.error_v_count", "The flag rises when K and V disagree on a block, and a reset lowers it",
           ("raised", "lowered by a reset")),
    _point("engine.clear", "clear while tiles are in flight and while none is", ("in flight", "at rest")),
)

UNIT_POINTS: tuple[Point, ...] = (*STREAM_BLOCKS, *SCHEDULER, *ARRAYS, *SOFTMAX, *JUDGEMENT, *EXPONENTIALS, *TRACKER, *OUTPUT,
                                  *ENGINE)
