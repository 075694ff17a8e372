"""Runs of key blocks for ``fcim_kv_loader``."""

from __future__ import annotations

import numpy as np

from tb.common.stream import Beat
from tb.kv_loader.model import DECODE, RESIDENT, Sizes


def run(slot: int, head: int, blocks: int, first: int = 0, descending: bool = False) -> Beat:
    """A beat of ``s_run``."""
    return {"slot": slot, "head": head, "first": first, "blocks": blocks, "descending": int(descending)}


def random_runs(generator: np.random.Generator, mode: str, sizes: Sizes, count: int) -> list[Beat]:
    """Runs of every length that the mode allows, up and down; so many, in a decode of every slot.

    Slots of heads and streams take turns, with now and then the same one again; those of a decode come in any order.
    """
    share, beats = sizes.share(mode), []
    order = [slot for _ in range(count) for slot in (generator.permutation(sizes.engines).tolist() if mode == DECODE else [-1])]
    last = 1
    for slot in order:
        if slot < 0:
            slot = last = last ^ int(generator.integers(8) != 0)
        most = min(share if mode == RESIDENT else 2 * share + 2, sizes.blocks)
        blocks = int(generator.choice([1, min(share, most), most, *generator.integers(1, most + 1, 3)]))
        first = 0 if mode == RESIDENT else int(generator.integers(sizes.blocks - blocks + 1))
        beats.append(run(slot, int(generator.integers(256)), blocks, first, bool(generator.integers(2))))
    return beats
