"""The metrics against values worked out by hand, and summaries of heads."""

from __future__ import annotations

import math

import pytest
import torch

from models.errors import FcimError
from models.quality.metrics import HeadMetrics, compare, compare_heads, summarise


def test_values_by_hand() -> None:
    m = compare(torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]]))
    assert m.cosine == pytest.approx(24 / 25)
    assert m.relative_l1 == pytest.approx(2 / 7)
    assert m.sqnr_db == pytest.approx(10 * math.log10(25 / 2))
    assert m.max_abs == pytest.approx(1) and m.rmse == pytest.approx(1)


def test_a_scaled_output_has_perfect_cosine_only() -> None:
    r = torch.randn(8, 16, generator=torch.Generator().manual_seed(0))
    m = compare(1.1 * r, r)
    assert m.cosine == pytest.approx(1.0)
    assert m.relative_l1 == pytest.approx(0.1, rel=1e-5) and m.sqnr_db == pytest.approx(20, abs=1e-4)
    assert compare(-r, r).cosine == pytest.approx(-1.0)


@pytest.mark.parametrize("size", [1e-38, 1e30])
def test_metrics_do_not_depend_on_the_unit(size: float) -> None:
    r = torch.randn(8, 16, generator=torch.Generator().manual_seed(1)).double()
    x = r + 0.01 * torch.randn(8, 16, generator=torch.Generator().manual_seed(2)).double()
    one, scaled = compare(x, r), compare(x * size, r * size)
    assert scaled.cosine == pytest.approx(one.cosine) and scaled.sqnr_db == pytest.approx(one.sqnr_db)
    assert scaled.max_abs == pytest.approx(one.max_abs * size) and scaled.rmse == pytest.approx(one.rmse * size)


def test_zeros() -> None:
    zero, one = torch.zeros(2, 3), torch.ones(2, 3)
    assert compare(zero, zero) == HeadMetrics(1.0, 0.0, math.inf, 0.0, 0.0)
    assert compare(one, zero) == HeadMetrics(0.0, math.inf, -math.inf, 1.0, 1.0)
    assert compare(zero, one) == HeadMetrics(0.0, 1.0, 0.0, 1.0, 1.0)
    assert compare(one, one).sqnr_db == math.inf


def test_a_single_wrong_element_shows() -> None:
    r = torch.ones(4, 100, 8)
    x = r.clone()
    x[2, 50, 3] = 2
    heads = compare_heads(x, r)
    assert [h.max_abs for h in heads] == [0, 0, 1, 0]
    assert heads[2].sqnr_db == pytest.approx(10 * math.log10(800))


def test_bad_input_is_named() -> None:
    with pytest.raises(FcimError, match="one shape"):
        compare(torch.ones(2), torch.ones(3))
    with pytest.raises(FcimError, match="one shape"):
        compare(torch.ones(0), torch.ones(0))
    with pytest.raises(FcimError, match="NaN"):
        compare(torch.tensor([math.nan]), torch.ones(1))
    with pytest.raises(FcimError, match="no heads"):
        summarise([])


def test_summary_takes_the_worst_of_each() -> None:
    summary = summarise([HeadMetrics(0.9, 0.1, 30, 1.0, 0.5), HeadMetrics(0.7, 0.3, 40, 0.5, 0.25)])
    assert summary.heads == 2
    assert summary.worst == HeadMetrics(0.7, 0.3, 30, 1.0, 0.5)
    assert summary.mean == HeadMetrics(pytest.approx(0.8), pytest.approx(0.2), 35, 0.75, 0.375)
