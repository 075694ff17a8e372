"""Coverpoints of ``fcim_accelerator`` and ``fcim_call_unit``, and their samplers."""

from __future__ import annotations

from collections.abc import Sequence

from tb.common.coverage import BenchCoverGroup, points_of, sampler

KINDS = ("resident", "streamed", "decode")
PACES = ("quick", "late", "slow")
ENGINES = 16
STATUSES = ("done", "op", "reserved bit", "size", "alignment", "unreadable", "read", "write", "engine")
point, inside = points_of("fcim_accelerator"), points_of("fcim_call_unit")

COVERPOINTS = (
    inside("call_unit.call", "Calls that are right, by what the memory is like", axes=(("kind", KINDS), ("memory", PACES))),
    inside("call_unit.failed", "Calls whose reads or writes fail", axes=(("kind", KINDS), ("what", ("read", "write")))),
    inside("call_unit.engine", "Engines of sixteen that have keys in a call of each kind",
           axes=(("kind", KINDS), ("engine", tuple(map(str, range(ENGINES)))))),
    inside("call_unit.engine_skips", "Engines of sixteen that leave out blocks", tuple(map(str, range(ENGINES)))),
    point("accelerator.status", "How descriptors end", STATUSES),
    point("accelerator.at_once", "Calls that are ordered at once", ("one", "several")),
    point("accelerator.interrupt", "Interrupts", axes=(("kind", ("done", "error")), ("pin", ("masked", "let")))),
    point("accelerator.reset", "What a reset finds under way", axes=(
        ("reset", ("soft", "hard")), ("kind", KINDS), ("moment", ("descriptor", "reads", "rows")))),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_status(status: int) -> None:
    """How a descriptor ended."""
    GROUP.sample("accelerator.status", STATUSES[status])


@sampler
def sample_end(kind: str, pace: str, status: int) -> None:
    """How a call of a kind ended."""
    GROUP.sample("accelerator.status", STATUSES[status])
    if STATUSES[status] == "done":
        GROUP.sample("call_unit.call", f"{kind}, {pace}")
    elif STATUSES[status] in ("read", "write"):
        GROUP.sample("call_unit.failed", f"{kind}, {STATUSES[status]}")


@sampler
def sample_engines(kind: str, keys: Sequence[int], skipped: Sequence[int]) -> None:
    """A call's keys and blocks left out, engine by engine; of an accelerator of sixteen."""
    for engine, (some, blocks) in enumerate(zip(keys, skipped, strict=True)):
        GROUP.sample("call_unit.engine", f"{kind}, {engine}", int(some > 0))
        GROUP.sample("call_unit.engine_skips", str(engine), int(blocks > 0))


@sampler
def sample_at_once(calls: int) -> None:
    """So many calls are in the ring."""
    GROUP.sample("accelerator.at_once", "one" if calls == 1 else "several")


@sampler
def sample_interrupt(kind: str, pin: str) -> None:
    """An interrupt stands in its register and, let or masked, at the pin or not."""
    GROUP.sample("accelerator.interrupt", f"{kind}, {pin}")


@sampler
def sample_reset(reset: str, kind: str, moment: str) -> None:
    """A reset comes."""
    GROUP.sample("accelerator.reset", f"{reset}, {kind}, {moment}")
