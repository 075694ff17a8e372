"""Coverpoints of parameter sets, and of tiles: shapes, visible keys, operands, outputs. Sampled from a run's record."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.hardware.config import EngineConfig
from models.hardware.tile import TileJob, TileResult
from scripts.flow.coverage.functional import SEPARATOR, CoverGroup, CoverPoint
from tb.common.coverage import OPERAND_VALUES, PLANE_STATES, PLANES, digitise, numbers, plane_states
from tb.core.coverage.internals import Internals

HEAD_DIMS, BITS, BLOCKS = numbers(16, 32, 64, 128), numbers(1, 2, 4, 8), numbers(8, 16, 32, 64)

CONFIG = (
    CoverPoint("config.rows", "fcim_core", "Engines of every class of ROWS run: the ends, powers of two and others",
               ("8", "16", "24", "32 to 56", "64", "72 to 120", "128")),
    CoverPoint("config.prob_bits", "fcim_core", "Every width of a probability", numbers(*range(8, 19))),
    CoverPoint("config.max_keys", "fcim_core", "Every length of a key stream that the sums are sized for",
               numbers(*(64 << i for i in range(12)))),
    CoverPoint("config.lanes", "fcim_core", "Softmax lanes, ROWS * BITS_PER_CYCLE / 8: one, any, a power of two, the most",
               ("1", "2", "3 to 7", "8", "9 to 63", "64 or more")),
    CoverPoint("config.columns", "fcim_core", "Columns of O in a slice of the OP-CIM, HEAD_DIM / KEYS_PER_BLOCK",
               numbers(1, 2, 4, 8, 16)),
    CoverPoint("config.head_dim_and_block", "fcim_core", "Every size of a head with every size of a block",
               axes=(("HEAD_DIM", HEAD_DIMS), ("KEYS_PER_BLOCK", BLOCKS)),
               illegal={"16, 32": (_r := "a block has at most HEAD_DIM keys"), "16, 64": _r, "32, 64": _r}),
    CoverPoint("config.head_dim_and_bits", "fcim_core", "Every size of a head with every number of planes a cycle",
               axes=(("HEAD_DIM", HEAD_DIMS), ("BITS_PER_CYCLE", BITS))),
    CoverPoint("config.block_and_bits", "fcim_core", "Every size of a block with every number of planes a cycle",
               axes=(("KEYS_PER_BLOCK", BLOCKS), ("BITS_PER_CYCLE", BITS))),
)

TILES = (
    CoverPoint("tile.rows", "fcim_q_loader", "Tiles with one row, with some and with all that there are",
               ("one", "some", "all but one", "all")),
    CoverPoint("tile.rows_after", "fcim_q_loader", "A tile has fewer, as many or more rows than the tile before it in its bank, "
               "whose rows must not be seen", ("fewer", "as many", "more")),
    CoverPoint("tile.rows_at_a_position", "fcim_q_loader", "Neighbouring rows with one position: groups of query heads",
               ("1", "2", "3", "4", "8", "16", "another number")),
    CoverPoint("tile.keys", "fcim_online_softmax", "Lengths of a tile's key stream against a block",
               ("1", "less than a block", "a block", "a block and one", "more, ragged", "more, whole blocks")),
    CoverPoint("tile.blocks", "fcim_online_softmax", "Key blocks of a tile",
               ("1", "2", "3", "4 to 15", "16 to 63", "64 or more")),
    CoverPoint("tile.last_block", "fcim_v_buffer", "Keys of a tile's last block, for every size of a block",
               axes=(("KEYS_PER_BLOCK", BLOCKS), ("keys", ("1", "2 to half", "over half", "all but one", "all")))),
    CoverPoint("tile.last_block_of_8", "fcim_v_buffer", "Every number of keys in a last block of 8", numbers(*range(1, 9))),
    CoverPoint("tile.order", "fcim_score_lanes", "Order of the keys' positions in the stream",
               ("one position", "rising", "falling", "any")),
    CoverPoint("tile.tau", "fcim_online_softmax", "Every threshold of the lazy running maximum", numbers(*range(9))),
    CoverPoint("tile.tau_changes", "fcim_online_softmax", "A tile's tau and shift against those of the tile before",
               ("both the same", "other tau", "other shift", "both others")),
)

MASKS = (
    CoverPoint("mask.block", "fcim_score_lanes", "Keys of a block that a row sees; blocks of one key apart",
               ("none", "one", "some", "all but one", "all", "the only one", "not the only one")),
    CoverPoint("mask.row", "fcim_score_lanes", "Keys of a tile that a row sees", ("none", "one", "some", "all")),
    CoverPoint("mask.first_seen", "fcim_online_softmax", "The block in which a row sees its first key",
               ("the only block", "first", "in between", "last", "never")),
    CoverPoint("mask.gap", "fcim_online_softmax", "A row that has seen keys meets a block in which it sees none", ("no", "yes")),
    CoverPoint("mask.distance", "fcim_score_lanes", "A key's position against a row's: hidden from one on",
               ("2 or more before", "1 before", "the same", "1 after", "2 or more after", "padding")),
    CoverPoint("mask.row_position", "fcim_score_lanes", "Positions of rows", ("0", "between", "largest")),
    CoverPoint("mask.key_position", "fcim_score_lanes", "Positions of keys; padding is one beyond the largest",
               ("0", "between", "largest", "padding")),
    CoverPoint("mask.padding", "fcim_score_lanes", "Where padding keys stand in a tile of several keys",
               ("first key", "inside", "last key", "a whole block", "every key")),
    CoverPoint("mask.rows_without_key", "fcim_normalizer", "Rows of a tile that see no key at all", ("none", "some", "all")),
)

OPERANDS = tuple(
    point for name, block, what in (("q", "fcim_ip_cim", "rows of Q"), ("k", "fcim_ip_cim", "keys"),
                                    ("v", "fcim_op_cim", "values"))
    for point in (
        CoverPoint(f"operand.{name}_value", block, f"Elements of {what}, the ends of their range among them", OPERAND_VALUES),
        CoverPoint(f"operand.{name}_plane", block, f"Bit-planes of {what} in offset binary: all 0, all 1, mixed",
                   axes=(("plane", PLANES), ("state", PLANE_STATES))),
    ))

OUTPUT = (
    CoverPoint("out.value", "fcim_divider", "Elements of O of rows that saw a key",
               ("clamped or -32768", "negative", "0", "positive", "clamped or 32767")),
    CoverPoint("out.row", "fcim_normalizer", "The empty flag of a row, also of neighbours",
               ("not empty", "empty", "empty after not empty", "not empty after empty")),
)

PARTIAL = (
    CoverPoint("partial.follow", "fcim_normalizer", "A tile that is divided or partial, first of its run or behind either",
               axes=(("before", ("none", "divided", "partial")), ("tile", ("divided", "partial")))),
    CoverPoint("partial.row", "fcim_block_exponential", "What a row of a partial tile ends with",
               ("no key seen", "maximum below 0", "maximum 0 or above")),
    CoverPoint("partial.blocks", "fcim_online_softmax", "Partial tiles: the block that their maxima are those of",
               axes=(("first step", ("fused", "not fused")), ("last block", ("runs", "skipped")))),
    CoverPoint("partial.tau", "fcim_online_softmax", "Partial tiles with lazy running maxima and others", ("0", "more")),
)

COVERPOINTS: tuple[CoverPoint, ...] = (*CONFIG, *TILES, *MASKS, *OPERANDS, *OUTPUT, *PARTIAL)

_GROUPS = (1, 2, 3, 4, 8, 16)         # bins of tile.rows_at_a_position; the last bin is any other number
_BLOCK_STARTS = (1, 2, 3, 4, 16, 64)
_OUT_STARTS = (-32768, -32767, 0, 1, 32767)
# bin of operand.?_value by code v + 128
_VALUE_BIN = np.concatenate([[0], np.full(127, 1), [2], np.full(126, 3), [4]])


# ---- parameters
def _between(value: int, low: int, high: int, name: str) -> str:
    return name if low <= value <= high else str(value)


def sample_config(cov: CoverGroup, cfg: EngineConfig) -> None:
    """An engine of this configuration ran."""
    rows = _between(cfg.rows, 32, 56, "32 to 56")
    cov.sample("config.rows", rows if " " in rows else _between(cfg.rows, 72, 120, "72 to 120"))
    cov.sample("config.prob_bits", str(cfg.prob_bits))
    cov.sample("config.max_keys", str(cfg.max_keys))
    lanes = cfg.lanes
    cov.sample("config.lanes", "64 or more" if lanes >= 64 else "9 to 63" if lanes > 8 else _between(lanes, 3, 7, "3 to 7"))
    cov.sample("config.columns", str(cfg.columns))
    for name, a, b in (("config.head_dim_and_block", cfg.head_dim, cfg.keys_per_block),
                       ("config.head_dim_and_bits", cfg.head_dim, cfg.bits_per_cycle),
                       ("config.block_and_bits", cfg.keys_per_block, cfg.bits_per_cycle)):
        cov.sample(name, f"{a}{SEPARATOR}{b}")


# ---- shapes and outputs
def sample_tiles(cov: CoverGroup, cfg: EngineConfig, tiles: Sequence[TileJob], golden: Sequence[TileResult]) -> None:
    """Shapes and positions of every tile of a run, its outputs, and its neighbours."""
    for number, (tile, result) in enumerate(zip(tiles, golden)):
        _shape(cov, cfg, tile)
        cov.sample("tile.tau", str(tile.tau))
        if number >= 2:
            rows, before = tile.q.shape[0], tiles[number - 2].q.shape[0]
            cov.sample("tile.rows_after", "fewer" if rows < before else "more" if rows > before else "as many")
        if number >= 1:
            other = tiles[number - 1].tau != tile.tau, tiles[number - 1].shift != tile.shift
            cov.sample_array("tile.tau_changes", np.array([other[0] + 2 * other[1]]))
        _outputs(cov, result)
        _partial(cov, tile, result, golden[number - 1] if number else None)
    empty = np.concatenate([result.empty.numpy() for result in golden])
    cov.sample_array("out.row", empty.astype(np.int64))
    cov.sample("out.row", "empty after not empty", int((empty[1:] & ~empty[:-1]).sum()))
    cov.sample("out.row", "not empty after empty", int((~empty[1:] & empty[:-1]).sum()))


def _shape(cov: CoverGroup, cfg: EngineConfig, tile: TileJob) -> None:
    rows, keys, per_block = tile.q.shape[0], tile.k.shape[0], cfg.keys_per_block
    cov.sample("tile.rows", "one" if rows == 1 else "all" if rows == cfg.rows else
               "all but one" if rows == cfg.rows - 1 else "some")
    cov.sample("tile.keys", "1" if keys == 1 else "less than a block" if keys < per_block else "a block" if keys == per_block else
               "a block and one" if keys == per_block + 1 else "more, ragged" if keys % per_block else "more, whole blocks")
    cov.sample_array("tile.blocks", digitise(np.array([-(-keys // per_block)]), _BLOCK_STARTS))
    last = (keys - 1) % per_block + 1
    starts = np.array([1, 2, per_block // 2 + 1, per_block - 1, per_block])
    cov.sample_array("tile.last_block", np.array([BLOCKS.index(str(per_block))]), digitise(np.array([last]), starts))
    if per_block == 8:
        cov.sample("tile.last_block_of_8", str(last))
    ends = np.flatnonzero(np.append(np.diff(tile.q_pos.numpy()) != 0, True))
    sizes = np.diff(ends, prepend=-1)
    place = np.searchsorted(_GROUPS, sizes)
    known = np.isin(sizes, _GROUPS)
    cov.sample_array("tile.rows_at_a_position", np.where(known, place, len(_GROUPS)))
    real = tile.k_pos.numpy()[tile.k_pos.numpy() != cfg.padding_pos]
    steps = np.diff(real)
    cov.sample("tile.order", "one position" if not steps.any() else "rising" if (steps > 0).all() else
               "falling" if (steps < 0).all() else "any")


def _partial(cov: CoverGroup, tile: TileJob, result: TileResult, before: TileResult | None) -> None:
    kind = {False: "divided", True: "partial"}
    came = "none" if before is None else kind[before.partial is not None]
    cov.sample("partial.follow", f"{came}{SEPARATOR}{kind[result.partial is not None]}")
    if result.partial is None:
        return
    seen = result.partial.row_sum.numpy() > 0
    cov.sample_array("partial.row", np.where(seen, np.where(result.partial.row_max.numpy() < 0, 1, 2), 0))
    cov.sample("partial.blocks", SEPARATOR.join(("fused" if tile.fused else "not fused",
                                                 "runs" if result.ran[-1] else "skipped")))
    cov.sample("partial.tau", "more" if tile.tau else "0")


def _outputs(cov: CoverGroup, result: TileResult) -> None:
    out = result.out.numpy()[~result.empty.numpy()]
    cov.sample_array("out.value", digitise(out, _OUT_STARTS))


# ---- visible keys
def _share(count: np.ndarray, full: np.ndarray | int) -> np.ndarray:
    """Bin numbers of none, one, some, all but one, all."""
    return np.where(count == 0, 0, np.where(count == full, 4, np.where(count == 1, 1, np.where(count == full - 1, 3, 2))))


def sample_masks(cov: CoverGroup, cfg: EngineConfig, tile: TileJob, inner: Internals) -> None:
    """Visibility of a tile's keys by block, by row and by position."""
    visible, sizes = inner.visible_keys, inner.sizes
    cov.sample_array("mask.block", np.where(sizes == 1, np.where(visible > 0, 5, 6), _share(visible, sizes)))
    seen = inner.visible.sum(1)
    keys = inner.visible.shape[1]
    cov.sample_array("mask.row", np.where(seen == 0, 0, np.where(seen == keys, 3, np.where(seen == 1, 1, 2))))
    blind = int((seen == 0).sum())
    cov.sample("mask.rows_without_key", "none" if not blind else "all" if blind == len(seen) else "some")
    first, last = np.argmax(visible > 0, axis=1), visible.shape[1] - 1
    cov.sample_array("mask.first_seen", np.where(seen == 0, 4, np.where(last == 0, 0, np.where(
        first == 0, 1, np.where(first == last, 3, 2)))))
    cov.sample_array("mask.gap", ((visible == 0) & inner.known).any(1).astype(np.int64))
    _positions(cov, cfg, tile)


def _positions(cov: CoverGroup, cfg: EngineConfig, tile: TileJob) -> None:
    padding, q_pos, k_pos = cfg.padding_pos, tile.q_pos.numpy(), tile.k_pos.numpy()
    hidden = k_pos == padding
    distance = np.clip(k_pos[~hidden][None, :] - q_pos[:, None], -2, 2) + 2
    cov.sample_array("mask.distance", distance)
    cov.sample("mask.distance", "padding", int(hidden.sum()) * len(q_pos))
    cov.sample_array("mask.row_position", np.where(q_pos == 0, 0, np.where(q_pos == padding - 1, 2, 1)))
    cov.sample_array("mask.key_position", np.where(k_pos == 0, 0, np.where(hidden, 3, np.where(k_pos == padding - 1, 2, 1))))
    if len(k_pos) == 1:
        return
    blocks = [hidden[start:start + cfg.keys_per_block].all() for start in range(0, len(k_pos), cfg.keys_per_block)]
    cov.sample("mask.padding", "first key", int(hidden[0]))
    cov.sample("mask.padding", "inside", int(hidden[1:-1].sum()))
    cov.sample("mask.padding", "last key", int(hidden[-1]))
    cov.sample("mask.padding", "a whole block", sum(blocks) if not all(blocks) else 0)
    cov.sample("mask.padding", "every key", int(all(blocks)))


# ---- operands
def sample_operands(cov: CoverGroup, tile: TileJob) -> None:
    """All elements of a tile's Q, K and V."""
    for name, tensor in (("q", tile.q), ("k", tile.k), ("v", tile.v)):
        codes = np.ascontiguousarray(tensor.numpy()).view(np.uint8) ^ np.uint8(0x80)
        histogram = np.bincount(codes.ravel(), minlength=256)
        cov.sample_array(f"operand.{name}_value", _VALUE_BIN, weights=histogram)
        cov.sample_array(f"operand.{name}_plane", *plane_states(codes))
