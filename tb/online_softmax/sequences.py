"""Directed tiles: one profile of the scaled scores per row, so that neighbouring lanes see different ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tb.common.geometry import OCTAVE, Geometry
from tb.score_scaler.sequences import TileStimulus, offsets

Profile = Callable[[int, Geometry, int], list[int]]  # (keys, geometry, tau) to the scaled scores of one row


def equal(keys: int, size: Geometry, tau: int) -> list[int]:
    return [5 * OCTAVE + 700] * keys


def largest_first(keys: int, size: Geometry, tau: int) -> list[int]:
    return [9 * OCTAVE] + [-OCTAVE // 2] * (keys - 1)


def largest_middle(keys: int, size: Geometry, tau: int) -> list[int]:
    return [20 * OCTAVE + 5 if j == keys // 2 else 3 * j for j in range(keys)]


def largest_last(keys: int, size: Geometry, tau: int) -> list[int]:
    return [-300] * (keys - 1) + [(tau + 30) * OCTAVE]


def rising(keys: int, size: Geometry, tau: int) -> list[int]:
    return [-100 * OCTAVE + j * (OCTAVE + 77) for j in range(keys)]


def falling(keys: int, size: Geometry, tau: int) -> list[int]:
    return [j * -(OCTAVE // 3) for j in range(keys)]


def edge_of_tau(keys: int, size: Geometry, tau: int) -> list[int]:
    """A block, one as large as the lazy threshold bears, then one step more."""
    top = (tau + 1) * OCTAVE
    return ([1023] * size.keys_per_block + [top - 1] * size.keys_per_block + [top] * keys)[:keys]


def jump(keys: int, size: Geometry, tau: int) -> list[int]:
    """A rescale beyond the width of any accumulator, and beyond the shift's 63."""
    return ([-120 * OCTAVE] * size.keys_per_block + [100 * OCTAVE + 9] * keys)[:keys]


def jump_63(keys: int, size: Geometry, tau: int) -> list[int]:
    return ([0] * size.keys_per_block + [62 * OCTAVE] * size.keys_per_block + [(62 + 64) * OCTAVE] * keys)[:keys]


def vanishing(keys: int, size: Geometry, tau: int) -> list[int]:
    """After the first block every probability rounds to zero."""
    return ([40 * OCTAVE] * size.keys_per_block + [2 * OCTAVE + j for j in range(keys)])[:keys]


def low_first(keys: int, size: Geometry, tau: int) -> list[int]:
    """A block that vanishes beside the second one, and two that vanish after it."""
    block = size.keys_per_block
    return ([-40 * OCTAVE] * block + [3 * OCTAVE] * block + [-30 * OCTAVE - j for j in range(keys)])[:keys]


def stairs(keys: int, size: Geometry, tau: int) -> list[int]:
    """Blocks one, two, three and four octaves below the first; between them around the last octave of any probability."""
    edge = tau - size.prob_bits
    levels = [3, 2, 3 + edge, 1, 0, 4 + edge, -1, 2 + edge]
    return [levels[j // size.keys_per_block % len(levels)] * OCTAVE + j % 3 for j in range(keys)]


def saturated(keys: int, size: Geometry, tau: int) -> list[int]:
    return [(700 if j % 3 else -700) * OCTAVE for j in range(keys)]


def largest_probability(keys: int, size: Geometry, tau: int) -> list[int]:
    """Just below the next octave: the largest sums that there are."""
    return [4 * OCTAVE - 1] * keys


def largest_then_more(keys: int, size: Geometry, tau: int) -> list[int]:
    """As large, and with the last block a rescale of all that has come together."""
    last = (keys - 1) % size.keys_per_block + 1
    return [4 * OCTAVE - 1] * (keys - last) + [(7 + tau) * OCTAVE] * last


PROFILES: tuple[Profile, ...] = (equal, largest_first, largest_middle, largest_last, rising, falling, edge_of_tau, jump, jump_63,
                               vanishing, low_first, saturated, largest_probability, largest_then_more, stairs)


def directed_tile(g: np.random.Generator, size: Geometry, rows: int, keys: int, tau: int, first: int, blind: int | None = None,
                  step: int = 1) -> TileStimulus:
    """Row i follows profile ``first + step * i``; its multiplier scales small scores up.

    Row ``blind`` sees no key, the one after it only every third block, the next two blocks of three; the others see all.
    """
    sums, ksums = offsets(g, size, rows, keys)
    table, columns = [], []
    for i in range(rows):
        profile = PROFILES[(first + step * i) % len(PROFILES)](keys, size, tau)
        mult = max(1, -(-max(abs(z) for z in profile) // size.score_limit))
        columns.append([z // mult for z in profile])
        place = None if blind is None else (i - blind) % rows
        table.append((size.padding - 1 if place is None or place > 2 else place, mult, sums[i]))
    pos = [(2, 1, 3)[j // size.keys_per_block % 3] for j in range(keys)]
    return TileStimulus(table, [*zip((list(c) for c in zip(*columns, strict=True)), ksums, pos, [1] * keys)], 0, tau)
