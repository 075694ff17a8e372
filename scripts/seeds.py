"""Seeds: where a run's seed comes from."""

from __future__ import annotations

import os
import re

from models.errors import FcimError

SEED_BITS = 32


def draw_seed() -> int:
    """A new seed, short enough to be typed."""
    return int.from_bytes(os.urandom(SEED_BITS // 8), "little")


def parse_seed(text: str) -> int:
    """The seed written in ``text``.

    Raises:
        FcimError: it is no whole number from 0 on.
    """
    if not re.fullmatch(r"[0-9]+", text.strip()):
        raise FcimError(f"SEED = {text!r} is not a seed; use a whole number from 0 on")
    return int(text)


def choose_seed(seed: int | None = None) -> int:
    """``seed`` itself, else the environment's SEED, else a new one."""
    if seed is not None:
        return seed
    return parse_seed(os.environ["SEED"]) if os.environ.get("SEED") else draw_seed()
