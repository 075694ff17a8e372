"""The encodings of a streamed operand: its digits, what an array makes of them, and how often they change.

An element k of -128 to 127 is a sum of 8 digits times 2**7 to 2**0. A digit that is set selects a cell q' = q + 128; one that is
negative by itself makes 255 - q' of it, so that what an array adds is never negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

PLANES = 8
OFFSET = 128            # from a signed byte to its code
MOST = 255              # of a code


class Encoding(IntEnum):
    """The parameter ENCODING of ``fcim_encoded_array``."""

    OFFSET = 0              # k + 128
    TWOS = 1                # two's complement: the first digit is negative in all elements alike
    MAGNITUDE = 2           # |k|, whose digits all have k's sign
    SIGNED_DIGITS = 3       # the non-adjacent form: no two neighbours are set, and no form has fewer digits


class Signs(IntEnum):
    """The parameter SIGNS: where the sign of a digit acts on a cell."""

    BEFORE = 0              # inverted, then selected
    AFTER = 1               # selected, then inverted
    LINES = 2               # selected from the cell or from its inverse by a line each


@dataclass(frozen=True)
class Digits:
    """``set``, ``negative [..., 8]``: the digits as the array's lines have them, the highest first, 0 or 1; a negative one is set
    too."""

    set: np.ndarray
    negative: np.ndarray


def _planes(code: np.ndarray) -> np.ndarray:
    return ((code[..., None] >> np.arange(PLANES - 1, -1, -1)) & 1).astype(np.uint8)


def codes(encoding: Encoding, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the digits' weights, of all that are set and of the negative ones, for signed bytes ``[...]``.

    The non-adjacent form as in G. W. Reitwieser, Binary arithmetic, Advances in Computers 1 (1960): k and 3 k differ where a
    digit is set, one place further up.
    """
    if encoding == Encoding.OFFSET:
        return k + OFFSET, np.zeros_like(k)
    if encoding == Encoding.TWOS:
        return k & MOST, np.zeros_like(k)
    if encoding == Encoding.MAGNITUDE:
        return np.abs(k), np.where(k < 0, -k, 0)
    return ((3 * k ^ k) >> 1) & MOST, ((k & ~(3 * k)) >> 1) & MOST


def digits(encoding: Encoding, k: np.ndarray) -> Digits:
    """The digits of signed bytes ``[...]``."""
    return Digits(*map(_planes, codes(encoding, k)))


def column(encoding: Encoding, q: np.ndarray, k: np.ndarray) -> np.ndarray:
    """What the array gives for the rows ``q [R, D]`` and the keys ``k [n, D]``, ``[R, n]``."""
    every, negative = codes(encoding, k)
    if encoding == Encoding.TWOS:
        every = k
    return (q + OFFSET) @ (every - negative).T + (MOST - OFFSET - q) @ negative.T


def sums(encoding: Encoding, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the array gives beside the columns of the keys ``k [n, D]``: ksum and nsum ``[n]``."""
    every, negative = codes(encoding, k)
    return (k if encoding == Encoding.TWOS else every).sum(-1), negative.sum(-1)


def inner_product(encoding: Encoding, found: np.ndarray, ksum: np.ndarray, nsum: np.ndarray, q_sum: np.ndarray) -> np.ndarray:
    """The inner products of q and k ``[R, n]`` from what the array gives, the columns ``[R, n]`` and two numbers for each key;
    ``q_sum [R]``: sums of the rows' elements, which only offset binary needs."""
    whole = found - OFFSET * ksum + nsum
    return whole - OFFSET * q_sum[:, None] if encoding == Encoding.OFFSET else whole


def lines(x: np.ndarray, per_cycle: int) -> np.ndarray:
    """Planes ``[n, ..., 8]`` of what follows one another as each line meets them, ``[n * 8 / per_cycle, ..., per_cycle]``."""
    steps = np.moveaxis(x.reshape(*x.shape[:-1], PLANES // per_cycle, per_cycle), -2, 1)
    return steps.reshape(-1, *steps.shape[2:])


def _per_key(changed: np.ndarray, keys: int) -> np.ndarray:
    """Sums over the steps and lines of each key but the first, ``[keys - 1, ...]``."""
    steps = (len(changed) + 1) // keys
    return changed[steps - 1:].reshape(keys - 1, steps, *changed.shape[1:]).sum((1, -1))


def changes(of: Digits, per_cycle: int) -> np.ndarray:
    """How often a digit differs from the one before on its line, for each key but the first, keys back to back.

    Args:
        of: digits ``[n, ..., 8]`` of n keys.
        per_cycle: planes of a step, which have a line each.

    Returns:
        ``[n - 1, ...]``.
    """
    value = lines(of.set.astype(np.int8) - 2 * of.negative.astype(np.int8), per_cycle)
    return _per_key(value[1:] != value[:-1], len(of.set))


def changed_bits(of: Digits, q: np.ndarray, per_cycle: int) -> np.ndarray:
    """How many bits change where a tree of adders begins: those of the cells ``q [R, D]`` that digits ``[n, D, 8]`` select, per
    element the mean over rows, for each key but the first, ``[n - 1, D]``."""
    chosen, negative = (lines(x, per_cycle).astype(bool) for x in (of.set, of.negative))
    found = np.zeros(0)
    for row in (q + OFFSET).astype(np.uint8):
        word = np.where(chosen, np.where(negative, MOST - row[:, None], row[:, None]), 0).astype(np.uint8)
        changed = _per_key(np.bitwise_count(word[1:] ^ word[:-1]).astype(np.int64), len(of.set))
        found = found + changed if found.size else changed
    return found / len(q)
