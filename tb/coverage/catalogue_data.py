"""Points of engine runs that depend on parameters and numbers, not on time. Sampled by :mod:`tb.coverage.engine_points`."""

from __future__ import annotations

from scripts.flow.coverage.model import Point

Bins = tuple[str, ...]


def numbers(*values: int) -> Bins:
    """A bin per number."""
    return tuple(map(str, values))


HEAD_DIMS, BITS, BLOCKS = numbers(16, 32, 64, 128), numbers(1, 2, 4, 8), numbers(8, 16, 32, 64)
PLANES: Bins = tuple(f"bit {i}" for i in range(7, -1, -1))
PLANE_STATES: Bins = ("all 0", "all 1", "mixed")
OPERAND_VALUES: Bins = ("-128", "negative", "0", "positive", "127")
SIGNS: Bins = ("negative", "positive")
CUT_OFF: Bins = ("nothing", "less than half", "a half", "more than half")

CONFIG = (
    Point("config.rows", "fcim_core", "Engines of every class of ROWS run: the ends, powers of two and others",
          ("8", "16", "24", "32 to 56", "64", "72 to 120", "128")),
    Point("config.prob_bits", "fcim_core", "Every width of a probability", numbers(*range(8, 17))),
    Point("config.max_keys", "fcim_core", "Every length of a key stream that the sums are sized for",
          numbers(*(64 << i for i in range(12)))),
    Point("config.lanes", "fcim_core", "Softmax lanes, ROWS * BITS_PER_CYCLE / 8: one, any, a power of two, the most",
          ("1", "2", "3 to 7", "8", "9 to 63", "64 or more")),
    Point("config.columns", "fcim_core", "Columns of O in a slice of the OP-CIM, HEAD_DIM / KEYS_PER_BLOCK",
          numbers(1, 2, 4, 8, 16)),
    Point("config.head_dim_and_block", "fcim_core", "Every size of a head with every size of a block",
          axes=(("HEAD_DIM", HEAD_DIMS), ("KEYS_PER_BLOCK", BLOCKS)),
          illegal={"16, 32": (_r := "a block has at most HEAD_DIM keys"), "16, 64": _r, "32, 64": _r}),
    Point("config.head_dim_and_bits", "fcim_core", "Every size of a head with every number of planes a cycle",
          axes=(("HEAD_DIM", HEAD_DIMS), ("BITS_PER_CYCLE", BITS))),
    Point("config.block_and_bits", "fcim_core", "Every size of a block with every number of planes a cycle",
          axes=(("KEYS_PER_BLOCK", BLOCKS), ("BITS_PER_CYCLE", BITS))),
)

TILES = (
    Point("tile.rows", "fcim_q_loader", "Tiles with one row, with some and with all that there are",
          ("one", "some", "all but one", "all")),
    Point("tile.rows_after", "fcim_q_loader", "A tile has fewer, as many or more rows than the tile before it in its bank, "
          "whose rows must not be seen", ("fewer", "as many", "more")),
    Point("tile.rows_at_a_position", "fcim_q_loader", "Neighbouring rows with one position: groups of query heads",
          ("1", "2", "3", "4", "8", "16", "another number")),
    Point("tile.keys", "fcim_online_softmax", "Lengths of a tile's key stream against a block",
          ("1", "less than a block", "a block", "a block and one", "more, ragged", "more, whole blocks")),
    Point("tile.blocks", "fcim_online_softmax", "Key blocks of a tile", ("1", "2", "3", "4 to 15", "16 to 63", "64 or more")),
    Point("tile.last_block", "fcim_v_buffer", "Keys of a tile's last block, for every size of a block",
          axes=(("KEYS_PER_BLOCK", BLOCKS), ("keys", ("1", "2 to half", "over half", "all but one", "all")))),
    Point("tile.last_block_of_8", "fcim_v_buffer", "Every number of keys in a last block of 8", numbers(*range(1, 9))),
    Point("tile.order", "fcim_score_lanes", "Order of the keys' positions in the stream",
          ("one position", "rising", "falling", "any")),
    Point("tile.tau", "fcim_online_softmax", "Every threshold of the lazy reference", numbers(*range(9))),
    Point("tile.tau_changes", "fcim_online_softmax", "A tile's tau and shift against those of the tile before",
          ("both the same", "other tau", "other shift", "both others")),
)

MASKS = (
    Point("mask.block", "fcim_score_lanes", "Keys of a block that a row sees; blocks of one key apart",
          ("none", "one", "some", "all but one", "all", "the only one", "not the only one")),
    Point("mask.row", "fcim_score_lanes", "Keys of a tile that a row sees", ("none", "one", "some", "all")),
    Point("mask.first_seen", "fcim_online_softmax", "The block in which a row sees its first key",
          ("the only block", "first", "in between", "last", "never")),
    Point("mask.gap", "fcim_online_softmax", "A row that has seen keys meets a block in which it sees none", ("no", "yes")),
    Point("mask.distance", "fcim_score_lanes", "A key's position against a row's: hidden from one on",
          ("2 or more before", "1 before", "the same", "1 after", "2 or more after", "padding")),
    Point("mask.row_position", "fcim_score_lanes", "Positions of rows", ("0", "between", "largest")),
    Point("mask.key_position", "fcim_score_lanes", "Positions of keys; padding is one beyond the largest",
          ("0", "between", "largest", "padding")),
    Point("mask.padding", "fcim_score_lanes", "Where padding keys stand in a tile of several keys",
          ("first key", "inside", "last key", "a whole block", "every key")),
    Point("mask.rows_without_key", "fcim_normalizer", "Rows of a tile that see no key at all", ("none", "some", "all")),
)

OPERANDS = tuple(
    point for name, block, what in (("q", "fcim_ip_cim", "rows of Q"), ("k", "fcim_ip_cim", "keys"),
                                    ("v", "fcim_op_cim", "values"))
    for point in (
        Point(f"operand.{name}_value", block, f"Elements of {what}, the ends of their range among them", OPERAND_VALUES),
        Point(f"operand.{name}_plane", block, f"Bit-planes of {what} in offset binary: all 0, all 1, mixed",
              axes=(("plane", PLANES), ("state", PLANE_STATES))),
    ))

SCALING = (
    Point("scale.shift", "fcim_score_scaler", "Shifts of scaled scores", ("0", "1", "2 to 20", "21 to 40", "41 to 62", "63")),
    *(Point(f"scale.{name}_mult", "fcim_score_lanes", f"Multipliers of {what}, all 16 bits unsigned",
            ("0", "1", "2 to 32767", "32768 to 65534", "65535")) for name, what in (("q", "rows"), ("k", "keys"))),
    Point("scale.score", "fcim_score_lanes", "Inner products, the largest and smallest possible among them",
          ("smallest: -128 by 127", "negative", "0", "positive", "largest: -128 by -128")),
    Point("scale.z", "fcim_score_lanes", "Scaled scores of visible elements against the ends of their range",
          ("clamped below", "lowest", "negative", "0", "positive", "highest", "clamped above")),
    Point("scale.clamped", "fcim_score_lanes", "Clamped scores count only where a row sees the key", ("visible", "hidden")),
    Point("scale.rounding", "fcim_score_lanes", "What a shift of 1 or more cuts off, for both signs; halves round up",
          axes=(("sign", SIGNS), ("cut off", CUT_OFF))),
)

REFERENCE = (
    Point("reference.lazy", "fcim_online_softmax", "For every tau: a block's candidate just below, at, just above the reference "
          "plus tau, and far above; only from one above on the reference moves",
          axes=(("tau", numbers(*range(9))), ("candidate", ("far below", "1 below", "at", "1 above", "far above")))),
    Point("reference.first", "fcim_online_softmax", "The reference that a row's first visible block sets",
          ("lowest: -512", "negative", "0", "positive", "highest: 511")),
    Point("reference.moved_by", "fcim_online_softmax", "Rescale amounts against the widths of sums, accumulators and shift",
          ("0", "1", "2 to 7", "8 to below the sum's width", "the sum's width", "between the widths", "the accumulator's width",
           "up to 62", "63", "64", "65 or more")),
    Point("reference.rows_moved", "fcim_online_softmax", "Rows of a tile that one block rescales",
          ("none", "one", "some", "all")),
    Point("reference.moves_of_row", "fcim_online_softmax", "Rescales of a row over its tile", ("0", "1", "2", "3 or more")),
    Point("reference.max_block", "fcim_online_softmax", "The block that holds a row's maximum",
          ("only", "first", "middle", "last")),
    Point("reference.max_key", "fcim_online_softmax", "The key of a block that holds the block's maximum of a row",
          ("only", "first", "middle", "last")),
    Point("reference.after_first", "fcim_online_softmax", "A row's maximum against that of its first block",
          ("the same block", "the same octave", "higher octave")),
)

PROBABILITIES = (
    Point("exp.shift", "fcim_exp2", "Right shift of the mantissa of every visible element",
          (*numbers(*range(1, 18)), "18 or more")),
    Point("exp.segment", "fcim_exp2", "Chord of the exponential, for elements whose probability is not 0", numbers(*range(32))),
    Point("exp.value", "fcim_exp2", "Probabilities",
          ("0, masked", "0, too small", "1", "between", "1.0: at the reference", "largest code")),
    Point("exp.clamped", "fcim_exp2", "Narrow probabilities whose rounding reaches 2**PROB_BITS are clamped",
          ("8 bits", "9 bits")),
    Point("exp.zero_block", "fcim_online_softmax", "Blocks whose probabilities are all 0, and why",
          ("not zero", "nothing visible", "all too small")),
    Point("sum.rescaled", "fcim_online_softmax", "What a rescale leaves of a row sum, and how it rounds",
          ("exact", "rounded down", "a half, rounded up", "rounded up", "rounded to 0")),
    Point("sum.bits", "fcim_online_softmax", "Width of a row's final sum, up to its bound",
          ("0", "less than PROB_BITS", "PROB_BITS or more", "SUM_BITS, all there are")),
)

OUTPUT = (
    Point("out.value", "fcim_divider", "Elements of O of rows that saw a key",
          ("clamped or -32768", "negative", "0", "positive", "clamped or 32767")),
    Point("out.row", "fcim_normalizer", "The empty flag of a row, also of neighbours",
          ("not empty", "empty", "empty after not empty", "not empty after empty")),
)

DATA_POINTS: tuple[Point, ...] = (*CONFIG, *TILES, *MASKS, *OPERANDS, *SCALING, *REFERENCE, *PROBABILITIES, *OUTPUT)
