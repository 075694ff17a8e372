"""What the user chose: lengths, schedules, thresholds and block sizes, checked before anything is measured."""

from __future__ import annotations

import re
from dataclasses import replace

from models.errors import FcimError
from models.hardware.config import HardwareConfig
from models.hardware.schedules import SCHEDULES, check_schedule
from models.tensors.source import parse_count, parse_indices
from scripts.studies.schedules.points import BLOCK_SIZES, LENGTHS, TAUS, Selection

MIN_TOKENS = 64     # what the statistics of a head need


def chosen_lengths(text: str | None, limit: int) -> list[int]:
    """The lengths of ``TOKENS``, or the default ones that model and configuration can take; ascending.

    Raises:
        FcimError: one is no number, too small, or beyond the limit.
    """
    if not text:
        return [n for n in LENGTHS if n <= limit] or [limit]
    lengths = _counts(text, "TOKENS")
    for length in lengths:
        if not MIN_TOKENS <= length <= limit:
            raise FcimError(f"TOKENS = {length} is illegal here; use {MIN_TOKENS} to {limit}")
    return lengths


def _counts(text: str, variable: str) -> list[int]:
    """Whole numbers separated by commas, ascending, each once."""
    found = {parse_count(part.strip(), variable) for part in text.split(",")}
    if None in found:
        raise FcimError(f"{variable} = '{text}' leaves a number out; write numbers separated by commas")
    return sorted(found)


def _taus(text: str | None, cfg: HardwareConfig) -> tuple[int, ...]:
    if not text:
        return tuple(tau for tau in TAUS if tau <= cfg.max_tau())
    for number in re.findall(r"\d{1,9}", text):
        cfg.check_tau(int(number))  # its line says why not, which a list's cannot
    return tuple(parse_indices(text, cfg.max_tau() + 1, "TAU"))


def _sizes(text: str | None, cfg: HardwareConfig) -> tuple[int, ...]:
    sizes = _counts(text, "KEYS_PER_BLOCK") if text else [size for size in BLOCK_SIZES if size <= cfg.head_dim]
    for size in sizes:
        replace(cfg, keys_per_block=size)
    return tuple(sorted(sizes, key=lambda size: size != cfg.keys_per_block))


def choose(cfg: HardwareConfig, schedules: str | None, taus: str | None, sizes: str | None, full: bool) -> Selection:
    """The selection; an empty or missing text means everything that the configuration can run.

    Args:
        schedules, sizes: separated by commas. taus: the same, or ranges like ``0-3,8``.

    Raises:
        FcimError: an unknown schedule, a threshold beyond what ``prob_bits`` leaves, or a block size that cannot be built.
    """
    names = [check_schedule(name.strip()) for name in schedules.split(",")] if schedules else SCHEDULES
    return Selection(tuple(s for s in SCHEDULES if s in names), _taus(taus, cfg), _sizes(sizes, cfg), full)
