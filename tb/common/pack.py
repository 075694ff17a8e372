"""Lanes of numbers to one packed word and back; lane 0 lies in the low bits. A word is a Python int."""

from __future__ import annotations

import numpy as np

_WHOLE = {8: "u1", 16: "<u2", 32: "<u4", 64: "<u8"}
_INT64_BITS = 63


def _check_range(values: np.ndarray, width: int) -> None:
    low, high = -(1 << (width - 1)), (1 << width) - 1
    if values.size and (int(values.min()) < low or int(values.max()) > high):
        raise ValueError(f"a lane of {width} bits holds {low} to {high}, not {int(values.min())} to {int(values.max())}")


def pack(values: np.ndarray | list[int], width: int) -> int:
    """One word from the lanes ``values`` [N] (signed or unsigned integers), ``width`` bits each.

    Raises:
        ValueError: a value fits neither as signed nor as unsigned number of that width.
        TypeError: the values are not integers.
    """
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iubO":
        raise TypeError(f"lanes must be integers, not {array.dtype}")
    array = array.reshape(-1)
    _check_range(array, width)
    if width > _INT64_BITS or array.dtype == object:
        mask = (1 << width) - 1
        return sum((int(v) & mask) << (lane * width) for lane, v in enumerate(array))
    if array.dtype == np.uint64 and width < _INT64_BITS:
        array = array.astype(np.int64)
    if width in _WHOLE:
        return int.from_bytes(array.astype(_WHOLE[width]).tobytes(), "little")
    bits = (array.astype(np.int64)[:, None] >> np.arange(width)) & 1
    return int.from_bytes(np.packbits(bits.astype(np.uint8).reshape(-1), bitorder="little").tobytes(), "little")


def pack_rows(values: np.ndarray, width: int) -> list[int]:
    """One word per row of ``values`` [M, N]."""
    return [pack(row, width) for row in np.asarray(values)]


def unpack(word: int, lanes: int, width: int, signed: bool = False) -> np.ndarray:
    """The lanes of ``word`` as an array [lanes]: int64, or Python ints (dtype object) if ``width`` is above 63.

    Raises:
        ValueError: the word is negative or has bits above the last lane.
    """
    if word < 0 or word >> (lanes * width):
        raise ValueError(f"a word of {lanes} lanes of {width} bits cannot hold {word:#x}")
    if width > _INT64_BITS:
        mask, half = (1 << width) - 1, 1 << (width - 1)
        fields = [(word >> (lane * width)) & mask for lane in range(lanes)]
        return np.array([f - (1 << width) if signed and f >= half else f for f in fields], dtype=object)
    if width in _WHOLE:
        dtype = _WHOLE[width].replace("u", "i") if signed else _WHOLE[width]
        return np.frombuffer(word.to_bytes(lanes * width // 8, "little"), dtype=dtype).astype(np.int64)
    raw = np.frombuffer(word.to_bytes((lanes * width + 7) // 8, "little"), dtype=np.uint8)
    bits = np.unpackbits(raw, count=lanes * width, bitorder="little").reshape(lanes, width).astype(np.int64)
    weights = np.int64(1) << np.arange(width, dtype=np.int64)
    if signed:
        weights[-1] = -weights[-1]
    return bits @ weights


def unpack_rows(words: list[int], lanes: int, width: int, signed: bool = False) -> np.ndarray:
    """One row of lanes per word: [len(words), lanes]."""
    if not words:
        return np.zeros((0, lanes), dtype=np.int64)
    return np.stack([unpack(word, lanes, width, signed) for word in words])
