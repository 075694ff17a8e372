"""Packing of lanes: every width against a bit-by-bit construction."""

from __future__ import annotations

import numpy as np
import pytest

from tb.common.pack import pack, pack_rows, unpack, unpack_rows


@pytest.mark.parametrize("width", [1, 5, 8, 16, 20, 23, 32, 41, 63, 64, 70])
@pytest.mark.parametrize("signed", [False, True])
def test_round_trip_and_lane_order(width: int, signed: bool, seed: int) -> None:
    generator = np.random.default_rng([seed, width])
    low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)
    values = [low, high, 0, *(low + int.from_bytes(generator.bytes(16), "little") % (high - low + 1) for _ in range(30))]
    word = pack(np.array(values, dtype=object if width > 62 else np.int64), width)
    bits = "".join(format(v & ((1 << width) - 1), f"0{width}b") for v in reversed(values))
    assert word == int(bits, 2)
    assert unpack(word, len(values), width, signed).tolist() == values


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint64])
def test_numpy_types(dtype: type) -> None:
    values = np.array([0, 1, 100, 127], dtype=dtype)
    for width in (8, 9, 16):
        assert unpack(pack(values, width), 4, width).tolist() == values.tolist()


def test_rows() -> None:
    values = np.arange(-6, 6).reshape(3, 4)
    words = pack_rows(values, 8)
    assert words[0] & 0xFF == 256 - 6
    assert np.array_equal(unpack_rows(words, 4, 8, signed=True), values)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="8 bits holds -128 to 255"):
        pack([256], 8)
    with pytest.raises(ValueError, match="8 bits holds -128 to 255"):
        pack([-129], 8)
    with pytest.raises(TypeError, match="integers"):
        pack([0.5], 8)
    with pytest.raises(ValueError, match="cannot hold"):
        unpack(1 << 16, 2, 8)
