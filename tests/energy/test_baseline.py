"""Events of the baselines: counts to events by hand, and set bits that meet, counted product by product."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from models.energy.baseline import COUNTS, KV_STATIONARY, UNFUSED, Places, baseline_events, group_pairs
from models.energy.constants import load_constants
from models.energy.events import Events
from models.energy.formula import energy
from models.errors import FcimError
from models.hardware import numerics as nx
from models.hardware.quantise import quantise
from models.hardware.tile import QuantisedGroup
from models.tensors.attention_tensors import AttentionTensors

DIM = 32


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The tensors are tiny: more threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


PLAIN = {
    "cycles": 900, "macro_input_rows": 20, "bit_products": 5000, "cell_bits_written": 4096, "scores": 64, "exponentials": 60,
    "comparisons": 64, "score_scales": 64, "o_rescales": 128, "o_adds": 256, "divisions": 4, "normalised": 128,
    "buffer_read_bytes": 1000, "buffer_written_bytes": 700,
}
BY_KIND = {
    "buffer_read_bytes:Q": 200, "buffer_read_bytes:K": 300, "buffer_read_bytes:S": 250, "buffer_read_bytes:O_partial": 250,
    "buffer_written_bytes:O": 64, "buffer_written_bytes:S": 236, "buffer_written_bytes:P": 400,
}


def test_by_hand() -> None:
    places = Places(near=("S", "P", "O_partial"), leaving=("O",))
    events = baseline_events({**PLAIN, **BY_KIND}, 20_000, 7000, 5120, places, dram_read_bytes=500, dram_written_bytes=80)
    assert events == Events(
        cycles=900, useful_macs=5120, inner_pairs=27_000, o_adder_bits=256 * 32, o_shift_bits=128 * 32, cell_bits_written=4096,
        score_scales=64, comparisons=64, exponentials=60, weigh_bit_products=60 * 8 * 4, sum_adder_bits=60 * 25, divisions=128,
        buffer_read_bytes=1000, buffer_written_bytes=700 - 64 + 500, stage_read_bytes=580, stage_written_bytes=580,
        bus_bits=8 * (200 + 300 + 64), dram_read_bytes=500, dram_written_bytes=80)
    found = energy(events, load_constants())
    assert found.parts["inner product macros"] == pytest.approx(27_000 * 4.6875e-15)
    assert found.parts["accumulators"] == pytest.approx((8192 * 2.41 + 4096 * 5.4) * 1e-15)
    assert found.parts["buffer"] == pytest.approx(1000 * 3.77e-12 + 1136 * 4.02e-12)
    assert found.parts["softmax"] == pytest.approx(64 * 1.515e-12 + 60 * 0.6e-12 + (1920 * 1.56 + 1500 * 2.41) * 1e-15)
    assert found.parts["outer product macros"] == found.parts["local memories"] == 0


def test_widths_are_chosen() -> None:
    events = baseline_events(PLAIN, 1, 1, 1, prob_bits=12, sum_bits=20, o_bits=16)
    assert (events.weigh_bit_products, events.sum_adder_bits) == (60 * 48, 60 * 20)
    assert (events.o_adder_bits, events.o_shift_bits) == (256 * 16, 128 * 16)


def test_places() -> None:
    """Where no kinds or places are told, all lies in the buffer and goes over the bus."""
    def moved(counts: dict[str, int], *places: Places, **bytes_: int) -> tuple[float, ...]:
        events = baseline_events(counts, 1, 1, 1, *places, **bytes_)
        return events.buffer_read_bytes, events.buffer_written_bytes, events.bus_bits / 8

    assert moved(PLAIN) == moved({**PLAIN, **BY_KIND}) == moved(PLAIN, UNFUSED) == (1000, 700, 1700)
    assert moved({**PLAIN, **BY_KIND}, UNFUSED) == (1000, 700, 1700 - 250 - 236 - 400 - 64)
    assert moved({**PLAIN, **BY_KIND}, KV_STATIONARY) == (1000, 700 - 64, 1700 - 250)
    assert moved(PLAIN, dram_read_bytes=30, filled_bytes=20, out_bytes=7) == (1000, 720, 1707)
    assert moved(PLAIN, dram_read_bytes=30) == (1000, 730, 1700)


@pytest.mark.parametrize(("counts", "message"), [
    ({name: PLAIN[name] for name in COUNTS[1:]}, "lack cycles"), ({**PLAIN, "rescales": 1}, "have an unknown rescales"),
    ({**PLAIN, "scores:S": 1}, "have an unknown scores:S"),
    ({**PLAIN, **BY_KIND, "buffer_read_bytes:V": 1}, "buffer_read_bytes of the baseline are 1000, by kind 1001"),
    ({**PLAIN, "bit_products": 3374}, "27000 pairs of set bits exceed 8 for each of 3374 bit_products"),
])
def test_counts_that_cannot_be(counts: dict[str, int], message: str) -> None:
    with pytest.raises(FcimError, match=message):
        baseline_events(counts, 20_000, 7000, 1)


def random_group(seed: int, heads: int, tokens: int, keys: int) -> QuantisedGroup:
    g = torch.Generator().manual_seed(seed)
    q = 2 * torch.randn(heads, tokens, DIM, generator=g)
    k, v = torch.randn(2, 1, keys, DIM, generator=g)
    return quantise(AttentionTensors(q, k, v, DIM**-0.5, {}, [str(i) for i in range(heads)]))[0]


def slowly(group: QuantisedGroup, tile_keys: int, span: int, prob_bits: int) -> dict[str, int]:
    """The same with Python's integers: a row at a time, a key at a time."""
    def codes(x: torch.Tensor) -> np.ndarray:
        return np.array([[bin(int(value) + 128).count("1") for value in row] for row in x])

    q, k, v = (codes(x) for x in (group.q.flatten(0, 1), group.k, group.v))
    found: dict[str, Any] = dict.fromkeys(("qk", "pv", "p_bits", "visible"), 0)
    for row in range(len(q)):
        head, token = divmod(row, group.q.shape[1])
        position, m = int(group.q_pos[token]), None
        for first in range(0, len(k), tile_keys):
            if first <= position:
                found["qk"] += int((q[row] * k[first : first + tile_keys]).sum())
        for first in range(0, position + 1, span):
            visible = range(first, min(first + span, position + 1))
            zs = []
            for key in visible:
                score = int(group.q[head, token].long() @ group.k[key].long())
                product = score * int(group.q_mult[head, token]) * int(group.k_mult[key])
                z = (product + (1 << (group.shift - 1))) >> group.shift if group.shift else product
                zs.append(max(-(2**19 - 1), min(2**19 - 1, z)))
            m = max(zs) >> 10 if m is None else max(m, max(zs) >> 10)
            for key, z in zip(visible, zs):
                p = int(nx.probability(torch.tensor(z), torch.tensor(m), 0, prob_bits))
                bits = bin((p * (int(group.v_mult[key]) + 1) + 8) >> 4).count("1")
                found["p_bits"] += bits
                found["pv"] += bits * int(v[key].sum())
                found["visible"] += 1
    return found


@pytest.mark.parametrize(("heads", "tokens", "keys", "tile_keys", "span", "prob_bits"), [
    (2, 13, 13, 8, None, 8), (3, 5, 30, 16, 16, 8), (1, 1, 21, 8, 8, 8), (2, 9, 20, 4, 12, 16)])
def test_set_bits_that_meet(heads: int, tokens: int, keys: int, tile_keys: int, span: int | None, prob_bits: int,
                            seed: int) -> None:
    group = random_group(seed, heads, tokens, keys)
    want = slowly(group, tile_keys, span or keys, prob_bits)
    for rows in (1, 7, 512):
        assert vars(group_pairs(group, tile_keys, span, prob_bits, rows)) == want
    assert want["p_bits"] > 0


def test_later_maxima_leave_more_bits(seed: int) -> None:
    """A maximum that is known for the keys so far only is lower, and p is larger."""
    group = random_group(seed, 4, 64, 64)
    assert group_pairs(group, 16, 8).pv > group_pairs(group, 16).pv
