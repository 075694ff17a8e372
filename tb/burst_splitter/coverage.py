"""Coverpoints of ``fcim_burst_splitter`` and their samplers."""

from __future__ import annotations

from tb.common.bursts import PAGE, Burst, Command
from tb.common.coverage import BenchCoverGroup, numbers, points_of, sampler

point = points_of("fcim_burst_splitter")

ENDS = ("run", "MAX_BURST", "4 KB", "4 KB and MAX_BURST", "4 KB and run", "MAX_BURST and run", "4 KB and MAX_BURST and run")
COVERPOINTS = (
    point("burst_splitter.width", "Every width of a beat", numbers(128, 256, 512, 1024)),
    point("burst_splitter.longest", "Lengths of bursts that are allowed at most", numbers(1, 2, 16, 256)),
    point("burst_splitter.ends", "What keeps a burst from being longer: the end of its run, the longest burst, the next 4 KB, or "
          "several of them at once", ENDS),
    point("burst_splitter.rows", "How the rows of a command lie",
          ("one row", "one behind the other", "apart", "overlapping", "on one another", "backwards")),
    point("burst_splitter.address", "Addresses",
          ("first of 4 KB", "last of 4 KB", "between", "last of all", "past the last: from 0")),
    point("burst_splitter.clear", "What is inside when it is cleared", ("nothing", "a command", "two commands")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_parameters(width: int, most: int) -> None:
    """Bytes of a beat and beats of the longest burst."""
    GROUP.sample("burst_splitter.width", str(8 * width))
    GROUP.sample("burst_splitter.longest", str(most))


@sampler
def sample_command(command: Command, width: int) -> None:
    """A command that was accepted."""
    signed = (command.stride + (1 << 63)) % (1 << 64) - (1 << 63)
    length = command.beats * width
    GROUP.sample("burst_splitter.rows", "one row" if command.rows == 1 else
                 "one behind the other" if command.contiguous(width) else
                 "backwards" if signed < 0 else "on one another" if not signed // width else "overlapping" if signed < length else
                 "apart")


@sampler
def sample_burst(burst: Burst, width: int) -> None:
    """A burst that left."""
    GROUP.sample("burst_splitter.ends", " and ".join(sorted(burst.ended_by)))
    start, end = burst.address, burst.address + burst.beats * width
    GROUP.sample("burst_splitter.address", "first of 4 KB" if start % PAGE == 0 else
                 "last of 4 KB" if (start + width) % PAGE == 0 else "between")
    if end == 1 << 64:
        GROUP.sample("burst_splitter.address", "last of all")
    if start == 0:
        GROUP.sample("burst_splitter.address", "past the last: from 0")


@sampler
def sample_clear(commands: int) -> None:
    """A clear that finds so many commands inside."""
    GROUP.sample("burst_splitter.clear", ("nothing", "a command", "two commands")[commands])
