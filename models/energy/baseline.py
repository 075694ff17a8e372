"""Events of the baseline designs, from the counts that their models give and from the set bits of their operands.

Both baselines make inner products only: K is stored and Q streams past it, V is stored by columns and p streams past it. They add
to O outside their macros. What is doubtful is decided for them: no queue between their units costs anything, no row register, no
wire to the memories of S, P and partial sums, which are taken to lie beside the macros.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from models.energy.activity import ones, signed_ones
from models.energy.events import Events
from models.errors import FcimError
from models.hardware import numerics as nx
from models.hardware.config import V_MULT_BITS
from models.hardware.tile import QuantisedGroup

COUNTS = ("cycles", "macro_input_rows", "bit_products", "cell_bits_written", "scores", "exponentials", "comparisons",
          "score_scales", "o_rescales", "o_adds", "divisions", "normalised", "buffer_read_bytes", "buffer_written_bytes")
"""What a baseline's model counts. Of these ``macro_input_rows``, ``scores`` and ``divisions`` cost nothing by themselves:
elements, not rows, are divided. ``buffer_read_bytes:KIND`` and ``buffer_written_bytes:KIND`` are shares of a total."""

BUFFERS = ("buffer_read_bytes", "buffer_written_bytes")
CODE_BITS = 8
PROB_BITS = 8
SUM_BITS = 25           # of a row sum: 2^17 probabilities of 8 bits
O_BITS = 32


@dataclass(frozen=True)
class Places:
    """Where a design's kinds of buffer bytes are: ``near`` the macros, so that they use no bus, or ``leaving`` the chip by the
    queues, so that they use the bus and no buffer; all others lie in the buffer and travel."""

    near: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()


UNFUSED = Places(near=("S", "P", "O"))                                  # its O are partial sums
KV_STATIONARY = Places(near=("O_partial", "state"), leaving=("O",))


def _shares(counts: Mapping[str, int], total: str) -> dict[str, int]:
    """A total by kind; nothing if it is not told by kind."""
    return {name.partition(":")[2]: value for name, value in counts.items() if name.startswith(f"{total}:")}


def baseline_events(counts: Mapping[str, int], qk_pairs: int, pv_pairs: int, useful_macs: int, places: Places = Places(), *,
                    prob_bits: int = PROB_BITS, sum_bits: int = SUM_BITS, o_bits: int = O_BITS, dram_read_bytes: int = 0,
                    dram_written_bytes: int = 0, filled_bytes: int | None = None, out_bytes: int = 0) -> Events:
    """Events of a baseline's run.

    Args:
        counts: each of :data:`COUNTS`, and buffer bytes by kind where these are known.
        qk_pairs: pairs of set bits of QK^T (see :func:`group_pairs`). pv_pairs: of PV.
        useful_macs: products that causality leaves, QK^T and PV.
        prob_bits: width of p. sum_bits: of a row sum. o_bits: of an element of O outside the macros.
        dram_read_bytes: bytes from memory outside the chip. dram_written_bytes: to it; both pass queues as the accelerator's do.
        filled_bytes: of those read, that are written into the buffer; by default all. ``counts`` does not have them.
        out_bytes: bytes of O that leave the chip and that ``counts`` does not have; they use the bus.

    Raises:
        FcimError: a count is missing or unknown, bytes by kind do not add up, or there are more pairs than the counts allow.
    """
    missing = [name for name in COUNTS if name not in counts]
    unknown = [name for name in counts if name not in COUNTS and name.partition(":")[0] not in BUFFERS]
    if missing or unknown:
        raise FcimError(f"the baseline's counts {f'lack {missing[0]}' if missing else f'have an unknown {unknown[0]}'}; "
                        f"give {', '.join(COUNTS)}")
    far, inside = out_bytes, []
    for total in BUFFERS:
        shares = _shares(counts, total)
        if shares and sum(shares.values()) != counts[total]:
            raise FcimError(f"{total} of the baseline are {counts[total]}, by kind {sum(shares.values())}; count both alike")
        far += counts[total] - sum(shares.get(kind, 0) for kind in places.near)
        inside.append(counts[total] - sum(shares.get(kind, 0) for kind in places.leaving))
    if qk_pairs + pv_pairs > CODE_BITS * counts["bit_products"]:
        raise FcimError(f"{qk_pairs + pv_pairs} pairs of set bits exceed {CODE_BITS} for each of {counts['bit_products']} "
                        "bit_products; count both of the same operands")
    dram = dram_read_bytes + dram_written_bytes
    exponentials = counts["exponentials"]
    return Events(
        cycles=counts["cycles"], useful_macs=useful_macs, inner_pairs=qk_pairs + pv_pairs,
        o_adder_bits=counts["o_adds"] * o_bits, o_shift_bits=counts["o_rescales"] * o_bits,
        cell_bits_written=counts["cell_bits_written"], score_scales=counts["score_scales"], comparisons=counts["comparisons"],
        exponentials=exponentials, weigh_bit_products=exponentials * prob_bits * V_MULT_BITS,
        sum_adder_bits=exponentials * sum_bits, divisions=counts["normalised"],
        buffer_read_bytes=inside[0], buffer_written_bytes=inside[1] + (dram_read_bytes if filled_bytes is None else filled_bytes),
        stage_read_bytes=dram, stage_written_bytes=dram, bus_bits=8 * far,
        dram_read_bytes=dram_read_bytes, dram_written_bytes=dram_written_bytes)


@dataclass(frozen=True)
class GroupPairs:
    """Of a KV head with its query heads: pairs of set bits of QK^T and of PV; set bits of p; scores that causality leaves."""

    qk: int
    pv: int
    p_bits: int
    visible: int


def group_pairs(group: QuantisedGroup, tile_keys: int, span: int | None = None, prob_bits: int = PROB_BITS,
                rows: int = 512) -> GroupPairs:
    """Set bits that meet in a baseline's macros.

    A row's query meets all keys of each tile of ``tile_keys`` keys of which it sees one; its p is 0 where it sees no key.

    Args:
        span: keys after which a row's maximum is known and its p are made; by default all keys (a design that is not fused).
        prob_bits: width of p.
        rows: how many are worked on at once, which changes nothing but time and memory.
    """
    heads, tokens, dim = group.q.shape
    keys = len(group.k)
    key_ones = signed_ones(group.k)
    key_sums = torch.cat([key_ones.new_zeros(1, dim), key_ones.cumsum(0)])      # of the keys before each
    value_ones = signed_ones(group.v).sum(1)
    table = nx.probability_table(0, prob_bits).long()
    qk = pv = p_bits = visible_scores = 0
    for first in range(0, tokens, max(1, rows // heads)):
        part = slice(first, first + max(1, rows // heads))
        position = group.q_pos[part].repeat(heads)
        q = group.q[:, part].reshape(-1, dim)
        met = ((position // tile_keys + 1) * tile_keys).clamp(max=keys)
        qk += int((signed_ones(q) * key_sums[met]).sum())
        seen = int(position.max()) + 1
        score = (q.float() @ group.k[:seen].float().T).long()
        z, _ = nx.scale_score(score, group.q_mult[:, part].reshape(-1), group.k_mult[:seen], group.shift)
        visible = torch.arange(seen) <= position[:, None]
        z = torch.where(visible, z, nx.MASKED)
        size = min(span or seen, seen)
        spans = -(-seen // size)
        zmax = torch.nn.functional.pad(z, (0, spans * size - seen), value=nx.MASKED).view(len(z), spans, size).amax(-1)
        maxima = nx.row_max_candidate(zmax).cummax(1).values
        distance = z - (maxima << nx.Z_FRAC).repeat_interleave(size, 1)[:, :seen] - nx.lowest_distance(0, prob_bits)
        p = torch.where(visible, table[distance.clamp(0, len(table) - 1)], 0)
        bits = ones(nx.scale_probability(p, group.v_mult[:seen])).sum(0)
        pv += int((bits * value_ones[:seen]).sum())
        p_bits += int(bits.sum())
        visible_scores += int(visible.sum())
    return GroupPairs(qk, pv, p_bits, visible_scores)
