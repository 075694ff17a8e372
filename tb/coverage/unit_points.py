"""Samplers that unit benches call with what they have seen; each works out the bins of one block's points.

They do nothing, at no cost, unless coverage is collected (see :mod:`tb.common.cover`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tb.common import spec
from tb.common.cover import hit, hit_counts, sampler
from tb.coverage.bins import cut_off, digitise, in_tile, one_some_all, plane_states
from tb.coverage.catalogue_data import CUT_OFF

TOP = 1 << 15


def _ends(values: np.ndarray, lowest: int, highest: int) -> np.ndarray:
    """0 to 4: lowest, negative, 0, positive, highest."""
    return digitise(values, (lowest, lowest + 1, 0, 1, highest))


# ---- Q loader and V buffer
@sampler
def q_loader_cycle(held: int, loaded: int, valid: bool, ready: bool, released: bool) -> None:
    """One cycle: whole tiles in the banks (0 to 2), mask of loaded banks, the row port, and a bank that comes back."""
    row = "none offered" if not valid else "taken" if ready else "waits"
    hit("q_loader.held", f"{('none', 'one', 'both')[held]}, {row}")
    hit("q_loader.loaded", ("none", "bank 0", "bank 1", "both")[loaded])
    if released:
        hit("q_loader.release", "none offered" if not valid else f"row {row}")


@sampler
def q_loader_row(bank: int, total: int, index: int, last: bool, rows: int, head_dim: int) -> None:
    """An accepted row: its bank, the sum of its elements, its number in the tile."""
    hit("q_loader.bank", str(bank))
    hit_counts("q_loader.row_sum", _ends(np.array([total]), -128 * head_dim, 127 * head_dim))
    if last or index == rows - 1:
        hit("q_loader.tile", ("all rows, marked" if last else "all rows, cut off") if index == rows - 1 else
            "one row" if index == 0 else "some rows")


@sampler
def v_buffer_cycle(slots: int, complete: int, valid: bool, read: bool, popped: bool, completes: bool) -> None:
    """One cycle of the ring: complete blocks, a value offered, a slice read, a block given back, a block completed."""
    hit("v_buffer.full", f"{slots}, {complete}")
    full = complete == slots
    for name, happened in (("value taken, slice read", valid and not full and read),
                           ("block completed and block given back at once", completes and popped),
                           ("value waits: full", valid and full), ("given back while full", popped and full),
                           ("no block to read", complete == 0)):
        hit("v_buffer.traffic", name, int(happened))


@sampler
def v_buffer_block(size: int, last: bool, keys: int) -> None:
    """A complete block."""
    kind = {"one": "one key", "some": "some keys", "all": "all keys"}[one_some_all(size, keys)]
    hit("v_buffer.block", f"{kind}, {'last' if last else 'more follow'}")


@sampler
def v_buffer_slice(number: int, keys: int) -> None:
    """A slice that is read."""
    hit("v_buffer.slice", "first" if number == 0 else "last" if number == keys - 1 else "between")


# ---- IP-CIM
@sampler
def ip_cim_write(row: int, working: bool) -> None:
    """A row is written."""
    hit("ip_cim.write", f"{'another' if row else '0'}, {'works' if working else 'rests'}")


@sampler
def ip_cim_key(key: np.ndarray, rows: np.ndarray) -> None:
    """A key ``[D]`` and the rows ``[rows, D]`` that it meets, both in offset binary."""
    hit_counts("ip_cim.key_plane", *plane_states(key.astype(np.uint8)))
    hit_counts("ip_cim.lane", digitise(rows @ key, (0, 1, 255 * 255 * len(key))))


@sampler
def ip_cim_rows(used: int, rows: int) -> None:
    """A tile's rows."""
    hit("ip_cim.rows", one_some_all(used, rows))


@sampler
def ip_cim_cycles(accepted: Sequence[int], given: Sequence[int], shown: Sequence[int], handoff: Sequence[int],
                  banks: Sequence[int], cpk: int) -> None:
    """Cycles of all keys of a run: accepted, column taken, column first valid, handed to the output register."""
    for k, accept in enumerate(accepted):
        before = handoff[k - 1] if k else -1
        hit("ip_cim.key", "as the one before leaves" if accept == before else "into an idle array")
        waits = given[k] > shown[k]
        hit("ip_cim.column", "taken at once" if not waits else
            "waits, next key finished too" if k + 1 < len(accepted) and accepted[k + 1] + cpk < given[k] else "waits")
        if k:
            hit("ip_cim.bank", "the same bank" if banks[k] == banks[k - 1] else
                "the other bank, no cycle lost" if accept == before else "the other bank")


# ---- OP-CIM
@sampler
def op_cim_block(p: np.ndarray, v: np.ndarray, shift: np.ndarray, after: np.ndarray, first: bool, last: bool,
                 keys_per_block: int, prob_bits: int, acc_bits: int) -> None:
    """A block that the unit takes: probabilities ``[n, rows]``, values ``[n, D]``, shifts ``[rows]``, accumulators after it."""
    hit("op_cim.block", f"{one_some_all(len(p), keys_per_block)}, {in_tile(first, last)}")
    hit_counts("op_cim.shift", digitise(shift, (0, 1, 2, acc_bits, 63)))
    hit_counts("op_cim.probability", digitise(p, (0, 1, (1 << prob_bits) - 1)))
    hit_counts("op_cim.value", _ends(v, -128, 127))
    wide = 1 << (acc_bits - 2)
    hit_counts("op_cim.accumulator", digitise(after, (-2 * wide, -wide, 0, 1, wide)))


@sampler
def op_cim_start(gap: int) -> None:
    """Cycles between the end of a block and the start of the next."""
    hit("op_cim.start", "after a gap" if gap else "without a gap")


@sampler
def acc_update_vector(acc: Sequence[int] | None, clear: int, shift: Sequence[int], u: Sequence[int], psum: Sequence[int],
                      acc_bits: int, max_psum: int) -> None:
    """One vector: accumulators of all cells (None: unknown), shifts and block sums of all lanes, sums of all cells' products."""
    shifts = np.array(shift)
    sums, lane = np.array(psum), np.arange(len(u)) % len(shift)
    hit("acc_update.clear", "no" if not clear else "yes" if acc is not None else "yes, accumulators X")
    hit_counts("acc_update.psum", digitise(sums, (0, 1, max_psum)))
    products = np.array(u)
    hit_counts("acc_update.u", np.where(products == 0, 0, np.where(products == 255 * sums[lane], 2, 1)))
    if clear or acc is None:
        return
    hit_counts("acc_update.shift", digitise(shifts, (0, 1, 2, acc_bits - 1, acc_bits, 63)))
    old, by = np.array(acc, dtype=np.int64), shifts[lane]
    hit_counts("acc_update.old", _ends(old, -(1 << (acc_bits - 1)), (1 << (acc_bits - 1)) - 1))
    low = old & ((np.int64(1) << by) - 1)
    hit_counts("acc_update.rounding", (old >= 0)[by > 0].astype(np.int64), cut_off(low, by)[by > 0])


# ---- softmax
@sampler
def score_lanes_cycle(scores: Sequence[int], mults: Sequence[int], k_mult: int, shift: int, positions: Sequence[int], k_pos: int,
                      used: Sequence[bool], padding: int) -> None:
    """One key in all lanes."""
    visible = np.array([spec.visible(u, k_pos, pos) for u, pos in zip(used, positions)])
    product = np.array(scores, dtype=np.int64) * np.array(mults) * k_mult
    scaled = [spec.scale(s, mult, k_mult, shift) for s, mult in zip(scores, mults)]
    z, clamped = (np.array(part) for part in zip(*scaled))
    kinds = np.where(clamped, np.where(z > 0, 7, 1), digitise(z, (spec.Z_MIN, spec.Z_MIN + 1, 0, 1, spec.Z_MAX)) + 2)
    hit_counts("score_lanes.z", np.where(visible, kinds, 0))
    distance = k_pos - np.array(positions)
    why = 5 if k_pos == padding else np.where(distance < 0, 1, np.minimum(distance, 2) + 2)
    hit_counts("score_lanes.visible", np.where(np.array(used), why, 0))
    hit_counts("score_lanes.shift", digitise(np.array([shift]), (0, 1, 2, 32, 63)))
    if shift:
        hit_counts("score_lanes.rounding", (product >= 0).astype(np.int64), cut_off(product & ((1 << shift) - 1), shift))


@sampler
def score_scaler_column(key: int, end: bool, last: bool, full: bool, rows: int, all_rows: int) -> None:
    """An accepted column; ``full``: it is its block's last possible one."""
    hit("score_scaler.column", "inside a block" if not end else "block full" if not last else
        "tile ends, block full" if full else "tile of one key" if key == 0 else "tile ends, block short")
    hit("score_scaler.rows", one_some_all(rows, all_rows))


@sampler
def score_scaler_pace(distance: int, cpk: int, held: bool) -> None:
    """Cycles between two columns, and whether the second waited for room."""
    hit("score_scaler.pace", "CYCLES_PER_KEY" if distance == cpk else
        "more, no room behind" if held else "more, none offered")


@sampler
def score_scaler_group(saturations: int, lanes: int) -> None:
    """Clamped scores of one group of rows."""
    hit("score_scaler.saturations", "none" if not saturations else "every lane" if saturations == lanes else "some")


@sampler
def exp2_elements(elements: Sequence[tuple[int, int, int]], prob_bits: int) -> None:
    """Elements ``(z, reference, tau)`` of one lane each."""
    z, reference, tau = (np.array(column) for column in zip(*elements))
    p, shown = np.array([spec.probability(*e, prob_bits) for e in elements]), z != spec.MASKED
    d = z - (reference << spec.Z_FRAC)
    shift, fraction = 17 - prob_bits + tau - (d >> spec.Z_FRAC), d & 1023
    hit_counts("exp2.shift", np.minimum(shift, 18)[shown] - 1)
    hit_counts("exp2.segment", (fraction >> 5)[p > 0])
    hit_counts("exp2.low", digitise((fraction & 31)[p > 0], (0, 1, 31)))
    largest = (1 << prob_bits) - 1
    hit_counts("exp2.tau", tau, np.where(~shown, 0, np.where(p == 0, 1, np.where(p == largest, 4, np.where(d == 0, 3, 2)))))
    hit_counts("exp2.reference", _ends(reference, -512, 511))
    if prob_bits in (8, 9):
        top = shown & (shift == 17 - prob_bits)
        wide = (np.array(spec.MANTISSAS)[fraction[top]] + (1 << (16 - prob_bits))) >> (17 - prob_bits)
        hit("exp2.clamped", f"{prob_bits} bits", int((wide > largest).sum()))


@sampler
def softmax_block(keys: int, keys_per_block: int, first: bool, last: bool, rescaled: int, rows: int, zero: bool) -> None:
    """A block that the softmax unit must give."""
    hit("online_softmax.block", f"{one_some_all(keys, keys_per_block)}, {in_tile(first, last)}")
    hit("online_softmax.rescaled", one_some_all(rescaled, rows) if rescaled else "none")
    hit("online_softmax.zero_block", "yes" if zero else "no")


@sampler
def softmax_run(causes: dict[str, int], shown: Sequence[int], taken: Sequence[int], taus: Sequence[int], sums: Sequence[int],
                sum_bits: int) -> None:
    """A finished run: what decided each start, when blocks were offered and taken, taus of its tiles, row sums."""
    for name, cause in (("scores are scaled", "scaled"), ("block before ends", "before"), ("slot is free", "slot"),
                        ("bank is drained", "bank")):
        hit("online_softmax.start", name, causes[cause])
    waits = sum(t > s for s, t in zip(shown, taken))
    hit("online_softmax.offer", "waits", waits)
    hit("online_softmax.offer", "taken at once", len(shown) - waits)
    for tau in taus:
        hit("online_softmax.tau", str(tau))
    hit_counts("online_softmax.sum", digitise(np.array(sums), (0, 1, 1 << (sum_bits - 1))))


# ---- output
@sampler
def divider_item(accs: Sequence[int], total: int, acc_bits: int, sum_bits: int) -> None:
    """Accumulators of all lanes and their divisor."""
    hit("divider.divisor", str(total) if total < 4 else "largest" if total == (1 << sum_bits) - 1 else "between")
    hit_counts("divider.accumulator", _ends(np.array(accs), -(1 << (acc_bits - 1)), (1 << (acc_bits - 1)) - 1))
    for acc in accs:
        hit("divider.quotient", _quotient(acc, total))
        if total:
            left = 2 * (abs(acc) * 256 % total)
            cut = CUT_OFF[0 if not left else 2 if left == total else 1 if left < total else 3]
            hit("divider.rounding", f"{'negative' if acc < 0 else 'positive'}, {cut}")


def _quotient(acc: int, total: int) -> str:
    if not total:
        return "divisor 0"
    size = (abs(acc) * 512 + total) // (2 * total)
    if acc < 0:
        return "clamped below" if size > TOP else "-32768" if size == TOP else "negative" if size else "0"
    return "clamped above" if size >= TOP else "32767" if size == TOP - 1 else "positive" if size else "0"


@sampler
def divider_stop(result: bool, inside: bool, offered: bool) -> None:
    """A cycle in which the enable is low."""
    hit("divider.enable", "result at the output", int(result))
    hit("divider.enable", "items inside" if inside else "nothing inside")
    hit("divider.enable", "item offered", int(offered))


@sampler
def normalizer_tile(totals: Sequence[int], rows: int, reading: bool) -> None:
    """A finished tile: its row sums, and whether the one before is still being read."""
    hit("normalizer.rows", one_some_all(len(totals), rows))
    empty = sum(total == 0 for total in totals)
    hit("normalizer.empty", "none" if not empty else "all" if empty == len(totals) else "some")
    hit("normalizer.done", "while reading" if reading else "at rest")


# ---- counters
@sampler
def counters_step(values: Sequence[int], increments: Sequence[int], clear: int, bits: int, width: int) -> None:
    """One cycle: values before it, increments in it."""
    if clear:
        hit("counters.clear", "with increments" if any(increments) else "without increments")
        return
    for value, increment in zip(values, increments):
        hit("counters.increment", "0" if not increment else "largest" if increment == (1 << bits) - 1 else "between")
        total = value + increment
        hit("counters.value", "past the end" if total >> width else "top bit set" if total >> (width - 1) else "top bit clear")
