"""Coverpoints of ``fcim_unfused`` and their samplers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.baseline.unfused_program import Load, Operation, Pv, Qk, Softmax, UnfusedConfig, limits, macros_of
from models.baseline.unfused_timing import Timing
from tb.common.coverage import BenchCoverGroup, numbers, points_of, sampler

point = points_of("fcim_unfused")
loader, limit, sums = (points_of(f"fcim_unfused_{name}") for name in ("loader", "limit", "sums"))
softmax, of_rows = points_of("fcim_unfused_softmax"), points_of("fcim_unfused_rows")

SEEN = ("none", "some", "all")
SPANS = ("only", "first", "last", "between")     # 2 if it isn't first, and 1 if it isn't last
TOGETHER = {"load and macros": (0, 1), "load and softmax": (0, 2), "macros and softmax": (1, 2), "all": (0, 1, 2)}
COVERPOINTS = (
    point("unfused.macros", "Macros", numbers(1, 2, 4, 8, 16, 32)),
    point("unfused.bits", "Bits of an input per cycle", numbers(1, 2, 4, 8)),
    sums("unfused.o_parts", "What one operation PV covers of a row of O", ("a part", "all")),
    points_of("fcim_unfused_feed")("unfused.slot", "What a row waits for",
          axes=(("operation", ("QK", "PV")), ("longest", ("the macros", "a port")))),
    loader("unfused.load", "Loads",
           axes=(("of", ("keys", "values")), ("bank", ("0", "1", "above")), ("macros", ("some", "all")))),
    loader("unfused.banks", "Loads into each bank of 2, of 4 and of 8",
           tuple(f"{bank} of {banks}" for banks in (2, 4, 8) for bank in range(banks))),
    limit("unfused.seen", "Keys of a span that a row sees", axes=(("operation", ("QK", "SOFTMAX", "PV")), ("keys", SEEN))),
    sums("unfused.span", "Place of a span of PV in its rows", SPANS),
    of_rows("unfused.maximum", "Maxima of rows in an operation QK", ("begin", "go on")),
    softmax("unfused.denominator", "Denominators of rows in an operation SOFTMAX", ("begin", "go on")),
    points_of("fcim_unfused_walk")("unfused.words", "Words of S of a row of QK", ("one", "several")),
    points_of("fcim_unfused_scores")("unfused.last_word", "Keys in the last word of a span", ("some", "all")),
    points_of("fcim_unfused_ones")("unfused.driven", "Macros that a row of Q drives", SEEN),
    point("unfused.together", "Cycles with operations under way together", tuple(TOGETHER)),
    points_of("fcim_unfused_gate")("unfused.offered", "When software offers an operation", ("before it can start", "late")),
    point("unfused.reset", "What goes before a program", ("nothing", "operations that a reset ended")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_config(cfg: UnfusedConfig) -> None:
    """How a design is built."""
    GROUP.sample("unfused.macros", str(cfg.macros))
    GROUP.sample("unfused.bits", str(cfg.bits_per_cycle))
    GROUP.sample("unfused.o_parts", "all" if cfg.parts == 1 else "a part")
    GROUP.sample("unfused.words", "one" if cfg.s_words == 1 else "several")
    for name, slot in (("QK", cfg.qk_slot), ("PV", cfg.pv_slot)):
        GROUP.sample("unfused.slot", f"{name}, {'a port' if slot > cfg.cycles_per_input else 'the macros'}")


@sampler
def sample_program(cfg: UnfusedConfig, program: Sequence[Operation], positions: np.ndarray, timing: Timing, pattern: str) -> None:
    """A program that was right."""
    for op in program:
        if isinstance(op, Load):
            some = "all" if len(macros_of(cfg, op)) == cfg.macros else "some"
            bank = str(op.bank) if op.bank < 2 else "above"
            GROUP.sample("unfused.load", f"{'values' if op.values else 'keys'}, {bank}, {some}")
            GROUP.sample("unfused.banks", f"{op.bank} of {cfg.banks}")
            continue
        assert isinstance(op, Qk | Softmax | Pv)
        name = type(op).__name__.upper()
        for seen in limits(positions, op).tolist():
            GROUP.sample("unfused.seen", f"{name}, {SEEN[0 if not seen else 1 if seen < op.keys else 2]}")
        if isinstance(op, Qk):
            GROUP.sample("unfused.maximum", "begin" if op.first else "go on")
            GROUP.sample("unfused.last_word", "some" if op.keys % cfg.s_lanes else "all")
            for macros in (-(-limits(positions, op) // cfg.rows)).tolist():
                GROUP.sample("unfused.driven", SEEN[0 if not macros else 1 if macros < cfg.macros else 2])
        elif isinstance(op, Softmax):
            GROUP.sample("unfused.denominator", "begin" if op.first else "go on")
        else:
            GROUP.sample("unfused.span", SPANS[(not op.first) * 2 + (not op.last)])
    busy = [np.zeros(max(timing.done) + 1, dtype=bool) for _ in range(3)]
    for op, start, done in zip(program, timing.start, timing.done, strict=True):
        busy[op.QUEUE][start:done + 1] = True
    for name, queues in TOGETHER.items():
        GROUP.sample("unfused.together", name, int(np.logical_and.reduce([busy[queue] for queue in queues]).sum()))
    GROUP.sample("unfused.offered", "late" if pattern == "gaps" else "before it can start")
    GROUP.sample("unfused.reset", "operations that a reset ended" if pattern == "reset" else "nothing")
