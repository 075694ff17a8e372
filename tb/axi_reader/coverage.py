"""Coverpoints of ``fcim_axi_reader`` and their samplers."""

from __future__ import annotations

from tb.common.bursts import DECERR, OKAY, PAGE, SLVERR, Command
from tb.common.coverage import BenchCoverGroup, numbers, points_of, sampler

point = points_of("fcim_axi_reader")

RESP = {OKAY: "OKAY", SLVERR: "SLVERR", DECERR: "DECERR"}
COVERPOINTS = (
    point("axi_reader.width", "Every width of the bus", numbers(128, 256, 512, 1024)),
    point("axi_reader.longest", "Longest bursts", numbers(1, 2, 4, 16, 256)),
    point("axi_reader.command", "Where the last beat of a command lies",
          ("before the end of 4 KB", "at the end of 4 KB", "first of the next 4 KB", "elsewhere")),
    point("axi_reader.room", "Room in the buffer after an address", ("some left", "none left")),
    point("axi_reader.answer", "Answers, in the middle of a burst and at its end",
          axes=(("answer", tuple(RESP.values())), ("beat", ("last", "not last")))),
    point("axi_reader.stop", "What is under way when it is stopped",
          ("nothing", "beats are to come", "beats wait in the buffer", "both")),
    point("axi_reader.reset", "What a reset finds", ("nothing", "bursts")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_parameters(width: int, most: int) -> None:
    """Bytes of a beat and beats of the longest burst."""
    GROUP.sample("axi_reader.width", str(8 * width))
    GROUP.sample("axi_reader.longest", str(most))


@sampler
def sample_command(command: Command, width: int) -> None:
    """A command that was accepted."""
    after = (command.addresses(width)[-1] + width) % PAGE
    GROUP.sample("axi_reader.command", {PAGE - width: "before the end of 4 KB", 0: "at the end of 4 KB",
                                        width: "first of the next 4 KB"}.get(after, "elsewhere"))


@sampler
def sample_address(kept: int, buffer: int) -> None:
    """An address that was accepted, and with it so many beats of the buffer are kept or full."""
    GROUP.sample("axi_reader.room", "none left" if kept == buffer else "some left")


@sampler
def sample_beat(resp: int, last: bool) -> None:
    """A beat that was read."""
    GROUP.sample("axi_reader.answer", f"{RESP[resp]}, {'last' if last else 'not last'}")


@sampler
def sample_stop(to_come: bool, waits: bool) -> None:
    """It is stopped while beats are to come, or wait."""
    GROUP.sample("axi_reader.stop", "both" if to_come and waits else "beats are to come" if to_come else
                 "beats wait in the buffer" if waits else "nothing")


@sampler
def sample_reset(bursts: bool) -> None:
    """A reset that finds bursts under way, or nothing."""
    GROUP.sample("axi_reader.reset", "bursts" if bursts else "nothing")
