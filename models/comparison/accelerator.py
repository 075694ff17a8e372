"""This project's accelerator in the comparison: its exact model in time, its memory included."""

from __future__ import annotations

from dataclasses import replace

from models.comparison.chip import Layer, Memories, Outcome
from models.energy.accelerator import CallActivity, call_activity, engine_events, system_events
from models.hardware.schedules import TileOptions
from models.system.call import Call
from models.system.config import SystemConfig, load_system
from models.system.timed.bus import Pace
from models.system.timeline import predict_call

NAME = "this project"
RATE_CYCLES = 1000


def variant(**engine: int) -> SystemConfig:
    """The default system with other parameters of its engines.

    Raises:
        FcimError: the set is illegal.
    """
    system = load_system("default")
    return replace(system, engine=replace(system.engine, **engine))


def accelerator_activity(layer: Layer, system: SystemConfig) -> CallActivity:
    """What the engines switch, of the counted KV heads; it does not depend on the memory."""
    return call_activity(system, accelerator_call(layer, system), range(layer.counted))


def accelerator_call(layer: Layer, system: SystemConfig) -> Call:
    """The layer as the accelerator's driver orders it."""
    return Call(layer.groups, TileOptions(fused=True), own_start=layer.tokens <= system.buffer_keys)


def pace_of(memories: Memories, system: SystemConfig) -> Pace:
    """The memory as the accelerator's port sees it, which moves a beat of reads and one of writes a cycle and no more."""
    rate = min(round(memories.beat / system.beat_bytes * RATE_CYCLES), 2 * RATE_CYCLES)
    return Pace(memories.latency, rate, RATE_CYCLES)


def accelerator(layer: Layer, memories: Memories, system: SystemConfig, activity: CallActivity | None = None,
                name: str = NAME) -> Outcome:
    """This project's accelerator. A memory that is quicker than its port does not help it.

    Args:
        activity: from :func:`accelerator_activity`; without it there are no events. name: what it is called in tables.
    """
    shape = accelerator_call(layer, system).shape
    run = predict_call(system, shape, pace_of(memories, system))
    around = system_events(system, shape, run)
    events = None
    if activity is not None:
        events = around + engine_events(system.engine, activity.total).scaled(activity.of_heads / activity.heads)
    dram = around.dram_read_bytes + around.dram_written_bytes
    macs = layer.visible * 2 * layer.head_dim / peak(system)
    return Outcome(name, layer.tokens, run.cycles, {"macros": macs, "memory": dram / memories.beat}, dram,
                   around.buffer_read_bytes + around.buffer_written_bytes,
                   8 * layer.heads * layer.group * layer.tokens * layer.head_dim, events)


def peak(system: SystemConfig) -> int:
    """Products per cycle of all macros of the chip, the same in every design."""
    cfg = system.engine
    return 2 * system.engines * cfg.rows * cfg.head_dim // cfg.cycles_per_key


