"""Coverpoints of ``fcim_registers`` and their samplers."""

from __future__ import annotations

from models.system.registers import REGISTERS
from tb.common.coverage import BenchCoverGroup, numbers, points_of, sampler

point = points_of("fcim_registers")

WORDS = (*REGISTERS, "none")
EVENTS = ("done", "refused", "read", "write", "engine", "completion", "unreadable")
COVERPOINTS = (
    point("registers.read", "Registers that were read, and an address without one", WORDS),
    point("registers.write", "Registers that were written to, and an address without one", WORDS),
    point("registers.strobe", "Bytes of a word that were written", tuple(f"{strobe:04b}" for strobe in range(16))),
    point("registers.order", "Which half of a write comes first", ("address", "data", "together")),
    point("registers.event", "Events", EVENTS),
    point("registers.kept", "Events in the very cycle in which what they set is cleared", EVENTS),
    point("registers.interrupt", "Interrupts that wait, and whether they are enabled",
          axes=(("waits", ("done", "error")), ("enabled", ("yes", "no")))),
    point("registers.counter", "Counters of an engine that were chosen", numbers(*range(26)) + ("none",)),
    point("registers.reset", "What a reset finds", ("nothing", "a write", "a read")),
)
GROUP = BenchCoverGroup(COVERPOINTS)
NAMES = {register.offset: name for name, register in REGISTERS.items()}


@sampler
def sample_read(offset: int) -> None:
    """A read."""
    GROUP.sample("registers.read", NAMES.get(offset & ~3, "none"))


@sampler
def sample_write(offset: int, strobe: int, first: str) -> None:
    """A write; ``first`` is its half that was given first."""
    GROUP.sample("registers.write", NAMES.get(offset & ~3, "none"))
    GROUP.sample("registers.strobe", f"{strobe:04b}")
    GROUP.sample("registers.order", {"aw": "address", "w": "data"}.get(first, "together"))


@sampler
def sample_event(name: str, cleared: bool) -> None:
    """An event, ``cleared``: in the cycle in which a write clears what it sets."""
    GROUP.sample("registers.event", name)
    if cleared:
        GROUP.sample("registers.kept", name)


@sampler
def sample_interrupt(waits: str, enabled: bool) -> None:
    """An interrupt that waits."""
    GROUP.sample("registers.interrupt", f"{waits}, {'yes' if enabled else 'no'}")


@sampler
def sample_counter(number: int) -> None:
    """The counter of an engine that was read."""
    GROUP.sample("registers.counter", str(number) if number < 26 else "none")


@sampler
def sample_reset(found: str) -> None:
    """A reset."""
    GROUP.sample("registers.reset", found)
