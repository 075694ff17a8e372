"""What a schedule should reach, and which settings do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from models.hardware.schedules import SCHEDULES, TileOptions
from scripts.studies.schedules.report import percent
from scripts.studies.schedules.rows import Row, by_layer, pick
from scripts.studies.schedules.settings import CALIBRATED, GOAL_SETTINGS, NATURAL

TOKENS = 2048
FEWER = 0.95        # share of natural order's rescales that is gone
LOST_DB = 0.1       # mean SQNR that natural order has more, dB
GAUSSIAN = 0.05     # more rescales than natural order on tensors without a pattern
CYCLES = 0.01       # more cycles than natural order takes at the configuration's own block size
LOST_CALIBRATED_DB = 0.05   # the same with the order that a calibration text gave to each KV head
WORSE = 0.05        # more rescales than natural order in any layer at any length that a default order may need
NEXT_TO_NONE = 0.01     # rescales per row that are as good as none: a ratio to less would mean nothing
PAPER = "58.5 to 61.4 %"    # what arXiv 2604.25317 reports, against an online softmax in natural order
TRAINED, RANDOM, PLANTED = "model", "random", "model + sink"


@dataclass(frozen=True)
class Goal:
    """One setting against all goals; a figure that was not measured is None and its goal not reached.

    ``fewer``: rescales saved on the model at ``TOKENS``; ``lost_db``: mean SQNR lost there; ``gaussian``: the largest ratio of
    rescales to natural order's at the same threshold on random tensors, any length (1.05 is the limit); ``more_cycles``:
    cycles over those of natural order at the configuration's block size, less 1. For information: ``more_cycles_same_size``,
    over those of natural order at the same block size; ``fewer_online``, against an online softmax in natural order that
    rescales at every new maximum; ``fewer_sink``, rescales saved where a sink is planted; ``cycles`` at ``TOKENS``.
    """

    keys_per_block: int
    setting: TileOptions
    fewer: float | None
    lost_db: float | None
    gaussian: float | None
    more_cycles: float | None
    more_cycles_same_size: float | None
    fewer_sink: float | None
    fewer_online: float | None
    cycles: int | None

    @property
    def reached(self) -> list[bool]:
        """Fewer rescales, SQNR, random tensors, cycles."""
        return [self.fewer is not None and self.fewer >= FEWER, self.lost_db is not None and self.lost_db <= LOST_DB,
                self.gaussian is not None and self.gaussian <= 1 + GAUSSIAN,
                self.more_cycles is not None and self.more_cycles <= CYCLES]

    def as_dict(self) -> dict[str, Any]:
        """Plain dict with the verdict."""
        facts = {"point" if name == "setting" else name: value for name, value in asdict(self).items()}
        return {**facts, "point": self.setting.name, "reached": all(self.reached)}


def _more(row: Row, natural: list[Row]) -> float | None:
    return row.cycles / natural[0].cycles - 1 if row.cycles and natural and natural[0].cycles else None


def _worst_ratio(rows: list[Row], size: int, setting: TileOptions) -> float | None:
    """Of rescales on random tensors to natural order's."""
    here = pick(rows, source=RANDOM, keys_per_block=size)
    return max((ratio(row.rescales, row.rescales_natural) for row in pick(here, setting=setting)), default=None)


def ratio(rescales: float, natural: float) -> float:
    """Of rescales per row."""
    return max(rescales, NEXT_TO_NONE) / max(natural, NEXT_TO_NONE)


@dataclass(frozen=True)
class WorstLayer:
    """Where a setting needs most rescales beside natural order (threshold 0): ``times`` as many, in a layer at a length."""

    times: float
    layer: str
    tokens: int


def worst_layers(rows: list[Row], setting: TileOptions) -> dict[str, WorstLayer]:
    """The worst layer of any prefill by source; ``rows`` of one block size and as many bits."""
    worst: dict[str, WorstLayer] = {}
    for row in pick(rows, phase="prefill", setting=setting):
        natural = by_layer(pick(rows, source=row.source, phase="prefill", tokens=row.tokens, setting=NATURAL)[0].rescales_of_head)
        for layer, rescales in by_layer(row.rescales_of_head).items():
            times = ratio(rescales, natural[layer])
            if row.source not in worst or times > worst[row.source].times:
                worst[row.source] = WorstLayer(times, layer, row.tokens)
    return worst


def safe_settings(rows: list[Row]) -> list[TileOptions]:
    """The orders (threshold 0) that need at most ``WORSE`` more rescales than natural order in every layer of every source at
    every length; natural order first, then those that save most on the model."""
    tried = [TileOptions(schedule, fused) for schedule in SCHEDULES for fused in (False, True)]
    safe = [setting for setting in tried if (found := worst_layers(rows, setting))
            and all(of.times <= 1 + WORSE for of in found.values())]
    trained = pick(rows, source=TRAINED, phase="prefill")
    return sorted(safe, key=lambda s: (s != NATURAL, sum(row.rescales for row in pick(trained, setting=s))))


def order_lines(rows: list[Row], prob_bits: int, keys_per_block: int) -> list[str]:
    """What the calibrated order saves, and which orders are never much worse than natural, in words."""
    here = pick(rows, prob_bits=prob_bits, keys_per_block=keys_per_block)
    lines = [f"calibrated order, {row.tokens:,} tokens: {percent(row.fewer)} % fewer rescales (goal {100 * FEWER:.0f} %), "
             f"{row.lost_db:.3f} dB lost (goal {LOST_CALIBRATED_DB})"
             for row in pick(here, source=TRAINED, phase="prefill", setting=CALIBRATED) if row.lost_db is not None]
    safe = [setting.name for setting in safe_settings(here) if setting != NATURAL]
    return [*lines, f"never over {100 * WORSE:.0f} % more rescales than natural order in any layer at any length: "
                    f"{', '.join(safe) or 'no other order'}"]


def check_goals(rows: list[Row], prob_bits: int, keys_per_block: int) -> list[Goal]:
    """The goals for every setting of ``GOAL_SETTINGS`` and every block size whose outputs on the model were computed.

    Args:
        prob_bits, keys_per_block: of the configuration.
    """
    here = pick(rows, phase="prefill", prob_bits=prob_bits)
    trained, planted = (pick(here, source=source, tokens=TOKENS) for source in (TRAINED, PLANTED))
    goals = []
    for size in sorted({row.keys_per_block for row in trained}):
        for setting in GOAL_SETTINGS:
            for row in pick(trained, keys_per_block=size, setting=setting):
                sink = pick(planted, keys_per_block=size, setting=setting)
                if row.lost_db is not None:
                    goals.append(Goal(
                        size, setting, row.fewer, row.lost_db, _worst_ratio(here, size, setting),
                        _more(row, pick(trained, keys_per_block=keys_per_block, setting=NATURAL)),
                        _more(row, pick(trained, keys_per_block=size, setting=NATURAL)),
                        sink[0].fewer if sink else None, row.fewer_online, row.cycles))
    return goals


def goal_lines(found: list[Goal]) -> list[str]:
    """The goals in words: which block sizes reach them by which setting, and the comparison with the paper."""
    if not found:
        return []
    lines = []
    for size in sorted({goal.keys_per_block for goal in found}):
        here = [goal for goal in found if goal.keys_per_block == size]
        reached = [goal for goal in here if all(goal.reached)]
        # else the setting that saves most without missing another goal
        near = max((goal for goal in here if all(goal.reached[1:])), key=lambda goal: goal.fewer, default=None)
        if reached:
            lines.append(f"{size} keys a block: all goals are reached by {', '.join(goal.setting.name for goal in reached)}")
        elif near:
            lines.append(f"{size} keys a block: not reached; nearest is {near.setting.name} with {percent(near.fewer)} %, "
                         f"{100 * (FEWER - near.fewer):.1f} points short")
        else:
            lines.append(f"{size} keys a block: not reached")
    lines.append(f"The paper reports {PAPER} fewer than an online softmax in natural order that rescales at every new "
                 f"maximum. Against that, at most {LOST_DB} dB lost:")
    for size in sorted({goal.keys_per_block for goal in found}):
        for best in sorted((g for g in found if g.keys_per_block == size and g.lost_db <= LOST_DB),
                           key=lambda goal: -goal.fewer_online)[:1]:
            lines.append(f"{size} keys a block: {percent(best.fewer_online)} % fewer by {best.setting.name}")
    return lines
