"""Seeds: where a run's seed comes from."""

from __future__ import annotations

import os

from models.values import parse_seed

__all__ = ["choose_seed", "draw_seed", "parse_seed"]

SEED_BITS = 32


def draw_seed() -> int:
    """A new seed, short enough to be typed."""
    return int.from_bytes(os.urandom(SEED_BITS // 8), "little")


def choose_seed(seed: int | None = None) -> int:
    """``seed`` itself, else the environment's SEED, else a new one."""
    if seed is not None:
        return seed
    return parse_seed(os.environ["SEED"]) if os.environ.get("SEED") else draw_seed()
