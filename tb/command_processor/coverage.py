"""Coverpoints of ``fcim_command_processor`` and their samplers."""

from __future__ import annotations

from collections.abc import Iterable

from models.system.descriptor import Descriptor, Limits, Op, Status, streamed, tile_tokens
from tb.common.coverage import SIZES, BenchCoverGroup, numbers, points_of, sampler

point = points_of("fcim_command_processor")

STATUS = {status: status.name.lower().replace("_", " ") for status in Status}
STAGES = ("nothing", "a descriptor is read", "a call", "a word")
COVERPOINTS = (
    point("command_processor.width", "Every width of the bus", numbers(128, 256, 512, 1024)),
    point("command_processor.status", "How descriptors end, but for those that cannot be read",
          tuple(name for status, name in STATUS.items() if status != Status.UNREADABLE)),
    point("command_processor.mode", "Modes of calls", ("resident", "streamed", "decode")),
    point("command_processor.keys", "Keys of a prefill's head, against the buffer's", ("fewer", "as many", "one more", "more")),
    point("command_processor.group", "Query heads per KV head, of the engine's rows", SIZES),
    point("command_processor.tiles", "Tiles of a prefill's head",
          ("one, short", "one, full", "more, the last short", "more, full")),
    point("command_processor.split", "Engines that share a KV head in decode", numbers(1, 2, 4, 8, 16)),
    point("command_processor.rule", "Rules that were broken alone",
          ("op", "flags", "bytes 6 and 7", "group", "kv_heads", "octaves", "split", "tau", "tokens", "first + tokens",
           "tokens of a decode", "own start", "base", "stride", "completion")),
    point("command_processor.event", "Events",
          ("none", "done", "refused", "read", "write", "engine", "completion", "unreadable")),
    point("command_processor.lost", "The first beat of a descriptor that could not be read",
          ("only", "first", "between", "last")),
    point("command_processor.disable", "What goes on when enable falls", STAGES),
    point("command_processor.reset", "What a reset finds", STAGES),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_parameters(data_bits: int) -> None:
    """Bits of a beat."""
    GROUP.sample("command_processor.width", str(data_bits))


@sampler
def sample_end(descriptor: Descriptor, status: Status, limits: Limits) -> None:
    """A descriptor in the ring that will end so."""
    GROUP.sample("command_processor.status", STATUS[status])
    if Status.OK < status < Status.UNREADABLE:
        return
    group, tokens = descriptor.group, descriptor.tokens
    GROUP.sample("command_processor.group", "one" if group == 1 else "all" if group == limits.rows else "some")
    if descriptor.op == Op.DECODE:
        GROUP.sample("command_processor.mode", "decode")
        GROUP.sample("command_processor.split", str(descriptor.split))
        return
    GROUP.sample("command_processor.mode", "streamed" if streamed(descriptor, limits) else "resident")
    more = descriptor.first + tokens - limits.buffer_keys
    GROUP.sample("command_processor.keys", "fewer" if more < 0 else ("as many", "one more", "more")[min(more, 2)])
    tile = tile_tokens(limits, group)
    ends = "full" if tokens % tile == 0 else "short" if tokens < tile else "the last short"
    GROUP.sample("command_processor.tiles", f"{'one' if tokens <= tile else 'more'}, {ends}")


@sampler
def sample_rule(name: str) -> None:
    """A descriptor that breaks this rule and no other."""
    GROUP.sample("command_processor.rule", name)


@sampler
def sample_events(events: Iterable[str]) -> None:
    """What came when head moved on, or it halted."""
    for name in events or ("none",):
        GROUP.sample("command_processor.event", name)


@sampler
def sample_lost(beat: int, beats: int) -> None:
    """The first beat that came with an error, of so many."""
    GROUP.sample("command_processor.lost", "only" if beats == 1 else "first" if beat == 0 else
                 "last" if beat == beats - 1 else "between")


@sampler
def sample_disable(stage: str) -> None:
    """Enable falls."""
    GROUP.sample("command_processor.disable", stage)


@sampler
def sample_reset(stage: str) -> None:
    """A reset."""
    GROUP.sample("command_processor.reset", stage)
