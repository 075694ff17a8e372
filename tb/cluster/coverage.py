"""Coverpoints of ``fcim_cluster`` and of the blocks around its engines, which its bench samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tb.common.coverage import SIZES, BenchCoverGroup, one_some_all, points_of, sampler
from tb.common.stream import Beat

WAYS = ("up", "up with a start of its own", "down", "down with a start of its own")
BUSES = ("keys", "values")
MODES = ("resident", "streamed", "decode")

cluster, head, feed = points_of("fcim_cluster"), points_of("fcim_request_head"), points_of("fcim_key_feed")
fanout, credits = points_of("fcim_wave_fanout"), points_of("fcim_block_credits")
sequencer, bus, collector = points_of("fcim_sequencer"), points_of("fcim_row_bus"), points_of("fcim_row_collector")

COVERPOINTS = (
    cluster("cluster.wave", "Waves of each way, with a tile for each engine and not",
            axes=(("way", WAYS), ("engines", ("all", "not all")))),
    cluster("cluster.length", "Blocks of a tile in a wave of each way", axes=(("way", WAYS), ("blocks", ("1", "2", "more")))),
    cluster("cluster.mode", "A wave of each mode behind one of each", axes=(("before", MODES), ("mode", MODES))),
    cluster("cluster.share", "Engines that have a part of a tile, of those that there are", SIZES),
    cluster("cluster.passed", "A block that passes through is freed: sent, or skipped by all that it is for",
            axes=(("mode", MODES[1:]), ("block", ("sent", "skipped")))),
    cluster("cluster.done", "Tiles that are done with in the same cycle", ("one", "more")),
    fanout("wave_fanout.waits", "A wave waits for one to take it, but not for the other",
           ("an engine", "a head", "a sequencer", "several of them")),
    credits("block_credits.there", "Keys that are asked for are in the buffer, or not yet",
            axes=(("mode", MODES[1:]), ("block", ("there", "not there")))),
    head("request_head.head", "What an engine wants next is for it alone or comes in the stream; it runs or is skipped",
         axes=(("bus", BUSES), ("block", ("alone", "in the stream"))), ),
    head("request_head.skip", "A skipped block, for one engine alone and in the stream", ("alone", "in the stream")),
    feed("key_feed.room", "Room in front of an engine", ("for another block", "none")),
    feed("key_feed.ahead", "Blocks between an engine's keys and its values", ("none", "up to the engine's room", "more", "16")),
    sequencer("sequencer.members", "Engines that a block is sent to, of those that there are",
              axes=(("bus", BUSES), ("engines", SIZES))),
    sequencer("sequencer.skips", "Engines that skip a block of values which the stream has come to", ("none", "some", "all")),
    sequencer("sequencer.waits", "A stream waits for engines, for the bus, or not", axes=(
        ("bus", BUSES), ("waits", ("for an engine", "for the bus", "for nothing")))),
    bus("row_bus.choice", "What is chosen, and whether others wait for the bus meanwhile", axes=(
        ("bus", BUSES), ("chosen", ("a stream", "an engine alone")), ("others", ("none", "wait")))),
    # where parts are joined all tiles are partial: the merge unit is never among others
    collector("row_collector.engines", "Who has a row of O at the same time", ("an engine", "several engines", "the merge unit")),
    collector("row_collector.stall", "A row waits to be taken", ("no", "yes")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


class BusPins(NamedTuple):
    """One bus in one cycle: bits per engine but for ``streams``, whose two bits say which has a block to send, and ``running``,
    those that walk a wave."""

    valid: int
    own: int
    skip: int
    room: int
    take: int
    streams: int
    running: int
    taken_streams: int


@sampler
def sample_wave(wave: Beat, blocks: Sequence[int]) -> None:
    """An accepted wave, with the blocks of each engine's tile."""
    way = f"{'up' if wave['ascending'] else 'down'}{' with a start of its own' if wave['own_start'] else ''}"
    GROUP.sample("cluster.wave", f"{way}, {'all' if all(blocks) else 'not all'}")
    for count in blocks:
        if count:
            GROUP.sample("cluster.length", f"{way}, {count if count < 3 else 'more'}")


@sampler
def sample_bus(name: str, pins: BusPins, engines: int) -> None:
    """A cycle of the bus of keys or of values."""
    alone = pins.valid & pins.own & pins.room & ~pins.skip
    if pins.take & pins.own & pins.skip:
        GROUP.sample("request_head.skip", "alone")
    for stream in range(2):
        if pins.running >> stream & 1:
            sent, offered = pins.taken_streams >> stream & 1, pins.streams >> stream & 1
            GROUP.sample("sequencer.waits", f"{name}, for {'nothing' if sent else 'the bus' if offered else 'an engine'}")
    stream = bool(pins.taken_streams)
    sent = pins.take & ~pins.own if stream else pins.take & ~pins.skip
    if not sent:
        return
    GROUP.sample("request_head.head", f"{name}, {'in the stream' if stream else 'alone'}")
    others = pins.streams & ~pins.taken_streams or alone & ~sent
    GROUP.sample("row_bus.choice", f"{name}, {'a stream' if stream else 'an engine alone'}, {'wait' if others else 'none'}")
    if stream:
        GROUP.sample("sequencer.members", f"{name}, {one_some_all(sent.bit_count(), engines)}")
        if name == "values":
            skips = (sent & pins.skip).bit_count()
            GROUP.sample("request_head.skip", "in the stream", int(bool(skips)))
            GROUP.sample("sequencer.skips", "none" if not skips else "all" if skips == sent.bit_count() else "some")


@sampler
def sample_modes(modes: Sequence[int]) -> None:
    """The modes of all waves of a run, in order."""
    for before, mode in zip(modes, modes[1:]):
        GROUP.sample("cluster.mode", f"{MODES[before]}, {MODES[mode]}")


@sampler
def sample_merge(parts: int, engines: int) -> None:
    """An accepted merge: a bit per engine."""
    GROUP.sample("cluster.share", one_some_all(parts.bit_count(), engines))


@sampler
def sample_passing(mode: int, asked: int, there: int, passed: int, sent: bool) -> None:
    """A cycle in a mode in which blocks pass through: slots whose keys are asked for, whose next block is there, whose
    values pass, and whether they are read."""
    for slot in range(asked.bit_length()):
        if asked >> slot & 1:
            GROUP.sample("block_credits.there", f"{MODES[mode]}, {'there' if there >> slot & 1 else 'not there'}")
    if passed:
        GROUP.sample("cluster.passed", f"{MODES[mode]}, {'sent' if sent else 'skipped'}")


@sampler
def sample_done(done: int) -> None:
    """A cycle: engines whose tile is done with."""
    if done:
        GROUP.sample("cluster.done", "one" if done.bit_count() == 1 else "more")


@sampler
def sample_waits(engine: int, head: int, sequencer: int) -> None:
    """A cycle: bits of those that a wave waits for."""
    waits = [name for name, bits in (("an engine", engine), ("a head", head), ("a sequencer", sequencer)) if bits]
    if waits:
        GROUP.sample("wave_fanout.waits", waits[0] if len(waits) == 1 else "several of them")


@sampler
def sample_feed(room: bool, blocks: int) -> None:
    """A cycle of a key feed: whether there is room, and blocks whose keys are promised and which values have not passed."""
    GROUP.sample("key_feed.room", "for another block" if room else "none")
    GROUP.sample("key_feed.ahead", "none" if not blocks else "up to the engine's room" if blocks < 4 else
                 "more" if blocks < 16 else "16")


@sampler
def sample_rows(valid: int, stalled: bool, engines: int) -> None:
    """A cycle of the collector: those that have a row, the merge unit on top, and whether the one at its output waits."""
    if valid:
        GROUP.sample("row_collector.engines", "the merge unit" if valid >> engines else
                     "an engine" if valid.bit_count() == 1 else "several engines")
    GROUP.sample("row_collector.stall", "yes" if stalled else "no")
