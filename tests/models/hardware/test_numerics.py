"""The numerics of the golden model against the plain-integer reading of the specification, :mod:`tb.common.spec`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from models.hardware import numerics as nx
from scripts import gen_exp2_knots
from tb.common import spec


def ints(values: object) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values, dtype=np.int64))


def test_round_shift(seed: int) -> None:
    g = np.random.default_rng([seed, 1])
    cases = [(x, s) for s in range(64) for x in (0, 1, -1, 2**s // 2, -(2**s // 2), 2**s // 2 - 1, -(2**s // 2) - 1)
             if abs(x) < 2**53]
    cases += [(int(x) >> int(b), int(s)) for x, b, s in zip(g.integers(-(2**53), 2**53, 3000), g.integers(0, 50, 3000),
                                                            g.integers(0, 64, 3000))]
    got = nx.round_shift(ints([x for x, _ in cases]), ints([s for _, s in cases])).tolist()
    assert got == [spec.round_shift(x, s) for x, s in cases]
    for s in (0, 1, 17, 62, 63):
        assert nx.round_shift(ints([5, -5, 2**53]), s).tolist() == [spec.round_shift(x, s) for x in (5, -5, 2**53)]


@pytest.mark.parametrize("shift", [0, 1, 5, 20, 33, 34, 35, 52, 54, 62, 63])
def test_scale_score(shift: int, seed: int) -> None:
    g = np.random.default_rng([seed, 2, shift])
    scores = g.integers(-(2**21), 2**21 + 1, (6, 40)) >> g.integers(0, 20, (6, 40))
    scores[0, :4] = (2**21, -(2**21) + 128 * 128, 0, -1)
    q_mult, k_mult = (g.integers(0, 2**16, n) >> g.integers(0, 15, n) for n in (6, 40))
    q_mult[0], k_mult[:2] = 2**16 - 1, 2**16 - 1
    q_mult[1], k_mult[2] = 1, 1
    # around both ends of the range, where the multipliers are 1
    steps = (-1, 0, 1, 1 << shift >> 1, (1 << shift) - 1, 1 << shift)
    edge = [sign * ((2**19 - 1 << shift) + d) for sign in (1, -1) for d in steps]
    edge = [x for x in edge if abs(x) <= 2**21]
    scores[1, 2] = 2**19
    z, saturated = nx.scale_score(ints(scores), ints(q_mult), ints(k_mult), shift)
    want = [[spec.scale(int(s), int(qm), int(km), shift) for s, km in zip(row, k_mult)] for row, qm in zip(scores, q_mult)]
    assert z.tolist() == [[value for value, _ in row] for row in want]
    assert saturated.tolist() == [[clamped for _, clamped in row] for row in want]
    if edge:
        z, saturated = nx.scale_score(ints([edge]), ints([1]), ints([1] * len(edge)), shift)
        want_edge = [spec.scale(x, 1, 1, shift) for x in edge]
        assert list(zip(z[0].tolist(), saturated[0].tolist())) == want_edge
        assert {clamped for _, clamped in want_edge} == {True, False}


def test_exp2_mantissa_of_every_fraction() -> None:
    assert nx.EXP2_KNOTS.tolist() == spec.KNOTS
    assert nx.exp2_mantissa(torch.arange(1024)).tolist() == spec.MANTISSAS
    assert max(abs(m - 2 ** (16 + f / 1024)) for f, m in enumerate(spec.MANTISSAS)) < 9, "the chords stray from the curve"


@pytest.mark.parametrize("prob_bits", range(8, 19))
def test_probability_of_every_fraction(prob_bits: int) -> None:
    """Every fraction at every exponent from the largest legal one to beyond the last that is not zero, every tau."""
    for tau in range(min(8, prob_bits - 2) + 1):
        for m in (0, -512, 511 - tau):
            low = max(spec.Z_MIN, (m + tau - prob_bits - 3) * 1024)
            z = torch.arange(low, min(spec.Z_MAX, (m + tau + 1) * 1024 - 1) + 1)
            want = [spec.probability(x, m, tau, prob_bits) for x in z.tolist()]
            assert nx.probability(z, torch.tensor(m), tau, prob_bits).tolist() == want
            assert max(want) < 2**prob_bits
        far = [spec.MASKED, spec.Z_MIN, -(400 << 10) - 1]
        assert nx.probability(ints(far), torch.tensor(511), tau, prob_bits).tolist() == [0, 0, 0]
        assert nx.probability(ints([spec.MASKED]), torch.tensor(-512), tau, prob_bits).tolist() == [0]
        assert spec.probability(3 << 10, 3, tau, prob_bits) == 2 ** (prob_bits - 1 - tau), "this is 1.0"


def test_reference_and_rescale() -> None:
    z = [spec.Z_MIN, spec.Z_MAX, *(sign * k * 1024 + d for k in range(9) for d in (-1, 0, 1) for sign in (1, -1))]
    assert nx.row_max_candidate(ints(z)).tolist() == [spec.new_row_max(None, [x], 0)[0] for x in z]
    amounts = [1, 62, 63, 64, 1023]
    assert nx.clamp_rescale(ints(amounts)).tolist() == [spec.new_row_max(-512, [(a - 512) * 1024], 0)[1] for a in amounts]


def test_normalise(seed: int) -> None:
    g = np.random.default_rng([seed, 3])
    totals = [0, 1, 2, 3, 255, 2**33 - 131072, *(g.integers(1, 2**33, 80) >> g.integers(0, 32, 80)).tolist()]
    acc = []
    for total in totals:
        ends = [0, 128 * total, -128 * total, 127 * total]
        halves = [((2 * k + 1) * total) // 512 + d for k in (0, 7, 32766, -1, -8, -32769) for d in (-1, 0, 1)]
        acc.append([*ends, *halves, *(int(x) * total // 2**24 for x in g.integers(-(2**31), 2**31, 20))])
    got = nx.normalise(ints(acc), ints(totals)).tolist()
    assert got == [[spec.divide(o, total) for o in row] for row, total in zip(acc, totals)]
    assert {32767, -32768} <= {x for row in got for x in row}


def test_the_knots_of_the_rtl_are_up_to_date(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The generator's check agrees and can fail; the file holds the specification's numbers, not merely the model's."""
    monkeypatch.setattr(sys, "argv", ["gen_exp2_knots.py", "--check"])
    assert gen_exp2_knots.main() == 0
    text = gen_exp2_knots.TARGET.read_text()
    stale = tmp_path / "knots.vh"
    stale.write_text(text.replace(str(spec.KNOTS[1]), str(spec.KNOTS[1] + 1)))
    monkeypatch.setattr(gen_exp2_knots, "TARGET", stale)
    assert gen_exp2_knots.main() == 1
    bits = max(spec.KNOTS).bit_length()
    for i in range(32):
        assert f"{{{bits}'d{spec.KNOTS[i + 1]}, {bits}'d{spec.KNOTS[i]}}}" in text
