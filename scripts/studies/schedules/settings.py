"""What the ablation varies, and what a user chooses of it: schedule, first step and lazy threshold; block sizes; lengths."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from models.errors import FcimError
from models.hardware.config import TAU_MAX, EngineConfig
from models.hardware.schedules import SCHEDULES, TileOptions, check_schedule
from models.tensors.source import parse_count, parse_indices

TAUS = tuple(range(TAU_MAX + 1))
SCORED_TAUS = (0, 1, 2, 4)      # thresholds of which the default run also computes outputs
BLOCK_SIZES = (8, 16, 32, 64)
LENGTHS = (512, 1024, 2048, 4096)
SCORED_LENGTHS = (512, 2048)    # where the default run also computes outputs and cycles
PROB_BITS = (8, 10, 12, 14, 16, 18)
MIN_TOKENS = 64     # what the statistics of a head need

# A setting is a TileOptions without skipping, which changes no bit: its savings are counted at every setting.
NATURAL = TileOptions()
CALIBRATED = TileOptions("calibrated")  # stands for what a file gives to each KV head; the hardware has no order of this name
ORDERS = (*SCHEDULES, CALIBRATED.schedule)
GOAL_SETTINGS = tuple(TileOptions(schedule, True, tau=tau) for schedule in SCHEDULES[1:] for tau in SCORED_TAUS)

# (fused, tau) pairs
Variants = list[tuple[bool, int]]


@dataclass(frozen=True)
class Selection:
    """What the user wants of each axis. ``sizes`` are keys per block, the one that tables and plots are about first."""

    schedules: tuple[str, ...] = SCHEDULES
    taus: tuple[int, ...] = TAUS
    sizes: tuple[int, ...] = (16, 8, 32, 64)
    full: bool = False

    @property
    def measured(self) -> tuple[str, ...]:
        """The schedules to measure: natural order too, as everything is compared with it."""
        return tuple(s for s in SCHEDULES if s in self.schedules or s == NATURAL.schedule)

    def shows(self, setting: TileOptions) -> bool:
        """Whether a setting is asked for, or is what others are compared with."""
        return setting in (NATURAL, CALIBRATED) or (setting.schedule in self.schedules and setting.tau in self.taus)


@dataclass
class Sweep:
    """One configuration: the variants that are counted on it in each schedule, and the settings whose outputs are computed.

    ``bits``: other widths of a probability for which the blocks that round to nothing are counted, at threshold 0.
    ``skipping``: compute the scored settings' cycles with skipping too.
    """

    cfg: EngineConfig
    variants: Variants
    scored: list[TileOptions] = field(default_factory=list)
    bits: tuple[int, ...] = ()
    schedules: tuple[str, ...] = SCHEDULES
    skipping: bool = True


def variants(cfg: EngineConfig, taus: tuple[int, ...] = TAUS) -> Variants:
    """Every ``(fused, tau)`` that the configuration can run; tau 0 is always among them."""
    return [(fused, tau) for fused in (False, True) for tau in sorted({0, *taus}) if tau <= cfg.max_tau()]


def scored_settings(cfg: EngineConfig, chosen: Selection, few: bool = False) -> list[TileOptions]:
    """The settings whose outputs and cycles are computed.

    By default a threshold above 0 only where goals are checked and in natural order; with ``few`` only the goals' settings
    of thresholds 0 and 1, and natural order.
    """
    settings = [TileOptions(schedule, fused, tau=tau) for schedule in chosen.measured
                for fused, tau in variants(cfg, chosen.taus)]
    shown = [s for s in settings if chosen.shows(s)]
    if chosen.full:
        return shown
    if few:
        return [s for s in shown if s == NATURAL or (s in GOAL_SETTINGS and s.tau <= 1)]
    return [s for s in shown if s.tau == 0 or s in GOAL_SETTINGS or (s.tau in SCORED_TAUS and s == TileOptions(tau=s.tau))]


def sweeps(cfg: EngineConfig, chosen: Selection, scored: bool, goals: bool) -> list[Sweep]:
    """What to do with one set of tensors at one length, the first of the chosen block sizes first.

    Args:
        scored: compute outputs and cycles. goals: everything that goals are checked on, larger blocks too, where they may be
            reached; else few settings at the first size.
    """
    found = []
    for number, size in enumerate(chosen.sizes):
        one = replace(cfg, keys_per_block=size)
        first = number == 0
        settings = []
        if chosen.full or (scored and (first or (goals and size > chosen.sizes[0]))):
            settings = scored_settings(one, chosen, few=not (first and goals))
        bits = tuple(b for b in PROB_BITS if b != cfg.prob_bits) if first else ()
        found.append(Sweep(one, variants(one, chosen.taus), settings, bits, chosen.measured, first or chosen.full))
    return found



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


def _taus(text: str | None, cfg: EngineConfig) -> tuple[int, ...]:
    if not text:
        return tuple(tau for tau in TAUS if tau <= cfg.max_tau())
    for number in re.findall(r"\d{1,9}", text):
        cfg.check_tau(int(number))  # its line says why not, which a list's cannot
    return tuple(parse_indices(text, cfg.max_tau() + 1, "TAU"))


def _sizes(text: str | None, cfg: EngineConfig) -> tuple[int, ...]:
    sizes = _counts(text, "KEYS_PER_BLOCK") if text else [size for size in BLOCK_SIZES if size <= cfg.head_dim]
    for size in sizes:
        replace(cfg, keys_per_block=size)
    return tuple(sorted(sizes, key=lambda size: size != cfg.keys_per_block))


def choose(cfg: EngineConfig, schedules: str | None, taus: str | None, sizes: str | None, full: bool) -> Selection:
    """The selection; an empty or missing text means everything that the configuration can run.

    Args:
        schedules, sizes: separated by commas. taus: the same, or ranges like ``0-3,8``.

    Raises:
        FcimError: an unknown schedule, a threshold beyond what ``prob_bits`` leaves, or a block size that cannot be built.
    """
    names = [check_schedule(name.strip()) for name in schedules.split(",")] if schedules else SCHEDULES
    return Selection(tuple(s for s in SCHEDULES if s in names), _taus(taus, cfg), _sizes(sizes, cfg), full)
