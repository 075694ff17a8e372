"""From numbers to bin numbers and bin names, shared by samplers. No torch here: benches use it inside the simulator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def digitise(values: np.ndarray, starts: Sequence[int]) -> np.ndarray:
    """Bin number of every value: bin i begins at ``starts[i]``, the first one holds all below ``starts[1]``."""
    return np.searchsorted(np.asarray(starts[1:]), values, side="right")


def one_some_all(count: int, full: int) -> str:
    """The bin of ``count`` out of ``full``."""
    return "all" if count == full else "one" if count == 1 else "some"


def in_tile(first: bool, last: bool) -> str:
    """The bin of a block's place in its tile."""
    return "only" if first and last else "first" if first else "last" if last else "between"


def cut_off(low: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """0 to 3: a right shift cuts off nothing, less than half, a half, more than half; ``low`` are the bits that it cuts off."""
    half = np.left_shift(np.int64(1), np.maximum(shift, 1) - 1)
    return np.where(low == 0, 0, np.where(low < half, 1, np.where(low == half, 2, 3)))


def plane_states(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per vector ``[..., D]`` of codes (uint8) and bit-plane, 7 first: plane numbers and states (0 all 0, 1 all 1, 2 mixed)."""
    planes = np.arange(7, -1, -1)
    all_one = np.bitwise_and.reduce(codes, axis=-1)[..., None] >> planes & 1
    any_one = np.bitwise_or.reduce(codes, axis=-1)[..., None] >> planes & 1
    return np.broadcast_to(np.arange(8), all_one.shape), np.where(any_one == 0, 0, np.where(all_one == 1, 1, 2))
