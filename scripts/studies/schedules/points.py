"""What the ablation varies: one point is a schedule, a first step and a lazy threshold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from models.hardware.config import TAU_MAX, HardwareConfig
from models.hardware.schedules import SCHEDULES

TAUS = tuple(range(TAU_MAX + 1))
SCORED_TAUS = (0, 1, 2, 4)      # thresholds of which the default run also computes outputs
BLOCK_SIZES = (8, 16, 32, 64)
LENGTHS = (512, 1024, 2048, 4096)
SCORED_LENGTHS = (512, 2048)    # where the default run also computes outputs and cycles
PROB_BITS = (8, 10, 12, 14, 16)


@dataclass(frozen=True)
class Point:
    """One way to run a tile. ``skip`` is no part of it: it changes no bit, and its savings are counted at every point."""

    schedule: str = "natural"
    fused: bool = False
    tau: int = 0

    @property
    def name(self) -> str:
        """Short and unique, like ``sink_diagonal + fused, tau 4``."""
        return f"{self.schedule}{' + fused' if self.fused else ''}" + (f", tau {self.tau}" if self.tau else "")


NATURAL = Point()
GOAL_POINTS = tuple(Point(schedule, True, tau) for schedule in SCHEDULES[1:] for tau in SCORED_TAUS)

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

    def shows(self, point: Point) -> bool:
        """Whether a point is asked for, or is what others are compared with."""
        return point == NATURAL or (point.schedule in self.schedules and point.tau in self.taus)


@dataclass
class Sweep:
    """One configuration: the variants that are counted on it in each schedule, and the points whose outputs are computed.

    ``bits``: other widths of a probability for which the blocks that round to nothing are counted, at threshold 0.
    ``skipping``: compute the scored points' cycles with skipping too.
    """

    cfg: HardwareConfig
    variants: Variants
    scored: list[Point] = field(default_factory=list)
    bits: tuple[int, ...] = ()
    schedules: tuple[str, ...] = SCHEDULES
    skipping: bool = True


def variants(cfg: HardwareConfig, taus: tuple[int, ...] = TAUS) -> Variants:
    """Every ``(fused, tau)`` that the configuration can run; tau 0 is always among them."""
    return [(fused, tau) for fused in (False, True) for tau in sorted({0, *taus}) if tau <= cfg.max_tau()]


def scored_points(cfg: HardwareConfig, chosen: Selection, few: bool = False) -> list[Point]:
    """The points whose outputs and cycles are computed.

    By default a threshold above 0 only where goals are checked and in natural order; with ``few`` only the goals' points
    of thresholds 0 and 1, and natural order.
    """
    points = [Point(schedule, *variant) for schedule in chosen.measured for variant in variants(cfg, chosen.taus)]
    shown = [p for p in points if chosen.shows(p)]
    if chosen.full:
        return shown
    if few:
        return [p for p in shown if p == NATURAL or (p in GOAL_POINTS and p.tau <= 1)]
    return [p for p in shown if p.tau == 0 or p in GOAL_POINTS or (p.tau in SCORED_TAUS and p == Point(tau=p.tau))]


def sweeps(cfg: HardwareConfig, chosen: Selection, scored: bool, goals: bool) -> list[Sweep]:
    """What to do with one set of tensors at one length, the first of the chosen block sizes first.

    Args:
        scored: compute outputs and cycles. goals: everything that goals are checked on, larger blocks too, where they may be
            reached; else few points at the first size.
    """
    found = []
    for number, size in enumerate(chosen.sizes):
        one = replace(cfg, keys_per_block=size)
        first = number == 0
        points = []
        if chosen.full or (scored and (first or (goals and size > chosen.sizes[0]))):
            points = scored_points(one, chosen, few=not (first and goals))
        bits = tuple(b for b in PROB_BITS if b != cfg.prob_bits) if first else ()
        found.append(Sweep(one, variants(one, chosen.taus), points, bits, chosen.measured, first or chosen.full))
    return found
