"""The count of gates behind the constant of the outer-product macro."""

from __future__ import annotations

import pytest

from models.energy.constants import load_constants
from models.energy.gates import FLIP_FLOP, FULL_ADDER, outer_product, pair, tree_adders


def test_gates() -> None:
    adder, register = FULL_ADDER, FLIP_FLOP
    assert adder == pytest.approx((3 * 0.7 + 2 * 1.05) * 0.81) and register == pytest.approx(2.1 * 0.81)


@pytest.mark.parametrize(("keys", "bits", "adders"), [(1, 8, 0), (2, 8, 8), (4, 8, 16 + 9), (16, 8, 64 + 36 + 20 + 11),
                                                      (8, 18, 72 + 38 + 20)])
def test_a_tree(keys: int, bits: int, adders: int) -> None:
    assert tree_adders(keys, bits) == adders


def test_sixteen_keys_by_hand() -> None:
    """131 full adders for 16 keys; 20 bits of a sum over planes; 28 of an accumulator."""
    product = outer_product(16)
    assert product.select == pytest.approx(64 * 0.25 * 0.567)
    assert product.tree == pytest.approx(8 * 131 * 0.25 * 3.402 / 16)
    assert product.planes == pytest.approx(8 * 20 * 2.5515 / 16) and product.accumulator == pytest.approx(28 * 2.5515 / 16)
    assert product.array + product.accumulator == pytest.approx(94.8, abs=0.1)


@pytest.mark.parametrize(("keys", "whole"), [(4, 161), (8, 118), (16, 95), (32, 83), (64, 77)])
def test_more_keys_cost_less(keys: int, whole: float) -> None:
    product = outer_product(keys)
    assert product.array + product.accumulator == pytest.approx(whole, abs=0.6)


def test_the_constant_is_this() -> None:
    assert load_constants().values["outer_pair"].typical == round(pair(outer_product(16)), 2)
    assert pair(outer_product(16, 18), 18) < pair(outer_product(16))       # the constant favours no wide p
