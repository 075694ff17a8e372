"""The last tables of a run: what the Verilog confirmed, and which points reach the goals."""

from __future__ import annotations

from scripts.studies.schedules import goals as gl
from scripts.studies.schedules.rtl import Confirmed
from scripts.studies.schedules.sheet import Sheet, number, percent


def rtl_sheet(found: list[Confirmed]) -> Sheet:
    """What the Verilog said."""
    sheet = Sheet("rtl", "confirmed by the Verilog, one tile each", [
        "point", "skip", "phase", "keys", "mismatches", "rescaled rows", "skipped blocks", "cycles", "agrees"], 3)
    for c in found:
        sheet.add(c.point, "yes" if c.skip else "no", c.phase, str(c.tokens), str(c.mismatches),
                  str(c.rescaled_rows), str(c.skipped_blocks), number(c.cycles, 0),
                  "yes" if c.ok else "; ".join(c.problems) or "no")
    return sheet


def goals_sheet(found: list[gl.Goal]) -> Sheet:
    """Every point against the goals; ``!`` marks what is missed."""
    title = (f"goals at {gl.TOKENS:,} tokens: {gl.FEWER:.0%} fewer rescales than natural order (tau 0), at most {gl.LOST_DB} dB "
             f"lost, random tensors at most {gl.GAUSSIAN:.0%} more (same tau), cycles within {gl.CYCLES:.0%} of natural order")
    sheet = Sheet("goals", title, ["keys", "point", "fewer %", "lost dB", "random x", "cycles %", "reached",
                                   "cycles %, same size", "fewer than online %", "fewer with a sink %"], 2)
    for goal in found:
        more = "-" if goal.more_cycles is None else f"{100 * goal.more_cycles:+.2f}"
        same = "-" if goal.more_cycles_same_size is None else f"{100 * goal.more_cycles_same_size:+.2f}"
        marks = [f"{text}{'' if ok else ' !'}" for text, ok in zip(
            (percent(goal.fewer), number(goal.lost_db, 3), number(goal.gaussian), more), goal.reached, strict=True)]
        sheet.add(str(goal.keys_per_block), goal.point.name, *marks, "yes" if all(goal.reached) else "no", same,
                  percent(goal.fewer_online), percent(goal.fewer_sink))
    return sheet


def goal_lines(found: list[gl.Goal]) -> list[str]:
    """The goals in words: which block sizes reach them by which point, and the comparison with the paper."""
    if not found:
        return []
    lines = []
    for size in sorted({goal.keys_per_block for goal in found}):
        here = [goal for goal in found if goal.keys_per_block == size]
        reached = [goal for goal in here if all(goal.reached)]
        # else the point that saves most without missing another goal
        near = max((goal for goal in here if all(goal.reached[1:])), key=lambda goal: goal.fewer, default=None)
        if reached:
            lines.append(f"{size} keys a block: all goals are reached by {', '.join(goal.point.name for goal in reached)}")
        elif near:
            lines.append(f"{size} keys a block: not reached; nearest is {near.point.name} with {percent(near.fewer)} %, "
                         f"{100 * (gl.FEWER - near.fewer):.1f} points short")
        else:
            lines.append(f"{size} keys a block: not reached")
    lines.append(f"The paper reports {gl.PAPER} fewer than an online softmax in natural order that rescales at every new "
                 f"maximum. Against that, at most {gl.LOST_DB} dB lost:")
    for size in sorted({goal.keys_per_block for goal in found}):
        for best in sorted((g for g in found if g.keys_per_block == size and g.lost_db <= gl.LOST_DB),
                           key=lambda goal: -goal.fewer_online)[:1]:
            lines.append(f"{size} keys a block: {percent(best.fewer_online)} % fewer by {best.point.name}")
    return lines
