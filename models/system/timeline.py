"""The accelerator in time: cycles and counters of a call of ``fcim_accelerator``, without running the RTL.

Each block of the RTL that decides when something happens has its like in :mod:`models.system.timed`; the engines are
:class:`models.hardware.progress.Progress`, the memory is that of the simulations (``tb/hdl/axi_memory.v``). Which blocks are
skipped is no matter of time: it comes from the golden results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from models.hardware.config import EngineConfig
from models.hardware.progress import Progress
from models.hardware.tiling import tokens_per_tile
from models.system.call import Placed, Shape
from models.system.config import SystemConfig
from models.system.descriptor import DESCRIPTOR_BYTES
from models.system.layout import place
from models.system.plan import Decode, Prefill
from models.system.timed.bus import Pace, Reader, TimedMemory, Writer
from models.system.timed.cluster import Cluster, engine_of
from models.system.timed.kernel import Clock
from models.system.timed.planner import Planner
from models.system.timed.reads import Beats, Fetch, Loader, Router
from models.system.timed.rows import Collector, Merge, Stage, Store

PIPE_WRITTEN = 2    # from a row's last answer until the store counts it


@dataclass(frozen=True)
class CallPrediction:
    """What the accelerator's counters hold after a call. ``counters``: of each engine those of
    :data:`models.hardware.progress.TIMING_COUNTERS`. Beats are those of the call and of its descriptor and completion word."""

    cycles: int
    beats_read: int
    beats_written: int
    k_blocks: int
    v_blocks: int
    rows: int
    counters: list[dict[str, int]]


def _tiles(cluster: Cluster, collector: Collector, plan: Prefill | Decode, fused: bool, placed: Sequence[Placed] | None) -> None:
    """Tell every engine what tiles it will have, and the collector how many rows of O come from where."""
    size = plan.cfg.keys_per_block
    if isinstance(plan, Decode):
        collector.tiles[collector.merge_unit].extend([plan.tokens * plan.group] * plan.heads)
    results = iter(placed or ())
    for wave in plan.waves():
        members = wave.items() if isinstance(plan, Decode) else wave.tiles.items()
        for engine, one in sorted(members):
            if isinstance(plan, Decode):
                rows, blocks = plan.tokens * plan.group, len(one.blocks)
            else:
                step = tokens_per_tile(plan.cfg, plan.group)
                rows, blocks = min(step, plan.tokens - one * step) * plan.group, plan.blocks(one)
                collector.tiles[engine].append(rows)
            ran = next(results).result.ran.tolist() if placed is not None else [True] * blocks
            cluster.engines[engine].progress.add_tile(rows, [size] * blocks, ran, fused, isinstance(plan, Decode))


class _Machine:
    """All parts, connected, and the tiles of a call in its engines."""

    def __init__(self, system: SystemConfig, call: Shape, pace: Pace, placed: Sequence[Placed] | None,
                 engine: Callable[[EngineConfig], Progress]) -> None:
        plan, descriptor = call.plan(system), place(system, call)
        decode, streamed = isinstance(plan, Decode), call.streamed(system)
        self.clock = clock = Clock()
        self.fetch, self.loader = fetch, loader = Fetch(system, descriptor), Loader(system, descriptor, streamed, decode)
        self.planner = planner = Planner(clock, plan, streamed, call.own_start, fetch.tiles)
        self.cluster = cluster = Cluster(system, clock, streamed, decode, engine)
        merge = Merge(clock, system.engine.cycles_per_key, call.tokens * call.group, planner.merges)
        self.collector = collector = Collector(cluster, merge)
        _tiles(cluster, collector, plan, call.fused, placed)
        self.stage = stage = Stage(system.o_rows, collector, lambda now: self.beats.queries(now) or planner.waits())
        self.store = store = Store(system, descriptor, stage, planner.jobs)
        self.router = router = Router(
            system, (fetch, loader), planner.waits,
            hold_loads=lambda now: planner.resident and stage.waits(now) and not planner.waits())
        reader, writer = Reader(system, router), Writer(system, store, store.beats)
        self.ram = ram = TimedMemory(clock, pace, lambda cycle: clock.at(cycle + PIPE_WRITTEN, store.answered))
        self.beats = beats = Beats(system, clock, router, reader, loader)
        ram.reader, ram.writer, reader.memory, writer.memory = reader, writer, ram, ram
        fetch.router = loader.router = router
        router.reader, loader.planner, planner.loader, planner.cluster = reader, planner, loader, cluster
        beats.cluster, beats.planner, cluster.planner, cluster.loader, cluster.beats = cluster, planner, planner, loader, beats
        store.beats.sink, store.writer, collector.sink = writer, writer, stage
        merge.cluster, merge.collector = cluster, collector

        def outputs(engine: int, stream: str, cycle: int) -> None:
            clock.at(cycle, lambda: collector.offer(engine) if stream == "o" else merge.offer(engine))

        cluster.outputs = outputs
        clock.parts = (ram, writer, store, stage, beats, reader, router, loader, fetch, collector, merge, cluster, planner)

    def resume(self, turns: Sequence[Any]) -> None:
        """Whose turn it is, as another call left it."""
        keys, values = self.cluster.keys, self.cluster.values
        order, keys.after, keys.turn, values.after, values.turn, self.loader.behind = turns
        self.collector.order = list(order)

    def turns(self) -> tuple[Any, ...]:
        """What :meth:`resume` takes."""
        keys, values = self.cluster.keys, self.cluster.values
        return tuple(self.collector.order), keys.after, keys.turn, values.after, values.turn, self.loader.behind

    def _ends(self, now: int) -> bool:
        planner = self.planner
        return (planner.idle and self.fetch.idle() and self.loader.idle() and self.beats.idle(now) and self.store.idle(now)
                and self.stage.rows.empty(now)
                and self.fetch.tiles.empty(now) and planner.jobs.empty(now) and planner.merges.empty(now))

    def run(self) -> int:
        """The cycle in which the call is done; it starts in cycle 0."""
        self.planner.wake_at(0)
        self.fetch.start()
        self.fetch.wake_at(1)
        return self.clock.run(0, self._ends)


def predict_calls(system: SystemConfig, calls: Sequence[Shape], pace: Pace,
                  placed: Sequence[Sequence[Placed] | None] | None = None,
                  engine: Callable[[EngineConfig], Progress] = engine_of) -> list[CallPrediction]:
    """Calls one after the other, the first one after a reset: who was served last goes on from call to call.

    Args:
        placed: of each call its tiles with their golden results, see :func:`predict_call`. engine: makes the engines' models.

    Raises:
        FcimError: a call does not fit the accelerator.
    """
    found: list[CallPrediction] = []
    turns: tuple[Any, ...] | None = None
    for number, call in enumerate(calls):
        machine = _Machine(system, call, pace, placed[number] if placed is not None else None, engine)
        if turns is not None:
            machine.resume(turns)
        cycles, turns = machine.run() + 1, machine.turns()
        cluster = machine.cluster
        for one in cluster.engines:
            one.progress.count_flight()
        found.append(CallPrediction(
            cycles, machine.ram.beats_read + DESCRIPTOR_BYTES // system.beat_bytes, machine.ram.beats_written + 1,
            cluster.keys.blocks, cluster.values.blocks, machine.collector.rows,
            [one.progress.stalls for one in cluster.engines]))
    return found


def predict_call(system: SystemConfig, call: Shape, pace: Pace, placed: Sequence[Placed] | None = None,
                 engine: Callable[[EngineConfig], Progress] = engine_of) -> CallPrediction:
    """The counters after a call, the first one after a reset.

    Args:
        placed: the call's tiles with their golden results (:func:`models.system.call.golden`), which say what is skipped; not
            needed where nothing is. engine: makes the engines' models; by default they are the RTL's.

    Raises:
        FcimError: the call does not fit the accelerator.
    """
    return predict_calls(system, [call], pace, [placed], engine)[0]
