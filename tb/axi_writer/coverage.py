"""Coverpoints of ``fcim_axi_writer`` and their samplers."""

from __future__ import annotations

from tb.common.bursts import DECERR, OKAY, SLVERR
from tb.common.coverage import BenchCoverGroup, numbers, points_of, sampler

point = points_of("fcim_axi_writer")

RESP = {OKAY: "OKAY", SLVERR: "SLVERR", DECERR: "DECERR"}
COVERPOINTS = (
    point("axi_writer.width", "Every width of the bus", numbers(128, 256, 512, 1024)),
    point("axi_writer.longest", "Longest bursts", numbers(1, 2, 4, 16, 256)),
    point("axi_writer.order", "A burst's last beat is accepted before or after its address",
          ("beats before the address", "in the same cycle", "address before the beats")),
    point("axi_writer.strobe", "Bytes of a beat that are written", ("none", "some", "all")),
    point("axi_writer.waits", "Who waits for whom: beats for the bus, the bus for beats, beats for a burst's address to be sent",
          ("for the bus", "for beats", "for an address")),
    point("axi_writer.answer", "Answers, of bursts in the middle of a command and at its end",
          axes=(("answer", tuple(RESP.values())), ("burst", ("last", "not last")))),
    point("axi_writer.done", "Commands that are done",
          ("without an error", "its last burst failed alone", "earlier bursts failed", "the last and earlier ones failed")),
    point("axi_writer.stop", "What is under way when it is stopped",
          ("nothing", "beats are missing", "a beat waits", "answers are missing")),
    point("axi_writer.reset", "What a reset finds", ("nothing", "bursts")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_parameters(width: int, most: int) -> None:
    """Bytes of a beat and beats of the longest burst."""
    GROUP.sample("axi_writer.width", str(8 * width))
    GROUP.sample("axi_writer.longest", str(most))


@sampler
def sample_order(address: int, last_beat: int) -> None:
    """Cycles in which a burst's address and its last beat were accepted."""
    GROUP.sample("axi_writer.order", "beats before the address" if last_beat < address else "in the same cycle"
                 if last_beat == address else "address before the beats")


@sampler
def sample_strobe(strobe: int, width: int) -> None:
    """The strobes of a beat on the bus."""
    GROUP.sample("axi_writer.strobe", "none" if not strobe else "all" if strobe == (1 << width) - 1 else "some")


@sampler
def sample_waits(bus: bool, beats: bool, address: bool) -> None:
    """One cycle: a beat on the bus is not taken, the bus could take one, a beat is offered that no burst wants."""
    for name, happened in (("for the bus", bus), ("for beats", beats), ("for an address", address)):
        GROUP.sample("axi_writer.waits", name, int(happened))


@sampler
def sample_answer(resp: int, last: bool) -> None:
    """The answer of a burst, which is the last one of its command or not."""
    GROUP.sample("axi_writer.answer", f"{RESP[resp]}, {'last' if last else 'not last'}")


@sampler
def sample_done(earlier: bool, last: bool) -> None:
    """A command is to come of whose bursts earlier ones, and the last one, fail."""
    GROUP.sample("axi_writer.done", "the last and earlier ones failed" if earlier and last else
                 "earlier bursts failed" if earlier else "its last burst failed alone" if last else "without an error")


@sampler
def sample_stop(missing: bool, waits: bool, unanswered: bool) -> None:
    """It is stopped while bursts lack beats, a beat waits for the bus, whole bursts lack their answers."""
    for name, there in (("nothing", not (missing or waits or unanswered)), ("beats are missing", missing),
                        ("a beat waits", waits), ("answers are missing", unanswered)):
        GROUP.sample("axi_writer.stop", name, int(there))


@sampler
def sample_reset(bursts: bool) -> None:
    """A reset that finds bursts under way, or nothing."""
    GROUP.sample("axi_writer.reset", "bursts" if bursts else "nothing")
