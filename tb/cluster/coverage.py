"""Coverpoints of ``fcim_cluster`` and of the blocks around its engines, which its bench samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tb.common.coverage import SIZES, BenchCoverGroup, one_some_all, points_of, sampler
from tb.common.stream import Beat

WAYS = ("up", "up with a start of its own", "down", "down with a start of its own")
BUSES = ("keys", "values")

cluster, head, feed = points_of("fcim_cluster"), points_of("fcim_request_head"), points_of("fcim_key_feed")
sequencer, bus, collector = points_of("fcim_sequencer"), points_of("fcim_row_bus"), points_of("fcim_row_collector")

COVERPOINTS = (
    cluster("cluster.wave", "Waves of each way, with a tile for each engine and not",
            axes=(("way", WAYS), ("engines", ("all", "not all")))),
    cluster("cluster.length", "Blocks of a tile in a wave of each way", axes=(("way", WAYS), ("blocks", ("1", "2", "more")))),
    head("request_head.head", "What an engine wants next is for it alone or comes in the stream; it runs or is skipped",
         axes=(("bus", BUSES), ("block", ("alone", "in the stream"))), ),
    head("request_head.skip", "A skipped block, for one engine alone and in the stream", ("alone", "in the stream")),
    feed("key_feed.room", "Room in front of an engine", ("for another block", "none")),
    sequencer("sequencer.members", "Engines that a block is sent to, of those that there are",
              axes=(("bus", BUSES), ("engines", SIZES))),
    sequencer("sequencer.skips", "Engines that skip a block of values which the stream has come to", ("none", "some", "all")),
    sequencer("sequencer.waits", "A stream waits for engines, for the bus, or not", axes=(
        ("bus", BUSES), ("waits", ("for an engine", "for the bus", "for nothing")))),
    bus("row_bus.choice", "What is chosen, and whether others wait for the bus meanwhile", axes=(
        ("bus", BUSES), ("chosen", ("a stream", "an engine alone")), ("others", ("none", "wait")))),
    collector("row_collector.engines", "Engines that have a row of O at the same time", ("one", "more")),
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
    alone = pins.valid & pins.own & (pins.room | pins.skip)
    if name == "keys":
        GROUP.sample("key_feed.room", "for another block", int(bool(pins.room)))
        GROUP.sample("key_feed.room", "none", int(pins.room != (1 << engines) - 1))
    for stream in range(2):
        if pins.running >> stream & 1:
            sent, offered = pins.taken_streams >> stream & 1, pins.streams >> stream & 1
            GROUP.sample("sequencer.waits", f"{name}, for {'nothing' if sent else 'the bus' if offered else 'an engine'}")
    if not pins.take:
        return
    stream = bool(pins.taken_streams)
    GROUP.sample("request_head.head", f"{name}, {'in the stream' if stream else 'alone'}")
    others = pins.streams & ~pins.taken_streams or alone & ~pins.take
    GROUP.sample("row_bus.choice", f"{name}, {'a stream' if stream else 'an engine alone'}, {'wait' if others else 'none'}")
    if pins.take & pins.skip:
        GROUP.sample("request_head.skip", "in the stream" if stream else "alone")
    if stream:
        GROUP.sample("sequencer.members", f"{name}, {one_some_all(pins.take.bit_count(), engines)}")
        if name == "values":
            skips = (pins.take & pins.skip).bit_count()
            GROUP.sample("sequencer.skips", "none" if not skips else "all" if skips == pins.take.bit_count() else "some")


@sampler
def sample_rows(valid: int, stalled: bool) -> None:
    """A cycle of the collector: engines that have a row, and whether the one at its output waits."""
    if valid:
        GROUP.sample("row_collector.engines", "one" if valid.bit_count() == 1 else "more")
    GROUP.sample("row_collector.stall", "yes" if stalled else "no")
